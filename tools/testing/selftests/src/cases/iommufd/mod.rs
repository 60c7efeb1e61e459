// SPDX-License-Identifier: GPL-2.0

//! `iommufd.*`: address spaces and their owners.

mod spaces;

use crate::registry::Spec;

/// What all cases of the suite need.
const SUITE: Spec = Spec::NONE;
