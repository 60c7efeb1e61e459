// SPDX-License-Identifier: GPL-2.0

//! `sample.*`: the sample driver for QEMU's edu device.

mod arcs;
mod edu;
mod only;

use crate::registry::Spec;

/// What all cases of the suite need.
const SUITE: Spec = Spec::NONE;
