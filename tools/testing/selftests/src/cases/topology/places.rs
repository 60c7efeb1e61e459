// SPDX-License-Identifier: GPL-2.0

//! `topology.*`: which functions migrate, by where they are; what cannot migrate is what vfio-pci
//! makes of it, and the log says why, once. Functions that share an IOMMU group: `groups`.

use crate::support::{
    bench::{Bench, VFS},
    moves,
    refused::{does_jobs, refused_for, register},
};
use acc_case::Topology;
use acc_vfio_user::{
    ensure,
    host::{self, Function},
    vfio::{state, Device},
    Driver, Result,
};
use hisi_acc_hw::regs;
use std::{fs, os::unix::fs::PermissionsExt};

/// Types of functions (`PCI_EXP_TYPE_ENDPOINT`, `PCI_EXP_TYPE_RC_END`).
const ENDPOINT: u32 = 0;
const INTEGRATED: u32 = 9;

/// `PCI_EXT_CAP_ID_ACS`
const ACS: u32 = 0xd;

/// Each VF is of this type and alone in its IOMMU group. Two of them migrate, and with our driver
/// two of different engines together.
fn alone(driver: Driver, wanted: u32) -> Result<()> {
    for accelerator in host::ALL {
        for vf in accelerator.vfs(VFS)? {
            let kind = vf.pcie_type()?;
            ensure!(kind == wanted, "{}: type {kind}", vf.address);
            let group = vf.group_members()?;
            ensure!(
                group == [vf.address.as_str()],
                "{}: group {group:?}",
                vf.address
            );
        }
    }
    moves::idle(driver)?;
    match driver {
        Driver::Rust => moves::two_vfs(),
        Driver::C => Ok(()),
    }
}

case!(endpoint, with: [Rust, C]);
/// Endpoints below a port with ACS, as hosts are known to have them.
fn endpoint(driver: Driver) -> Result<()> {
    let port = Function {
        address: host::pf()?.parent()?,
    };
    ensure!(
        port.extended_capability(ACS)?.is_some(),
        "{} has no ACS",
        port.address
    );
    alone(driver, ENDPOINT)
}

case!(integrated, with: [Rust, C], topology: Topology::Integrated);
/// Integrated endpoints on the root bus.
fn integrated(driver: Driver) -> Result<()> {
    alone(driver, INTEGRATED)
}

case!(no_link);
/// The PF's queue manager is not published: an administrator has unbound it.
fn no_link() -> Result<()> {
    let mut bench = Bench::new(&[])?;
    let vf = bench.vfs[0].clone();
    for vf in &bench.vfs {
        vf.unbind()?;
    }
    host::modprobe("hisi_acc_vfio_rs")?;
    let links = "/sys/bus/auxiliary/drivers/hisi_acc_vfio_rs.hisi_acc_vfio_rs";
    let link = host::pf()?.link().ok_or("no auxiliary device")?;
    fs::write(format!("{links}/unbind"), &link).map_err(|e| format!("{links}/unbind: {e}"))?;
    let why = "hisi_acc_link publishes no queue manager of its PF";
    let checked = refused_for(Driver::Rust, &vf, &mut bench, why, does_jobs);
    fs::write(format!("{links}/bind"), &link)?;
    checked?;
    // With the link it migrates.
    host::bind(&vf, Driver::Rust)?;
    let flags = bench.open(0)?.migration_flags()?;
    ensure!(flags != 0, "with the link, flags {flags:#x}");
    Ok(())
}

case!(pf, with: [Rust, C]);
/// A PF, which its administrator has bound to this driver.
fn pf(driver: Driver) -> Result<()> {
    let mut bench = Bench::new(&[])?;
    let pf = host::pf()?;
    fs::write(pf.path().join("sriov_numvfs"), "0")?;
    let revision = host::generation()?.layout().revision;
    let works = |device: &Device, _: &mut Bench| -> Result<()> {
        device.set_bus_master(true)?;
        let bar = device.region(2)?;
        ensure!(bar.size == 4 << 20, "BAR2 has {:#x} bytes", bar.size);
        // One that the PF alone has, and one that reads as a reset leaves it.
        for (at, wanted) in [
            (0x10_006c, 1),
            (u64::from(regs::QM_VF_STATE), regs::QM_NOT_READY),
        ] {
            let value = register(device, &bar, at)?;
            ensure!(value == wanted, "{at:#x} reads {value:#x}");
        }
        let config = device.region(7)?;
        let mut byte = [0];
        device.read_at(&config, 8, &mut byte)?;
        ensure!(byte[0] == revision, "revision {:#x}", byte[0]);
        Ok(())
    };
    let why = "it is no virtual function";
    let checked = refused_for(driver, &pf, &mut bench, why, works);
    pf.bind(host::ZIP.module)?;
    checked
}

case!(blocker);
/// `migration_blocker` of a VF that migrates is an empty line, open or not. It is read-only, and
/// goes with the driver. Other cases of this suite compare the reasons with those of the log;
/// `reset.pf_begins` has a PF that is reset, `topology.window` registers that moved.
fn blocker() -> Result<()> {
    let bench = Bench::new(&[Driver::Rust])?;
    let vf = bench.vfs[0].clone();
    let path = vf.path().join("migration_blocker");
    let mode = fs::metadata(&path)?.permissions().mode() & 0o777;
    ensure!(mode == 0o444, "its mode is {mode:o}");
    let empty = |when: &str| -> Result<()> {
        let why = vf.migration_blocker()?;
        ensure!(why.is_empty(), "{when}: '{why}'");
        Ok(())
    };
    empty("bound")?;
    let device = bench.open(0)?;
    empty("open")?;
    device.set_state(state::STOP)?;
    empty("stopped")?;
    device.set_state(state::RUNNING)?;
    drop(device);
    vf.unbind()?;
    ensure!(
        !path.exists(),
        "without a driver there is {}",
        path.display()
    );
    Ok(())
}
