// SPDX-License-Identifier: GPL-2.0

//! A model of the HiSilicon accelerators ZIP, SEC2 and HPRE, hardware versions V2, V3 and V5: a PF,
//! its VFs, and the queue manager (QM) by which each of them is driven.
//!
//! Written from what the in-tree drivers of Linux show of the hardware; they are its judges. What
//! they do not show is guessed, and said to be: look for `Guess:`.
//!
//! The model knows nothing of QEMU: memory and interrupts are a [`Bus`], time is what [`Twin::run`]
//! is given.
//!
//! - [`kind`]: which accelerator, which generation;
//! - [`device`]: registers as drivers reach them; [`pf`]: what only the PF has; [`caps`]: the
//!   capability registers; [`dfx`]: counters;
//! - [`function`]: what each function has of its own: registers, mailbox, contexts;
//! - [`mailbox`]: its commands;
//! - [`queue`]: contexts and doorbells; [`work`]: fetching and completion; [`event`]: EQ and AEQ;
//! - [`engine`]: what compresses, ciphers, multiplies;
//! - [`guess`]: what the hardware might do instead; [`fault`]: faults to order; [`ledger`]: what
//!   happened; [`log`]: in which order; [`control`]: how tests ask for these.

pub mod bus;
pub mod caps;
pub mod control;
pub mod device;
pub mod dfx;
pub mod engine;
pub mod event;
pub mod fault;
pub mod function;
pub mod guess;
pub mod kind;
pub mod ledger;
pub mod log;
pub mod mailbox;
pub mod pf;
pub mod queue;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod work;

pub use bus::{Bus, Fault};
pub use device::Twin;
pub use hisi_acc_hw::{Engine, Generation};
pub use kind::Kind;
pub use ledger::Ledger;

/// The QM's registers, engine's registers on the PF.
pub const BAR2: u8 = 2;
/// Isolated doorbells.
pub const BAR4: u8 = 4;

/// BAR2 of the PF: 4 MiB, so that the engine's registers at 0x301000 are in it.
pub const PF_BAR2_SIZE: u64 = 4 << 20;
/// BAR2 of a VF: 64 KiB, on V3 the upper half being the migration registers (hisi_acc_vfio_pci.h).
pub const VF_BAR2_SIZE: u64 = hisi_acc_hw::regs::VF_BAR2_SIZE;
/// A queue's doorbell page in BAR4 (`QM_QP_DB_INTERVAL` of qm.c).
pub const DOORBELL_PAGE: u64 = hisi_acc_hw::regs::QM_QP_DB_INTERVAL;
/// BAR4 of each function: a page for each queue of the device.
pub const BAR4_SIZE: u64 = DOORBELL_PAGE * caps::TOTAL_QUEUES as u64;

#[cfg(test)]
mod tests;
