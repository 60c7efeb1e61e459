// SPDX-License-Identifier: GPL-2.0

//! Migrations that more than one suite makes.

use crate::support::pair::{Pair, JOBS};
use acc_vfio_user::{
    ensure,
    host::{self, Accelerator},
    migrate::{self, read_all, Quiet, WHOLE},
    vfio::{precopy_info, state},
    Driver, Result,
};
use std::io::Write;

/// With jobs queued, one on its way, completions unread.
pub fn busy(accelerator: Accelerator, from: Driver, to: Driver, precopy: bool) -> Result<()> {
    let mut pair = Pair::of(accelerator, from, to)?;
    // Some have been done by now, and nobody has looked.
    pair.work_in_flight()?;
    let stream = migrate::save(&pair.source, precopy, &mut Quiet)?;
    ensure!(
        stream.len() == WHOLE,
        "the stream has {} bytes",
        stream.len()
    );
    let before = pair.bench.twin.counts()?;
    let done = before.get("vf1", "jobs_done");
    ensure!(done < JOBS as u64, "all jobs were done before the stop");
    let hidden = before.get("vf1", "reg_read_migration");
    ensure!(hidden >= 14, "{hidden} reads of the migration registers");

    pair.arrive(&stream)?;
    pair.go_on_after(done)
}

pub fn idle(driver: Driver) -> Result<()> {
    let mut pair = Pair::new(driver, driver)?;
    let flags = pair.source.migration_flags()?;
    ensure!(
        flags & 1 != 0 && flags & 4 != 0,
        "migration flags {flags:#x}"
    );
    let size = pair.source.migration_data_size()?;
    ensure!(size == WHOLE as u64, "data size {size}");
    let stream = pair.migrate(true)?;
    ensure!(
        stream.len() == WHOLE,
        "the stream has {} bytes",
        stream.len()
    );
    pair.round()
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
