// SPDX-License-Identifier: GPL-2.0

//! `p2p.*`: devices that are quiesced before any of them is stopped.

mod arcs;
mod states;

use crate::registry::{Generations, Spec};

/// What all cases of the suite need.
const SUITE: Spec = Spec {
    generations: Generations::Each,
    ..Spec::NONE
};
