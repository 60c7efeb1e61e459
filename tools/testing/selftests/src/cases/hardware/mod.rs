// SPDX-License-Identifier: GPL-2.0

//! `hardware.*`: what the program does on a machine with real accelerators, tried where there are
//! none.

mod run;

use crate::registry::{Generations, Spec};

/// What all cases of the suite need. The control device goes for a while, so no other case may have
/// it mapped.
const SUITE: Spec = Spec {
    generations: Generations::Each,
    fresh: true,
    ..Spec::NONE
};
