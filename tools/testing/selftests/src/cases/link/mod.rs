// SPDX-License-Identifier: GPL-2.0

//! `link.*`: the way to the PF comes and goes.

mod in_load;
mod no_memory;
mod notify;
mod unbind;

use crate::registry::{Generations, Spec};

/// What all cases of the suite need.
const SUITE: Spec = Spec {
    generations: Generations::Each,
    ..Spec::NONE
};
