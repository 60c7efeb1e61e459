// SPDX-License-Identifier: GPL-2.0

//! `hidden.asleep`: BAR2 of a VF that userspace has put to sleep.

use crate::support::{
    bar2::{edge, refuses, untouched},
    pair::Pair,
};
use acc_vfio_user::{
    ensure, errno,
    vfio::{power::Sleep, Device, Mapping},
    Driver, Result,
};
use hisi_acc_hw::regs;
use std::{
    fs::File,
    os::fd::{AsRawFd, FromRawFd},
};

const PAGE: usize = 4096;

const BOTH: [Sleep; 2] = [Sleep::Config, Sleep::LowPower];

/// The errno of a read of a mapped word, 0 where it can be read.
fn touch(mapping: &Mapping, at: u32) -> Result<i32> {
    let mut ends = [0; 2];
    // SAFETY: The kernel fills in two descriptors, which are ours then.
    let [_reader, writer] = unsafe {
        ensure!(libc::pipe(ends.as_mut_ptr()) == 0, "no pipe");
        ends.map(|fd| File::from_raw_fd(fd))
    };
    // The kernel reads it for us: what is not there is an error and no signal.
    // SAFETY: Within the mapping.
    let n = unsafe {
        let word = mapping.address.add(at as usize);
        libc::write(writer.as_raw_fd(), word.cast(), 4)
    };
    Ok(match n {
        4 => 0,
        _ => std::io::Error::last_os_error().raw_os_error().unwrap_or(-1),
    })
}

/// What is seen of a VF that sleeps, or not.
fn looks(device: &Device, mapping: &Mapping, asleep: Option<Sleep>) -> Result<()> {
    let region = device.region(2)?;
    ensure!(region.size == edge()?, "BAR2 has {:#x} bytes", region.size);
    refuses(device, &region)?;
    let e = touch(mapping, regs::QM_VF_STATE.offset())?;
    let wanted = if asleep.is_some() { libc::EFAULT } else { 0 };
    ensure!(e == wanted, "what is mapped: errno {e}, not {wanted}");
    // In low power that wakes it for a moment.
    let at = u64::from(regs::QM_VF_STATE);
    let e = errno(device.read_at(&region, at, &mut [0; 4]));
    let wanted = match asleep {
        Some(Sleep::Config) => libc::EIO,
        _ => 0,
    };
    ensure!(e == wanted, "read of a register: errno {e}, not {wanted}");
    Ok(())
}

case!(asleep, with: [Rust, C]);
/// Asleep and awake again, by each way: the hidden half stays hidden, and nothing is forgotten.
fn asleep(driver: Driver) -> Result<()> {
    let mut pair = Pair::new(driver, driver)?;
    let region = pair.source.region(2)?;
    // Registers, and no doorbell
    let mapping = pair.source.mmap(&region, 0, PAGE)?;
    pair.bench.twin.mark()?;
    for how in BOTH {
        let device = &pair.source;
        looks(device, &mapping, None)?;
        device.sleep(how, true)?;
        looks(device, &mapping, Some(how)).map_err(|e| format!("{how:?}: {e}"))?;
        // Mapped while it sleeps
        let late = device.mmap(&region, 0, PAGE)?;
        let e = touch(&late, 0)?;
        ensure!(e == libc::EFAULT, "{how:?}, mapped in it: errno {e}");
        device.sleep(how, false)?;
        looks(device, &late, None).map_err(|e| format!("after {how:?}: {e}"))?;
        looks(device, &mapping, None).map_err(|e| format!("after {how:?}: {e}"))?;
        pair.round()?;
    }
    untouched(&pair.bench, "vf1")?;
    // A reset wakes it.
    pair.source.sleep(Sleep::Config, true)?;
    pair.source.reset()?;
    looks(&pair.source, &mapping, None).map_err(|e| format!("after a reset: {e}"))?;
    untouched(&pair.bench, "vf1")
}
