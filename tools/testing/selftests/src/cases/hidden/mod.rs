// SPDX-License-Identifier: GPL-2.0

//! `hidden.*`: the hidden part of BAR2.

mod asleep;
mod backdoors;
mod bar2;
mod doors;
mod other_vf;

use crate::registry::{Generations, Spec};

/// What all cases of the suite need.
const SUITE: Spec = Spec {
    generations: Generations::Each,
    ..Spec::NONE
};
