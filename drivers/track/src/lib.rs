// SPDX-License-Identifier: GPL-2.0

//! What a HiSilicon accelerator VF writes to its guest's memory, by its doorbells.
//!
//! For hosts whose IOMMU has no dirty bits. `Documentation/driver-api/dirty-tracking.rst` explains
//! why no page is lost. The logic sees the VF and the guest through one small trait, [`Guest`], and
//! enters what it learns in a [`dma_log::Log`]. So it is compiled into the module
//! `hisi_acc_vfio_rs`, and on the host, where `tools/hostkernel` stands for the kernel's crate.
//!
//! - [`Registers`]: how a VF is asked for the contexts of its queues;
//! - [`Last`], [`Left`]: what shows that the guest has given no command;
//! - [`Write`]: what a write to a mediated part is;
//! - [`Queues`]: what is known of the queues, and what a doorbell means for them;
//! - [`Reason`]: why all memory counts as dirty;
//! - `slots`: which request is where in a ring;
//! - `tables`: where the contexts of the queues are.

mod ask;
mod guest;
mod left;
mod queues;
mod reason;
mod requests;
mod slots;
mod tables;
#[cfg(test)]
mod testing;
mod write;

pub use self::{
    ask::Registers,
    guest::{
        Contexts,
        Guest,
        XqcWords, //
    },
    left::{
        counted,
        Last,
        Left, //
    },
    queues::Queues,
    reason::Reason,
    write::{
        Doorbells,
        Write, //
    },
};
