// SPDX-License-Identifier: GPL-2.0

//! `topology.foreign`, `sample.edu_only`: an administrator gives a driver a device that is not in
//! its table, which `driver_override` allows.

use crate::support::{
    bench::Bench,
    refused::{refused_for, register},
};
use acc_vfio_user::{ensure, host::Function, vfio::Device, Driver, Result};
use std::cell::Cell;

/// A register of QEMU's edu that reads the inverse of what is written to it.
const LIVENESS: u64 = 4;

case!(foreign, with: [Rust, C]);
/// The edu that a reset can reach, by its bus. As a plain device it keeps what its user writes.
fn foreign(driver: Driver) -> Result<()> {
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
