// SPDX-License-Identifier: GPL-2.0

//! Rings of a queue, as its contexts describe them.
//!
//! Source: `qm_sq_ctx_cfg()`, `qm_cq_ctx_cfg()` and what they are made of, `QM_MK_SQC_DW3_V2`,
//! `QM_MK_CQC_DW3_V2`, `QM_MK_SQC_W13` and the shifts, of `qm.c`; `struct qm_cqe` of `qm_common.h`.
//!
//! For dirty tracking, so all that those do not make is refused ([`Why`]).

#[cfg(test)]
mod tests;

use crate::{
    context::{
        SqcDw3,
        Xqc,
        CQE_SIZE, //
    },
    dma::{
        Engine,
        Why, //
    },
};

/// `QM_SQ_TAIL_IDX`, `QM_CQ_TAIL_IDX`: the phase of the tail, in w11
const TAIL_PHASE: u16 = 1 << 6;
/// `QM_QC_PASID_ENABLE << QM_QC_PASID_ENABLE_SHIFT`: in w11 of an SQC
const SQC_PASID: u16 = 1 << 7;
/// The same of a CQC, where `qm_cq_ctx_cfg()` does not shift it: both
const CQC_PASID: u16 = SQC_PASID | 1;

/// `QM_SQ_ORDERS_SHIFT`, in w13: completions come in the order of the requests
const ORDERS: u16 = 1 << 4;
/// `QM_SQC_DISABLE_QP`, in w13
const DISABLE: u16 = 1 << 6;
/// Bits of w13 that have no name: all but priority, orders, `QM_SQC_DISABLE_QP` and the type
const UNKNOWN: u16 = !(0xf | ORDERS | DISABLE | (0xf << 8));

/// `QM_QC_CQE_SIZE`: the size of a CQE as a power of two
const CQE_SHIFT: u8 = CQE_SIZE.trailing_zeros() as u8;

/// The rings of a queue: its SQ, and the CQ of the same number.
///
/// Neither goes beyond the end of the address space.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ring {
    /// Where the SQ is
    pub sq_base: u64,
    /// Entries in the SQ, and as many in the CQ: the completion of an entry has the entry's index
    pub depth: u16,
    /// Bytes of each
    pub sqe_size: usize,
    /// Whether the SQEs have the engine's format. If not, `sq_base` and `sqe_size` mean nothing
    pub decodes: bool,
    /// Where the CQ is
    pub cq_base: u64,
    /// The SQC's head: where the engine fetches the next entry
    pub sq_head: u16,
    /// The SQC's tail: where the next entry is submitted
    pub sq_tail: u16,
    /// The CQC's tail: where the next completion goes
    pub cq_tail: u16,
    /// Whether the phases of both tails are the same
    in_phase: bool,
}

impl Ring {
    /// From the contexts of queue `queue`, or why they are not understood.
    pub fn from_contexts(engine: Engine, queue: u16, sqc: &Xqc, cqc: &Xqc) -> Result<Self, Why> {
        if sqc.w13() & DISABLE != 0 {
            return Err(Why::QueueDisabled);
        }
        // CAST: masked to four bits.
        let alg_type = ((sqc.w13() >> 8) & 0xf) as u8;
        if sqc.w13() & UNKNOWN != 0 {
            return Err(Why::QueueType);
        }
        let decodes = engine.takes_queue_type(alg_type);
        if sqc.w13() & ORDERS == 0 {
            return Err(Why::QueueOrders);
        }
        if sqc.cq_num() != queue {
            return Err(Why::QueueCq);
        }
        if sqc.w11() & SQC_PASID != 0 || cqc.w11() & CQC_PASID != 0 {
            return Err(Why::QueuePasid);
        }
        let sqe_size = engine.sqe_size();
        let entry_shift = match decodes {
            // CAST: less than 64.
            true => sqe_size.trailing_zeros() as u8,
            false => SqcDw3::from_raw(sqc.dw3()).entry_shift,
        };
        let sq_depth = ring(sqc, entry_shift)?;
        let cq_depth = ring(cqc, CQE_SHIFT)?;
        // Else it could not be said where the completion of a request goes.
        if sq_depth != cq_depth {
            return Err(Why::QueueDepth);
        }
        Ok(Self {
            sq_base: sqc.base(),
            depth: sq_depth,
            sqe_size,
            decodes,
            cq_base: cqc.base(),
            sq_head: sqc.head(),
            sq_tail: sqc.tail(),
            cq_tail: cqc.tail(),
            in_phase: (sqc.w11() ^ cqc.w11()) & TAIL_PHASE == 0,
        })
    }

