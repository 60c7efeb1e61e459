// SPDX-License-Identifier: GPL-2.0

//! Operations on a whole device: registers, mailbox commands, doorbells, memory, requests, resets
//! and faults.
//!
//! At the start VF 1 has a queue pair with its events, and the operations come to it time and
//! again, so that jobs are done and not only refused.
//!
//! Nothing may ever touch the [trap](Machine::trap). Its address is made of the whole input, so
//! that no part of the input can name it, and no fuzzer can learn it.

use super::{device, named, requests, Machine, Wishes, MEMORY};
use crate::{Engine, Generation, Kind, Twin, BAR2, BAR4, DOORBELL_PAGE};
use hisi_acc_hw::{
    context::{EqcDw6, SqcDw3, Xqc},
    doorbell::{Doorbell, Kind as Ring},
    mailbox::{Command, Message},
    regs,
};
use std::collections::BTreeMap;

/// The function that is set up.
pub(super) const VF: usize = 1;
/// Where what is of its driver is, in the lower half of memory.
pub(super) const EQ: u64 = MEMORY;
const AEQ: u64 = MEMORY + 0x800;
const CONTEXT: u64 = MEMORY + 0x1000;
pub(super) const SQC: u64 = MEMORY + 0x2000;
pub(super) const CQC: u64 = MEMORY + 0x3000;
const SQ: u64 = MEMORY + 0x4000;
const CQ: u64 = MEMORY + 0x6000;
/// Entries of SQ and CQ
pub(super) const DEPTH: u16 = 8;
/// Entries of EQ and AEQ
pub(super) const EVENTS: u32 = 16;

/// The size of the trap.
const TRAP: u64 = 0x1_0000;

/// How far an input came.
#[derive(Default, Debug)]
pub struct Reached {
    /// Mailbox commands that were carried out, and all that were answered with an error
    pub commands: BTreeMap<&'static str, u64>,
    pub refused: u64,
    /// Requests of the driver that succeeded
    pub succeeded: u64,
    /// Counts of the ledger, of all functions: jobs_done, dma_fault ...
    pub counts: BTreeMap<&'static str, u64>,
}

impl Reached {
    /// Adds another's.
    pub fn add(&mut self, other: Self) {
        self.refused += other.refused;
        self.succeeded += other.succeeded;
        for (name, n) in other.commands {
            *self.commands.entry(name).or_default() += n;
        }
        for (name, n) in other.counts {
            *self.counts.entry(name).or_default() += n;
        }
    }
}

/// Where registers are that do something, 16 each.
const REGISTERS: [u64; 16] = [
    0,
    // Messages
    0x20,
    // QM_VF_STATE, QM_CACHE_WB_START, the mailbox
    0x60,
    0x200,
    0x300,
    0x320,
    0x380,
    // Contexts on V3
    0x8000,
    0x8000,
    // The PF: errors, VFT
    0x10_0000,
    0x10_0040,
    // Messages, QM_MIG_REGION_SEL
    0x10_0128,
    0x10_0198,
    // Contexts on V5, in the windows of VF 1 and 2
    0x18_2000 + 0x1c00,
    0x18_4000 + 0x1c00,
    // Errors of an engine
    0x30_1000,
];

/// A register of BAR2: one that does something, or any.
fn register(wishes: &mut Wishes<'_>) -> Option<u64> {
    let base = usize::from(wishes.byte()?);
    Some(match REGISTERS.get(base & 0x1f) {
        Some(base) => base + 4 * (wishes.number(1)? % 16),
        None => wishes.number(3)? % 0x40_0000,
    })
}

/// What is counted of the ledger.
const COUNTS: [&str; 8] = [
    "jobs_done",
    "queue_error",
    "dma_fault",
    "msi",
    "msi_lost",
    "flr",
    "doorbell.dropped",
    "reg_write_migration",
];

/// Throws operations at a device as `data` says. Panics where the model does, and where it touches
/// the trap; ends when `data` does.
pub fn fuzz(data: &[u8]) {
    play(data);
}

