// SPDX-License-Identifier: GPL-2.0

//! `benchmark.*`: what a migration costs with the C driver and with ours, in one boot.

mod downtime;
mod limits;
mod migration;

use crate::registry::{Flavour, Generations, Spec};

/// What all cases of the suite need.
const SUITE: Spec = Spec {
    generations: Generations::Each,
    flavour: Flavour::Plain,
    long: true,
    fresh: true,
    ..Spec::NONE
};