    /// The address of an SQE, `None` where the SQ has no such entry.
    pub const fn sqe_address(&self, index: u16) -> Option<u64> {
        // CAST: 128 at most.
        entry(self.sq_base, self.depth, self.sqe_size as u64, index)
    }

    /// The address of a CQE, `None` where the CQ has no such entry.
    pub const fn cqe_address(&self, index: u16) -> Option<u64> {
        // CAST: 16.
        entry(self.cq_base, self.depth, CQE_SIZE as u64, index)
    }

    /// The length of the SQ, in bytes: not 0.
    pub const fn sq_len(&self) -> u64 {
        // CAST: 16 bits, and 128 at most.
        self.depth as u64 * self.sqe_size as u64
    }

    /// The length of the CQ, in bytes: not 0.
    pub const fn cq_len(&self) -> u64 {
        // CAST: 16 bits, and 16.
        self.depth as u64 * CQE_SIZE as u64
    }

    /// Returns whether all that was submitted is complete, as `qm_wait_qp_empty()` tells it: both
    /// tails have come as far. The engine has fetched all of it, too.
    ///
    /// Whether the driver has seen the completions is another question.
    pub const fn is_idle(&self) -> bool {
        self.sq_tail == self.cq_tail && self.in_phase && self.sq_head == self.sq_tail
    }

    /// Returns how many entries before the tail the engine may still work on: from the SQ's head or
    /// from the CQ's tail on, whichever is further from the SQ's tail. `None` if the phases
    /// contradict the tails, as those of a ring without a free entry do.
    pub const fn in_flight(&self) -> Option<u16> {
        // A tail that has wrapped once more than the other is before it in the ring.
        if self.in_phase != (self.sq_tail >= self.cq_tail) {
            return None;
        }
        Some(self.in_flight_to(self.sq_tail))
    }

    /// The same, if the last doorbell had the index `tail` of the ring, whatever the SQ's tail is:
    /// the hardware may not have handled the doorbell yet.
    pub const fn in_flight_to(&self, tail: u16) -> u16 {
        let fetched = self.distance(self.sq_head, tail);
        let done = self.distance(self.cq_tail, tail);
        if fetched > done {
            fetched
        } else {
            done
        }
    }

    /// Returns whether the hardware alone can make `later` of it, without a doorbell: the engine
    /// goes on with what is in flight.
    pub fn can_become(&self, later: &Self) -> bool {
        let goes_on = || {
            let (before, after) = (self.in_flight(), later.in_flight());
            after.is_some_and(|after| before.is_some_and(|before| after <= before))
        };
        let same = self.is_at(later) && self.sq_tail == later.sq_tail;
        *self == *later || (same && goes_on())
    }

    /// Returns whether the engine has fetched all entries before `tail` that are complete, as it
    /// must have if each completion is that of the entry of its index.
    pub const fn is_ordered_to(&self, tail: u16) -> bool {
        self.distance(self.sq_head, tail) <= self.distance(self.cq_tail, tail)
    }

    /// Returns how many entries there are from `first` to before `end`.
    pub const fn distance(&self, first: u16, end: u16) -> u16 {
        if end >= first {
            end - first
        } else {
            // Both are in the ring.
            end + (self.depth - first)
        }
    }

    /// Returns the index that is `count` entries before `end`; both at most the depth.
    pub const fn back(&self, end: u16, count: u16) -> u16 {
        if end >= count {
            end - count
        } else {
            self.depth - (count - end)
        }
    }

    /// Returns whether the two have their entries in the same places.
    pub const fn is_at(&self, other: &Self) -> bool {
        self.sq_base == other.sq_base
            && self.cq_base == other.cq_base
            && self.depth == other.depth
            && self.decodes == other.decodes
    }
}

