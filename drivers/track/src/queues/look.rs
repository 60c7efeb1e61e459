// SPDX-License-Identifier: GPL-2.0

//! Looks at the contexts of all queues, and what follows for the log.

use super::{
    Fetched,
    Lost,
    May,
    Queue,
    Queues, //
};
use crate::{
    guest::{
        Bounded,
        Guest, //
    },
    reason::Reason,
    requests::{
        decode,
        unknown,
        Last, //
    },
    slots::Slots,
    tables::Tables, //
};
use dma_log::Log;
use hisi_acc_hw::{
    context::Xqc,
    dma::{
        Engine,
        Why, //
    },
    ring::{
        Rest,
        Ring, //
    },
};
use kernel::prelude::*;

/// When the contexts are looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    /// Logging begins, or the VF was reset: the log has nothing of its queues.
    First,
    /// The guest has touched the mailbox: it may have loaded any contexts.
    Touched,
    /// Before a report. The guest has not touched the mailbox since the last look.
    Again,
}

/// A look at one queue.
struct Look<'a, 'b, G> {
    how: How,
    engine: Engine,
    guest: &'a G,
    memory: &'a Bounded<'b, G>,
    log: &'a mut Log,
    slots: &'a mut Slots,
    number: u16,
}

impl<G: Guest> Look<'_, '_, G> {
    fn q(&self) -> u32 {
        u32::from(self.number)
    }

    /// Returns whether the log has anything of the queue.
    fn has_any(&self) -> bool {
        self.log.in_flight(self.q()) != 0 || self.log.is_unknown(self.q())
    }

    /// Puts the `count` requests before `tail` in flight.
    fn decode(&mut self, queue: &mut Queue, ring: &Ring, count: u16, tail: u16) {
        let first = ring.back(tail, count);
        let Self {
            engine,
            memory,
            log,
            slots,
            number,
            ..
        } = self;
        let decoded = decode(*engine, memory, log, slots, *number, ring, first, tail);
        match decoded {
            Ok(None) => {}
            Ok(last) => queue.last = last,
            Err(reason) => {
                queue.last = Last::before(self.guest, ring, tail);
                unknown(log, *number, queue.last, reason);
            }
        }
    }

    /// Puts in flight what the contexts say is, and what the doorbells say beyond that.
    fn enter(&mut self, queue: &mut Queue, ring: &Ring) {
        let count = ring.in_flight();
        // What was submitted before the log may be in another ring than the guest has loaded since.
        let hidden = self.how == How::First && count != Some(0) && !queue.is_consumed();
        if hidden || count.is_none() {
            queue.last = None;
            unknown(self.log, self.number, None, Reason::Before);
        }
        if let Some(count) = count.filter(|count| *count != 0) {
            self.decode(queue, ring, count, ring.sq_tail);
        }
        // If the last doorbell had another tail, the guest has made the queue anew, or the hardware
        // has not handled the doorbell yet. It cannot be the latter if all is consumed. The log has
        // all doorbells since its first look.
        let noted = queue.noted.filter(|noted| *noted < ring.depth);
        let late = self.how == How::First && !queue.is_consumed();
        if let Some(noted) = noted.filter(|_| late) {
            let count = ring.distance(ring.sq_tail, noted);
            self.decode(queue, ring, count, noted);
        }
        self.log.hold(self.q());
        queue.placed = !self.has_any();
        queue.stale = false;
    }

    /// The contexts are understood.
    fn ring(&mut self, queue: &mut Queue, ring: Ring) {
        let q = self.q();
        let known = queue.ring.is_some_and(|known| known.is_at(&ring));
        let same = known && queue.tail == Some(ring.sq_tail);
        let count = match queue.tail.filter(|_| known && self.how == How::Again) {
            Some(tail) => Some(ring.in_flight_to(tail)),
            None => ring.in_flight(),
        };
        // Something unknown may stand for any number of requests.
        let is_unknown = self.log.is_unknown(q);
        // If the contexts looked idle, they show none of what is held since then.
        let unseen = match queue.stale {
            true => self.log.held(q).count(),
            false => 0,
        };
        let most = self.log.in_flight(q).saturating_sub(unseen);
        let fits = is_unknown || count.is_some_and(|count| usize::from(count) <= most);
        let tail = queue.tail.filter(|_| queue.placed);
        let ordered = tail.is_none_or(|tail| ring.is_ordered_to(tail));
        let complete = || {
            let last = queue.last.as_ref();
            last.is_some_and(|last| last.is_complete(self.guest, self.number))
        };
        match self.how {
            How::First => self.enter(queue, &ring),
            How::Touched => {
                if self.has_any() && complete() {
                    self.log.abandon(q);
                }
                if !self.has_any() {
                    self.enter(queue, &ring);
                } else {
                    if !(same && fits) {
                        self.enter(queue, &ring);
                    }
                    // What is in flight may be of an earlier life of the queue, or go on in another
                    // place than before.
                    self.log.hold(q);
                    queue.placed = false;
                    queue.stale = count == Some(0);
                }
            }
            How::Again => {
                let rests = same && ring.is_idle() && (!queue.stale || complete());
                // The hardware may have loaded another tail of the CQ than the one that was read.
                let loaded = queue.fetched.is_open();
                if rests {
                    if !queue.placed || loaded {
                        // Until now completions may have gone anywhere.
                        self.log.mark(ring.cq_base, ring.cq_len());
                    }
                    if !queue.placed || self.log.is_unknown(q) {
                        self.log.abandon(q);
                    }
                    queue.placed = true;
                    queue.stale = false;
                } else if !(known && fits && ordered) {
                    let held = self.has_any();
                    if known || held {
                        self.log.mark_all(Reason::Changed.number());
                    }
                    self.enter(queue, &ring);
                    // Contexts that a processor wrote may look idle while the engine still works
                    // for the queue as it was.
                    queue.stale = held && count == Some(0);
                } else if loaded {
                    queue.placed = false;
                }
            }
        }
        if self.how != How::Again || !known || queue.tail.is_none() {
            queue.tail = Some(ring.sq_tail);
        }
        match self.how {
            How::Again if known && !is_unknown => queue.fetched.confirm(),
            How::Again => {}
            How::First | How::Touched => queue.fetched = Fetched::None,
        }
        queue.ring = Some(ring);
    }

