// SPDX-License-Identifier: GPL-2.0

//! `httu.*`: the IOMMU has dirty bits, as those of hosts with V3 and later have. iommufd tells
//! which pages a VF wrote, and the driver need not.

mod bits;
mod policy;

use crate::registry::{Generations, Spec};
use acc_case::Httu;

/// What all cases of the suite need.
const SUITE: Spec = Spec {
    generations: Generations::Each,
    httu: Httu::On,
    ..Spec::NONE
};
