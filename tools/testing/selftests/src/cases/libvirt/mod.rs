// SPDX-License-Identifier: GPL-2.0

//! `libvirt.*`: Debian's own libvirt binds VFs, and starts, suspends, saves and migrates guests.

mod guests;

use crate::registry::{Flavour, Spec};

/// What all cases of the suite need.
const SUITE: Spec = Spec {
    nested: true,
    libvirt: true,
    memory_gib: Some(3),
    flavour: Flavour::Host,
    kernel: &["cryptomgr.notests=1"],
    long: true,
    ..Spec::NONE
};
