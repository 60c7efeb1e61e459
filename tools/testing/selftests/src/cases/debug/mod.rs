// SPDX-License-Identifier: GPL-2.0

//! `debug.*`: the debug flavour of the kernel finds what is provoked, and the harness sees it.

mod provoke;

use crate::registry::{Flavour, Spec};

/// What all cases of the suite need.
const SUITE: Spec = Spec {
    // Each spoils its guest.
    fresh: true,
    flavour: Flavour::Debug,
    ..Spec::NONE
};
