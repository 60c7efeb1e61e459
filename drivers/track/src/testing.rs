// SPDX-License-Identifier: GPL-2.0

//! A VF with queues in sparse guest memory, and a log, for the tests.

use crate::{
    guest::{
        Contexts,
        Guest, //
    },
    reason::Reason,
};
use core::ops::Range;
use dma_log::{
    Log,
    Span,
    Statistics, //
};
use hisi_acc_hw::{
    context::{
        EqcDw6,
        SqcDw3,
        Xqc,
        CQE_SIZE,
        XQC_SIZE, //
    },
    dma::{
        Engine,
        Memory,
        Unreadable,
        Why, //
    },
    zip::{
        Format,
        Sqe, //
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};
use std::{
    cell::{
        Cell,
        RefCell, //
    },
    collections::{
        BTreeMap,
        BTreeSet, //
    },
};

pub(crate) const PAGE: u64 = 0x1000;
/// How many entries the rings have.
pub(crate) const DEPTH: u16 = 32;
/// Where the tables and the event rings are.
pub(crate) const SQCS: u64 = 0x1_0000;
pub(crate) const CQCS: u64 = 0x2_0000;
pub(crate) const EQ: u64 = 0x3_0000;
pub(crate) const AEQ: u64 = 0x4_0000;
/// What is logged.
pub(crate) const LOGGED: u64 = 1 << 32;

/// The phase of a context's tail, in w11.
const TAIL_PHASE: u16 = 1 << 6;

/// Returns where the SQ of a queue is. Each has a page.
pub(crate) fn sq(queue: u16) -> u64 {
    0x10_0000 + u64::from(queue) * PAGE
}

/// Returns where the CQ of a queue is. Each has a page.
pub(crate) fn cq(queue: u16) -> u64 {
    0x20_0000 + u64::from(queue) * PAGE
}

/// Returns the pages of `len` bytes from `address` on, by number, and the bytes in each.
fn parts(address: u64, len: usize) -> impl Iterator<Item = (u64, Range<usize>)> {
    let end = address + len as u64;
    (address / PAGE..end.div_ceil(PAGE)).map(move |page| {
        let within = |at: u64| (at.clamp(page * PAGE, (page + 1) * PAGE) - page * PAGE) as usize;
        (page, within(address)..within(end))
    })
}

/// A VF of ZIP and its guest.
pub(crate) struct Vf {
    memory: RefCell<BTreeMap<u64, [u8; PAGE as usize]>>,
    pub(crate) touched: Cell<bool>,
    /// The guest has hidden a command.
    pub(crate) hidden: Cell<bool>,
    /// The guest reaches the mailbox again while its contexts are read, so many times.
    pub(crate) touches: Cell<u32>,
    /// The answer to [`Guest::contexts`].
    pub(crate) contexts: Cell<Result<Option<Contexts>>>,
    pub(crate) engine: Cell<Option<Engine>>,
    /// How often the driver has let the engine finish, and what the guest does meanwhile.
    pub(crate) waits: Cell<u32>,
    pub(crate) touched_in_wait: Cell<bool>,
    /// The VF is in no address space that is known: memory cannot be read.
    pub(crate) no_space: Cell<bool>,
    /// How often memory was read.
    pub(crate) reads: Cell<u32>,
    /// The process is killed when memory was read so often.
    pub(crate) dies_after: Cell<u32>,
    /// What the operator was told.
    pub(crate) told: RefCell<Vec<(u16, Why)>>,
}

impl Vf {
    /// Returns a VF with `num` queues, which the guest driver has just made.
    pub(crate) fn new(num: u16) -> Self {
        // The words of an EQC: the address in the second and third.
        let events = |base: u64, depth| {
            let dw6 = EqcDw6 {
                depth,
                phase: false,
            };
            [0, base as u32, (base >> 32) as u32, 0, 0, 0, dw6.into_raw()]
        };
        let vf = Self {
            memory: RefCell::default(),
            touched: Cell::new(true),
            hidden: Cell::new(false),
            touches: Cell::new(0),
            contexts: Cell::new(Ok(Some(Contexts {
                sqc: SQCS,
                cqc: CQCS,
                num: u32::from(num),
                eqc: events(EQ, 2048),
                aeqc: events(AEQ, 1024),
            }))),
            engine: Cell::new(Some(Engine::Zip)),
            waits: Cell::new(0),
            touched_in_wait: Cell::new(false),
            no_space: Cell::new(false),
            reads: Cell::new(0),
            dies_after: Cell::new(u32::MAX),
            told: RefCell::default(),
        };
        for queue in 0..num {
            vf.make(queue, 0, 0);
            vf.write(sq(queue), &[0; PAGE as usize]);
            vf.write(cq(queue), &[0; PAGE as usize]);
        }
        vf
    }

    /// Writes the contexts of a queue. Its tails count on beyond the depth: each round has another
    /// phase.
    pub(crate) fn make(&self, queue: u16, sq_tail: u16, cq_tail: u16) {
        let context = |base, entry_shift, tail: u16| {
            let mut context = Xqc::zeroed();
            context.set_base(base);
            context.set_dw3(
                SqcDw3 {
                    depth: DEPTH,
                    entry_shift,
                }
                .into_raw(),
            );
            context.set_tail(tail % DEPTH);
            context.set_head(tail % DEPTH);
            context.set_w11(if (tail / DEPTH) % 2 == 0 {
                0
            } else {
                TAIL_PHASE
            });
            context
        };
        let mut sqc = context(sq(queue), 7, sq_tail);
        // What is not complete is still to be fetched.
        sqc.set_head(cq_tail % DEPTH);
        sqc.set_cq_num(queue);
        // Completions in order, algorithm type 0.
        sqc.set_w13(1 << 4);
        let cqc = context(cq(queue), 4, cq_tail);
        self.put_contexts(queue, &sqc, &cqc);
    }

    /// Writes any contexts of a queue.
    pub(crate) fn put_contexts(&self, queue: u16, sqc: &Xqc, cqc: &Xqc) {
        let offset = u64::from(queue) * XQC_SIZE as u64;
        self.write(SQCS + offset, &sqc.0);
        self.write(CQCS + offset, &cqc.0);
    }

    /// Changes the contexts of a queue as the hardware does, if they can be read.
    pub(crate) fn change_contexts(&self, queue: u16, change: impl FnOnce(&mut Xqc, &mut Xqc)) {
        let offset = u64::from(queue) * XQC_SIZE as u64;
        let (mut sqc, mut cqc) = (Xqc::zeroed(), Xqc::zeroed());
        let read = self.read(SQCS + offset, &mut sqc.0);
        if read.and(self.read(CQCS + offset, &mut cqc.0)).is_ok() {
            change(&mut sqc, &mut cqc);
            self.put_contexts(queue, &sqc, &cqc);
        }
    }

    /// The hardware gets a doorbell of an SQ.
    pub(crate) fn rung(&self, queue: u16, tail: u16) {
        if tail < DEPTH {
            self.change_contexts(queue, |sqc, _| {
                if tail < sqc.tail() {
                    sqc.set_w11(sqc.w11() ^ TAIL_PHASE);
                }
                sqc.set_tail(tail);
            });
        }
    }

    /// Writes guest memory, which is mapped by that.
    pub(crate) fn write(&self, address: u64, bytes: &[u8]) {
        let mut memory = self.memory.borrow_mut();
        let mut done = 0;
        for (page, part) in parts(address, bytes.len()) {
            let into = memory.entry(page).or_insert([0; PAGE as usize]);
            let bytes = &bytes[done..done + part.len()];
            done += part.len();
            into[part].copy_from_slice(bytes);
        }
    }

    /// Unmaps a page.
    pub(crate) fn unmap(&self, address: u64) {
        self.memory.borrow_mut().remove(&(address / PAGE));
    }

    /// Puts a request into a slot: one that writes `len` bytes at `to`.
    pub(crate) fn place(&self, queue: u16, slot: u16, to: u64, len: u32) {
        let sqe = Sqe::request(
            Format::Zlib,
            false,
            0x5000_0000,
            64,
            to,
            len,
            u64::from(slot),
        );
        self.write(sq(queue) + u64::from(slot) * 128, &sqe.to_bytes());
    }

    /// Completes the request in a slot, as the engine does: writes the SQE back, and the CQE.
    pub(crate) fn complete(&self, queue: u16, slot: u16, phase: bool, produced: u32) {
        self.write_back(queue, slot, produced);
        self.complete_at(queue, slot, slot, phase);
        self.change_contexts(queue, |sqc, cqc| {
            let next = (slot + 1) % DEPTH;
            if next < cqc.tail() {
                cqc.set_w11(cqc.w11() ^ TAIL_PHASE);
            }
            cqc.set_tail(next);
            sqc.set_head(next);
        });
    }

    /// Writes the CQE of the request in a slot at any index of the CQ.
    pub(crate) fn complete_at(&self, queue: u16, index: u16, slot: u16, phase: bool) {
        let mut cqe = [0; CQE_SIZE];
        cqe[8..10].copy_from_slice(&slot.to_le_bytes());
        cqe[10..12].copy_from_slice(&queue.to_le_bytes());
        cqe[14] = u8::from(phase);
        self.write(cq(queue) + u64::from(index) * CQE_SIZE as u64, &cqe);
    }

    /// Writes the SQE in a slot back, if it is mapped.
    pub(crate) fn write_back(&self, queue: u16, slot: u16, produced: u32) {
        let at = sq(queue) + u64::from(slot) * 128;
        let mut bytes = [0; 128];
        if self.read(at, &mut bytes).is_ok() {
            let mut sqe = Sqe::from_bytes(&bytes);
            sqe.complete(0, 64, produced);
            self.write(at, &sqe.to_bytes());
        }
    }
}

impl Memory for Vf {
    fn read(&self, address: u64, to: &mut [u8]) -> Result<(), Unreadable> {
        self.reads.set(self.reads.get() + 1);
        address.checked_add(to.len() as u64).ok_or(Unreadable)?;
        if self.no_space.get() {
            return Err(Unreadable);
        }
        let memory = self.memory.borrow();
        let mut done = 0;
        for (page, part) in parts(address, to.len()) {
            let from = memory.get(&page).ok_or(Unreadable)?;
            let len = part.len();
            to[done..done + len].copy_from_slice(&from[part]);
            done += len;
        }
        Ok(())
    }
}

impl Guest for Vf {
    fn engine(&self) -> Option<Engine> {
        self.engine.get()
    }

    fn can_read(&self) -> bool {
        !self.no_space.get()
    }

    fn touched(&self) -> bool {
        self.touched.get()
    }

    fn touched_unseen(&self) -> bool {
        self.touched.get() || self.hidden.get()
    }

    fn contexts(&self) -> Result<Option<Contexts>> {
        let contexts = self.contexts.get()?;
        let touches = self.touches.get();
        self.touches.set(touches.saturating_sub(1));
        self.touched.set(touches != 0);
        self.hidden.set(false);
        Ok(contexts)
    }

    fn refresh(&self) -> Result {
        self.contexts.get().map(|_| ())
    }

    fn let_finish(&self) {
        self.waits.set(self.waits.get() + 1);
        if self.touched_in_wait.get() {
            self.touched.set(true);
        }
    }

    fn is_dying(&self) -> bool {
        self.reads.get() >= self.dies_after.get()
    }

    fn understands_nothing(&self, queue: u16, why: Why) {
        self.told.borrow_mut().push((queue, why));
    }
}

/// A log, and its statistics.
pub(crate) struct Logged {
    pub(crate) log: Log<()>,
    statistics: Arc<Statistics>,
}

/// What a report has.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Report {
    All,
    /// The first byte of each dirty page.
    Pages(BTreeSet<u64>),
}

