// SPDX-License-Identifier: GPL-2.0

//! `topology.foreign`, `sample.edu_only`: an administrator gives a driver a device that is not in its
//! table, which `driver_override` allows.

use crate::{
    cases::topology::places::{refused_for, register},
    support::bench::Bench,
};
use acc_vfio_user::{
    ensure,
    host::{self, Function},
    vfio::Device,
    Driver, Result,
};
use std::cell::Cell;

/// A register of QEMU's edu that reads the inverse of what is written to it.
const LIVENESS: u64 = 4;

/// The edu that a reset can reach, by its bus. As a plain device it keeps what its user writes.
pub fn foreign(driver: Driver) -> Result<()> {
    let mut bench = Bench::new(&[])?;
    let edu = Function::all(0x1234, 0x11e8)?
        .into_iter()
        .find(|function| !function.address.starts_with("0000:00:"))
        .ok_or("no edu below a port")?;
    let written: Cell<Option<u32>> = Cell::new(None);
    let works = |device: &Device, _: &mut Bench| -> Result<()> {
        let bar = device.region(0)?;
        let before = register(device, &bar, LIVENESS)?;
        if let Some(written) = written.get() {
            let expected = !written;
            ensure!(
                before == expected,
                "it reads {before:#x}, not {expected:#x}"
            );
        }
        let next = before.wrapping_add(0x1234_5678);
        device.write_at(&bar, LIVENESS, &next.to_le_bytes())?;
        written.set(Some(next));
        Ok(())
    };
    let why = "it is no virtual function";
    refused_for(driver, &edu, &mut bench, why, works)
}

/// The sample writes to registers of a device when it is opened: it refuses one that is no edu.
pub fn edu_only() -> Result<()> {
    const DRIVER: &str = "vfio_edu_rs";
    let bench = Bench::new(&[])?;
    host::modprobe(DRIVER)?;
    let mut others = Function::all(0x1234, 0x11ac)?;
    others.push(bench.vfs[0].clone());
    bench.twin.mark()?;
    for other in &others {
        let mark = format!("acc-selftest: {} is no edu", other.address);
        host::say(&mark)?;
        let bound = other.bind(DRIVER);
        let driver = other.driver();
        other.unbind()?;
        host::write(other.path().join("driver_override"), "\n")?;
        ensure!(
            bound.is_err() && driver.is_none(),
            "{} is bound to {driver:?}",
            other.address
        );
        let log = host::log_after(&mark)?;
        let said: Vec<&str> = log.lines().filter(|line| line.contains(DRIVER)).collect();
        let expected = format!("{}: refused: this is no edu device", other.address);
        ensure!(
            said.len() == 1 && said[0].ends_with(&expected),
            "not '{expected}', once, in the log:\n{log}"
        );
    }
    let accesses = bench.twin.counts()?.accesses("vf1");
    ensure!(accesses == 0, "{accesses} accesses to the VF's registers");
    Ok(())
}
