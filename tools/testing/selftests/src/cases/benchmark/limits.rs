// SPDX-License-Identifier: GPL-2.0

//! How many accesses of registers our driver may need, by the ledger of the device model. Only
//! accesses have limits: they are the same in each run.

/// Accesses of the VF and of the PF.
#[derive(Clone, Copy)]
pub struct Limit {
    pub vf: u64,
    pub pf: u64,
}

/// What a generation needs at most.
pub struct Limits {
    /// RUNNING -> STOP_COPY, and the read of the whole stream, of a VF that is set up and idle, and
    /// whose mailbox holds an answer. Without doorbells and polls.
    pub save: Limit,
    /// RUNNING -> RESUMING -> STOP -> RUNNING with a stream. Without doorbells and polls.
    pub resume: Limit,
}

/// An access to the mailbox counts twice: it has 16 bytes.
pub const V3: Limits = Limits {
    save: Limit { vf: 47, pf: 3 },
    resume: Limit { vf: 48, pf: 3 },
};
pub const V5: Limits = Limits {
    save: Limit { vf: 33, pf: 20 },
    resume: Limit { vf: 34, pf: 21 },
};
