// SPDX-License-Identifier: GPL-2.0

//! A model of the HiSilicon ZIP accelerator, hardware version V3: a PF, its VFs, and the queue
//! manager (QM) by which each of them is driven.
//!
//! Written from what the in-tree drivers of Linux show of the hardware; they are its judges. What
//! they do not show is guessed, and said to be: look for `Guess:`.
//!
//! The model knows nothing of QEMU: memory and interrupts are a [`Bus`], time is what [`Twin::run`]
//! is given.
//!
//! - [`function`]: what each function has of its own: registers, mailbox, contexts;
//! - [`queue`]: queues at work: doorbells, fetching, completion, events;
//! - [`mailbox`]: its commands;
//! - [`device`]: registers as drivers reach them, and what only the PF has;
//! - [`engine`]: what compresses;
//! - [`caps`]: the capability registers.

pub mod bus;
pub mod caps;
pub mod control;
pub mod device;
pub mod engine;
pub mod function;
pub mod ledger;
pub mod mailbox;
pub mod queue;

pub use bus::{Bus, Fault};
pub use device::Twin;
pub use ledger::Ledger;

/// The QM's registers, engine's registers on the PF.
pub const BAR2: u8 = 2;
/// Isolated doorbells.
pub const BAR4: u8 = 4;

/// BAR2 of the PF: 4 MiB, so that the engine's registers at 0x301000 are in it.
pub const PF_BAR2_SIZE: u64 = 4 << 20;
/// BAR2 of a VF: 64 KiB, the upper half being the migration registers (hisi_acc_vfio_pci.h).
pub const VF_BAR2_SIZE: u64 = 64 << 10;
/// A queue's doorbell page in BAR4 (`QM_QP_DB_INTERVAL` of qm.c).
pub const DOORBELL_PAGE: u64 = 64 << 10;
/// BAR4 of each function: a page for each queue of the device.
pub const BAR4_SIZE: u64 = DOORBELL_PAGE * caps::TOTAL_QUEUES as u64;

#[cfg(test)]
mod tests;
