// SPDX-License-Identifier: GPL-2.0

//! `dirty.qemu_precopy`: QEMU migrates a large guest and asks which pages its VF wrote.

use crate::{
    nested::{Config, Way},
    support::qemu::{converged, migrate},
};
use acc_vfio_user::{ensure, host::ZIP, Driver, Result};

// Two guests of 2 GiB run in this one.
case!(
    qemu_precopy,
    with: [Rust, C],
    generations: One(V3),
    nested: true,
    memory_gib: Some(6),
    flavour: Plain,
    kernel: &["cryptomgr.notests=1"],
    long: true,
);
/// A guest of 2 GiB, most of it known, and a VF that writes to many pages: by an iommufd with
/// QEMU's defaults; with the C driver by the legacy container, which takes all pages for dirty at
/// any time.
fn qemu_precopy(driver: Driver) -> Result<String> {
    let config = Config {
        memory_mb: 2048,
        known_mb: 1536,
        written: 5,
        ..Config::of(driver)
    };
    let config = match driver {
        Driver::Rust => Config {
            way: Way::Iommufd,
            downtime_ms: 1000,
            ..config
        },
        Driver::C => config,
    };
    let outcome = migrate(ZIP, driver, &config)?;
    match driver {
        Driver::Rust => converged(&outcome, &config)?,
        Driver::C => ensure!(
            outcome.ram.stop >> 20 >= u64::from(config.known_mb),
            "all of RAM was dirty, and not all was sent at the end: {outcome}"
        ),
    }
    Ok(outcome.to_string())
}
