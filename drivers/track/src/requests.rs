// SPDX-License-Identifier: GPL-2.0

//! Requests of a ring: their SQEs, and the CQEs of those before them.

use crate::{
    guest::{
        Bounded,
        Guest, //
    },
    reason::Reason,
    slots::Slots, //
};
use dma_log::Log;
use hisi_acc_hw::{
    context::CQE_SIZE,
    dma::{
        self,
        Engine,
        Memory,
        Output,
        Why, //
    },
    ring::{
        Cqe,
        Ring, //
    },
};

/// How many SQEs are read at once.
const BATCH: u16 = 16;

/// Returns the index before `index` in a ring, `None` if the ring has no such index.
pub(crate) fn before(index: u16, depth: u16) -> Option<u16> {
    if index >= depth {
        return None;
    }
    Some(index.checked_sub(1).unwrap_or(depth - 1))
}

/// Reads the CQE at `address`. `None` if it cannot be read.
fn cqe(memory: &impl Memory, address: u64) -> Option<Cqe> {
    let mut raw = [0; CQE_SIZE];
    memory.read(address, &mut raw).ok()?;
    Some(Cqe::from_bytes(&raw))
}

/// Reads the CQE at `index`. `None` if it cannot be read.
pub(crate) fn completion(memory: &impl Memory, ring: &Ring, index: u16) -> Option<Cqe> {
    cqe(memory, ring.cqe_address(index)?)
}

/// The last request that was submitted in a queue.
#[derive(Clone, Copy)]
pub(crate) struct Last {
    /// Its ticket.
    pub(crate) ticket: u32,
    /// Where its CQE goes.
    address: u64,
}

impl Last {
    /// Returns the request before `tail`, by the CQE that its own will replace. `None` if that
    /// cannot be read.
    pub(crate) fn before(memory: &impl Memory, ring: &Ring, tail: u16) -> Option<Self> {
        let index = before(tail, ring.depth)?;
        let address = ring.cqe_address(index)?;
        let ticket = cqe(memory, address)?.next_ticket(index);
        Some(Self { ticket, address })
    }

    /// Returns whether its CQE is there. Then all requests of the queue that were submitted before
    /// it are complete, too. Zeros are no proof: the guest may have cleared the CQ.
    pub(crate) fn is_complete(&self, memory: &impl Memory, number: u16) -> bool {
        let mut raw = [0; CQE_SIZE];
        if memory.read(self.address, &mut raw).is_err() || raw == [0; CQE_SIZE] {
            return false;
        }
        let cqe = Cqe::from_bytes(&raw);
        cqe.ticket() == self.ticket && cqe.sq_num == number
    }
}

/// The ticket of what completes with a later request only. No CQE has it.
const NEVER: u32 = u32::MAX;

/// Puts something unknown in flight in a queue, up to the request `last`.
pub(crate) fn unknown(log: &mut Log, number: u16, last: Option<Last>, reason: Reason) {
    let ticket = last.map_or(NEVER, |last| last.ticket);
    log.submit(u32::from(number), ticket)
        .unknown(reason.number());
}

/// Puts the requests from `first` to before `tail` in flight: the SQEs, which the engine writes
/// back, the places of their CQEs, and their outputs. Returns the last one, if there is one.
/// After an error, the requests that are not in flight yet are unknown.
#[expect(
    clippy::too_many_arguments,
    reason = "a ring, its requests, and what they go into"
)]
pub(crate) fn decode<G: Guest>(
    engine: Engine,
    memory: &Bounded<'_, G>,
    log: &mut Log,
    slots: &mut Slots,
    number: u16,
    ring: &Ring,
    first: u16,
    tail: u16,
) -> Result<Option<Last>, Reason> {
    if !ring.decodes && first != tail {
        return Err(Reason::Why(Why::QueueType));
    }
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
        memory.read(address, batch).map_err(|_| refused(memory))?;
        // The CQEs that are there now are acknowledged, or soon will be. Those of these requests
        // replace them.
        let address = ring.cqe_address(index).ok_or(Reason::NoRing)?;
        let there = completions
            .get_mut(..usize::from(count))
            .ok_or(Reason::NoRing)?;
        memory
            .read(address, there.as_flattened_mut())
            .map_err(|_| refused(memory))?;
        for ((index, sqe), there) in (index..next).zip(batch.chunks_exact(size)).zip(&*there) {
            // While a request of the same index is in flight, either of the two may be written
            // back.
            let alone = log.in_flight(u32::from(number)) < usize::from(ring.depth);
            let identity = dma::identity(engine, sqe, true).filter(|_| alone);
            slots.put(number, index, ring.depth, identity);
            let ticket = Cqe::from_bytes(there).next_ticket(index);
            last = ring
                .cqe_address(index)
                .map(|address| Last { ticket, address });
            let mut entry = log.submit(u32::from(number), ticket);
            // The engine writes the SQE back, and the CQE at the same index.
            match ring.sqe_address(index).zip(ring.cqe_address(index)) {
                Some((sqe, cqe)) => {
                    // CAST: Widen.
                    entry.range(false, sqe, size as u64);
                    entry.range(false, cqe, CQE_SIZE as u64);
                }
                None => entry.unknown(Reason::NoRing.number()),
            }
            let decoded = dma::outputs(engine, sqe, memory, &mut |output, range| {
                entry.range(output == Output::Data, range.address, range.len);
                Ok(())
            });
            if let Err(why) = decoded {
                let reason = match memory.is_over() {
                    true => Reason::TooLong,
                    false => Reason::Why(why),
                };
                entry.unknown(reason.number());
            }
        }
        index = if next >= ring.depth { 0 } else { next };
    }
    Ok(last)
}

/// Returns why memory could not be read.
fn refused<G: Guest>(memory: &Bounded<'_, G>) -> Reason {
    match (memory.is_over(), memory.can_read()) {
        (true, _) => Reason::TooLong,
        (false, true) => Reason::Unreadable,
        (false, false) => Reason::NoSpace,
    }
}