/// The same; says how far it came.
pub fn play(data: &[u8]) -> Reached {
    let mut wishes = Wishes(data);
    let Some(first) = wishes.byte() else {
        return Reached::default();
    };
    let pf = Engine::ALL[usize::from(first & 0xf) % Engine::ALL.len()]
        .descriptor()
        .pf;
    let generations: Vec<_> = Generation::migrating().collect();
    // The top bit first, so that inputs found with two generations mean the same.
    let bits = (first >> 7) | ((first >> 5) & 2);
    let generation = generations[usize::from(bits) % generations.len()];
    let Some(kind) = Kind::from_ids(pf, generation.layout().revision) else {
        return Reached::default();
    };
    let mut game = Game::new(kind);
    game.machine.trap = trap(data);
    game.set_up((first >> 4) & 1);
    while game.step(&mut wishes).is_some() {}
    game.end()
}

/// An address with the top bit, where neither memory nor registers are; FNV-1a.
fn trap(data: &[u8]) -> std::ops::Range<u64> {
    let hash = data.iter().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    });
    let at = (hash | (1 << 63)) & !(2 * TRAP - 1);
    at..at + TRAP
}

/// A device, and the driver of [`VF`].
pub(super) struct Game {
    pub(super) machine: Machine,
    pub(super) twin: Twin,
    now: u64,
    /// Where the driver of [`VF`] puts its next request
    pub(super) tail: u16,
    reached: Reached,
}

impl Game {
    pub(super) fn new(kind: Kind) -> Self {
        let mut machine = Machine::new();
        let twin = device(&mut machine, kind, 2);
        Self {
            machine,
            twin,
            now: 0,
            tail: 0,
            reached: Reached::default(),
        }
    }

    pub(super) fn write(&mut self, f: usize, offset: u64, value: u64, size: u32) {
        self.twin
            .write(&mut self.machine, f, BAR2, offset, value, size);
    }

    /// Gives a mailbox command, and notes what came of it at once.
    fn mailbox(&mut self, f: usize, request: Message) {
        let raw = request.into_raw();
        self.write(f, 0x300, raw as u64, 8);
        self.write(f, 0x308, (raw >> 64) as u64, 8);
        // Not by its register: what is gone reads all ones.
        let answer = self.twin.functions[f].mailbox;
        if answer.is_busy() || answer.command_raw() != request.command_raw() {
            return;
        }
        match Command::from_raw(answer.command_raw()) {
            Some(_) if answer.has_failed() => self.reached.refused += 1,
            Some(command) => *self.reached.commands.entry(command.name()).or_default() += 1,
            None => {}
        }
    }

    fn set_context(&mut self, command: Command, context: Xqc) {
        self.machine.put(CONTEXT, &context.0);
        self.mailbox(VF, Message::request(command, CONTEXT, 0, false));
    }

    pub(super) fn ring(&mut self, kind: Ring, index: u16, priority: u16) {
        let doorbell = Doorbell {
            queue: 0,
            kind,
            index,
            priority,
        };
        let (bar, at) = match kind {
            Ring::Sq | Ring::Cq => (BAR4, 0x1000),
            Ring::Eq | Ring::Aeq => (BAR2, 0x2000),
        };
        self.twin
            .write(&mut self.machine, VF, bar, at, doorbell.into_raw(), 8);
    }

