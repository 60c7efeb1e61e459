// SPDX-License-Identifier: GPL-2.0

//! The engines: each takes a submission queue entry, does what it says, and puts what came of it
//! into the entry. Nothing is written but into the buffers that the entry names.

pub mod hpre;
pub mod sec;
pub mod sgl;
pub mod zip;

use crate::{bus::Bus, kind::Accelerator};

/// Has the engine carry out an entry, which is of the accelerator's size. `alg_type` is the SQC's.
pub fn run(
    accelerator: Accelerator,
    bus: &mut dyn Bus,
    function: usize,
    alg_type: u8,
    entry: &mut [u8],
) {
    match accelerator {
        Accelerator::Zip => {
            if let Ok(entry) = entry.try_into() {
                zip::run(bus, function, alg_type, entry);
            }
        }
        Accelerator::Sec => {
            if let Ok(entry) = entry.try_into() {
                sec::run(bus, function, entry);
            }
        }
        Accelerator::Hpre => {
            if let Ok(entry) = entry.try_into() {
                hpre::run(bus, function, entry);
            }
        }
    }
}
