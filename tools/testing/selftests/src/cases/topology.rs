// SPDX-License-Identifier: GPL-2.0

//! `topology.*`: a device that cannot migrate soundly, or at all, is what vfio-pci makes of it; and the
//! log says why, once.

use super::{ensure, errno, Bench};
use crate::{
    host::{self, Function},
    qm::Qm,
    vfio::{face::Face, Device},
    work::{Workload, Zip},
    Driver, Result,
};
use hisi_acc_hw::{ids, regs};
use std::{fs, path::Path};

const JOBS: usize = 8;

/// What plain vfio-pci shows of a function.
fn plain(function: &Function, bench: &Bench) -> Result<Face> {
    host::modprobe("vfio-pci")?;
    function.bind("vfio-pci")?;
    let device = Device::open(&function.vfio_path()?, &bench.iommufd)?;
    Ok(device.face()?)
}

/// The function is bound to the driver under test and opened a few times: `works` is done with it
/// each time, it shows what it shows with vfio-pci, and there is one line that says `why`.
fn refused(
    driver: Driver,
    function: &Function,
    bench: &mut Bench,
    why: &str,
    works: impl Fn(&Device, &mut Bench) -> Result<()>,
) -> Result<()> {
    let expected = plain(function, bench)?;
    function.unbind()?;
    let mark = format!("acc-selftest: {} is refused", function.address);
    host::say(&mark)?;
    host::bind(function, driver)?;
    for _ in 0..3 {
        let device = Device::open(&function.vfio_path()?, &bench.iommufd)?;
        let offered = device.migration_flags();
        ensure!(
            errno(device.migration_flags()) == libc::ENOTTY,
            "it offers migration: {offered:x?}"
        );
        let differ = device.face()?.differences(&expected);
        ensure!(differ.is_empty(), "not as vfio-pci shows it: {differ}");
        works(&device, bench)?;
        device.reset()?;
        works(&device, bench)?;
    }
    let debugfs = format!("/sys/kernel/debug/vfio/{}/migration", function.address);
    ensure!(!Path::new(&debugfs).exists(), "there is a {debugfs}");
    function.unbind()?;
    let log = host::log_after(&mark)?;
    // Nobody wrote more about it than that.
    let lines: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("migration"))
        .collect();
    let expected = format!("{}: no migration, plain vfio-pci: {why}", function.address);
    ensure!(
        lines.len() == 1 && lines[0].ends_with(&expected),
        "not once '{expected}' in the log:\n{}",
        lines.join("\n")
    );
    Ok(())
}

/// A VF does jobs.
fn does_jobs(device: &Device, bench: &mut Bench) -> Result<()> {
    let mut qm = Qm::new(device, &mut bench.memory, &Zip)?;
    let mut work = Workload::new(&Zip, &mut bench.memory, JOBS);
    work.round(&mut qm, &bench.memory, JOBS)
}

/// D15: a VF that is an endpoint of a link: whatever is plugged beside it may reach it.
pub fn endpoint(driver: Driver) -> Result<()> {
    let mut bench = Bench::new(&[])?;
    let vf = bench.vfs[0].clone();
    let why = "it is no root-complex integrated endpoint";
    refused(driver, &vf, &mut bench, why, does_jobs)
}

/// The PF's queue manager is not published: an administrator has unbound it.
pub fn no_link() -> Result<()> {
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
    let checked = refused(Driver::Rust, &vf, &mut bench, why, does_jobs);
    fs::write(format!("{links}/bind"), &link)?;
    checked?;
    // With the link it migrates.
    host::bind(&vf, Driver::Rust)?;
    let flags = bench.open(0)?.migration_flags()?;
    ensure!(flags != 0, "with the link, flags {flags:#x}");
    Ok(())
}

/// A PF, which its administrator has bound to this driver.
pub fn pf(driver: Driver) -> Result<()> {
    let mut bench = Bench::new(&[])?;
    let pf = host::pf()?;
    fs::write(pf.path().join("sriov_numvfs"), "0")?;
    let revision = if host::is_v5()? {
        ids::QM_HW_V5
    } else {
        ids::QM_HW_V3
    };
    let works = |device: &Device, _: &mut Bench| -> Result<()> {
        device.set_bus_master(true)?;
        let bar = device.region(2)?;
        ensure!(bar.size == 4 << 20, "BAR2 has {:#x} bytes", bar.size);
        // One that the PF alone has, and one that reads as a reset leaves it.
        for (at, wanted) in [
            (0x10_006c, 1),
            (u64::from(regs::QM_VF_STATE), regs::QM_NOT_READY),
        ] {
            let mut word = [0; 4];
            device.read_at(&bar, at, &mut word)?;
            let value = u32::from_le_bytes(word);
            ensure!(value == wanted, "{at:#x} reads {value:#x}");
        }
        let config = device.region(7)?;
        let mut byte = [0];
        device.read_at(&config, 8, &mut byte)?;
        ensure!(byte[0] == revision as u8, "revision {:#x}", byte[0]);
        Ok(())
    };
    let checked = refused(driver, &pf, &mut bench, "it is no virtual function", works);
    pf.bind(host::ZIP.module)?;
    checked
}
