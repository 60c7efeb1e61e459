// SPDX-License-Identifier: GPL-2.0

//! `qemu.iommufd_precopy`, `dirty.qemu_precopy`: a pre-copy that gets to its end, since the driver
//! says which pages its VF has written, and what the C driver does there, which cannot.

use crate::{
    nested::{Config, Way},
    support::qemu::{converged, migrate, start, tracks, vfs, waiting, works},
};
use acc_vfio_user::{ensure, host::ZIP, Driver, Result};

case!(iommufd_precopy, with: [Rust, C]);
/// By an iommufd, with QEMU's own defaults, so slowly that the VF writes all that it may write to
/// meanwhile. With the C driver QEMU refuses: nobody would know which pages those are.
fn iommufd_precopy(driver: Driver) -> Result<String> {
    let config = Config {
        way: Way::Iommufd,
        device: "",
        bandwidth: 16 << 20,
        downtime_ms: 500,
        ..Config::of(driver)
    };
    if driver == Driver::C {
        let vfs = vfs(ZIP, driver)?;
        let mut source = start("a", &config, &[&vfs[0]])?;
        let (_target, socket) = waiting("b", &config, &[&vfs[1]])?;
        let why = match source.migrate(&socket) {
            Ok(()) => String::new(),
            Err(e) => e.to_string(),
        };
        ensure!(
            why.contains("dirty tracking"),
            "QEMU was to refuse for want of dirty tracking: '{why}'"
        );
        works(&mut source, config.engines, 100)?;
        return Ok("QEMU refuses it: no dirty tracking".to_owned());
    }
    tracks(&vfs(ZIP, driver)?[0])?;
    let outcome = migrate(ZIP, driver, &config)?;
    converged(&outcome, &config)?;
    Ok(outcome.to_string())
}
