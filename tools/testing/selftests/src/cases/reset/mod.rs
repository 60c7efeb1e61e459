// SPDX-License-Identifier: GPL-2.0

//! `reset.*`: resets in whatever state.

mod begins;
mod fatal;
mod function;
mod pf;
mod races;
mod unseen;

use crate::registry::{Generations, Spec};

/// What all cases of the suite need.
const SUITE: Spec = Spec {
    generations: Generations::Each,
    ..Spec::NONE
};
