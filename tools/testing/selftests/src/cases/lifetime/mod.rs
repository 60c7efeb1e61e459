// SPDX-License-Identifier: GPL-2.0

//! `lifetime.*`: what userspace holds outlives what it belongs to.

mod close_and_reset;
mod leaks;
mod modules;
mod unbind;

use crate::registry::{Generations, Spec};

/// What all cases of the suite need.
const SUITE: Spec = Spec {
    generations: Generations::Each,
    ..Spec::NONE
};
