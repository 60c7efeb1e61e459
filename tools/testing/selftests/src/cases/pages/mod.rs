// SPDX-License-Identifier: GPL-2.0

//! `pages.*`: a host with pages of 64 KiB.

mod large;

use crate::registry::{Flavour, Spec};

/// What all cases of the suite need.
const SUITE: Spec = Spec {
    flavour: Flavour::Pages64k,
    ..Spec::NONE
};
