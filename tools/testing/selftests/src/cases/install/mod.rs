// SPDX-License-Identifier: GPL-2.0

//! `install.*`: the Debian packages, in a guest that has nothing of them, and what the
//! documentation says of installing them.

pub mod boot;
mod examples;
mod libvirt;
mod mixed;
mod packages;
mod readme;
mod signed;

use crate::registry::Spec;

/// What all cases of the suite need.
const SUITE: Spec = Spec {
    // Modules and programs of the guest are replaced.
    fresh: true,
    ..Spec::NONE
};