    /// What a driver does first: EQ, AEQ, tables, and queue 0.
    pub(super) fn set_up(&mut self, alg_type: u8) {
        let events = EqcDw6 {
            depth: EVENTS,
            phase: true,
        };
        for (command, at) in [(Command::Eqc, EQ), (Command::Aeqc, AEQ)] {
            let mut context = Xqc::zeroed();
            context.set_base(at);
            context.set_eqc_dw6(events.into_raw());
            self.set_context(command, context);
        }
        for (command, at) in [(Command::SqcBt, SQC), (Command::CqcBt, CQC)] {
            self.mailbox(VF, Message::request(command, at, 0, false));
        }
        let size = self.twin.kind().accelerator.sqe_size();
        let mut context = Xqc::zeroed();
        context.set_base(SQ);
        let dw3 = SqcDw3 {
            depth: DEPTH,
            entry_shift: size.trailing_zeros() as u8,
        };
        context.set_dw3(dw3.into_raw());
        // QM_MK_SQC_W13(0, 1, alg_type)
        context.set_w13((1 << 4) | (u16::from(alg_type) << 8));
        self.set_context(Command::Sqc, context);
        let mut context = Xqc::zeroed();
        context.set_base(CQ);
        let dw3 = SqcDw3 {
            depth: DEPTH,
            entry_shift: 4,
        };
        context.set_dw3(dw3.into_raw());
        // Phase, and an event is wanted
        context.set_cqc_dw6(3);
        self.set_context(Command::Cqc, context);
        for (kind, mask) in [
            (Ring::Eq, regs::QM_VF_EQ_INT_MASK),
            (Ring::Aeq, regs::QM_VF_AEQ_INT_MASK),
        ] {
            self.ring(kind, 0, 0);
            self.write(VF, mask.into(), 0, 4);
        }
        self.tail = 0;
    }

    /// Places a request that is nearly right, and rings.
    fn submit(&mut self, wishes: &mut Wishes<'_>) -> Option<()> {
        let accelerator = self.twin.kind().accelerator;
        let (_, raw) = requests::nearly_right(wishes, &mut self.machine, accelerator)?;
        let at = SQ + u64::from(self.tail) * raw.len() as u64;
        self.machine.put(at, &raw);
        // Completions were seen, and events.
        self.ring(Ring::Cq, self.tail, 1);
        let events = self.twin.functions[VF].eq.context.tail();
        self.ring(Ring::Eq, events, 0);
        self.tail = (self.tail + 1) % DEPTH;
        self.ring(Ring::Sq, self.tail, 0);
        self.run();
        let after = self.machine.get(at, raw.len());
        if named::succeeded(accelerator, after) {
            self.reached.succeeded += 1;
        }
        Some(())
    }

    pub(super) fn run(&mut self) {
        if let Some(next) = self.twin.run(&mut self.machine, self.now) {
            assert!(next >= self.now, "time does not go back");
        }
    }

