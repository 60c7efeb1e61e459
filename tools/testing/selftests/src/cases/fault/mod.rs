// SPDX-License-Identifier: GPL-2.0

//! `fault.*`: faults of the device, and a VF that survives them.

mod asleep;
mod cloud_hypervisor;
mod device;
mod errors;
mod load;
mod pause;
mod vft;

use crate::registry::{Generations, Spec};

/// What all cases of the suite need.
const SUITE: Spec = Spec {
    generations: Generations::Each,
    ..Spec::NONE
};
