// SPDX-License-Identifier: GPL-2.0

//! A module that does nothing.

use kernel::prelude::*;

struct Nothing;

impl kernel::Module for Nothing {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        #[cfg(unused_variable)]
        let nobody_reads = 1;
        Ok(Self)
    }
}

module! {
    type: Nothing,
    name: "acc_modules_test",
    authors: ["hisi-acc-vfio-rs"],
    description: "Tests of the build of modules",
    license: "GPL",
}
