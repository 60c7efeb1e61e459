// SPDX-License-Identifier: GPL-2.0

//! What is known of the queues of a VF whose doorbells are mediated.

mod look;
#[cfg(test)]
mod tests;

use crate::{
    guest::{
        Bounded,
        Guest, //
    },
    reason::Reason,
    requests::{
        before,
        completion,
        decode,
        unknown,
        Last, //
    },
    slots::Slots,
    tables::Tables,
    write::Write, //
};
use dma_log::Log;
use hisi_acc_hw::{
    dma::{
        self,
        Memory, //
    },
    doorbell::{
        Doorbell,
        Kind, //
    },
    ring::{
        ticket_index,
        Ring, //
    },
};
use kernel::prelude::*;

/// The queue of a log for what belongs to no queue of the VF. A doorbell has 12 bits for the number
/// of its queue.
const NO_QUEUE: u32 = 0x1_0000;

/// A queue pair.
#[derive(Clone, Copy, Default)]
struct Queue {
    /// The index of the SQ's last doorbell, with or without a log.
    noted: Option<u16>,
    /// The index of the CQ's last doorbell.
    consumed: Option<u16>,
    /// Where SQEs and CQEs are; `None` if the queue is not set up, or not understood. While the
    /// contexts are not known, where they were.
    ring: Option<Ring>,
    /// Where new requests begin.
    tail: Option<u16>,
    /// The last request that was submitted.
    last: Option<Last>,
    /// Each completion goes to the index of its request. Else it may go anywhere in the CQ.
    placed: bool,
    /// What is in flight may belong to an earlier life of the queue, whose end the contexts do not
    /// show.
    stale: bool,
    /// What the hardware has fetched since the contexts were read.
    fetched: Fetched,
}

/// What doorbells have made the hardware fetch since the driver has read the contexts of a queue,
/// if it had none. Until then a processor may change them.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Fetched {
    /// Nothing.
    #[default]
    None,
    /// The CQC.
    Cqc,
    /// Both contexts.
    Both,
    /// Both, and it has shown that they are those that were read.
    Same,
}

impl Fetched {
    /// Returns whether it may have fetched something else than the driver has read.
    fn is_open(self) -> bool {
        matches!(self, Self::Cqc | Self::Both)
    }

    /// A look has shown that the contexts of the hardware are those that were read.
    fn confirm(&mut self) {
        *self = match self {
            Self::None | Self::Cqc => Self::None,
            Self::Both | Self::Same => Self::Same,
        };
    }
}

impl Queue {
    /// Returns whether the guest has consumed the completions of all requests whose doorbells it
    /// rang. Then none of them is in flight.
    fn is_consumed(&self) -> bool {
        self.noted == self.consumed
    }

    /// Returns whether no doorbell was rung.
    fn is_new(&self) -> bool {
        self.noted.is_none() && self.consumed.is_none()
    }

    /// Notes a doorbell.
    fn note(&mut self, doorbell: &Doorbell) {
        match doorbell.kind {
            Kind::Sq => self.noted = Some(doorbell.index),
            Kind::Cq => self.consumed = Some(doorbell.index),
            Kind::Eq | Kind::Aeq => {}
        }
        self.fetched = match (doorbell.kind, self.fetched) {
            (_, Fetched::Same) => Fetched::Same,
            (Kind::Sq, _) => Fetched::Both,
            (Kind::Cq, Fetched::None) => Fetched::Cqc,
            (_, fetched) => fetched,
        };
    }
}

/// Why the log does not have all that is in flight.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lost {
    /// Logging has just begun: what was written before is not reported.
    Started,
    /// The VF was reset, or its state was loaded: rings and tables are forgotten.
    Reset,
}

/// Whether a caller may wait for the engine: a doorbell may not, since a processor of the guest
/// waits for it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum May {
    Wait,
    NotWait,
}

