// SPDX-License-Identifier: GPL-2.0

//! The row that each engine has in the model.

use crate::bus::Bus;

/// What the model has of one engine, besides the facts of its
/// [`Descriptor`](hisi_acc_hw::Descriptor).
pub(crate) struct Model {
    /// The capability registers from 0x3124 on, see [`caps`](crate::caps).
    pub(crate) capabilities: &'static [u32],
    /// Returns what a register that says that the engine is ready shows.
    pub(crate) ready: fn(u32) -> Option<u32>,
    /// See [`run()`](super::run).
    pub(super) run: fn(&mut dyn Bus, usize, u8, &mut [u8]),
}
