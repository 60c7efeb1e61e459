// SPDX-License-Identifier: GPL-2.0

//! Whether what [`hisi_acc_hw::dma`] tells of a request covers what the model writes for it.
//!
//! The model is the oracle: it knows nothing of those decoders. Where it does less than hardware
//! could, they have to tell more than it writes; never less.

use super::{
    registers::{Game, CQC, DEPTH, EQ, EVENTS, SQC, VF},
    requests, Machine, Wishes, MEMORY,
};
use crate::{engine, testing::named::succeeded, Engine, Generation, Kind};
use hisi_acc_hw::{
    context::{Xqc, CQE_SIZE, EQE_SIZE, XQC_SIZE},
    dma::{self, Memory, Output, Unreadable, Why, RANGES_MAX, READS_MAX},
    doorbell::Kind as Bell,
    regs,
    ring::{Cqe, Ring},
};
use std::{cell::Cell, ops::Range};

/// The function whose requests these are.
const FUNCTION: usize = 1;

/// A machine's memory as decoders read it.
struct View<'a> {
    machine: &'a Machine,
    reads: Cell<usize>,
}

impl Memory for View<'_> {
    fn read(&self, address: u64, to: &mut [u8]) -> Result<(), Unreadable> {
        self.reads.set(self.reads.get() + 1);
        let from = self.machine.look(address, to.len()).ok_or(Unreadable)?;
        to.copy_from_slice(from);
        Ok(())
    }
}

/// What an engine may write for an entry. Panics where the decoder does, where a range wraps or is
/// empty, and where there is more work than is said.
pub fn outputs(
    accelerator: Engine,
    machine: &Machine,
    raw: &[u8],
) -> Result<Vec<(Output, Range<u64>)>, Why> {
    let view = View {
        machine,
        reads: Cell::new(0),
    };
    let mut told = Vec::new();
    let result = dma::outputs(accelerator, raw, &view, &mut |output, range| {
        let end = range.address.checked_add(range.len);
        assert!(range.len != 0 && end.is_some(), "{range:x?}");
        told.push((output, range.address..range.address + range.len));
        Ok(())
    });
    assert!(view.reads.get() <= READS_MAX, "{} reads", view.reads.get());
    assert!(told.len() <= RANGES_MAX, "{} ranges", told.len());
    result.map(|()| told)
}

/// The same with as much of the stream as was produced.
fn clipped(told: &[(Output, Range<u64>)], produced: Option<u64>) -> Vec<Range<u64>> {
    let mut left = produced.unwrap_or(u64::MAX);
    told.iter()
        .map(|(output, range)| match output {
            Output::Other => range.clone(),
            Output::Data => {
                let len = left.min(range.end - range.start);
                left -= len;
                range.start..range.start + len
            }
        })
        .collect()
}

/// Checks that all that was written is in `allowed`; says how many bytes there were.
fn check(accesses: &[(bool, Range<u64>)], allowed: &[Range<u64>], what: &str) -> u64 {
    let mut allowed = allowed.to_vec();
    allowed.sort_unstable_by_key(|range| range.start);
    let mut written = 0;
    for (_, range) in accesses.iter().filter(|(write, _)| *write) {
        let mut at = range.start;
        for part in &allowed {
            if part.start <= at {
                at = at.max(part.end);
            }
        }
        assert!(
            at >= range.end,
            "{range:x?} was written, and {what} are {allowed:x?}"
        );
        written += range.end - range.start;
    }
    written
}

/// What came of requests.
#[derive(Default, Debug)]
pub struct Compared {
    /// All
    pub jobs: u64,
    /// Those of which it was known what is written
    pub understood: u64,
    /// Those of these that succeeded
    pub succeeded: u64,
    /// Bytes that were written for those
    pub written: u64,
    /// Bytes that were reported for them, less what was not produced
    pub told: u64,
    /// Those of these that are of streams
    pub stream: u64,
}

impl Compared {
    /// Adds another's.
    pub fn add(&mut self, other: &Self) {
        self.jobs += other.jobs;
        self.understood += other.understood;
        self.succeeded += other.succeeded;
        self.written += other.written;
        self.told += other.told;
        self.stream += other.stream;
    }

    /// A request was carried out: what was reported for it before, the entry as it came back, what
    /// was touched, and what else may have been written.
    fn job(
        &mut self,
        accelerator: Engine,
        told: &Result<Vec<(Output, Range<u64>)>, Why>,
        after: &[u8],
        accesses: &[(bool, Range<u64>)],
        rings: &[Range<u64>],
    ) {
        self.jobs += 1;
        let Ok(told) = told else {
            return;
        };
        self.understood += 1;
        let all = clipped(told, None);
        check(accesses, &[&all[..], rings].concat(), "its outputs");
        let some = clipped(told, dma::produced(accelerator, after));
        let written = check(
            accesses,
            &[&some[..], rings].concat(),
            "its clipped outputs",
        );
        if succeeded(accelerator, after) {
            self.succeeded += 1;
            // All of the rings' parts were written.
            self.written += written - rings.iter().map(|r| r.end - r.start).sum::<u64>();
            for ((output, _), range) in told.iter().zip(some) {
                let len = range.end - range.start;
                self.told += len;
                if *output == Output::Data {
                    self.stream += len;
                }
            }
        }
    }
}

