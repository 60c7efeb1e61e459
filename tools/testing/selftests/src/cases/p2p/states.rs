// SPDX-License-Identifier: GPL-2.0

//! `p2p.*`: devices that are quiesced before any of them is stopped.

use crate::support::{
    moves,
    pair::{Pair, JOBS},
};
use acc_vfio_user::{ensure, host, migrate::read_all, vfio::state, Driver, Result};
use std::fs::File;

/// `VFIO_MIGRATION_STOP_COPY | VFIO_MIGRATION_P2P | VFIO_MIGRATION_PRE_COPY`
const FLAGS: u64 = 1 | 2 | 4;

case!(flags, with: [Rust, C]);
fn flags(driver: Driver) -> Result<()> {
    for accelerator in host::ALL {
        let pair = Pair::of(accelerator, driver, driver)?;
        let flags = pair.source.migration_flags()?;
        ensure!(flags == FLAGS, "{}: flags {flags:#x}", accelerator.name);
    }
    Ok(())
}

/// How many of the jobs in flight are handed out while the VF is quiet.
const LATE: usize = 3;

/// What a VF has done: jobs, and writes to memory.
fn done(pair: &Pair, vf: &str) -> Result<(u64, u64)> {
    let counts = pair.bench.twin.counts()?;
    Ok((counts.get(vf, "jobs_done"), counts.get(vf, "dma_writes")))
}

/// Brings a source to `quiet` that has some jobs done and most not, and hands it some more there:
/// their doorbells come through, and it does nothing. How many jobs it had done, and the file of
/// PRE_COPY.
fn rest(pair: &mut Pair, work: u32, quiet: u32) -> Result<(u64, Option<File>)> {
    let rung =
        |pair: &Pair| -> Result<u64> { Ok(pair.bench.twin.counts()?.get("vf1", "doorbell.sq")) };
    let file = pair.source.set_state(work)?;
    pair.bench.twin.mark()?;
    pair.bench.twin.fault("vf1", "hold-jobs 3")?;
    pair.submit(JOBS - LATE)?;
    host::wait_for("the first jobs", || {
        done(pair, "vf1").is_ok_and(|(jobs, _)| jobs == 3)
    })?;
    pair.source.set_state(quiet)?;
    // From here on nothing but the state keeps it from its work.
    pair.bench.twin.fault("vf1", "hold-jobs off")?;
    let before = done(pair, "vf1")?;
    ensure!(
        before.0 == 4,
        "{} jobs were done before it was quiet: not three, and the one that it was at",
        before.0
    );
    let doorbells = rung(pair)?;
    pair.submit(LATE)?;
    let doorbells = rung(pair)? - doorbells;
    ensure!(
        doorbells == LATE as u64,
        "{doorbells} doorbells, {LATE} were rung"
    );
    // What can be done is done when the model answers.
    let after = done(pair, "vf1")?;
    ensure!(
        before == after,
        "in {}: jobs and writes {before:?}, then {after:?}",
        state::name(quiet)
    );
    Ok((before.0, file))
}

const QUIET: [(u32, u32); 2] = [
    (state::RUNNING, state::RUNNING_P2P),
    (state::PRE_COPY, state::PRE_COPY_P2P),
];

case!(quiet);
/// In P2P the VF works at nothing and writes nothing, whatever was queued before and is queued
/// then; back in RUNNING or PRE_COPY it does all of it. What was queued in P2P is part of what is
/// saved: the target does it, who is told nothing more.
fn quiet() -> Result<()> {
    let mut pair = Pair::new(Driver::Rust, Driver::Rust)?;
    for (work, quiet) in QUIET {
        rest(&mut pair, work, quiet)?;
        pair.source.set_state(work)?;
        pair.finish()?;
        pair.source.set_state(state::RUNNING)?;
    }
    for (work, quiet) in QUIET {
        let (done, begun) = rest(&mut pair, work, quiet)?;
        let file = pair.source.set_state(state::STOP_COPY)?;
        let mut file = match (begun, file) {
            (Some(file), None) | (None, Some(file)) => file,
            _ => return Err("not one file".into()),
        };
        let mut stream = Vec::new();
        read_all(&mut file, &mut stream)?;
        pair.source.set_state(state::STOP)?;
        pair.arrive(&stream)?;
        pair.go_on_after(done)?;
        // Back, to where the ledger looks for it.
        std::mem::swap(&mut pair.source, &mut pair.target);
        pair.migrate(true)?;
        std::mem::swap(&mut pair.source, &mut pair.target);
        pair.round()?;
    }
    Ok(())
}

case!(two_vfs);
fn two_vfs() -> Result<()> {
    moves::two_vfs()
}
