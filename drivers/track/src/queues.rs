// SPDX-License-Identifier: GPL-2.0

//! What is known of the queues of a VF whose doorbells are mediated.

#[cfg(test)]
mod tests;

use crate::{
    guest::Guest,
    reason::Reason,
    requests::{
        before,
        completion,
        decode,
        unknown, //
    },
    slots::Slots,
    tables::Tables,
    write::Write, //
};
use dma_log::Log;
use hisi_acc_hw::{
    dma,
    doorbell::{
        Doorbell,
        Kind, //
    },
    ring::{
        ticket_index,
        Rest,
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
    /// Where SQEs and CQEs are; `None` if the queue is not set up, or not understood.
    ring: Option<Ring>,
    /// Where new requests begin.
    tail: Option<u16>,
    /// The ticket of the last request that was submitted.
    last: Option<u32>,
}

impl Queue {
    /// Returns whether nothing is in flight, by the contexts, or by `rest` if these are not
    /// understood. The guest may still have to consume completions. Their phase tells them from
    /// later ones.
    fn is_idle(&self, rest: Rest) -> bool {
        match (self.ring, rest) {
            (Some(ring), _) => ring.is_idle() && self.tail.is_some(),
            (None, Rest::Blank) => true,
            (None, Rest::Idle { tail }) => self.noted.is_none_or(|noted| noted == tail),
            (None, Rest::Unknown) => false,
        }
    }

    /// Returns the ticket of the last request that was submitted before now. If the request
    /// completes during this read, its phase is misjudged and it stays in flight for one extra ring
    /// cycle. That is safe.
    fn begun(&self, guest: &impl Guest, ring: &Ring) -> Option<u32> {
        let last = before(self.noted.unwrap_or(ring.sq_tail), ring.depth)?;
        Some(completion(guest, ring, last)?.next_ticket(last))
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

/// Enters a write that is no doorbell: until the next reset it is unknown what the VF writes.
fn unknown_write(log: &mut Log) {
    log.lose(NO_QUEUE, Reason::OddWrite.number());
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
    /// Something was written whose effect is unknown.
    odd: bool,
}

impl Queues {
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

    /// Forgets what was known of the queues, when the VF was reset or a state is loaded.
    pub fn lose(&mut self) {
        for queue in &mut self.queues {
            *queue = Queue::default();
        }
        self.slots.forget();
        self.tables = Tables::default();
        self.valid = false;
        self.lost = Some(Lost::Reset);
        self.odd = false;
    }

    fn get(&mut self, queue: u16) -> Option<&mut Queue> {
        self.queues.get_mut(usize::from(queue))
    }

    /// Notes a doorbell, while logging is off.
    fn note(&mut self, doorbell: &Doorbell) {
        if doorbell.kind != Kind::Sq {
            return;
        }
        if let Some(queue) = self.get(doorbell.queue) {
            queue.noted = Some(doorbell.index);
        }
    }

    /// Handles a write of the guest to a mediated part, before the hardware gets it. There is no
    /// log while logging is off.
    pub fn written(&mut self, guest: &impl Guest, write: &Write, log: Option<&mut Log>) {
        match (write, log) {
            (Write::Doorbell(doorbell), None) => self.note(doorbell),
            (Write::Unknown, None) => self.odd = true,
            (Write::Doorbell(doorbell), Some(log)) => match doorbell.kind {
                Kind::Sq => self.submitted(guest, log, doorbell.queue, doorbell.index),
                Kind::Cq => self.consumed(guest, log, doorbell.queue, doorbell.index),
                // Each report has their rings.
                Kind::Eq | Kind::Aeq => {}
            },
            (Write::Unknown, Some(log)) => unknown_write(log),
        }
    }

    /// Begins logging.
    pub fn start(&mut self, guest: &impl Guest, log: &mut Log) {
        self.valid = false;
        self.lost = Some(Lost::Started);
        if self.odd {
            unknown_write(log);
        }
        self.settle(guest, log);
    }

    /// Enters what the hardware may have written that no SQE names, before a report.
    pub fn report(&mut self, guest: &impl Guest, log: &mut Log) {
        self.settle(guest, log);
        for range in self.tables.ranges() {
            log.mark(range.address, range.len);
        }
    }

    /// Ends logging.
    pub fn stop(&mut self) {
        self.valid = false;
        self.slots.forget();
        for queue in &mut self.queues {
            queue.ring = None;
            queue.tail = None;
        }
    }

    /// Makes sure that the rings are known. If the guest has had a chance to use the mailbox, they
    /// are not, and all memory may be dirty: a mailbox command can dump contexts anywhere.
    fn settle(&mut self, guest: &impl Guest, log: &mut Log) {
        if self.valid && !guest.touched() {
            return;
        }
        match self.lost {
            Some(Lost::Started) => {}
            Some(Lost::Reset) => log.mark_all(Reason::Reset.number()),
            None => log.mark_all(Reason::Mailbox.number()),
        }
        if self.ask(guest, log).is_err() {
            self.valid = false;
            log.mark_all(Reason::NoContexts.number());
            // From now on, what is written is reported.
            self.lost = self.lost.map(|_| Lost::Reset);
        }
    }

    /// Asks for the contexts of all queues. On error, what is known of the rings is incomplete.
    fn ask(&mut self, guest: &impl Guest, log: &mut Log) -> Result {
        let engine = guest.engine().ok_or(EINVAL)?;
        for queue in &mut self.queues {
            queue.ring = None;
            queue.tail = None;
        }
        self.tables = Tables::ask(guest)?;
        let (tables, lost) = (self.tables, self.lost.is_some());
        if !tables.exist() {
            // The queues of earlier doorbells are gone.
            for queue in &mut self.queues {
                queue.noted = None;
            }
        }
        tables.look(guest, |number, sqc, cqc| {
            let Some(queue) = self.queues.get_mut(usize::from(number)) else {
                return;
            };
            queue.ring = Ring::from_contexts(engine, number, sqc, cqc).ok();
            // If the doorbells and the context disagree, the guest has made the queue anew.
            queue.tail = queue
                .ring
                .map(|ring| ring.sq_tail)
                .filter(|tail| queue.noted.is_none_or(|noted| noted == *tail));
            if lost && !queue.is_idle(Rest::of(number, sqc, cqc)) {
                queue.last = queue.ring.and_then(|ring| queue.begun(guest, &ring));
                unknown(log, number, queue.last, Reason::Before);
            }
        })?;
        // The guest may have changed contexts while they were read.
        if guest.touched() {
            return Err(EAGAIN);
        }
        self.valid = true;
        self.lost = None;
        Ok(())
    }
}

/// Doorbells, while there is a log.
impl Queues {
    /// Enters the new requests of a queue, up to `tail`, before the hardware gets the doorbell.
    fn submitted(&mut self, guest: &impl Guest, log: &mut Log, number: u16, tail: u16) {
        self.settle(guest, log);
        let Some(queue) = self.get(number) else {
            // The PF's VFT gives the VF no such queue: what the hardware does is unknown.
            log.lose(NO_QUEUE, Reason::NoQueue.number());
            return;
        };
        queue.noted = Some(tail);
        let (ring, first) = (queue.ring, queue.tail);
        let Some(ring) = ring.filter(|ring| tail < ring.depth) else {
            queue.tail = None;
            queue.last = None;
            unknown(log, number, None, Reason::NoRing);
            return;
        };
        queue.tail = Some(tail);
        let decoded = match first {
            Some(first) => decode(guest, log, &mut self.slots, number, &ring, first, tail),
            None => Err(Reason::NoTail),
        };
        let last = match decoded {
            // No new request
            Ok(None) => return,
            Ok(last) => last,
            Err(reason) => {
                let last = before(tail, ring.depth).and_then(|index| {
                    let there = completion(guest, &ring, index)?;
                    Some(there.next_ticket(index))
                });
                unknown(log, number, last, reason);
                last
            }
        };
        if let Some(queue) = self.get(number) {
            queue.last = last;
        }
    }

    /// Makes dirty what the completions that the guest has consumed are of, up to `head`, before
    /// the hardware gets the doorbell.
    fn consumed(&mut self, guest: &impl Guest, log: &mut Log, number: u16, head: u16) {
        self.settle(guest, log);
        let Some(queue) = self.get(number) else {
            return;
        };
        let (ring, last) = (queue.ring, queue.last);
        let Some(ring) = ring else {
            return;
        };
        // If the CQE cannot be read, all requests stay in flight, and so dirty.
        let cqe = before(head, ring.depth).and_then(|index| completion(guest, &ring, index));
        let Some(cqe) = cqe.filter(|cqe| cqe.sq_num == number) else {
            return;
        };
        let Some(engine) = guest.engine() else {
            return;
        };
        let slots = &self.slots;
        log.complete(u32::from(number), cqe.ticket(), |ticket| {
            let index = ticket_index(ticket);
            let submitted = slots.get(number, index)?;
            let mut raw = [0; dma::SQE_MAX];
            let sqe = raw.get_mut(..engine.sqe_size())?;
            guest.read(ring.sqe_address(index)?, sqe).ok()?;
            // The guest may have put another request there by now. It must be the one that was
            // submitted, and the engine must have written it back.
            let same = dma::identity(engine, sqe, false) == Some(submitted);
            dma::produced(engine, sqe).filter(|bytes| same && *bytes != 0)
        });
        // After the last request of all, nothing is in flight in the queue, known or unknown.
        if last == Some(cqe.ticket()) {
            log.abandon(u32::from(number));
        }
    }
}
