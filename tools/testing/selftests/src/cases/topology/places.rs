// SPDX-License-Identifier: GPL-2.0

//! `topology.*`: which functions migrate, by where they are; what cannot migrate is what vfio-pci makes
//! of it, and the log says why, once. Functions that share an IOMMU group: `groups`.

use crate::{
    cases::{migration::moves as migration, p2p::states as p2p},
    support::bench::{Bench, VFS},
};
use acc_vfio_user::{
    ensure, errno,
    host::{self, Function},
    qm::Qm,
    vfio::{Device, Region},
    work::{Workload, Zip},
    Driver, Result,
};
use hisi_acc_hw::{ids, regs};
use std::{fs, ops::Deref, path::Path};

const JOBS: usize = 8;

/// Types of functions (`PCI_EXP_TYPE_ENDPOINT`, `PCI_EXP_TYPE_RC_END`).
const ENDPOINT: u32 = 0;
const INTEGRATED: u32 = 9;

/// `PCI_EXT_CAP_ID_ACS`
const ACS: u32 = 0xd;

/// A register of a BAR.
pub fn register(device: &Device, bar: &Region, at: u64) -> Result<u32> {
    let mut word = [0; 4];
    device.read_at(bar, at, &mut word)?;
    Ok(u32::from_le_bytes(word))
}

/// The reason that the log has since `mark` for a function that does not migrate: there is one line,
/// and no other about migration.
pub fn reason(function: &Function, mark: &str) -> Result<String> {
    let log = host::log_after(mark)?;
    let lines: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("migration"))
        .collect();
    let begin = format!("{}: no migration, plain vfio-pci: ", function.address);
    match lines[..] {
        [line] if line.contains(&begin) => {
            Ok(line.split(&begin).nth(1).unwrap_or_default().to_owned())
        }
        _ => Err(format!("not '{begin}...', once, in the log:\n{}", lines.join("\n")).into()),
    }
}

/// Nothing of it in debugfs, where each device that migrates has a folder.
pub fn no_migration_in_debugfs(function: &Function) -> Result<()> {
    let folder = format!("/sys/kernel/debug/vfio/{}/migration", function.address);
    ensure!(!Path::new(&folder).exists(), "there is a {folder}");
    Ok(())
}

/// The function is bound to the driver under test and opened a few times by `open`: `works` is done
/// with it each time, and it shows what it shows with vfio-pci. Returns the reason in the log.
pub fn refused<Opened: Deref<Target = Device>>(
    driver: Driver,
    function: &Function,
    bench: &mut Bench,
    open: impl Fn(&Function, &Bench) -> Result<Opened>,
    works: impl Fn(&Device, &mut Bench) -> Result<()>,
) -> Result<String> {
    host::modprobe("vfio-pci")?;
    function.bind("vfio-pci")?;
    let expected = open(function, bench)?.face()?;
    function.unbind()?;
    let mark = format!("acc-selftest: {} is refused", function.address);
    host::say(&mark)?;
    host::bind(function, driver)?;
    for _ in 0..3 {
        let device = open(function, bench)?;
        let offered = device.migration_flags();
        ensure!(
            errno(device.migration_flags()) == libc::ENOTTY,
            "it offers migration: {offered:x?}"
        );
        let differ = device.face()?.differences(&expected);
        ensure!(differ.is_empty(), "not as vfio-pci shows it: {differ}");
        let e = errno(device.dma_buf(2, 0, 0x1000));
        ensure!(e == libc::EOPNOTSUPP, "a DMA-BUF of BAR2: errno {e}");
        works(&device, bench)?;
        device.reset()?;
        works(&device, bench)?;
    }
    no_migration_in_debugfs(function)?;
    function.unbind()?;
    reason(function, &mark)
}

/// Opens a function by its character device.
fn open(function: &Function, bench: &Bench) -> Result<Box<Device>> {
    let device = Device::open(&function.vfio_path()?, &bench.iommufd)?;
    Ok(Box::new(device))
}

/// The same for one that is opened as usual, and with the reason that the log has to say.
pub fn refused_for(
    driver: Driver,
    function: &Function,
    bench: &mut Bench,
    why: &str,
    works: impl Fn(&Device, &mut Bench) -> Result<()>,
) -> Result<()> {
    let said = refused(driver, function, bench, open, works)?;
    ensure!(said == why, "the log says '{said}', not '{why}'");
    Ok(())
}

/// A VF does jobs.
pub fn does_jobs(device: &Device, bench: &mut Bench) -> Result<()> {
    let mut qm = Qm::new(device, &mut bench.memory, &Zip)?;
    let mut work = Workload::new(&Zip, &mut bench.memory, JOBS);
    work.round(&mut qm, &bench.memory, JOBS)
}

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
    migration::idle(driver)?;
    match driver {
        Driver::Rust => p2p::two_vfs(),
        Driver::C => Ok(()),
    }
}

/// Endpoints below a port with ACS, as hosts are known to have them.
pub fn endpoint(driver: Driver) -> Result<()> {
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

/// Integrated endpoints on the root bus.
pub fn integrated(driver: Driver) -> Result<()> {
    alone(driver, INTEGRATED)
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
    let checked = refused_for(Driver::Rust, &vf, &mut bench, why, does_jobs);
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
            let value = register(device, &bar, at)?;
            ensure!(value == wanted, "{at:#x} reads {value:#x}");
        }
        let config = device.region(7)?;
        let mut byte = [0];
        device.read_at(&config, 8, &mut byte)?;
        ensure!(byte[0] == revision as u8, "revision {:#x}", byte[0]);
        Ok(())
    };
    let why = "it is no virtual function";
    let checked = refused_for(driver, &pf, &mut bench, why, works);
    pf.bind(host::ZIP.module)?;
    checked
}
