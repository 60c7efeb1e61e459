// SPDX-License-Identifier: GPL-2.0

//! The engines: each takes a submission queue entry, does what it says, and puts what came of it
//! into the entry. Nothing is written but into the buffers that the entry names.

pub mod hpre;
mod row;
pub mod sec;
pub mod sgl;
pub mod zip;

use self::row::Model;
use crate::bus::Bus;
use hisi_acc_hw::Engine;

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
