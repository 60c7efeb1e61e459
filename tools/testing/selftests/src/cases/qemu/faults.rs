// SPDX-License-Identifier: GPL-2.0

//! `qemu.fault_*`: whatever fails in a migration, one side runs the guest, and its VF works there.

use crate::{
    nested::{Config, Way},
    support::survive::{
        pf::{self, Act},
        Matrix, Side,
    },
};
use acc_vfio_user::{Driver, Result};

fn all(driver: Driver, side: Side, way: Way) -> Result<String> {
    let config = Config {
        way,
        ..Config::of(driver)
    };
    Matrix::new(driver, config)?.run(side)
}

case!(fault_source, with: [Rust, C], fresh: true, allowed: &[UNMAPPED]);
/// Each fault of the device model at each step, on the source.
fn fault_source(driver: Driver) -> Result<String> {
    all(driver, Side::Source, Way::Legacy)
}

case!(fault_target, with: [Rust, C], fresh: true, allowed: &[UNMAPPED]);
/// The same on the target.
fn fault_target(driver: Driver) -> Result<String> {
    all(driver, Side::Target, Way::Legacy)
}

// By an iommufd QEMU refuses to migrate a VF that nobody tracks, as with the C driver.
case!(fault_source_iommufd, with: [Rust], fresh: true, allowed: &[UNMAPPED]);
fn fault_source_iommufd(driver: Driver) -> Result<String> {
    all(driver, Side::Source, Way::Iommufd)
}

case!(fault_target_iommufd, with: [Rust], fresh: true, allowed: &[UNMAPPED]);
fn fault_target_iommufd(driver: Driver) -> Result<String> {
    all(driver, Side::Target, Way::Iommufd)
}

case!(fault_pf_reset, with: [Rust, C], fresh: true);
/// The PF is reset at each step.
fn fault_pf_reset(driver: Driver) -> Result<String> {
    pf::run(driver, &Config::of(driver), Act::Reset)
}

case!(fault_pf_unbound, with: [Rust, C], fresh: true, known: &[SRIOV_UNLOCKED]);
/// The PF's driver is unbound at each step.
fn fault_pf_unbound(driver: Driver) -> Result<String> {
    pf::run(driver, &Config::of(driver), Act::Unbind)
}