    fn step(&mut self, wishes: &mut Wishes<'_>) -> Option<()> {
        let what = wishes.byte()?;
        let f = usize::from(what >> 4) % 3;
        match what & 0xf {
            0 => {
                let offset = register(wishes)?;
                self.write(f, offset & !3, wishes.number(4)?, 4);
            }
            1 => {
                let offset = register(wishes)?;
                self.write(f, offset & !7, wishes.number(8)?, 8);
            }
            2 => {
                let offset = register(wishes)?;
                self.twin
                    .read(f, BAR2, offset & !3, 4 + 4 * u32::from(what >> 7));
            }
            3 | 4 => {
                let word = wishes.byte()?;
                let command = Command::ALL[usize::from(word & 0x7f) % Command::ALL.len()];
                let queue = wishes.byte()? % 20;
                let base = wishes.address()?;
                let request = Message::request(command, base, queue.into(), word & 0x80 != 0);
                self.mailbox(f, request);
            }
            5 | 6 => {
                let raw = Doorbell {
                    queue: u16::from(wishes.byte()? % 20),
                    kind: [Ring::Sq, Ring::Cq, Ring::Eq, Ring::Aeq][usize::from(what >> 6)],
                    index: wishes.number(2)? as u16,
                    priority: u16::from(wishes.byte()? % 2),
                }
                .into_raw();
                let page = wishes.byte()?;
                if page % 2 == 0 {
                    let at = u64::from(page / 2 % 20) * DOORBELL_PAGE + 0x1000;
                    self.twin.write(&mut self.machine, f, BAR4, at, raw, 8);
                } else {
                    let at = if page & 2 == 0 { 0x1000 } else { 0x2000 };
                    self.write(f, at, raw, 8);
                }
            }
            // Memory: numbers, and addresses of memory
            7 => {
                let at = wishes.number(2)? & 0xfff8;
                let value = match what >> 7 {
                    0 => wishes.number(8)?,
                    _ => wishes.address()?,
                };
                self.machine.put(MEMORY + at, &value.to_le_bytes());
            }
            8 => {
                let at = MEMORY + wishes.number(2)?;
                self.machine.put(at, &[wishes.byte()?]);
            }
            // A context that makes sense, where a command or a table finds it
            9 => {
                let at = MEMORY + (wishes.number(2)? & 0xffe0);
                let mut context = Xqc::zeroed();
                context.set_base(wishes.address()?);
                if what & 0x80 == 0 {
                    let size = self.twin.kind().accelerator.sqe_size();
                    let dw3 = SqcDw3 {
                        depth: u16::from(wishes.byte()? % 64) + 1,
                        entry_shift: [size.trailing_zeros() as u8, 4][usize::from((what >> 4) & 1)],
                    };
                    context.set_dw3(dw3.into_raw());
                    context.set_cqc_dw6(u32::from(wishes.byte()?));
                } else {
                    let dw6 = EqcDw6 {
                        depth: u32::from(wishes.byte()?) + 1,
                        phase: true,
                    };
                    context.set_eqc_dw6(dw6.into_raw());
                }
                self.machine.put(at, &context.0);
            }
            10 => self.order(wishes, f)?,
            11..=13 => self.submit(wishes)?,
            // A reset, the window of V5, or a driver that begins anew
            14 => match what >> 4 {
                0..4 => self.twin.reset(f),
                n @ 4..8 => {
                    let open = u64::from(n != 4);
                    self.write(0, regs::QM_MIG_REGION_SEL.into(), open, 4);
                }
                n => self.set_up(n & 1),
            },
            _ => self.now += u64::from(wishes.byte()?),
        }
        self.run();
        let trapped = &self.machine.trapped;
        assert!(
            trapped.is_empty(),
            "touched what nobody named: {trapped:x?}"
        );
        self.machine.accesses.clear();
        self.machine.interrupts.clear();
        Some(())
    }

    fn order(&mut self, wishes: &mut Wishes<'_>, f: usize) -> Option<()> {
        let orders = [
            "job-delay 7",
            "mailbox-late 5",
            "mailbox-hold all",
            "mailbox-hold PAUSE_QM",
            "mailbox-polls 3",
            "hold-jobs 1",
            "mailbox-busy on",
            "mailbox-error all",
            "mailbox-error SQC_BT",
            "write-back-stuck on",
            "ras-at-pause 0x4",
            "engine-at-pause 0x2",
            "ras 0x1",
            "engine 0x2",
            "message-pending on",
            "lose-msi 3",
            "double-msi 2",
            "dma-hole 0x100104000 0x3000",
            "dma-hole 0x100104000 0x3000",
            "dma-hole 0x100110000 0x3000",
            "gone on",
            "reset-hold on",
            "reset-ignored on",
            // More often than all others, else nothing else is done in the end.
            "clear",
            "clear",
            "clear",
            "clear",
            "clear",
            "clear",
            "clear",
            "clear",
            "clear",
            "clear",
        ];
        let order = wishes.one_of(&orders)?;
        let answer = self
            .twin
            .control(&format!("fault {} {order}", ["pf", "vf1", "vf2"][f]));
        assert_eq!(answer, "", "{order}");
        Some(())
    }

    /// What is left of the work ends.
    fn end(mut self) -> Reached {
        for f in ["pf", "vf1", "vf2"] {
            self.twin.control(&format!("fault {f} clear"));
        }
        for _ in 0..100_000 {
            match self.twin.run(&mut self.machine, self.now) {
                Some(next) => self.now = self.now.max(next),
                None => {
                    let trapped = &self.machine.trapped;
                    assert!(
                        trapped.is_empty(),
                        "touched what nobody named: {trapped:x?}"
                    );
                    for key in COUNTS {
                        let n = (0..3).map(|f| self.twin.ledger.get(f, key)).sum();
                        self.reached.counts.insert(key, n);
                    }
                    return self.reached;
                }
            }
            self.machine.accesses.clear();
        }
        panic!("work without end");
    }
}
