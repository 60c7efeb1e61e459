// SPDX-License-Identifier: GPL-2.0

//! What is known of the queues of a VF whose doorbells are mediated.

use super::{
    reason::Reason,
    slots::Slots,
    tables::Tables,
    Vf, //
};
use crate::device::BAR2;
use hisi_acc_hw::{
    context::CQE_SIZE,
    dma::{
        self,
        Engine,
        Memory,
        Output,
        Unreadable, //
    },
    doorbell::{
        Doorbell,
        Kind, //
    },
    ring::{
        ticket_index,
        Cqe,
        Rest,
        Ring, //
    },
};
use kernel::prelude::*;
use vfio::{
    dirty::Log,
    region, //
};

/// The queue of a log that what cannot be said of any queue is put down to. A doorbell has 12 bits for
/// the number.
const NO_QUEUE: u32 = 0x1_0000;

/// The user's memory as the hardware sees it.
struct UserMemory<'a, 'b>(&'a Vf<'b>);

impl Memory for UserMemory<'_, '_> {
    fn read(&self, address: u64, to: &mut [u8]) -> Result<(), Unreadable> {
        self.0.read_dma(address, to).map_err(|_| Unreadable)
    }
}

/// A queue pair.
#[derive(Clone, Copy, Default)]
struct Queue {
    /// The index that the last doorbell of the SQ had, logged or not
    noted: Option<u16>,
    /// Where its entries are; `None` for a queue that is not set up, or not understood
    ring: Option<Ring>,
    /// Where new entries begin
    tail: Option<u16>,
    /// The last entry that was submitted, by its ticket
    last: Option<u32>,
}

impl Queue {
    /// Whether nothing is in flight, by the contexts; `rest` where they are not understood. Completions
    /// that the user has not taken yet may be there: their phase tells them from those to come.
    fn is_idle(&self, rest: Rest) -> bool {
        match (self.ring, rest) {
            (Some(ring), _) => ring.is_idle() && self.tail.is_some(),
            (None, Rest::Blank) => true,
            (None, Rest::Idle { tail }) => self.noted.is_none_or(|noted| noted == tail),
            (None, Rest::Unknown) => false,
        }
    }

    /// The last entry that was submitted before now, by its ticket. If it completes just now, and its
    /// completion is taken for the one before it in its place, it is in flight for a round too long.
    fn begun(&self, dev: &Vf<'_>, ring: &Ring) -> Option<u32> {
        let last = before(self.noted.unwrap_or(ring.sq_tail), ring.depth)?;
        Some(completion(dev, ring, last)?.next_ticket(last))
    }
}

/// Why what is in flight is not all in the log.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lost {
    /// It has just been switched on: what was written before does not count
    Started,
    /// The VF was reset, or its state was loaded: where rings and tables were is forgotten
    Reset,
}

/// All queues of a VF. Under a lock of its own, below that of the log.
#[derive(Default)]
pub(crate) struct Queues {
    queues: KVVec<Queue>,
    slots: Slots,
    tables: Tables,
    /// `tables`, and what the queues have of rings and tails, are those of the hardware, unless the
    /// user has touched the mailbox since
    valid: bool,
    /// What is in flight is not all in the log
    lost: Option<Lost>,
    /// Something was written that nobody can say what it does
    odd: bool,
}

impl Queues {
    /// The VF was opened: [`ENOMEM`] where there is no room for `num` queues.
    pub(crate) fn open(&mut self, num: u32) -> Result {
        let num = usize::try_from(num)?;
        *self = Self {
            queues: KVVec::from_elem(Queue::default(), num, GFP_KERNEL_ACCOUNT)?,
            slots: Slots::new(num)?,
            ..Self::default()
        };
        Ok(())
    }

    /// The VF was closed.
    pub(crate) fn close(&mut self) {
        *self = Self::default();
    }

