// SPDX-License-Identifier: GPL-2.0

//! The random guest, and the VMM beside it. Numbers become moves, and moves the steps of a script,
//! by what the guest knows when its turn comes. So a shorter list of numbers is a shorter run of
//! the same kind.
//!
//! The guest leaves out what `Documentation/driver-api/dirty-tracking.rst` excludes (it does not
//! change a request, or a list, of a request in flight, and takes no completion that is not there).

mod odd;

use crate::{
    cosim::Cosim,
    place::{self, QUEUES},
    step::{Made, Step},
    vf::VF,
};
use hisi_acc_hw::{doorbell::Kind, mailbox::Command, Engine};

/// What the guest knows of a queue that it has made.
#[derive(Clone, Copy)]
struct Queue {
    depth: u16,
    /// Where it puts its next request
    tail: u16,
    /// It has taken a completion, so that the one before the CQ's head is there
    taken: bool,
}

/// The guest.
#[derive(Default)]
pub struct Player {
    queues: [Option<Queue>; QUEUES as usize],
    /// Event queues and tables are set up
    ready: bool,
    /// Its driver is gone: the VF is not ready, and does not master the bus
    gone: bool,
    /// Something has made all memory dirty until the next reset
    stuck: bool,
    /// How often the guest does what a well-behaved one does not: once in so many times
    seldom: u32,
}

/// A move's number, and its parts.
#[derive(Clone, Copy)]
struct Move {
    what: u64,
    a: u16,
    b: u16,
    c: u16,
    seed: u32,
}

impl Move {
    fn of(raw: u64) -> Self {
        Self {
            what: raw % 256,
            a: (raw >> 8) as u16 & 0xff,
            b: (raw >> 16) as u16 & 0xff,
            c: (raw >> 24) as u16 & 0xff,
            seed: (raw >> 32) as u32,
        }
    }

    /// How long time passes: from nothing to some jobs.
    fn time(self) -> u64 {
        [0, 50, 200, 1_000, 5_000, 100_000][usize::from(self.b) % 6]
    }
}

/// The first number of a move that a well-behaved guest does not make time and again.
const ODD: u64 = 179;

impl Player {
    /// A guest that is more or less well-behaved, by the first of its numbers.
    pub fn new(first: u64) -> Self {
        Self {
            seldom: [1, 4, 16, 64][(first >> 60) as usize % 4],
            ..Self::default()
        }
    }

    /// The steps that a number stands for.
    pub fn steps(&mut self, raw: u64, cosim: &Cosim) -> Vec<Step> {
        let mut m = Move::of(raw);
        // A well-behaved guest has one queue, most times.
        let queue = match self.seldom {
            64 => m.a % QUEUES / 3,
            _ => m.a % QUEUES,
        };
        if m.what >= ODD && !self.stuck && m.seed % self.seldom.max(1) != 0 {
            m.what %= ODD;
        }
        // The driver is not without memory for long.
        if !cosim.vf.borrow().space && m.seed % 4 == 0 {
            return vec![Step::Space(true)];
        }
        match m.what {
            0..=59 => vec![Step::Report(None)],
            60..=119 => self.submit(m, queue, cosim),
            120..=149 => self.consume(m, queue, cosim),
            150..=174 => vec![Step::Run(m.time())],
            175..=178 => vec![Step::JobDelay([0, 60, 900, 40_000][usize::from(m.b) % 4])],
            179..=185 => self.make(m, queue, cosim),
            186..=188 => self.stop(queue, cosim),
            189 => vec![Step::Touch],
            190..=191 => self.store(m, queue, cosim),
            192..=196 => Self::command(m, queue, cosim),
            197..=201 => self.odd_sq(m, queue, cosim),
            202..=205 => self.odd_cq(m, queue),
            206..=207 => self.odd_write(m, queue, cosim),
            208..=214 => self.reset(),
            215..=222 => self.toggle(cosim),
            223..=226 => Self::pause(m, queue, cosim),
            227 => self.go(m, cosim),
            228 => self.load(m),
            229..=236 => self.race(m, queue, cosim),
            237..=238 => self.ring_reset(m, queue),
            239..=240 => self.set_up(m, cosim),
            241..=244 => vec![Step::Report(Some(Self::part(m)))],
            245..=246 => vec![Step::Late([0, 0, 500_000, 3_000_000][usize::from(m.b) % 4])],
            247..=249 => self.events(m, cosim),
            250 => self.reset_if_stuck(),
            251..=252 => self.store(m, queue, cosim),
            253 => vec![Step::Space(false), Step::Report(None)],
            _ => vec![Step::Report(None), Step::Report(None)],
        }
    }