/// All queues of a VF whose doorbells are mediated.
#[derive(Default)]
pub struct Queues {
    queues: KVVec<Queue>,
    slots: Slots,
    tables: Tables,
    /// `tables`, and the rings and tails of the queues, are those of the hardware, unless the guest
    /// has touched the mailbox since.
    valid: bool,
    /// The log does not have all that is in flight.
    lost: Option<Lost>,
    /// Why the last look failed. What was written since then is not known.
    failed: Option<Reason>,
    /// Why it is unknown until the next reset what the VF writes.
    odd: Option<Reason>,
    /// The host has made the queues go on since the contexts were last read.
    kicked: bool,
    /// The operator knows that nothing is understood.
    told: bool,
}

impl Queues {
    /// How many bytes a queue needs, without its slots.
    pub const QUEUE_SIZE: usize = size_of::<Queue>() + Slots::QUEUE_SIZE;
    /// How many bytes a slot of a queue of ZIP needs. Those of the other engines need none.
    pub const SLOT_SIZE: usize = Slots::SLOT_SIZE;

    /// Begins with nothing known of `num` queues, when the VF is opened: [`ENOMEM`] if there is no
    /// memory.
    pub fn open(&mut self, num: u32) -> Result {
        let num = usize::try_from(num)?;
        *self = Self {
            queues: KVVec::from_elem(Queue::default(), num, GFP_KERNEL_ACCOUNT)?,
            slots: Slots::new(num)?,
            ..Self::default()
        };
        Ok(())
    }

    /// Forgets all, when the VF is closed.
    pub fn close(&mut self) {
        *self = Self::default();
    }

    /// Forgets what was known of the queues, when the VF was reset, and before and after a state is
    /// loaded.
    pub fn lose(&mut self) {
        for queue in &mut self.queues {
            *queue = Queue::default();
        }
        self.slots.forget();
        self.tables = Tables::default();
        self.valid = false;
        self.lost = Some(Lost::Reset);
        self.failed = None;
        self.odd = None;
        self.kicked = false;
    }

    /// The host makes all queues go on, after a pause: also those that no doorbell of the guest has
    /// started.
    pub fn kicked(&mut self) {
        self.kicked = true;
    }

    fn get(&mut self, queue: u16) -> Option<&mut Queue> {
        self.queues.get_mut(usize::from(queue))
    }

    /// Notes that it is unknown until the next reset what the VF writes.
    fn lose_all(&mut self, log: Option<&mut Log>, reason: Reason) {
        self.odd = Some(reason);
        if let Some(log) = log {
            log.lose(NO_QUEUE, reason.number());
        }
    }

    /// Handles a write of the guest to a mediated part, before the hardware gets it. There is no
    /// log while logging is off. Returns whether the hardware may get it.
    ///
    /// While the VF is quiesced, it gets nothing whose effect is unknown: it could go on.
    pub fn written(
        &mut self,
        guest: &impl Guest,
        write: &Write,
        quiesced: bool,
        log: Option<&mut Log>,
    ) -> bool {
        let doorbell = match write {
            Write::Kick => return false,
            Write::Unknown if quiesced => return false,
            Write::Unknown => {
                self.lose_all(log, Reason::OddWrite);
                return true;
            }
            Write::Doorbell(doorbell) => doorbell,
        };
        let Doorbell {
            queue: number,
            kind,
            index,
            ..
        } = *doorbell;
        match (kind, log) {
            (Kind::Sq, Some(log)) => self.submitted(guest, log, number, index),
            (Kind::Cq, Some(log)) => self.consumed(guest, log, number, index),
            // Each report has their rings.
            (Kind::Eq | Kind::Aeq, _) => return true,
            (_, None) => {}
        }
        match self.get(number) {
            Some(queue) => queue.note(doorbell),
            // The PF's VFT gives the VF no such queue: what the hardware does is unknown.
            None if kind == Kind::Sq => self.odd = Some(Reason::NoQueue),
            None => {}
        }
        true
    }

    /// Begins logging.
    pub fn start(&mut self, guest: &impl Guest, log: &mut Log) {
        self.valid = false;
        self.lost = Some(Lost::Started);
        self.failed = None;
        if let Some(reason) = self.odd {
            log.lose(NO_QUEUE, reason.number());
        }
        self.settle(guest, log, May::Wait);
    }

