// SPDX-License-Identifier: GPL-2.0

//! `reset.*`: a VF is reset, in whatever state, while somebody reads or writes its migration data.

use crate::{
    differences::states,
    support::{bench::Bench, busy::Busy, pair::Pair},
};
use acc_vfio_user::{
    ensure, errno,
    host::{self, Function},
    migrate::{self, Quiet},
    vfio::{state, Device},
    Driver, Result,
};
use std::{
    fs::{self},
    io::Read,
    sync::{
        atomic::{AtomicU32, Ordering},
        Barrier,
    },
    thread,
};

/// The process that resets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// `VFIO_DEVICE_RESET`
    Ioctl,
    /// The administrator, by sysfs
    Sysfs,
    /// The guest, by the PCIe capability
    Guest,
}

fn reset(way: Way, device: &Device, vf: &Function) -> Result<()> {
    match way {
        Way::Ioctl => device.reset()?,
        Way::Sysfs => fs::write(vf.path().join("reset"), "1")?,
        Way::Guest => device.guest_reset()?,
    }
    Ok(())
}

/// In each state: the file ends, the state is RUNNING, the VF can be set up and migrates.
fn in_each_state(driver: Driver, way: Way) -> Result<()> {
    let mut pair = Pair::new(driver, driver)?;
    let good = migrate::save(&pair.source, false, &mut Quiet)?;
    pair.arrive(&good)?;
    let mut at = 1;
    for from in states(driver).iter().copied() {
        // Where the work is now.
        std::mem::swap(&mut pair.source, &mut pair.target);
        one_state(&mut pair, at, from, way, &good)
            .map_err(|e| format!("{way:?} in {}: {e}", state::name(from)))?;
        at = 1 - at;
    }
    Ok(())
}

fn one_state(pair: &mut Pair, at: usize, from: u32, way: Way, good: &[u8]) -> Result<()> {
    // One is done, the next one is in the engine.
    pair.bench.twin.hold_jobs(at, 1)?;
    pair.submit(8)?;
    let busy = Busy::in_state(&pair.source, from, good)?;
    reset(way, &pair.source, &pair.bench.vfs[at])?;
    let now = pair.source.state()?;
    ensure!(
        now == state::RUNNING,
        "the state afterwards is {}",
        state::name(now)
    );
    if let Some(busy) = busy {
        let error = busy.ended()?;
        ensure!(error == libc::ENODEV, "the file: errno {error}");
    }
    pair.bench.twin.release_jobs(at)?;
    pair.set_up()?;
    pair.round()?;
    pair.migrate(true)?;
    pair.round()
}

case!(ioctl, with: [Rust, C]);
fn ioctl(driver: Driver) -> Result<()> {
    in_each_state(driver, Way::Ioctl)
}

case!(sysfs, with: [Rust, C]);
fn sysfs(driver: Driver) -> Result<()> {
    in_each_state(driver, Way::Sysfs)
}

case!(guest, with: [Rust, C]);
fn guest(driver: Driver) -> Result<()> {
    in_each_state(driver, Way::Guest)
}

case!(not_made);
/// An administrator's reset does nothing. PCI calls the driver back nevertheless, and the registers
/// show it: the state is ERROR, from which only a reset leads.
fn not_made() -> Result<()> {
    let mut pair = Pair::new(Driver::Rust, Driver::Rust)?;
    for from in states(Driver::Rust).iter().copied() {
        let name = state::name(from);
        pair.source.set_state(from)?;
        pair.bench.twin.fault("vf1", "reset-ignored on")?;
        // PCI has seen a function that answers, and says that it was reset.
        reset(Way::Sysfs, &pair.source, &pair.bench.vfs[0])?;
        let now = pair.source.state()?;
        pair.bench.twin.fault("vf1", "reset-ignored off")?;
        ensure!(
            now == state::ERROR,
            "in {name}: the state is {}",
            state::name(now)
        );
        for to in [state::RUNNING, state::STOP, state::PRE_COPY] {
            let error = errno(pair.source.set_state(to));
            ensure!(
                error == libc::EINVAL,
                "in {name}: out of ERROR: errno {error}"
            );
        }
        pair.source.reset()?;
        let now = pair.source.state()?;
        ensure!(
            now == state::RUNNING,
            "in {name}: after a reset the state is {}",
            state::name(now)
        );
        pair.set_up()?;
        pair.round()?;
    }
    pair.migrate(true)?;
    pair.round()
}

case!(hot, with: [Rust, C]);
/// These VFs cannot be reset by their bus: as with vfio-pci, that is said and nothing is done.
fn hot(driver: Driver) -> Result<()> {
    let bench = Bench::new(&[driver])?;
    host::modprobe("vfio-pci")?;
    bench.vfs[1].bind("vfio-pci")?;
    let plain = bench.open(1)?;
    let expected = errno(plain.hot_reset(12, 0, &[]));
    let device = bench.open(0)?;
    let file = device.set_state(state::PRE_COPY)?;
    bench.twin.mark()?;
    let error = errno(device.hot_reset(12, 0, &[]));
    ensure!(
        error == expected && error != 0,
        "errno {error}, with vfio-pci {expected}"
    );
    let resets = bench.twin.counts()?.get("vf1", "flr");
    ensure!(resets == 0, "{resets} resets");
    let now = device.state()?;
    ensure!(now == state::PRE_COPY, "the state is {}", state::name(now));
    let n = file.ok_or("no file")?.read(&mut [0; 8])?;
    ensure!(n == 8, "the file gives {n} bytes");
    Ok(())
}

case!(interlock, with: [Rust, C]);
/// Resets of two VFs at once go one after another, and both are made.
fn interlock(driver: Driver) -> Result<()> {
    const EACH: usize = 4;
    let bench = Bench::new(&[driver, driver])?;
    let devices = [bench.open(0)?, bench.open(1)?];
    let under_way = AtomicU32::new(0);
    let at_once = AtomicU32::new(0);
    let barrier = Barrier::new(2);
    let one = |way, device, vf| {
        if under_way.fetch_add(1, Ordering::SeqCst) != 0 {
            at_once.fetch_add(1, Ordering::SeqCst);
        }
        let result = reset(way, device, vf).map_err(|e| e.to_string());
        under_way.fetch_sub(1, Ordering::SeqCst);
        result
    };
    let (one, barrier) = (&one, &barrier);
    bench.twin.mark()?;
    thread::scope(|scope| {
        let threads: Vec<_> = devices
            .iter()
            .zip(&bench.vfs)
            .zip([Way::Ioctl, Way::Sysfs])
            .map(|((device, vf), way)| {
                scope.spawn(move || {
                    barrier.wait();
                    (0..EACH).try_for_each(|_| one(way, device, vf))
                })
            })
            .collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().map_err(|_| "panicked".to_owned())?)
    })?;
    let resets = bench.twin.resets()?;
    for vf in ["vf1", "vf2"] {
        for ended in [false, true] {
            let n = resets.iter().filter(|r| **r == (vf.to_owned(), ended));
            let n = n.count();
            ensure!(n == EACH, "{vf}: {n} resets, ended: {ended}");
        }
    }
    // Each one has ended before the next one begins. `pcie_flr()` reads no configuration space
    // while it waits for the function to complete its reset.
    for pair in resets.chunks(2) {
        ensure!(
            matches!(pair, [(first, false), (second, true)] if first == second),
            "resets overlap: {resets:?}"
        );
    }
    let at_once = at_once.into_inner();
    ensure!(
        at_once != 0,
        "no reset was asked for while another one was under way"
    );
    Ok(())
}