    fn part(m: Move) -> (u64, u64) {
        (u64::from(m.a) * 4, 1 + u64::from(m.b) * 4)
    }

    fn may_command(cosim: &Cosim) -> bool {
        let vf = cosim.vf.borrow();
        vf.twin
            .function(VF)
            .is_some_and(|function| !function.mailbox.is_busy() && function.pending.is_none())
    }

    /// Whether the engine is at the request in a slot of a queue, whatever was loaded since.
    fn is_at(queue: u16, slot: u16, cosim: &Cosim) -> bool {
        let vf = cosim.vf.borrow();
        let current = vf.twin.function(VF).and_then(|function| function.current);
        current.is_some_and(|job| job.queue == queue && job.sqc.head() == slot)
    }

    /// Sets up what all queues need.
    fn set_up(&mut self, m: Move, cosim: &Cosim) -> Vec<Step> {
        if !Self::may_command(cosim) {
            return vec![Step::Run(m.time())];
        }
        self.queues = Default::default();
        let mut steps = vec![Step::Ready(true)];
        if self.gone {
            // Either may come first.
            steps.insert(usize::from(m.c % 2), Step::Master(true));
        }
        steps.extend([Step::Events(m.a), Step::Tables(m.b)]);
        self.gone = false;
        self.ready = true;
        steps
    }

    fn events(&mut self, m: Move, cosim: &Cosim) -> Vec<Step> {
        if !self.ready || !Self::may_command(cosim) {
            return vec![Step::Run(m.time())];
        }
        if m.c % 2 == 0 {
            // The driver takes events.
            let kind = if m.c % 4 == 0 { Kind::Eq } else { Kind::Aeq };
            return vec![Step::Ring(
                kind,
                0,
                m.b % place::EVENTS as u16,
                m.seed as u16 % 2,
            )];
        }
        vec![Step::Events(m.a)]
    }

    fn make(&mut self, m: Move, queue: u16, cosim: &Cosim) -> Vec<Step> {
        // Seldom without tables.
        if !self.ready && (self.gone || (m.seed >> 12) % (4 * self.seldom) != 0) {
            return self.set_up(m, cosim);
        }
        if !Self::may_command(cosim) {
            return vec![Step::Run(m.time())];
        }
        let depth = [4, 8, 16, 32][usize::from(m.b) % 4];
        let tail = match m.b & 0x40 {
            0 => 0,
            _ => m.c % depth,
        };
        let odd = match (m.seed >> 4) % (4 * self.seldom) {
            0 => 1,
            1 => 2,
            _ => 0,
        };
        self.stuck |= odd != 0;
        let zeroed = m.seed & 0x100 == 0;
        let engine = cosim.vf.borrow().twin.kind().accelerator;
        self.queues[usize::from(queue)] = Some(Queue {
            depth,
            tail,
            taken: false,
        });
        // Seldom, one that is not at rest.
        let loaded = |shift: u32| match (m.seed >> shift) % (3 * self.seldom) {
            0 => (m.seed >> 20) as u16 % depth,
            _ => tail,
        };
        vec![Step::Queue(Made {
            queue,
            place: m.b >> 7,
            depth,
            head: loaded(14),
            tail,
            cq_tail: loaded(17),
            // Nearly always one that the engine has
            kind: match engine {
                Engine::Sec => u8::from((m.seed >> 9) % (8 * self.seldom) == 0),
                _ => (m.c >> 7) as u8,
            },
            odd,
            zeroed,
        })]
    }