    /// The VF was reset, or a state was loaded: nothing that was known holds.
    pub(crate) fn lose(&mut self) {
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

    /// A doorbell is rung while there is no log.
    pub(super) fn note(&mut self, doorbell: &Doorbell) {
        if doorbell.kind != Kind::Sq {
            return;
        }
        if let Some(queue) = self.get(doorbell.queue) {
            queue.noted = Some(doorbell.index);
        }
    }

    /// Something else is written while there is no log.
    pub(super) fn odd(&mut self) {
        self.odd = true;
    }

    /// Something else is written: till the next reset nobody knows what the VF writes.
    pub(super) fn unknown_write(&mut self, log: &mut Log) {
        log.lose(NO_QUEUE, Reason::OddWrite.number());
    }

    /// Logging begins.
    pub(super) fn start(&mut self, dev: &Vf<'_>, log: &mut Log) -> Result {
        self.valid = false;
        self.lost = Some(Lost::Started);
        if self.odd {
            self.unknown_write(log);
        }
        self.settle(dev, log);
        Ok(())
    }

    /// It ends.
    pub(super) fn stop(&mut self) {
        self.valid = false;
        self.slots.forget();
        for queue in &mut self.queues {
            queue.ring = None;
            queue.tail = None;
        }
    }

    /// Makes sure that the rings are known. Where they are not, because the user has had a chance to
    /// use the mailbox, all memory may have been written by it: contexts can be dumped anywhere.
    fn settle(&mut self, dev: &Vf<'_>, log: &mut Log) {
        if self.valid && !dev.touched(region::Index::from_raw(BAR2)) {
            return;
        }
        match self.lost {
            Some(Lost::Started) => {}
            Some(Lost::Reset) => log.mark_all(Reason::Reset.number()),
            None => log.mark_all(Reason::Mailbox.number()),
        }
        if self.ask(dev, log).is_err() {
            self.valid = false;
            log.mark_all(Reason::NoContexts.number());
            // What comes from now on counts.
            self.lost = self.lost.map(|_| Lost::Reset);
        }
    }

    fn ask(&mut self, dev: &Vf<'_>, log: &mut Log) -> Result {
        let engine = Engine::of_device(dev.data().device_id).ok_or(EINVAL)?;
        for queue in &mut self.queues {
            queue.ring = None;
            queue.tail = None;
        }
        self.tables = Tables::ask(dev)?;
        let (tables, lost) = (self.tables, self.lost.is_some());
        if !tables.exist() {
            // What was rung before was for queues that are gone.
            for queue in &mut self.queues {
                queue.noted = None;
            }
        }
        tables.look(dev, |number, sqc, cqc| {
            let Some(queue) = self.queues.get_mut(usize::from(number)) else {
                return;
            };
            queue.ring = Ring::from_contexts(engine, number, sqc, cqc).ok();
            // The doorbells and the context must agree: else the queue is another one than it was.
            queue.tail = queue
                .ring
                .map(|ring| ring.sq_tail)
                .filter(|tail| queue.noted.is_none_or(|noted| noted == *tail));
            if lost && !queue.is_idle(Rest::of(number, sqc, cqc)) {
                queue.last = queue.ring.and_then(|ring| queue.begun(dev, &ring));
                unknown(log, number, queue.last, Reason::Before);
            }
        })?;
        // Contexts that changed while they were read are not these.
        if dev.touched(region::Index::from_raw(BAR2)) {
            return Err(EAGAIN);
        }
        self.valid = true;
        self.lost = None;
        Ok(())
    }
}

/// Doorbells and reports, while there is a log.
impl Queues {
    /// New entries of a submission queue, up to `tail`: told before the hardware is.
    pub(super) fn submitted(&mut self, dev: &Vf<'_>, log: &mut Log, number: u16, tail: u16) {
        self.settle(dev, log);
        let Some(queue) = self.get(number) else {
            // It is none of the VF's, as the PF's VFT has it; who knows.
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
            Some(first) => decode(dev, log, &mut self.slots, number, &ring, first, tail),
            None => Err(Reason::NoTail),
        };
        let last = match decoded {
            // Nothing new
            Ok(None) => return,
            Ok(last) => last,
            Err(reason) => {
                let last = before(tail, ring.depth).and_then(|index| {
                    let there = completion(dev, &ring, index)?;
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

    /// The user has taken completions, up to `head`: told before the hardware is.
    pub(super) fn consumed(&mut self, dev: &Vf<'_>, log: &mut Log, number: u16, head: u16) {
        self.settle(dev, log);
        let Some(queue) = self.get(number) else {
            return;
        };
        let (ring, last) = (queue.ring, queue.last);
        let Some(ring) = ring else {
            return;
        };
        // Where it cannot be read all stays in flight, and so dirty.
        let cqe = before(head, ring.depth).and_then(|index| completion(dev, &ring, index));
        let Some(cqe) = cqe.filter(|cqe| cqe.sq_num == number) else {
            return;
        };
        let Some(engine) = Engine::of_device(dev.data().device_id) else {
            return;
        };
        let slots = &self.slots;
        log.complete(u32::from(number), cqe.ticket(), |ticket| {
            let index = ticket_index(ticket);
            let submitted = slots.get(number, index)?;
            let mut raw = [0; dma::SQE_MAX];
            let sqe = raw.get_mut(..engine.sqe_size())?;
            dev.read_dma(ring.sqe_address(index)?, sqe).ok()?;
            // The user may have put another entry there by now: it must be the one that was submitted,
            // and the engine must have written it.
            let same = dma::identity(engine, sqe, false) == Some(submitted);
            dma::produced(engine, sqe).filter(|bytes| same && *bytes != 0)
        });
        // The last of all: whatever was in flight there, known or not, is done.
        if last == Some(cqe.ticket()) {
            log.abandon(u32::from(number));
        }
    }

    /// What the hardware may have written that no descriptor names.
    pub(super) fn report(&mut self, dev: &Vf<'_>, log: &mut Log) {
        self.settle(dev, log);
        for range in self.tables.ranges() {
            log.mark(range.address, range.len);
        }
    }
}

/// Entries read at once.
const BATCH: u16 = 16;

/// The index before `index` in a ring; `None` where it has no such index.
fn before(index: u16, depth: u16) -> Option<u16> {
    if index >= depth {
        return None;
    }
    Some(index.checked_sub(1).unwrap_or(depth - 1))
}

/// What is in a completion ring at `index`; `None` where it cannot be read.
fn completion(dev: &Vf<'_>, ring: &Ring, index: u16) -> Option<Cqe> {
    let mut raw = [0; CQE_SIZE];
    dev.read_dma(ring.cqe_address(index)?, &mut raw).ok()?;
    Some(Cqe::from_bytes(&raw))
}

/// Something unknown is in flight in a queue, up to the entry of the ticket `last`.
fn unknown(log: &mut Log, number: u16, last: Option<u32>, reason: Reason) {
    match last {
        Some(last) => log.submit(u32::from(number), last).unknown(reason.number()),
        None => log.lose(u32::from(number), reason.number()),
    }
}

/// Puts the entries from `first` to before `tail` in flight: where the engine writes them back, where
/// their completions go, and what they tell it to write. Says which is the last, by its ticket; `None`
/// where there is none. On error, those that were not are unknown.
fn decode(
    dev: &Vf<'_>,
    log: &mut Log,
    slots: &mut Slots,
    number: u16,
    ring: &Ring,
    first: u16,
    tail: u16,
) -> Result<Option<u32>, Reason> {
    let engine = Engine::of_device(dev.data().device_id).ok_or(Reason::NoQueue)?;
    let size = engine.sqe_size();
    let mut bytes = [0u8; dma::SQE_MAX * BATCH as usize];
    let mut completions = [[0u8; CQE_SIZE]; BATCH as usize];
    let (mut index, mut last) = (first, None);
    while index != tail {
        // Up to the tail, or to the end of the ring.
        let end = if tail > index { tail } else { ring.depth };
        let count = end.saturating_sub(index).min(BATCH);
        let next = index.saturating_add(count);
        let address = ring.sqe_address(index).ok_or(Reason::NoRing)?;
        let batch = bytes
            .get_mut(..size.saturating_mul(usize::from(count)))
            .ok_or(Reason::NoRing)?;
        dev.read_dma(address, batch)
            .map_err(|_| Reason::Unreadable)?;
        // What is there now was acknowledged, or is soon: the entries' own come in its place.
        let address = ring.cqe_address(index).ok_or(Reason::NoRing)?;
        let there = completions
            .get_mut(..usize::from(count))
            .ok_or(Reason::NoRing)?;
        dev.read_dma(address, there.as_flattened_mut())
            .map_err(|_| Reason::Unreadable)?;
        for ((index, sqe), there) in (index..next).zip(batch.chunks_exact(size)).zip(&*there) {
            // One of the same index may be in flight still: which of the two was written back?
            let alone = log.in_flight(u32::from(number)) < usize::from(ring.depth);
            let identity = dma::identity(engine, sqe, true).filter(|_| alone);
            slots.put(number, index, ring.depth, identity);
            let ticket = Cqe::from_bytes(there).next_ticket(index);
            last = Some(ticket);
            let mut entry = log.submit(u32::from(number), ticket);
            // It is written back, and its completion is at its index.
            match ring.sqe_address(index).zip(ring.cqe_address(index)) {
                Some((sqe, cqe)) => {
                    // CAST: Widen.
                    entry.range(false, sqe, size as u64);
                    entry.range(false, cqe, CQE_SIZE as u64);
                }
                None => entry.unknown(Reason::NoRing.number()),
            }
            let decoded = dma::outputs(engine, sqe, &UserMemory(dev), &mut |output, range| {
                entry.range(output == Output::Data, range.address, range.len);
                Ok(())
            });
            if let Err(why) = decoded {
                entry.unknown(Reason::Why(why).number());
            }
        }
        index = if next >= ring.depth { 0 } else { next };
    }
    Ok(last)
}
