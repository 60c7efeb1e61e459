// SPDX-License-Identifier: GPL-2.0

//! `debugfs.*`: files of debugfs.

mod files;

use crate::registry::{Generations, Spec};

/// What all cases of the suite need.
const SUITE: Spec = Spec {
    generations: Generations::Each,
    ..Spec::NONE
};
