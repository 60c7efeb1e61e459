// SPDX-License-Identifier: GPL-2.0

//! `p2p.*`: devices that are quiesced before any of them is stopped.

use super::{
    ensure, errno,
    pair::{Pair, JOBS},
};
use crate::{
    host,
    migrate::read_all,
    vfio::{precopy_info, state},
    Driver, Result,
};
use std::{io::Write, time::Duration};

/// `VFIO_MIGRATION_STOP_COPY | VFIO_MIGRATION_P2P | VFIO_MIGRATION_PRE_COPY`
const FLAGS: u64 = 1 | 2 | 4;

pub fn flags(driver: Driver) -> Result<()> {
    for accelerator in [host::ZIP, host::SEC, host::HPRE] {
        let pair = Pair::of(accelerator, driver, driver)?;
        let flags = pair.source.migration_flags()?;
        ensure!(flags == FLAGS, "{}: flags {flags:#x}", accelerator.name);
    }
    Ok(())
}

/// From each state to each: what `vfio_mig_get_next_state()` lets through ends there, and the VF
/// works afterwards; what it does not changes nothing.
pub fn arcs() -> Result<()> {
    use state::*;
    let mut pair = Pair::new(Driver::Rust, Driver::Rust)?;
    let all = [
        STOP,
        RUNNING,
        STOP_COPY,
        RESUMING,
        RUNNING_P2P,
        PRE_COPY,
        PRE_COPY_P2P,
    ];
    let mut done = 0;
    for from in all {
        for to in all {
            let what = || format!("{} -> {}", name(from), name(to));
            pair.source.reset()?;
            pair.source
                .set_state(from)
                .map_err(|e| format!("{}: {e}", name(from)))?;
            let result = pair.source.set_state(to);
            let now = pair.source.state()?;
            // include/uapi/linux/vfio.h: a transfer that has begun is not begun again, and what was
            // written is loaded in STOP only, which nothing here was.
            let refused = match (from, to) {
                _ if from == to => None,
                (STOP_COPY, PRE_COPY | PRE_COPY_P2P) => Some(libc::EINVAL),
                (RESUMING, _) => Some(libc::EINVAL),
                _ => None,
            };
            let error = errno(result.map(|_| ()));
            match refused {
                None => ensure!(
                    error == 0 && now == to,
                    "{}: errno {error}, now {}",
                    what(),
                    name(now)
                ),
                Some(refused) => ensure!(
                    error == refused && now == from,
                    "{}: errno {error}, now {}",
                    what(),
                    name(now)
                ),
            }
            done += 1;
        }
    }
    ensure!(done == 49, "{done} pairs of states");
    for raw in [0, 8, u32::MAX] {
        let error = errno(pair.source.set_state(raw));
        ensure!(error == libc::EINVAL, "state {raw}: errno {error}");
    }
    pair.source.reset()?;
    pair.set_up()?;
    pair.round()
}

/// In P2P the VF works at nothing and writes nothing, whatever was queued; back in RUNNING or
/// PRE_COPY it goes on.
pub fn quiet() -> Result<()> {
    let mut pair = Pair::new(Driver::Rust, Driver::Rust)?;
    for (work, quiet) in [
        (state::RUNNING, state::RUNNING_P2P),
        (state::PRE_COPY, state::PRE_COPY_P2P),
    ] {
        pair.source.set_state(work)?;
        pair.work_in_flight()?;
        pair.source.set_state(quiet)?;
        let counts = pair.bench.twin.counts()?;
        let before = (
            counts.get("vf1", "jobs_done"),
            counts.get("vf1", "dma_writes"),
        );
        ensure!(before.0 < JOBS as u64, "all jobs were done before");
        // A doorbell changes nothing.
        pair.submit(0)?;
        std::thread::sleep(Duration::from_millis(100));
        let counts = pair.bench.twin.counts()?;
        let after = (
            counts.get("vf1", "jobs_done"),
            counts.get("vf1", "dma_writes"),
        );
        ensure!(
            before == after,
            "in {}: jobs and writes {before:?}, then {after:?}",
            state::name(quiet)
        );
        pair.source.set_state(work)?;
        pair.bench.twin.job_delay(0, 0)?;
        pair.finish()?;
        pair.source.set_state(state::RUNNING)?;
    }
    Ok(())
}

/// Two VFs of different engines move together, as QEMU moves all devices of a guest: all are in
/// PRE_COPY, then all are quiesced, then each is stopped and saved.
pub fn two_vfs() -> Result<()> {
    let mut pairs = [
        Pair::of(host::ZIP, Driver::Rust, Driver::Rust)?,
        Pair::of(host::SEC, Driver::Rust, Driver::Rust)?,
    ];
    for pair in &mut pairs {
        pair.work_in_flight()?;
    }
    let mut files = Vec::new();
    let mut streams = vec![Vec::new(), Vec::new()];
    for (pair, stream) in pairs.iter().zip(&mut streams) {
        let mut file = pair.source.set_state(state::PRE_COPY)?.ok_or("no file")?;
        read_all(&mut file, stream)?;
        ensure!(precopy_info(&file)?.0 == 0, "initial bytes are left");
        files.push(file);
    }
    for pair in &pairs {
        let file = pair.source.set_state(state::PRE_COPY_P2P)?;
        ensure!(file.is_none(), "a second file");
    }
    let done: Vec<u64> = pairs
        .iter()
        .map(|pair| Ok(pair.bench.twin.counts()?.get("vf1", "jobs_done")))
        .collect::<Result<_>>()?;
    for ((pair, file), stream) in pairs.iter().zip(&mut files).zip(&mut streams) {
        pair.source.set_state(state::STOP_COPY)?;
        read_all(file, stream)?;
        pair.source.set_state(state::STOP)?;
    }
    // The targets: loaded, then all without DMA of their own, then all at work.
    for (pair, stream) in pairs.iter_mut().zip(&streams) {
        pair.qm.move_to(&pair.target)?;
        let file = pair.target.set_state(state::RESUMING)?;
        file.ok_or("no file")?.write_all(stream)?;
        pair.target.set_state(state::STOP)?;
    }
    for target in [state::RUNNING_P2P, state::RUNNING] {
        for pair in &pairs {
            pair.target.set_state(target)?;
        }
    }
    for (pair, done) in pairs.iter_mut().zip(done) {
        pair.go_on_after(done)?;
    }
    Ok(())
}
