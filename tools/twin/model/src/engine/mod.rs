// SPDX-License-Identifier: GPL-2.0

//! The engines: each takes a submission queue entry, does what it says, and puts what came of it
//! into the entry. Nothing is written but into the buffers that the entry names.

pub mod hpre;
pub mod sec;
pub mod sgl;
pub mod zip;

use crate::bus::Bus;
use hisi_acc_hw::Engine;

/// What the model has of one engine, besides the facts of its [`Descriptor`](hisi_acc_hw::Descriptor).
pub(crate) struct Model {
    /// The capability registers from 0x3124 on, see [`caps`](crate::caps).
    pub(crate) capabilities: &'static [u32],
    /// Returns what a register that says that the engine is ready shows.
    pub(crate) ready: fn(u32) -> Option<u32>,
    /// See [`run()`].
    run: fn(&mut dyn Bus, usize, u8, &mut [u8]),
}

/// Returns the row of an engine.
pub(crate) fn of(engine: Engine) -> &'static Model {
    match engine {
        Engine::Zip => &zip::MODEL,
        Engine::Sec => &sec::MODEL,
        Engine::Hpre => &hpre::MODEL,
    }
}

/// Has the engine carry out an SQE of the engine's size. `alg_type` is the SQC's.
pub fn run(engine: Engine, bus: &mut dyn Bus, function: usize, alg_type: u8, sqe: &mut [u8]) {
    (of(engine).run)(bus, function, alg_type, sqe);
}
