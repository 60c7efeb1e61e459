// SPDX-License-Identifier: GPL-2.0

//! `topology.*`: which functions migrate, by what and where they are.

mod foreign;
mod groups;
mod places;
mod versions;

use crate::registry::{Generations, Spec};

/// What all cases of the suite need.
const SUITE: Spec = Spec {
    generations: Generations::Each,
    ..Spec::NONE
};
