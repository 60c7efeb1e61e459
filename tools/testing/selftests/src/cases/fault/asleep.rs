// SPDX-License-Identifier: GPL-2.0

//! `hidden.asleep`, `fault.asleep`: a VF whose user has put it to sleep.

use crate::{
    cases::hidden::bar2::{edge, refuses, untouched},
    support::pair::{Pair, JOBS},
};
use acc_vfio_user::{
    ensure, errno,
    migrate::{self, Quiet},
    vfio::{power::Sleep, state, Device, Mapping},
    Driver, Result,
};
use hisi_acc_hw::regs;
use std::{
    fs::File,
    io::Write,
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
    let e = touch(mapping, regs::QM_VF_STATE)?;
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

/// Asleep and awake again, by each way: the hidden half stays hidden, and nothing is forgotten.
pub fn hidden(driver: Driver) -> Result<()> {
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

/// From one state to another while the VF sleeps: the errno, and where it is then.
type Change = (u32, u32, i32, u32);

/// State changes of a VF that is in D3hot, where no register can be reached. The way to RUNNING goes by
/// RUNNING_P2P and may end there.
const ASLEEP: &[Change] = {
    use state::*;
    const EIO: i32 = libc::EIO;
    &[
        (RUNNING, RUNNING_P2P, EIO, RUNNING),
        (RUNNING, STOP, EIO, RUNNING),
        (RUNNING, STOP_COPY, EIO, RUNNING),
        (RUNNING, RESUMING, EIO, RUNNING),
        (RUNNING, PRE_COPY_P2P, EIO, RUNNING),
        (PRE_COPY, PRE_COPY_P2P, EIO, PRE_COPY),
        (PRE_COPY, STOP_COPY, EIO, PRE_COPY),
        (PRE_COPY, STOP, EIO, RUNNING),
        (RUNNING_P2P, RUNNING, EIO, RUNNING_P2P),
        (RUNNING_P2P, PRE_COPY, EIO, RUNNING_P2P),
        (RUNNING_P2P, STOP, EIO, RUNNING_P2P),
        (RUNNING_P2P, STOP_COPY, EIO, RUNNING_P2P),
        (PRE_COPY_P2P, PRE_COPY, EIO, PRE_COPY_P2P),
        (PRE_COPY_P2P, RUNNING, EIO, RUNNING_P2P),
        (PRE_COPY_P2P, STOP_COPY, EIO, PRE_COPY_P2P),
        (STOP, STOP_COPY, EIO, STOP),
        (STOP, RUNNING, EIO, RUNNING_P2P),
        (STOP_COPY, RUNNING, EIO, RUNNING_P2P),
        // What needs no register of the VF
        (RUNNING, PRE_COPY, 0, PRE_COPY),
        (PRE_COPY, RUNNING, 0, RUNNING),
        (RUNNING_P2P, PRE_COPY_P2P, 0, PRE_COPY_P2P),
        (PRE_COPY_P2P, RUNNING_P2P, 0, RUNNING_P2P),
        (STOP, RUNNING_P2P, 0, RUNNING_P2P),
        (STOP_COPY, STOP, 0, STOP),
    ]
};

/// State changes of a VF that sleeps: what needs its registers fails with EIO, changes nothing, and goes
/// well when the VF is awake.
pub fn fault() -> Result<()> {
    let mut pair = Pair::new(Driver::Rust, Driver::Rust)?;
    for (from, to, wanted, then) in ASLEEP.iter().copied() {
        let what = format!("{} -> {}", state::name(from), state::name(to));
        // One that sleeps does no DMA: nothing may be in flight but what is paused.
        if ![state::RUNNING, state::PRE_COPY].contains(&from) {
            pair.submit(JOBS)?;
        }
        pair.source.set_state(from)?;
        pair.source.sleep(Sleep::Config, true)?;
        let error = errno(pair.source.set_state(to));
        let now = pair.source.state()?;
        pair.source.sleep(Sleep::Config, false)?;
        ensure!(
            (error, now) == (wanted, then),
            "{what}: errno {error}, not {wanted}, and it is in {}",
            state::name(now)
        );
        pair.source.set_state(state::RUNNING)?;
        pair.finish().map_err(|e| format!("after {what}: {e}"))?;
        pair.round()?;
    }
    // What comes to a target that sleeps is not loaded, and nothing is touched: it is when it is awake.
    let stream = migrate::save(&pair.source, true, &mut Quiet)?;
    pair.bench.twin.mark()?;
    pair.qm.move_to(&pair.target)?;
    let mut file = pair.target.set_state(state::RESUMING)?.ok_or("no file")?;
    file.write_all(&stream)?;
    pair.target.sleep(Sleep::Config, true)?;
    for to in [state::STOP, state::RUNNING] {
        let error = errno(pair.target.set_state(to));
        let now = pair.target.state()?;
        ensure!(
            (error, now) == (libc::EIO, state::RESUMING),
            "a load asleep: errno {error}, and it is in {}",
            state::name(now)
        );
    }
    let resets = pair.bench.twin.counts()?.get("vf2", "flr");
    ensure!(resets == 0, "{resets} resets of a target that sleeps");
    pair.target.sleep(Sleep::Config, false)?;
    pair.target.set_state(state::RUNNING)?;
    pair.round()?;
    // Low power is no hindrance: a state change wakes it.
    std::mem::swap(&mut pair.source, &mut pair.target);
    pair.source.sleep(Sleep::LowPower, true)?;
    pair.migrate(true)?;
    pair.round()
}
