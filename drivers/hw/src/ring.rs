// SPDX-License-Identifier: GPL-2.0

//! Rings of a queue, as its contexts describe them. (Signatures; what is refused follows.)

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

/// The rings of a queue: its SQ, and the CQ of the same number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ring {
    /// Where the SQ is
    pub sq_base: u64,
    /// Entries in the SQ
    pub sq_depth: u16,
    /// Bytes of each
    pub sqe_size: usize,
    /// Where the CQ is
    pub cq_base: u64,
    /// Entries in the CQ
    pub cq_depth: u16,
    /// The SQC's tail: where the next entry is submitted
    pub sq_tail: u16,
    /// The CQC's tail: where the next completion goes
    pub cq_tail: u16,
    idle: bool,
}

impl Ring {
    /// From the contexts of queue `queue`, or why they are not understood.
    pub fn from_contexts(engine: Engine, _queue: u16, sqc: &Xqc, cqc: &Xqc) -> Result<Self, Why> {
        Ok(Self {
            sq_base: sqc.base(),
            sq_depth: SqcDw3::from_raw(sqc.dw3()).depth,
            sqe_size: engine.sqe_size(),
            cq_base: cqc.base(),
            cq_depth: SqcDw3::from_raw(cqc.dw3()).depth,
            sq_tail: sqc.tail(),
            cq_tail: cqc.tail(),
            idle: false,
        })
    }

    /// The address of an SQE, `None` where the SQ has no such entry.
    pub fn sqe_address(&self, index: u16) -> Option<u64> {
        (index < self.sq_depth)
            .then(|| u64::from(index).checked_mul(self.sqe_size as u64))
            .flatten()
            .and_then(|offset| self.sq_base.checked_add(offset))
    }

    /// The address of a CQE, `None` where the CQ has no such entry.
    pub fn cqe_address(&self, index: u16) -> Option<u64> {
        (index < self.cq_depth)
            .then(|| u64::from(index).checked_mul(CQE_SIZE as u64))
            .flatten()
            .and_then(|offset| self.cq_base.checked_add(offset))
    }

    /// Whether nothing that was submitted is incomplete, as far as contexts can tell; `false` where
    /// they cannot.
    pub const fn is_idle(&self) -> bool {
        self.idle
    }
}

/// An entry of a completion queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cqe {
    /// The index of the SQE that is done
    pub sq_head: u16,
    /// The SQ that it is of
    pub sq_num: u16,
    /// Turns with each round of the CQ: tells a new entry from an old one
    pub phase: bool,
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
}
