// SPDX-License-Identifier: GPL-2.0

//! Functions that do not migrate: each is what vfio-pci makes of it, and the log gives the reason
//! once.

use crate::support::bench::Bench;
use acc_vfio_user::{
    ensure, errno,
    host::{self, Function},
    qm::Qm,
    vfio::{Device, Region},
    work::{Workload, Zip},
    Driver, Result,
};
use std::{ops::Deref, path::Path};

pub const JOBS: usize = 8;

/// A register of a BAR.
pub fn register(device: &Device, bar: &Region, at: u64) -> Result<u32> {
    let mut word = [0; 4];
    device.read_at(bar, at, &mut word)?;
    Ok(u32::from_le_bytes(word))
}

/// The reason that the log has since `mark` for a function that does not migrate: there is one
/// line, and no other about migration.
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
    let said = reason(function, &mark)?;
    if driver == Driver::Rust {
        let why = function.migration_blocker()?;
        ensure!(
            why == said,
            "migration_blocker is '{why}', the log says '{said}'"
        );
    }
    function.unbind()?;
    Ok(said)
}

/// Opens a function by its character device.
pub fn open(function: &Function, bench: &Bench) -> Result<Box<Device>> {
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
