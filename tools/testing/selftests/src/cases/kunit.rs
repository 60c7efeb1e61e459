// SPDX-License-Identifier: GPL-2.0

//! `kunit.*`: the KUnit suites of the modules. They run when a module is loaded, where the kernel
//! was started with `kunit.enable=1`.

use super::ensure;
use crate::{host, Result};

/// The suites of the VFIO layer.
pub fn vfio_rs() -> Result<()> {
    host::modprobe("vfio_rs")?;
    let log = host::log()?;
    for suite in [
        "vfio_rs_region",
        "vfio_rs_region_part",
        "vfio_rs_migration_state",
        "vfio_rs_dirty_span",
        "vfio_rs_dirty_fifo",
        "vfio_rs_dirty_pages",
        "vfio_rs_dirty_set",
        "vfio_rs_dirty_flight",
        "vfio_rs_dirty_log",
        "vfio_rs_dirty_ops",
    ] {
        let result = log
            .lines()
            .find(|line| line.ends_with(suite) && line.contains("ok "))
            .ok_or(format!("no result of {suite} in the log"))?;
        ensure!(!result.contains("not ok"), "{result}");
    }
    host::rmmod("vfio_rs")
}
