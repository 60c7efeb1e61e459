// SPDX-License-Identifier: GPL-2.0

//! `qemu.*`: QEMU in the guest migrates guests of its own.

mod dirty_bits;
mod faults;
mod migrations;
mod old_guests;
mod tracked;

use crate::registry::{Flavour, Spec};

/// What all cases of the suite need.
const SUITE: Spec = Spec {
    // A kernel with KASAN is too much for an emulated machine in an emulated machine. The kernel's
    // own tests of the engines take long.
    nested: true,
    memory_gib: Some(3),
    flavour: Flavour::Plain,
    kernel: &["cryptomgr.notests=1"],
    long: true,
    ..Spec::NONE
};