    /// The contexts are not understood.
    fn no_ring(&mut self, queue: &mut Queue, rest: Rest) {
        let idle = match rest {
            Rest::Blank => true,
            Rest::Idle { tail } => {
                queue.noted.is_none_or(|noted| noted == tail) || queue.is_consumed()
            }
            Rest::Unknown => false,
        };
        match (self.how, idle) {
            (How::Again, true) if !queue.stale => self.log.abandon(self.q()),
            (How::Again, _) => {}
            (_, idle) => {
                queue.stale = self.has_any();
                // The completion of what is in flight may go to a CQ that is not understood.
                if !idle || (queue.stale && rest != Rest::Blank) {
                    unknown(self.log, self.number, None, Reason::Before);
                }
            }
        }
        *queue = Queue {
            noted: queue.noted,
            consumed: queue.consumed,
            stale: queue.stale,
            ..Queue::default()
        };
    }

    fn queue(&mut self, queue: &mut Queue, sqc: &Xqc, cqc: &Xqc) -> Option<Why> {
        let rest = Rest::of(self.number, sqc, cqc);
        match Ring::from_contexts(self.engine, self.number, sqc, cqc) {
            Ok(ring) => {
                self.ring(queue, ring);
                (!ring.decodes).then_some(Why::QueueType)
            }
            Err(why) => {
                self.no_ring(queue, rest);
                (rest != Rest::Blank).then_some(why)
            }
        }
    }
}

impl Queues {
    /// Makes sure that the rings are known. If the guest has had a chance to use the mailbox, they
    /// are not, and all memory may be dirty: a mailbox command can dump contexts anywhere.
    pub(super) fn settle(&mut self, guest: &impl Guest, log: &mut Log, may: May) {
        let touched = match may {
            May::Wait => guest.touched_unseen(),
            // What a guest hides makes a doorbell mean something else. The next report finds it,
            // and then all memory is dirty.
            May::NotWait => guest.touched(),
        };
        if self.valid && self.tables.exist() && !touched {
            return;
        }
        let how = match self.lost {
            Some(_) => How::First,
            None => How::Touched,
        };
        if may == May::NotWait && self.may_hide(how) {
            // The next report looks. Until then doorbells are unknown.
            self.valid = false;
            return;
        }
        // Nothing was known to be in use, and the guest may still be without a driver.
        let quiet = self.valid && !touched;
        let failed = self.failed.take();
        match self.lost {
            // Below, for the reason why the last look failed.
            _ if failed.is_some() => {}
            Some(Lost::Started) => {}
            _ if quiet => {}
            Some(Lost::Reset) => log.mark_all(Reason::Reset.number()),
            None => log.mark_all(Reason::Mailbox.number()),
        }
        if !quiet {
            // A command can end a pause, also one before logging began.
            log.may_run();
        }
        match self.ask(guest, log, how) {
            Ok(()) => {
                if let Some(reason) = failed {
                    // What was written since then.
                    log.mark_all(reason.number());
                }
                if quiet && self.tables.exist() {
                    log.mark_all(Reason::Mailbox.number());
                    log.may_run();
                }
                self.valid = true;
                self.lost = None;
            }
            Err(e) => {
                let reason = self.fail(guest, e);
                log.mark_all(reason.number());
            }
        }
    }