/// What a fuzzer does with a decoder: entries and memory as `data` says, each of which the engine
/// carries out then. Panics where the decoder does, and where the engine writes what it did not
/// tell.
pub fn fuzz_outputs(accelerator: Engine, data: &[u8]) -> Compared {
    let mut compared = Compared::default();
    let mut machine = Machine::new();
    machine.only = Some(FUNCTION);
    let mut wishes = Wishes(data);
    while let Some((alg_type, mut raw)) = entry(&mut wishes, &mut machine, accelerator) {
        let told = outputs(accelerator, &machine, &raw);
        machine.accesses.clear();
        engine::run(accelerator, &mut machine, FUNCTION, alg_type, &mut raw);
        compared.job(accelerator, &told, &raw, &machine.accesses, &[]);
    }
    compared
}

/// An entry: the very bytes of the input and memory of more, or one that makes more sense.
fn entry(
    wishes: &mut Wishes<'_>,
    machine: &mut Machine,
    accelerator: Engine,
) -> Option<(u8, Vec<u8>)> {
    if !wishes.seldom(3)? {
        return requests::any(wishes, machine, accelerator);
    }
    let raw = with_addresses(wishes, accelerator.sqe_size())?;
    let len = usize::from(wishes.byte()?);
    let memory = with_addresses(wishes, len)?;
    machine.put(MEMORY, &memory);
    Some((wishes.byte()? % 3, raw))
}

/// So many bytes of the input; some of the eight that could be addresses are.
fn with_addresses(wishes: &mut Wishes<'_>, len: usize) -> Option<Vec<u8>> {
    let bytes: Option<Vec<u8>> = (0..len).map(|_| wishes.byte()).collect();
    let mut bytes = bytes?;
    for _ in 0..wishes.byte()? % 8 {
        let word = usize::from(wishes.byte()?);
        // All of memory, or a list at its begin
        let address = match word & 0x80 {
            0 => wishes.address()?,
            _ => MEMORY + 64 * (wishes.number(1)? % 4),
        };
        if let Some(at) = bytes.chunks_exact_mut(4).nth(word & 0x7f) {
            at.copy_from_slice(&address.to_le_bytes()[..4]);
        }
        if let Some(at) = bytes.chunks_exact_mut(4).nth((word & 0x7f) + 1) {
            at.copy_from_slice(&address.to_le_bytes()[4..]);
        }
    }
    Some(bytes)
}

/// Puts requests through a queue of a device as `data` says, one after the other, and looks at its
/// rings as [`hisi_acc_hw::ring`] finds them in the contexts. Panics where a job writes what it was
/// not told to write, and where a completion is not that of the job.
pub fn through_a_queue(accelerator: Engine, data: &[u8]) -> Compared {
    let mut compared = Compared::default();
    let mut game = Game::new(Kind {
        accelerator,
        generation: Generation::V3,
    });
    let mut wishes = Wishes(data);
    let mut queue: Option<(u8, Ring)> = None;
    let mut completions = 0;
    while let Some((alg_type, raw)) =
        requests::nearly_right(&mut wishes, &mut game.machine, accelerator)
    {
        let ring = match queue {
            Some((queue_type, ring)) if queue_type == alg_type => ring,
            _ => {
                game.set_up(alg_type);
                let ring = ring(&mut game, accelerator);
                assert!(ring.is_idle() && ring.sq_tail == 0);
                queue = Some((alg_type, ring));
                completions = 0;
                ring
            }
        };

        // All of the bells before the one that counts: what else is written is written by now.
        game.ring(Bell::Cq, game.tail, 1);
        let events = game.twin.functions[VF].eq.context.tail();
        game.ring(Bell::Eq, events, 0);
        let index = game.tail;
        let at = ring.sqe_address(index).unwrap();
        game.machine.put(at, &raw);
        let told = outputs(accelerator, &game.machine, &raw);
        game.tail = (game.tail + 1) % DEPTH;
        game.machine.accesses.clear();
        game.ring(Bell::Sq, game.tail, 0);
        game.run();

        let after = game.machine.get(at, raw.len()).to_vec();
        let cqe_at = ring.cqe_address(completions % DEPTH).unwrap();
        let cqe = game.machine.get(cqe_at, CQE_SIZE).try_into().unwrap();
        let cqe = Cqe::from_bytes(cqe);
        assert_eq!((cqe.sq_head, cqe.sq_num), (index, 0));
        assert_eq!(cqe.phase, (completions / DEPTH) % 2 == 0);
        completions += 1;
        let event = EQ + u64::from(events) * EQE_SIZE as u64;
        assert!(u32::from(events) < EVENTS);
        let rings = [
            at..at + raw.len() as u64,
            cqe_at..cqe_at + CQE_SIZE as u64,
            event..event + EQE_SIZE as u64,
        ];
        compared.job(accelerator, &told, &after, &game.machine.accesses, &rings);
    }
    if queue.is_some() {
        let ring = ring(&mut game, accelerator);
        assert!(ring.is_idle());
        assert_eq!((ring.sq_tail, ring.cq_tail), (game.tail, game.tail));
    }
    compared
}

/// The rings of queue 0, as the tables have them when the caches were written back.
fn ring(game: &mut Game, accelerator: Engine) -> Ring {
    game.write(VF, regs::QM_CACHE_WB_START.into(), 1, 4);
    let context = |table| Xqc(game.machine.get(table, XQC_SIZE).try_into().unwrap());
    Ring::from_contexts(accelerator, 0, &context(SQC), &context(CQC)).unwrap()
}
