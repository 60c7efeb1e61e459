// SPDX-License-Identifier: GPL-2.0

//! `upstream.*`: the kernel's own VFIO selftests.

mod programs;

use crate::registry::Spec;

/// What all cases of the suite need.
const SUITE: Spec = Spec::NONE;