/// What can be said of a queue whose contexts are not understood.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rest {
    /// There is no queue
    Blank,
    /// All that was submitted is complete, as [`Ring::is_idle`] has it, and as
    /// `qm_invalid_queues()` leaves a queue that is stopped
    Idle {
        /// The tail of both
        tail: u16,
    },
    /// Neither, for all that is known
    Unknown,
}

impl Rest {
    /// Of queue `queue`, by its contexts. A disabled queue is none: the hardware takes no doorbell
    /// of it, and what it had was flushed (`qm_invalid_queues()`).
    pub fn of(queue: u16, sqc: &Xqc, cqc: &Xqc) -> Self {
        if *sqc == Xqc::zeroed() || sqc.w13() & DISABLE != 0 {
            return Self::Blank;
        }
        let same = |what: fn(&Xqc) -> u32| what(sqc) == what(cqc);
        let idle = sqc.cq_num() == queue
            && same(|c| u32::from(c.tail()))
            && sqc.head() == sqc.tail()
            && same(|c| u32::from(c.w11() & TAIL_PHASE))
            && same(|c| u32::from(SqcDw3::from_raw(c.dw3()).depth));
        if idle {
            Self::Idle { tail: sqc.tail() }
        } else {
            Self::Unknown
        }
    }
}

/// Checks what SQC and CQC have in common; says how many entries there are.
fn ring(context: &Xqc, entry_shift: u8) -> Result<u16, Why> {
    let dw3 = SqcDw3::from_raw(context.dw3());
    // What is above the size had no name yet in V1 either.
    if dw3.entry_shift != entry_shift || context.dw3() >> 16 != 0 {
        return Err(Why::QueueEntrySize);
    }
    // A ring keeps one entry free; one of a single entry takes nothing.
    if dw3.depth < 2 {
        return Err(Why::QueueDepth);
    }
    if context.head() >= dw3.depth || context.tail() >= dw3.depth {
        return Err(Why::QueueIndex);
    }
    // Neither wraps: 12 bits, and 7 at most.
    let len = u64::from(dw3.depth) << entry_shift;
    let base = context.base();
    if base == 0 || base & ((1 << entry_shift) - 1) != 0 || base.checked_add(len).is_none() {
        return Err(Why::QueueBase);
    }
    Ok(dw3.depth)
}

const fn entry(base: u64, depth: u16, size: u64, index: u16) -> Option<u64> {
    if index < depth {
        // CAST: widen. It does not wrap: the ring does not.
        Some(base + index as u64 * size)
    } else {
        None
    }
}

/// An entry of a completion queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cqe {
    /// `sq_head`: the index of the SQE that is done
    pub sq_head: u16,
    /// `sq_num`: the SQ that it is of
    pub sq_num: u16,
    /// `QM_CQE_PHASE` of `w7`: turns with each round of the CQ, and so tells a new entry from an
    /// old one
    pub phase: bool,
}

/// What tells a request from all others of its ring that are in flight, or whose completions the
/// driver has not acknowledged yet: its index, and the phase that its completion has, since there
/// may be two of an index. There are not three: a CQ does not go round over what is not
/// acknowledged.
const fn ticket(index: u16, phase: bool) -> u32 {
    // CAST: Widen.
    index as u32 | ((phase as u32) << 16)
}

/// The index in a ticket.
pub const fn ticket_index(ticket: u32) -> u16 {
    // CAST: As it was made.
    ticket as u16
}

impl Cqe {
    /// From its bytes.
    pub const fn from_bytes(b: &[u8; CQE_SIZE]) -> Self {
        Self {
            sq_head: u16::from_le_bytes([b[8], b[9]]),
            sq_num: u16::from_le_bytes([b[10], b[11]]),
            phase: b[14] & 1 != 0,
        }
    }

    /// The ticket of the request that this is the completion of.
    pub const fn ticket(&self) -> u32 {
        ticket(self.sq_head, self.phase)
    }

    /// The ticket of the request of this index, where its completion is still to take this one's
    /// place.
    pub const fn next_ticket(&self, index: u16) -> u32 {
        ticket(index, !self.phase)
    }
}