    /// How many more requests fit: none is put where one is that the engine has not done.
    fn room(&self, queue: u16, cosim: &Cosim) -> u16 {
        let Some(known) = self.queues[usize::from(queue)] else {
            return 0;
        };
        let Some(sqc) = cosim.vf.borrow().context(queue) else {
            return 0;
        };
        // The slots from head up to its tail are in flight; the guest's own tail may be elsewhere.
        let ahead = |to: u16| (to + known.depth - sqc.head()) % known.depth;
        if sqc.head() >= known.depth || ahead(known.tail) < ahead(sqc.tail() % known.depth) {
            return 0;
        }
        known.depth - 1 - ahead(known.tail)
    }

    fn submit(&mut self, m: Move, queue: u16, cosim: &Cosim) -> Vec<Step> {
        if self.queues[usize::from(queue)].is_none() {
            return self.make(m, queue, cosim);
        }
        let room = self.room(queue, cosim);
        let Some(known) = &mut self.queues[usize::from(queue)] else {
            return vec![];
        };
        let mut steps = Vec::new();
        // At times as many as there is room for: slots are used again before their completions are
        // taken.
        let count = if m.c % 8 == 1 { room } else { 1 + m.b % 4 };
        for n in 0..count.min(room) {
            // Nor where the engine is at a request of a queue that was replaced.
            if Self::is_at(queue, known.tail, cosim) {
                break;
            }
            let seed = m.seed.wrapping_add(u32::from(n).wrapping_mul(0x9e37_79b9));
            // A well-behaved guest makes few requests that are not understood (see
            // `request::make()`).
            let seed = if m.seed % self.seldom < 2 {
                seed
            } else {
                seed | 1
            };
            steps.push(Step::Place(queue, known.tail, seed));
            known.tail = (known.tail + 1) % known.depth;
        }
        // Seldom, the doorbell comes later, with that of the next requests.
        if !steps.is_empty() && m.c % 16 != 0 {
            steps.push(Step::Ring(Kind::Sq, queue, known.tail, 0));
        }
        steps
    }

    fn consume(&mut self, m: Move, queue: u16, cosim: &Cosim) -> Vec<Step> {
        let Some(known) = &mut self.queues[usize::from(queue)] else {
            return vec![Step::Run(m.time())];
        };
        let vf = cosim.vf.borrow();
        let function = vf.twin.function(VF);
        let Some(cqc) = function.and_then(|function| function.cqc.get(&queue)) else {
            return vec![];
        };
        let depth = known.depth;
        let done = (cqc.tail() + depth - cqc.head() % depth) % depth;
        // Most times all.
        let count = if m.b % 4 == 0 { m.c % (done + 1) } else { done };
        if count == 0 && !known.taken {
            return vec![];
        }
        known.taken = true;
        let head = (cqc.head() + count) % depth;
        vec![Step::Ring(Kind::Cq, queue, head, m.b % 2)]
    }

    fn stop(&mut self, queue: u16, cosim: &Cosim) -> Vec<Step> {
        if !Self::may_command(cosim) || self.queues[usize::from(queue)].is_none() {
            return vec![];
        }
        self.queues[usize::from(queue)] = None;
        vec![Step::Mailbox(Command::StopQp as u8, queue, 0, false)]
    }

    fn command(m: Move, queue: u16, cosim: &Cosim) -> Vec<Step> {
        if !Self::may_command(cosim) {
            return vec![Step::Run(m.time())];
        }
        let dump = place::DUMP + u64::from(m.b) * 16;
        vec![match m.c % 8 {
            0 => Step::Mailbox(Command::Sqc as u8, queue, dump, true),
            1 => Step::Mailbox(Command::Cqc as u8, queue, dump, true),
            2 => Step::Mailbox(Command::Eqc as u8, 0, dump, true),
            3 => Step::Mailbox(Command::SqcVftV2 as u8, 0, 0, true),
            // There is no such command: it fails, and the failure stays.
            4 => Step::Mailbox(0x77, 0, 0, false),
            5 => Step::Mailbox(Command::FlushQm as u8, 0, 0, false),
            // Only the driver gives this one: what came before it is hidden.
            6 => Step::Mailbox(Command::CqcBt as u8, 0, 0, true),
            _ => {
                return vec![
                    Step::Mailbox(Command::Sqc as u8, queue, dump, true),
                    Step::Mailbox(Command::CqcBt as u8, 0, 0, true),
                ];
            }
        }]
    }
}
