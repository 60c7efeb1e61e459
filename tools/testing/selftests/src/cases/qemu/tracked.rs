// SPDX-License-Identifier: GPL-2.0

//! `qemu.iommufd_precopy`, `dirty.qemu_precopy`: a pre-copy that gets to its end, since the driver
//! says which pages its VF has written, and what the C driver does there, which cannot.

use crate::{
    cases::qemu::migrations::{migrate, start, vfs, waiting, works},
    nested::{Config, Outcome, Way},
};
use acc_vfio_user::{
    ensure,
    host::{Function, ZIP},
    vfio::{Device, Iommufd},
    Driver, Result,
};

/// Pages in a MiB
const PAGES: u64 = 256;

/// Fails where the driver of a VF does not track what it writes.
fn tracks(vf: &Function) -> Result<()> {
    let iommufd = Iommufd::new()?;
    let device = Device::open(&vf.vfio_path()?, &iommufd)?;
    ensure!(
        device.has_logging(),
        "{}: no VFIO_DEVICE_FEATURE_DMA_LOGGING_START: its driver does not track what it writes",
        vf.address
    );
    Ok(())
}

/// Whether the driver could tell, up to the end, which pages its VFs had written: few, not all.
pub fn few_are_dirty(outcome: &Outcome, config: &Config) -> Result<()> {
    let by_vfs = &outcome.vf_dirty;
    let last = by_vfs.last().copied().unwrap_or(0);
    ensure!(
        last * 4 < u64::from(config.memory_mb) * PAGES,
        "dirty by the VF, at the end too: {by_vfs:?} pages"
    );
    Ok(())
}

/// Whether the guest was stopped with little to do.
fn converged(outcome: &Outcome, config: &Config) -> Result<()> {
    let ram = outcome.ram;
    ensure!(ram.stop * 4 < ram.all, "it did not converge: {outcome}");
    few_are_dirty(outcome, config)
}

/// By an iommufd, with QEMU's own defaults, so slowly that the VF writes all that it may write to
/// meanwhile. With the C driver QEMU refuses: nobody would know which pages those are.
pub fn iommufd_precopy(driver: Driver) -> Result<String> {
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

/// A guest of 2 GiB, most of it known, and a VF that writes to many pages: by an iommufd with QEMU's
/// defaults; with the C driver by the legacy container, which takes all pages for dirty at any time.
pub fn qemu_precopy(driver: Driver) -> Result<String> {
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
