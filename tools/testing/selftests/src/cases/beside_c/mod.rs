// SPDX-License-Identifier: GPL-2.0

//! `beside_c.*`: our driver and the C driver, access for access.

mod compare;

use crate::registry::{Generations, Spec, C_LOCK_CYCLE};

/// What all cases of the suite need.
const SUITE: Spec = Spec {
    generations: Generations::Each,
    // Cases with the C driver that do not have it in their names.
    known: &[C_LOCK_CYCLE],
    ..Spec::NONE
};
