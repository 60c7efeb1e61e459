// SPDX-License-Identifier: GPL-2.0

//! How many accesses of registers our driver may need, by the ledger of the device model. Only
//! accesses have limits: they are the same in each run.

/// Accesses of the VF and of the PF.
#[derive(Clone, Copy)]
pub struct Limit {
    pub vf: u64,
    pub pf: u64,
}

/// RUNNING -> STOP_COPY, and the read of the whole stream, of a VF that is set up and idle, and
/// whose mailbox holds an answer. Without doorbells and polls.
pub const SAVE: Limit = Limit { vf: 44, pf: 3 };
/// RUNNING -> RESUMING -> STOP -> RUNNING with a stream. Without doorbells and polls.
pub const RESUME: Limit = Limit { vf: 40, pf: 4 };
