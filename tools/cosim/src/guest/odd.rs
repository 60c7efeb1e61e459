// SPDX-License-Identifier: GPL-2.0

//! What a well-behaved guest seldom does, or never.

use super::{Move, Player};
use crate::{
    cosim::Cosim,
    place::{self, NUM},
    step::Step,
    vf::VF,
};
use acc_twin::BAR4;
use hisi_acc_hw::{
    doorbell::{Doorbell, Kind},
    mailbox::Command,
};

impl Player {
    pub(super) fn odd_sq(&mut self, m: Move, queue: u16, cosim: &Cosim) -> Vec<Step> {
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
            0 | 1 => known.depth + m.c,
            _ => m.c % known.depth,
        };
        // Requests that the engine has done are done again, unless they are in flight.
        let _ = cosim;
        if index < known.depth {
            known.tail = index;
        }
        let mut steps = vec![Step::Ring(Kind::Sq, queue, index, 0)];
        if index >= known.depth && m.seed % 4 != 0 {
            // Where the next requests begin is not known then.
            steps.push(Step::Ring(Kind::Sq, queue, known.tail, 0));
        }
        steps
    }

    /// A doorbell whose index is in no ring.
    pub(super) fn odd_cq(&self, m: Move, queue: u16) -> Vec<Step> {
        match self.queues[usize::from(queue)] {
            Some(known) => vec![Step::Ring(Kind::Cq, queue, known.depth + m.c, m.b % 2)],
            None => vec![],
        }
    }

    pub(super) fn odd_write(&mut self, m: Move, queue: u16, cosim: &Cosim) -> Vec<Step> {
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

    pub(super) fn reset(&mut self) -> Vec<Step> {
        self.forget();
        vec![Step::Reset]
    }

    pub(super) fn reset_if_stuck(&mut self) -> Vec<Step> {
        if self.stuck {
            return self.reset();
        }
        vec![Step::Report(None)]
    }

    pub(super) fn ring_reset(&mut self, m: Move, queue: u16) -> Vec<Step> {
        let Some(known) = self.queues[usize::from(queue)] else {
            return vec![];
        };
        self.forget();
        vec![Step::RingReset(queue, m.c % known.depth)]
    }

    pub(super) fn toggle(&mut self, cosim: &Cosim) -> Vec<Step> {
        if cosim.is_logging() {
            return vec![Step::Report(None), Step::Stop];
        }
        vec![Step::Start]
    }

    /// P2P begins or ends. At times the guest rings with priority then.
    pub(super) fn pause(m: Move, queue: u16, cosim: &Cosim) -> Vec<Step> {
        if cosim.quiesced.is_some() {
            return vec![Step::Resume];
        }
        let mut steps = vec![Step::Quiesce];
        if m.b % 4 == 0 {
            let priority = 1 + m.c % 3;
            steps.extend([
                Step::Report(None),
                Step::Report(None),
                Step::Ring(Kind::Sq, queue, m.c % 4, priority),
                Step::Run(m.time()),
                Step::Report(None),
            ]);
        }
        steps
    }

    /// The guest driver goes, mostly when nothing is in flight. Or the VF masters the bus again.
    pub(super) fn go(&mut self, m: Move, cosim: &Cosim) -> Vec<Step> {
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
    pub(super) fn store(&mut self, m: Move, queue: u16, cosim: &Cosim) -> Vec<Step> {
        let tables = |cosim: &Cosim| {
            let vf = cosim.vf.borrow();
            let function = vf.twin.function(VF)?;
            let tables = (function.sqc_bt, function.cqc_bt);
            (tables.0 != 0 && tables.1 != 0).then_some(tables)
        };
        let Some((sqcs, cqcs)) = tables(cosim).filter(|_| Self::may_command(cosim)) else {
            return vec![Step::Run(m.time())];
        };
        let offset = 32 * u64::from(queue);
        let low = |address: u64| address as u32;
        let place = m.c & 1;
        let tail = self.queues[usize::from(queue)].map_or(0, |known| known.tail);
        let back = tail.saturating_sub(1 + m.a % 4);
        // Tail and head
        let indices = |tail, head| (u32::from(tail) << 16) | u32::from(head);
        let stores = match m.c % 10 {
            0..=3 => vec![
                Step::Store(sqcs + offset + 4, low(place::sq(queue, place))),
                Step::Store(cqcs + offset + 4, low(place::cq(queue, place))),
            ],
            4..=5 => vec![Step::Store(cqcs + offset + 4, low(place::cq(queue, place)))],
            // Head and tail
            6 => vec![Step::Store(sqcs + offset, m.seed & 0x3_0003)],
            // Both go back, as if nothing of it had been carried out.
            7..=8 => vec![
                Step::Store(sqcs + offset, indices(tail, back)),
                Step::Store(cqcs + offset, indices(back, back)),
            ],
            _ => vec![Step::Store(cqcs + offset, m.seed & 0x3_0003)],
        };
        if m.b % 2 == 0 {
            return stores;
        }
        let forget = [(Command::SqcBt, sqcs), (Command::CqcBt, cqcs)]
            .map(|(command, base)| Step::Mailbox(command as u8, 0, base, false));
        // The driver looks before the stores, and the VF after them.
        let mut steps = match self.room(queue, cosim) {
            0 => vec![],
            _ => self.submit(Move { c: 0, ..m }, queue, cosim),
        };
        steps.extend(forget);
        steps.push(Step::Report(None));
        steps.extend(stores);
        if let Some(known) = self.queues[usize::from(queue)] {
            steps.push(Step::Ring(Kind::Sq, queue, known.tail, 0));
        }
        steps
    }

    /// The VMM loads a state, over whatever the VF does.
    pub(super) fn load(&mut self, m: Move) -> Vec<Step> {
        self.forget();
        self.gone = false;
        self.ready = true;
        vec![Step::Master(true), Step::Load(m.a, m.b % 2 == 0)]
    }

    /// A step of another processor, or time, comes between what the driver reads for the next step.
    pub(super) fn race(&mut self, m: Move, queue: u16, cosim: &Cosim) -> Vec<Step> {
        let between = |step| Step::Race(u32::from(m.b % 8), Box::new(step));
        let step = match m.c % 4 {
            0 => Step::Run(m.time()),
            1 => Step::Touch,
            2 if Self::may_command(cosim) => {
                let dump = place::DUMP + u64::from(m.b) * 16;
                Step::Mailbox(Command::Sqc as u8, queue, dump, true)
            }
            3 if self.ready && !cosim.is_logging() => {
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
