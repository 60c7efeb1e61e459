// SPDX-License-Identifier: GPL-2.0

//! `migration.*`: migrations of a VF.

mod answer;
mod inflight;
mod moves;
mod pending;

use crate::registry::{Generations, Spec};

/// What all cases of the suite need.
const SUITE: Spec = Spec {
    generations: Generations::Each,
    ..Spec::NONE
};