impl Report {
    /// Returns a report of the pages that `ranges` touch.
    pub(crate) fn of(ranges: &[(u64, u64)]) -> Self {
        let pages = |&(address, len): &(u64, u64)| {
            let first = address / PAGE;
            (first..(address + len).div_ceil(PAGE)).map(|page| page * PAGE)
        };
        Self::Pages(ranges.iter().flat_map(pages).collect())
    }
}

impl Logged {
    /// Begins a log.
    pub(crate) fn new() -> Result<Self> {
        let statistics = Arc::new(Statistics::new(), GFP_KERNEL)?;
        let all = Span::new(0, LOGGED).into_iter();
        Ok(Self {
            log: Log::new(all, 1, 12, statistics.clone(), ())?,
            statistics,
        })
    }

    /// Returns what is dirty and in flight.
    pub(crate) fn report(&mut self) -> Report {
        let (mut pages, mut bytes) = (BTreeSet::new(), 0);
        let all = Span::new(0, LOGGED).expect("a span");
        self.log.report(all, None, |span| {
            bytes += span.len();
            if bytes < LOGGED / 2 {
                pages.extend((span.start()..span.end()).step_by(PAGE as usize));
            }
        });
        if bytes == LOGGED {
            Report::All
        } else {
            Report::Pages(pages)
        }
    }

    /// Returns how often all was dirty for `reason`.
    pub(crate) fn times(&self, reason: Reason) -> u64 {
        self.statistics.whole(reason.number())
    }
}
