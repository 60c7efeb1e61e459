// SPDX-License-Identifier: GPL-2.0

//! What the logic asks of a VF and its guest.

use hisi_acc_hw::{
    dma::{
        Engine,
        Memory, //
    },
    regs, //
};
use kernel::prelude::*;

/// The words of an EQC or AEQC.
pub type XqcWords = [u32; regs::QM_XQC_DWORDS];

/// What a VF says of the contexts of its queues.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Contexts {
    /// The answer to `QM_MB_CMD_SQC_BT`: the address of the SQCs, 0 if there are none.
    pub sqc: u64,
    /// The answer to `QM_MB_CMD_CQC_BT`.
    pub cqc: u64,
    /// How many queues the VF has, by the PF's VFT.
    pub num: u32,
    /// The EQC.
    pub eqc: XqcWords,
    /// The AEQC.
    pub aeqc: XqcWords,
}

/// A VF and its guest, as the logic sees them. [`Memory::read`] reads guest memory as the VF would.
pub trait Guest: Memory {
    /// Returns the VF's engine, `None` if it is unknown.
    fn engine(&self) -> Option<Engine>;

    /// Returns whether the guest may have used the mailbox since [`Guest::contexts`] last
    /// succeeded.
    fn touched(&self) -> bool;

    /// Asks the VF for the contexts of its queues, while the guest cannot reach the registers. The
    /// contexts that the VF caches are in memory when this returns. `None` if the guest driver is
    /// gone: its tables are stale.
    fn contexts(&self) -> Result<Option<Contexts>>;
}
