// SPDX-License-Identifier: GPL-2.0

//! What a HiSilicon accelerator VF writes to its guest's memory, by its doorbells.
//!
//! For hosts whose IOMMU has no dirty bits. `Documentation/driver-api/dirty-tracking.rst` explains why
//! no page is lost. The logic sees the VF and the guest through one small trait, [`Guest`], and enters
//! what it learns in a [`dma_log::Log`]. So it is compiled into the module `hisi_acc_vfio_rs`, and on
//! the host, where `tools/hostkernel` stands for the kernel's crate.
//!
//! - [`Write`]: what a write to a mediated part is;
//! - [`Queues`]: what is known of the queues, and what a doorbell means for them;
//! - [`Reason`]: why all memory counts as dirty;
//! - `slots`: which request is where in a ring;
//! - `tables`: where the contexts of the queues are.

mod queues;
mod reason;
mod requests;
mod slots;
mod tables;
mod write;

pub use self::{
    queues::Queues,
    reason::Reason,
    tables::{
        Contexts,
        XqcWords, //
    },
    write::{
        Doorbells,
        Write, //
    },
};

use hisi_acc_hw::dma::{
    Engine,
    Memory, //
};
use kernel::prelude::*;

/// A VF and its guest, as the logic sees them. [`Memory::read`] reads guest memory as the VF would.
pub trait Guest: Memory {
    /// Returns the VF's engine, `None` if it is unknown.
    fn engine(&self) -> Option<Engine>;

    /// Returns whether the guest may have used the mailbox since [`Guest::contexts`] last succeeded.
    fn touched(&self) -> bool;

    /// Asks the VF for the contexts of its queues, while the guest cannot reach the registers. The
    /// contexts that the VF caches are in memory when this returns. `None` if the guest driver is gone:
    /// its tables are stale.
    fn contexts(&self) -> Result<Option<Contexts>>;
}
