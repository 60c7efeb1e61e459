// SPDX-License-Identifier: GPL-2.0

//! `kunit.*`: the KUnit suites of the modules. They run when a module is loaded, where the kernel
//! was started with `kunit.enable=1`.

use crate::support::ktap;
use acc_vfio_user::{host, Result};

/// Our modules. A module that has suites runs them when it is loaded.
const MODULES: &[&str] = &[
    "vfio_rs",
    "hisi_acc_link",
    "hisi_acc_vfio_rs",
    "vfio_edu_rs",
];

case!(vfio_rs);
/// Loads all modules; all of their suites have to pass.
fn vfio_rs() -> Result<()> {
    const BEGIN: &str = "kunit: the modules are loaded now";
    host::say(BEGIN)?;
    for module in MODULES {
        host::modprobe(module)?;
    }
    let passed = ktap::passed(&host::log_after(BEGIN)?)?;
    println!("# {} tests of {}", passed.tests, passed.suites.join(", "));
    for module in MODULES.iter().rev() {
        host::rmmod(module)?;
    }
    Ok(())
}
