// SPDX-License-Identifier: GPL-2.0

//! `qemu.httu_*`: the IOMMU has dirty bits, as on hosts with V3 and later. QEMU asks the IOMMU
//! which pages a VF wrote, or the driver, if that is to track nevertheless.

use crate::{
    nested::{Config, Outcome, Way},
    support::qemu::{converged, migrate, tracks, vfs},
    twin::Twin,
};
use acc_case::Httu;
use acc_vfio_user::{ensure, host::ZIP, Driver, Result};

/// By an iommufd, with QEMU's own defaults, so slowly that the VF writes all that it may write to
/// meanwhile.
fn config(driver: Driver) -> Config {
    Config {
        way: Way::Iommufd,
        device: "",
        bandwidth: 16 << 20,
        downtime_ms: 500,
        exits: true,
        ..Config::of(driver)
    }
}

/// What a migration came to, and what the ledger has of the source: pages that the VF wrote since
/// the migration began, and doorbells.
fn run(driver: Driver) -> Result<(Outcome, u64, u64)> {
    let config = config(driver);
    let outcome = migrate(ZIP, driver, &config)?;
    converged(&outcome, &config)?;
    let counts = Twin::open_device(ZIP.name)?.counts()?;
    let written = counts.get("vf1", "pages_written");
    let doorbells = counts.with_prefix("vf1", "doorbell.");
    ensure!(
        written != 0 && doorbells != 0,
        "the VF of the source has not worked"
    );
    Ok((outcome, written, doorbells))
}

fn remark(outcome: &Outcome, written: u64, doorbells: u64) -> String {
    format!(
        "{outcome}; {written} pages written, dirty by the VF {:?}; {doorbells} doorbells, {} exits",
        outcome.vf_dirty,
        outcome.exits.unwrap_or(0)
    )
}

case!(httu_precopy, with: [Rust, C], httu: Httu::On);
/// The IOMMU tracks. No report has more pages than the VF wrote. The doorbells are mapped: no write
/// of the guest passes QEMU.
fn httu_precopy(driver: Driver) -> Result<String> {
    let offers = tracks(&vfs(ZIP, driver)?[0]).is_ok();
    ensure!(!offers, "the driver tracks");
    let (outcome, written, doorbells) = run(driver)?;
    let remark = remark(&outcome, written, doorbells);
    ensure!(
        outcome.vf_dirty.iter().all(|dirty| *dirty <= written),
        "more is dirty than was written: {remark}"
    );
    ensure!(
        outcome.exits == Some(0),
        "the doorbells are not mapped: {remark}"
    );
    Ok(remark)
}

case!(httu_software, with: [Rust], httu: Httu::On);
/// The driver tracks, because it was told so. Each doorbell passes QEMU.
fn httu_software(driver: Driver) -> Result<String> {
    let vfs = vfs(ZIP, driver)?;
    for vf in &vfs {
        vf.set_attribute("dirty_tracking", "on")?;
    }
    tracks(&vfs[0])?;
    let run = run(driver);
    for vf in &vfs {
        vf.set_attribute("dirty_tracking", "auto")?;
    }
    let (outcome, written, doorbells) = run?;
    let remark = remark(&outcome, written, doorbells);
    // The ledger begins a moment before the trace.
    ensure!(
        outcome.exits > Some(doorbells / 2),
        "doorbells that the driver has not seen: {remark}"
    );
    Ok(remark)
}