    /// Enters what the hardware may have written that no SQE names, before a report.
    pub fn report(&mut self, guest: &impl Guest, log: &mut Log) {
        self.settle(guest, log, May::Wait);
        self.confirm(guest, log);
        for range in self.tables.ranges() {
            log.mark(range.address, range.len);
        }
        for queue in &self.queues {
            if let Some(ring) = queue.ring.filter(|_| !queue.placed) {
                log.mark(ring.cq_base, ring.cq_len());
            }
        }
    }

    /// Ends logging.
    pub fn stop(&mut self) {
        self.valid = false;
        self.slots.forget();
        for queue in &mut self.queues {
            *queue = Queue {
                noted: queue.noted,
                consumed: queue.consumed,
                ..Queue::default()
            };
        }
    }
}

/// Doorbells, while there is a log.
impl Queues {
    /// Enters the new requests of a queue, up to `tail`, before the hardware gets the doorbell.
    fn submitted(&mut self, guest: &impl Guest, log: &mut Log, number: u16, tail: u16) {
        self.settle(guest, log, May::NotWait);
        self.check(guest, number);
        let memory = Bounded::new(guest);
        let valid = self.valid;
        let Some(queue) = self.queues.get_mut(usize::from(number)) else {
            log.lose(NO_QUEUE, Reason::NoQueue.number());
            return;
        };
        let ring = queue.ring.filter(|ring| tail < ring.depth);
        let first = queue.tail.take();
        let decoded = match (ring, first, guest.engine()) {
            (Some(ring), Some(first), Some(engine)) if valid => {
                let slots = &mut self.slots;
                decode(engine, &memory, log, slots, number, &ring, first, tail)
            }
            (Some(_), ..) if valid => Err(Reason::NoTail),
            _ => Err(Reason::NoRing),
        };
        queue.tail = ring.filter(|_| valid).map(|_| tail);
        match decoded {
            // No new request
            Ok(None) => {}
            Ok(last) => queue.last = last,
            Err(reason) => {
                // For its end, memory that is not in the bound.
                queue.last = ring.and_then(|ring| Last::before(guest, &ring, tail));
                unknown(log, number, queue.last, reason);
            }
        }
    }

    /// Makes dirty what the completions that the guest has consumed are of, up to `head`, before
    /// the hardware gets the doorbell.
    fn consumed(&mut self, guest: &impl Guest, log: &mut Log, number: u16, head: u16) {
        self.settle(guest, log, May::NotWait);
        if !self.valid {
            return;
        }
        let memory = Bounded::new(guest);
        let (Some(queue), Some(engine)) =
            (self.queues.get_mut(usize::from(number)), guest.engine())
        else {
            return;
        };
        let Some(ring) = queue.ring else {
            return;
        };
        let Some(index) = before(head, ring.depth) else {
            return;
        };
        // If the CQE cannot be read, all requests stay in flight, and so dirty. One that is not at
        // the index of its request is of a queue whose contexts were not those of a queue at rest.
        let cqe = completion(&memory, &ring, index);
        let Some(cqe) = cqe.filter(|cqe| cqe.sq_num == number && cqe.sq_head == index) else {
            return;
        };
        let q = u32::from(number);
        if log.held(q).any(|ticket| ticket_index(ticket) == index) {
            // It may be the completion of either.
            return;
        }
        let slots = &self.slots;
        let ends = |ticket| {
            let index = ticket_index(ticket);
            let submitted = slots.get(number, index)?;
            let mut raw = [0; dma::SQE_MAX];
            let sqe = raw.get_mut(..engine.sqe_size())?;
            memory.read(ring.sqe_address(index)?, sqe).ok()?;
            // The guest may have put another request there by now. It must be the one that was
            // submitted, and the engine must have written it back.
            let same = dma::identity(engine, sqe, false) == Some(submitted);
            dma::produced(engine, sqe).filter(|bytes| same && *bytes != 0)
        };
        if log.complete(q, cqe.ticket(), ends) {
            // In order: what was in flight before it is complete, too.
            queue.placed = true;
            queue.stale = false;
        }
        // After the last request of all, nothing is in flight in the queue, known or unknown.
        if queue.placed && queue.last.is_some_and(|last| last.ticket == cqe.ticket()) {
            log.abandon(q);
        }
    }
}