    /// Reads the contexts of a queue once more, before the first submission since they were read: a
    /// processor can have moved their heads back, and the hardware would carry out again what is
    /// complete. At the next report they look as they did before.
    pub(super) fn check(&mut self, guest: &impl Guest, number: u16) {
        let valid = self.valid;
        let tables = self.tables;
        let Some(queue) = self.get(number).filter(|_| valid) else {
            return;
        };
        if matches!(queue.fetched, Fetched::Both | Fetched::Same) {
            return;
        }
        let (Some(known), Some(engine)) = (queue.ring, guest.engine()) else {
            return;
        };
        let same = tables.read(guest, number).map(|(sqc, cqc)| {
            let now = Ring::from_contexts(engine, number, &sqc, &cqc);
            now.is_ok_and(|now| known.can_become(&now))
        });
        match same {
            Ok(true) => {}
            // The next report looks. Until then doorbells are unknown.
            Ok(false) => {
                self.valid = false;
                self.failed = Some(Reason::Changed);
            }
            Err(e) => {
                self.fail(guest, e);
            }
        }
    }

    /// A look has failed. Returns why all memory is dirty until one succeeds.
    fn fail(&mut self, guest: &impl Guest, error: Error) -> Reason {
        let reason = match error == EFAULT && !guest.can_read() {
            true => Reason::NoSpace,
            false => Reason::NoContexts,
        };
        self.valid = false;
        self.failed = Some(reason);
        reason
    }

    /// Returns whether the engine may work on a request that neither the log nor any context shows:
    /// one of a queue that the guest has replaced meanwhile. While there is no log, such a queue
    /// looks like any other one. If the host made the queues go on, none needs a doorbell.
    fn may_hide(&self, how: How) -> bool {
        self.kicked || (how == How::First && !self.queues.iter().all(Queue::is_new))
    }

    /// Asks for the contexts of all queues, after which the guest may touch the mailbox. On error,
    /// what is known of the rings is incomplete.
    fn ask(&mut self, guest: &impl Guest, log: &mut Log, how: How) -> Result {
        self.tables = Tables::ask(guest)?;
        if self.may_hide(how) {
            // From here on the guest replaces no queue unseen. What was replaced before ends.
            guest.let_finish();
            if self.tables.exist() {
                guest.refresh()?;
            } else if guest.touched() {
                return Err(EAGAIN);
            }
        }
        if !self.tables.exist() {
            // There is nothing to look at. What was submitted is complete if all is consumed. A VF
            // that works may have contexts that nobody can read, and that any doorbell starts.
            let rests = match self.tables.works() {
                true => Queue::is_new,
                false => Queue::is_consumed,
            };
            if self.kicked || !self.queues.iter().all(rests) {
                return Err(ENODEV);
            }
            for queue in &mut self.queues {
                *queue = Queue {
                    noted: queue.noted,
                    consumed: queue.consumed,
                    ..Queue::default()
                };
            }
            return Ok(());
        }
        self.look(guest, log, how)?;
        self.kicked = false;
        Ok(())
    }

    /// Looks at the contexts of all queues: [`EAGAIN`] if the guest has touched the mailbox.
    fn look(&mut self, guest: &impl Guest, log: &mut Log, how: How) -> Result {
        let engine = guest.engine().ok_or(EINVAL)?;
        let memory = Bounded::new(guest);
        let Self {
            tables,
            queues,
            slots,
            ..
        } = self;
        let (mut known, mut refused) = (false, None);
        tables.look(guest, |number, sqc, cqc| {
            // The guest may have changed contexts while they were read.
            if guest.touched() {
                return Err(EAGAIN);
            }
            let Some(queue) = queues.get_mut(usize::from(number)) else {
                return Ok(());
            };
            let mut look = Look {
                how,
                engine,
                guest,
                memory: &memory,
                log: &mut *log,
                slots: &mut *slots,
                number,
            };
            match look.queue(queue, sqc, cqc) {
                Some(why) => refused = refused.or(Some((number, why))),
                None => known |= queue.ring.is_some(),
            }
            Ok(())
        })?;
        if let Some((number, why)) = refused.filter(|_| !known && !self.told) {
            guest.understands_nothing(number, why);
            self.told = true;
        }
        Ok(())
    }

    /// Before a report: looks again at queues of which not all is known, or whose contexts the
    /// hardware has loaded from memory since the last look.
    pub(super) fn confirm(&mut self, guest: &impl Guest, log: &mut Log) {
        if !self.valid || !self.tables.exist() {
            return;
        }
        let open = |(number, queue): (u32, &Queue)| {
            let rung = queue.ring.is_some() && queue.fetched.is_open();
            rung || (queue.ring.is_some() && !queue.placed) || log.is_unknown(number)
        };
        if !(0..).zip(&self.queues).any(open) {
            return;
        }
        let looked = guest
            .refresh()
            .and_then(|()| self.look(guest, log, How::Again));
        match looked {
            Ok(()) if !guest.touched() => return,
            Ok(()) => {}
            // The guest has given a command meanwhile.
            Err(e) if e == EAGAIN => self.valid = false,
            // The hardware may have loaded other contexts than those that are known.
            Err(e) => {
                self.fail(guest, e);
            }
        }
        self.settle(guest, log, May::Wait);
    }
}
