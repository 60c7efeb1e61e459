// SPDX-License-Identifier: GPL-2.0

//! `twin.*`: the unmodified drivers of the kernel judge the device model.

mod aer;
mod bus;
mod flr;
mod ledger;
mod model;
mod qos;
mod ras;

use crate::registry::{Generations, Spec};

/// What all cases of the suite need.
const SUITE: Spec = Spec {
    generations: Generations::Each,
    // They judge it with a slow kernel too.
    kernel: &["cryptomgr.notests=0"],
    ..Spec::NONE
};
