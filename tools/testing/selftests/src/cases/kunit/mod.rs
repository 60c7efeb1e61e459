// SPDX-License-Identifier: GPL-2.0

//! `kunit.*`: KUnit suites of our crates.

mod vfio_rs;

use crate::registry::Spec;

/// What all cases of the suite need.
const SUITE: Spec = Spec {
    kernel: &["kunit.enable=1"],
    ..Spec::NONE
};
