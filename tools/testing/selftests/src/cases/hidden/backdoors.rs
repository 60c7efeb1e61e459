// SPDX-License-Identifier: GPL-2.0

//! `hidden.hot_reset`, `hidden.debugfs`: ways to a device that are not to its regions.

use crate::support::{
    bar2::{refuses, untouched},
    bench::{Bench, VFS},
    pair::Pair,
};
use acc_vfio_user::{ensure, errno, host, vfio::state, Driver, Result};
use std::{fs, os::unix::fs::PermissionsExt};

case!(hot_reset, with: [Rust, C]);
/// `VFIO_DEVICE_GET_PCI_HOT_RESET_INFO` names the PF and all VFs, so that only a process that has
/// them all may reset them. None can: the PF is its driver's. With vfio-pci it is the same.
fn hot_reset(driver: Driver) -> Result<()> {
    let bench = Bench::new(&[driver])?;
    host::modprobe("vfio-pci")?;
    bench.vfs[1].bind("vfio-pci")?;
    let plain = bench.open(1)?;
    let device = bench.open(0)?;
    let region = device.region(2)?;
    let functions = device.hot_reset_info()?;
    ensure!(
        functions == plain.hot_reset_info()?,
        "not those of vfio-pci: {functions:x?}"
    );
    // The device and function number is the highest byte; the PF's is 0.
    ensure!(
        functions.len() == 1 + VFS && functions.iter().any(|f| f >> 24 == 0),
        "functions {functions:x?}"
    );
    bench.twin.mark()?;
    let many = vec![-1; 1 << 16];
    // The structure's length, flags, groups
    for (len, flags, groups) in [
        (12, 0, &[][..]),
        (12, 0, &[device.fd()]),
        (12, 0, &many),
        (12, 1, &[]),
        (8, 0, &[]),
    ] {
        let error = errno(device.hot_reset(len, flags, groups));
        let wanted = errno(plain.hot_reset(len, flags, groups));
        ensure!(
            error == wanted && error != 0,
            "{len} bytes, flags {flags}, {} groups: errno {error}, with vfio-pci {wanted}",
            groups.len()
        );
        refuses(&device, &region)?;
    }
    let counts = bench.twin.counts()?;
    for function in ["pf", "vf1", "vf2"] {
        let resets = counts.get(function, "flr");
        ensure!(resets == 0, "{resets} resets of {function}");
    }
    untouched(&bench, "vf1")
}

case!(debugfs, with: [Rust, C]);
/// The files of debugfs show migration registers to whoever may read them; nobody can write. While
/// the VF works, reading them gives it no command: its mailbox is the guest's then.
fn debugfs(driver: Driver) -> Result<()> {
    let mut pair = Pair::new(driver, driver)?;
    let root = "/sys/kernel/debug";
    let mode = fs::metadata(root)?.permissions().mode();
    ensure!(mode & 0o077 == 0, "{root} has mode {mode:o}");
    let address = &pair.bench.vfs[0].address;
    let folder = format!("{root}/vfio/{address}/migration/hisi_acc");
    for works in [state::RUNNING, state::PRE_COPY] {
        pair.source.set_state(works)?;
        pair.bench.twin.mark()?;
        let mut n = 0;
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            let mode = fs::metadata(&path)?.permissions().mode();
            ensure!(mode & 0o222 == 0, "{} has mode {mode:o}", path.display());
            let error = errno(fs::write(&path, "1"));
            // The mode does not hold root back: there is no such operation.
            ensure!(
                error == libc::EINVAL,
                "{} was written, errno {error}",
                path.display()
            );
            // Where no migration was there is nothing to show.
            let _ = fs::read(&path);
            n += 1;
        }
        // Those of the C driver, and what ours has beside them
        let files = if driver == Driver::C { 3 } else { 4 };
        ensure!(n == files, "{n} files in {folder}");
        let counts = pair.bench.twin.counts()?;
        let commands = counts.with_prefix("vf1", "mailbox.");
        ensure!(commands == 0, "{commands} commands to a VF at work");
        let writes = counts.with_prefix("vf1", "reg_write");
        ensure!(writes == 0, "{writes} writes to registers");
        // It was looked at.
        let reads = counts.with_prefix("vf1", "reg_read");
        ensure!(reads != 0, "no register was read");
    }
    pair.source.set_state(state::RUNNING)?;
    pair.round()
}
