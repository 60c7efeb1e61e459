// SPDX-License-Identifier: GPL-2.0

//! `cli.*`: the command line tool `accvf`.

mod bind;
mod hosts;
mod qemu;
mod recording;
mod streams;
mod usage;

use crate::registry::Spec;

/// What all cases of the suite need.
const SUITE: Spec = Spec::NONE;
