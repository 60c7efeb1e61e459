// SPDX-License-Identifier: GPL-2.0

//! The random guest, and the VMM beside it. Numbers become moves, and moves the steps of a script,
//! by what the guest knows when its turn comes. So a shorter list of numbers is a shorter run of
//! the same kind.
//!
//! The guest leaves out what `Documentation/driver-api/dirty-tracking.rst` excludes (it does not
//! change a request, or a list, of a request in flight, takes no completion that is not there, and
//! does not replace a queue at work before the driver has seen the contexts).

use crate::{
    cosim::Cosim,
    place::{self, NUM, QUEUES},
    step::{Made, Step},
    vf::VF,
};
use acc_twin::BAR4;
use hisi_acc_hw::{
    doorbell::{Doorbell, Kind},
    mailbox::Command,
    Engine,
};

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
        match m.what {
            0..=59 => vec![Step::Report(None)],
            60..=119 => self.submit(m, queue, cosim),
            120..=149 => self.consume(m, queue, cosim),
            150..=174 => vec![Step::Run(m.time())],
            175..=178 => vec![Step::JobDelay([0, 60, 900, 40_000][usize::from(m.b) % 4])],
            179..=185 => self.make(m, queue, cosim),
            186..=188 => self.stop(queue, cosim),
            189..=191 => vec![Step::Touch],
            192..=196 => Self::command(m, queue, cosim),
            197..=201 => self.odd_sq(m, queue, cosim),
            202..=205 => self.odd_cq(m, queue),
            206..=207 => self.odd_write(m, queue, cosim),
            208..=214 => self.reset(),
            215..=222 => self.toggle(cosim),
            223..=226 => self.pause(cosim),
            227 => self.go(m, cosim),
            228 => self.load(m),
            229..=236 => self.race(m, queue, cosim),
            237..=238 => self.ring_reset(m, queue),
            239..=240 => self.set_up(m, cosim),
            241..=244 => vec![Step::Report(Some(Self::part(m)))],
            245..=246 => vec![Step::Late([0, 0, 500_000, 3_000_000][usize::from(m.b) % 4])],
            247..=249 => self.events(m, cosim),
            250 => self.reset_if_stuck(),
            251..=252 => Self::store(m, queue, cosim),
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

    /// Whether the engine is at a request of a queue.
    fn at_work(queue: u16, cosim: &Cosim) -> bool {
        let vf = cosim.vf.borrow();
        let current = vf.twin.function(VF).and_then(|function| function.current);
        current.is_some_and(|job| job.queue == queue)
    }

    /// Whether the engine is at the request in a slot of a queue, whatever was loaded since.
    fn is_at(queue: u16, slot: u16, cosim: &Cosim) -> bool {
        let vf = cosim.vf.borrow();
        let current = vf.twin.function(VF).and_then(|function| function.current);
        current.is_some_and(|job| job.queue == queue && job.sqc.head() == slot)
    }

    /// Whether the engine is at a request of a queue that was replaced since.
    fn at_old_work(cosim: &Cosim) -> bool {
        let vf = cosim.vf.borrow();
        let Some(function) = vf.twin.function(VF) else {
            return false;
        };
        function.current.is_some_and(|job| job.replaced)
    }

    /// Sets up what all queues need.
    fn set_up(&mut self, m: Move, cosim: &Cosim) -> Vec<Step> {
        let replaces = (0..NUM).any(|queue| Self::at_work(queue, cosim)) && !cosim.is_known();
        if !Self::may_command(cosim) || replaces {
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
        let replaces = Self::at_work(queue, cosim) && !cosim.is_known();
        if !Self::may_command(cosim) || replaces {
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
        let loaded = |shift: u32| match (m.seed >> shift) % (8 * self.seldom) {
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
        vec![match m.c % 6 {
            0 => Step::Mailbox(Command::Sqc as u8, queue, dump, true),
            1 => Step::Mailbox(Command::Cqc as u8, queue, dump, true),
            2 => Step::Mailbox(Command::Eqc as u8, 0, dump, true),
            3 => Step::Mailbox(Command::SqcVftV2 as u8, 0, 0, true),
            // There is no such command: it fails, and the failure stays.
            4 => Step::Mailbox(0x77, 0, 0, false),
            _ => Step::Mailbox(Command::FlushQm as u8, 0, 0, false),
        }]
    }

    fn odd_sq(&mut self, m: Move, queue: u16, cosim: &Cosim) -> Vec<Step> {
        // One that the VF does not have
        if m.b % 8 == 0 {
            self.stuck = true;
            return vec![Step::Ring(Kind::Sq, NUM + m.c, m.seed as u16, 0)];
        }
        let Some(known) = &mut self.queues[usize::from(queue)] else {
            self.stuck = true;
            return vec![Step::Ring(Kind::Sq, queue, m.c % 8, 0)];
        };
        let index = match m.b % 4 {
            0 => known.depth + m.c,
            _ => m.c % known.depth,
        };
        // Requests that the engine has done are done again, unless they are in flight.
        let _ = cosim;
        if index < known.depth {
            known.tail = index;
        }
        vec![Step::Ring(Kind::Sq, queue, index, 0)]
    }

    /// A doorbell whose index is in no ring.
    fn odd_cq(&self, m: Move, queue: u16) -> Vec<Step> {
        match self.queues[usize::from(queue)] {
            Some(known) => vec![Step::Ring(Kind::Cq, queue, known.depth + m.c, m.b % 2)],
            None => vec![],
        }
    }

    fn odd_write(&mut self, m: Move, queue: u16, cosim: &Cosim) -> Vec<Step> {
        let _ = cosim;
        // At times the guest goes on with the queue.
        self.stuck |= m.seed % 2 == 0;
        let index = match self.queues[usize::from(queue)] {
            // One of the next requests, which are not there yet
            Some(known) => (known.tail + 1 + m.c % 3) % known.depth,
            None => m.c % 8,
        };
        let doorbell = |priority| Doorbell {
            queue,
            kind: Kind::Sq,
            index,
            priority,
        };
        let page = 0x1_0000 * u64::from(queue) + 0x1000;
        vec![match m.b % 4 {
            0 => Step::Ring(Kind::Sq, queue, index, 1 + m.seed as u16 % 3),
            // The low half alone
            1 => Step::Write(BAR4, page, 4, doorbell(0).into_raw() & 0xffff_ffff),
            // The page of another queue
            2 => Step::Write(BAR4, page ^ 0x1_0000, 8, doorbell(0).into_raw()),
            // No doorbell at all
            _ => Step::Write(BAR4, page, 8, 0xffff_ffff_ffff_f000),
        }]
    }

    fn forget(&mut self) {
        *self = Self {
            gone: self.gone,
            seldom: self.seldom,
            ..Self::default()
        };
    }

    fn reset(&mut self) -> Vec<Step> {
        self.forget();
        vec![Step::Reset]
    }

    fn reset_if_stuck(&mut self) -> Vec<Step> {
        if self.stuck {
            return self.reset();
        }
        vec![Step::Report(None)]
    }

    fn ring_reset(&mut self, m: Move, queue: u16) -> Vec<Step> {
        let Some(known) = self.queues[usize::from(queue)] else {
            return vec![];
        };
        self.forget();
        vec![Step::RingReset(queue, m.c % known.depth)]
    }

    fn toggle(&mut self, cosim: &Cosim) -> Vec<Step> {
        if cosim.is_logging() {
            return vec![Step::Report(None), Step::Stop];
        }
        if Self::at_old_work(cosim) {
            return vec![];
        }
        vec![Step::Start]
    }

    fn pause(&self, cosim: &Cosim) -> Vec<Step> {
        vec![match cosim.quiesced {
            Some(_) => Step::Resume,
            None => Step::Quiesce,
        }]
    }

    /// The guest driver goes, mostly when nothing is in flight. Or the VF masters the bus again.
    fn go(&mut self, m: Move, cosim: &Cosim) -> Vec<Step> {
        let vf = cosim.vf.borrow();
        let Some(function) = vf.twin.function(VF) else {
            return vec![];
        };
        let idle = function.current.is_none()
            && function.pending.is_none()
            && function.sqc.values().all(|sqc| sqc.head() == sqc.tail());
        if self.gone {
            return vec![Step::Master(m.b % 2 == 0)];
        }
        if !idle && m.c % 4 != 0 {
            return vec![];
        }
        self.forget();
        self.gone = true;
        vec![Step::Ready(false), Step::Master(false)]
    }

    /// A processor writes into the tables, from which the VF fetches contexts that it has not
    /// cached: rings in another place, or other indices. At times the guest loads the addresses of
    /// the tables before, and the VF forgets what it has cached.
    fn store(m: Move, queue: u16, cosim: &Cosim) -> Vec<Step> {
        let tables = |cosim: &Cosim| {
            let vf = cosim.vf.borrow();
            let function = vf.twin.function(VF)?;
            let tables = (function.sqc_bt, function.cqc_bt);
            (tables.0 != 0 && tables.1 != 0).then_some(tables)
        };
        let Some((sqcs, cqcs)) = tables(cosim).filter(|_| Self::may_command(cosim)) else {
            return vec![Step::Run(m.time())];
        };
        // What the engine is at, or will be, would be forgotten with the contexts.
        if m.b % 4 == 0 && !Self::at_old_work(cosim) && cosim.is_known() {
            return [(Command::SqcBt, sqcs), (Command::CqcBt, cqcs)]
                .map(|(command, base)| Step::Mailbox(command as u8, 0, base, false))
                .to_vec();
        }
        let offset = 32 * u64::from(queue);
        let low = |address: u64| address as u32;
        let place = m.c & 1;
        match m.c % 8 {
            0..=3 => vec![
                Step::Store(sqcs + offset + 4, low(place::sq(queue, place))),
                Step::Store(cqcs + offset + 4, low(place::cq(queue, place))),
            ],
            4 => vec![Step::Store(cqcs + offset + 4, low(place::cq(queue, place)))],
            // Head and tail
            5 => vec![Step::Store(sqcs + offset, m.seed & 0x3_0003)],
            6 => vec![Step::Store(cqcs + offset, m.seed & 0x3_0003)],
            _ => vec![Step::Report(None)],
        }
    }

    /// The VMM loads a state, over whatever the VF does.
    fn load(&mut self, m: Move) -> Vec<Step> {
        self.forget();
        self.gone = false;
        self.ready = true;
        vec![Step::Master(true), Step::Load(m.a, m.b % 2 == 0)]
    }

    /// A step of another processor, or time, comes between what the driver reads for the next step.
    fn race(&mut self, m: Move, queue: u16, cosim: &Cosim) -> Vec<Step> {
        let between = |step| Step::Race(u32::from(m.b % 8), Box::new(step));
        let step = match m.c % 4 {
            0 => Step::Run(m.time()),
            1 => Step::Touch,
            2 if Self::may_command(cosim) => {
                let dump = place::DUMP + u64::from(m.b) * 16;
                Step::Mailbox(Command::Sqc as u8, queue, dump, true)
            }
            3 if self.ready && !cosim.is_logging() && !Self::at_old_work(cosim) => {
                // The queue is made anew while logging begins.
                let steps = self.make(m, queue, cosim);
                return match steps.as_slice() {
                    [made @ Step::Queue(_)] => {
                        vec![between(made.clone()), Step::Start]
                    }
                    _ => steps,
                };
            }
            3 if self.ready => {
                let steps = self.make(m, queue, cosim);
                return match steps.as_slice() {
                    [made @ Step::Queue(_)] => {
                        let known = self.queues[usize::from(queue)];
                        let tail = known.map_or(0, |known| (known.tail + 1) % known.depth);
                        let next = match m.seed % 2 {
                            0 => Step::Report(None),
                            _ => Step::Ring(Kind::Sq, queue, tail, 0),
                        };
                        vec![between(made.clone()), next]
                    }
                    _ => steps,
                };
            }
            _ => Step::Run(m.time()),
        };
        let mut steps = match m.seed % 3 {
            0 => vec![Step::Report(None)],
            1 => self.consume(m, queue, cosim),
            _ => self.submit(m, queue, cosim),
        };
        // Before the last step, which is the doorbell.
        let at = steps.len().saturating_sub(1);
        steps.insert(at, between(step));
        steps
    }
}
