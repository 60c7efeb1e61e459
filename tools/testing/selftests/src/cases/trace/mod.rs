// SPDX-License-Identifier: GPL-2.0

//! `trace.*`: tracepoints.

mod events;

use crate::registry::Spec;

/// What all cases of the suite need.
const SUITE: Spec = Spec::NONE;
