// SPDX-License-Identifier: GPL-2.0

//! `stream.*`: migration data by any reads and writes.

mod ends;
mod fuzz;
mod limit;
mod no_memory;
mod transfer;

use crate::registry::{Generations, Spec};

/// What all cases of the suite need.
const SUITE: Spec = Spec {
    generations: Generations::Each,
    ..Spec::NONE
};
