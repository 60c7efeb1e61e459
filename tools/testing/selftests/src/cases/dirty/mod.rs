// SPDX-License-Identifier: GPL-2.0

//! `dirty.*`: the pages that the driver reports contain all that the device model wrote.

mod answer;
mod begins;
mod contexts;
mod cost;
pub mod dies;
mod hostile;
mod items;
mod late;
mod life;
mod no_memory;
pub mod old_guest;
mod precise;
mod qemu;
mod room;
mod shown;
mod spaces;
mod uapi;
mod watched;

use crate::registry::{Generations, Spec};

/// What all cases of the suite need.
const SUITE: Spec = Spec {
    generations: Generations::Each,
    ..Spec::NONE
};
