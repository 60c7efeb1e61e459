// SPDX-License-Identifier: GPL-2.0

//! `p2p.arcs`: from each state to each, with a VF at work.

use crate::support::pair::Pair;
use acc_vfio_user::{
    ensure, errno, host,
    migrate::{read_all, MATCH, WHOLE},
    vfio::state::{self, *},
    Driver, Result,
};
use std::{
    fs::File,
    io::{Read, Write},
};

const ALL: [u32; 7] = [
    STOP,
    RUNNING,
    STOP_COPY,
    RESUMING,
    RUNNING_P2P,
    PRE_COPY,
    PRE_COPY_P2P,
];

/// Jobs that a VF has to do while it goes from one state to another; the engine holds all but the
/// first.
const JOBS: u64 = 8;

fn what(from: u32, to: u32) -> String {
    format!("{} -> {}", state::name(from), state::name(to))
}

/// Whether the way from one state to another ends in a transfer that begins then, by
/// include/uapi/linux/vfio.h.
fn opens(from: u32, to: u32) -> bool {
    match to {
        _ if from == to => false,
        RESUMING => true,
        STOP_COPY => ![PRE_COPY, PRE_COPY_P2P].contains(&from),
        PRE_COPY => from != PRE_COPY_P2P,
        PRE_COPY_P2P => from != PRE_COPY,
        _ => false,
    }
}

/// Whether the transfer of the state that is left goes on in the next.
fn keeps(from: u32, to: u32) -> bool {
    from == to
        || matches!(
            (from, to),
            (PRE_COPY, PRE_COPY_P2P | STOP_COPY) | (PRE_COPY_P2P, PRE_COPY | STOP_COPY)
        )
}

/// A source on its way.
struct Way {
    /// The file of the transfer that it is in
    file: Option<File>,
    /// What it gave when it was saved, which it is still good for: since then it has done nothing.
    stream: Option<Vec<u8>>,
}

/// Brings the source, with work in flight, from RUNNING to `from`.
fn reach(pair: &Pair, from: u32) -> Result<Way> {
    let source = &pair.source;
    if [RUNNING, PRE_COPY].contains(&from) {
        return Ok(Way {
            file: source.set_state(from)?,
            stream: None,
        });
    }
    let mut stream = Vec::new();
    read_all(
        &mut source.set_state(STOP_COPY)?.ok_or("no file")?,
        &mut stream,
    )?;
    source.set_state(STOP)?;
    Ok(Way {
        file: source.set_state(from)?,
        stream: Some(stream),
    })
}

/// The file gives or takes what it has to in `now`.
fn is_used(file: &mut File, now: u32) -> Result<()> {
    let wanted = match now {
        RESUMING => return Ok(file.write_all(&[])?),
        STOP_COPY => WHOLE,
        _ => MATCH,
    };
    let mut stream = Vec::new();
    read_all(file, &mut stream)?;
    ensure!(
        stream.len() == wanted,
        "{} bytes of {wanted} in {}",
        stream.len(),
        state::name(now)
    );
    Ok(())
}

/// The file of a transfer that is over.
fn has_ended(file: &mut File, was: u32) -> Result<()> {
    let error = errno(match was {
        RESUMING => file.write(&[0]),
        _ => file.read(&mut [0]),
    });
    ensure!(
        error == libc::ENODEV,
        "the file of {}: errno {error}",
        state::name(was)
    );
    Ok(())
}

/// Goes on, and looks where the files are then.
fn step(pair: &Pair, way: &mut Way, from: u32, to: u32) -> Result<()> {
    let opened = pair.source.set_state(to)?;
    let now = pair.source.state()?;
    ensure!(now == to, "it is in {}", state::name(now));
    ensure!(
        opened.is_some() == opens(from, to),
        "a file comes: {}",
        opened.is_some()
    );
    if !keeps(from, to) {
        if let Some(mut file) = way.file.take() {
            has_ended(&mut file, from)?;
        }
    }
    way.file = opened.or(way.file.take());
    let transfers = ![STOP, RUNNING, RUNNING_P2P].contains(&to);
    ensure!(way.file.is_some() == transfers, "not one file");
    match &mut way.file {
        Some(file) => is_used(file, to),
        None => Ok(()),
    }
}

/// One pair of states, with jobs in flight: the file comes where it should, all jobs come back once
/// the VF is in RUNNING again.
fn busy(pair: &mut Pair, from: u32, to: u32) -> Result<()> {
    pair.bench.twin.mark()?;
    pair.bench.twin.hold_jobs(0, 1)?;
    pair.submit(JOBS as usize)?;
    host::wait_for("the first job", || {
        let counts = pair.bench.twin.counts();
        counts.is_ok_and(|counts| counts.get("vf1", "jobs_done") == 1)
    })?;
    let mut way = reach(pair, from)?;
    // The first PAUSE has ended the order.
    pair.bench.twin.hold_jobs(0, 0)?;
    // A transfer that has begun is not begun again; what was written is loaded in STOP, and nothing
    // was.
    let refused = match (from, to) {
        _ if from == to => false,
        (STOP_COPY, PRE_COPY | PRE_COPY_P2P) => true,
        (RESUMING, _) => true,
        _ => false,
    };
    let mut now = from;
    if refused {
        let error = errno(pair.source.set_state(to));
        let now = pair.source.state()?;
        ensure!(
            error == libc::EINVAL && now == from,
            "errno {error}, and it is in {}",
            state::name(now)
        );
    }
    let load = |way: &mut Way| -> Result<bool> {
        match (&mut way.file, way.stream.take()) {
            (Some(file), Some(stream)) => Ok(file.write_all(&stream).map(|()| true)?),
            _ => Ok(false),
        }
    };
    if from == RESUMING && refused {
        ensure!(load(&mut way)?, "nothing to load");
    }
    if from == RESUMING || !refused {
        step(pair, &mut way, from, to)?;
        now = to;
    }
    // The first, and for each pause the one that the engine was at.
    let done = pair.bench.twin.counts()?.get("vf1", "jobs_done");
    ensure!((1..JOBS).contains(&done), "{done} of {JOBS} jobs were done");
    pair.bench.twin.release_jobs(0)?;
    if now == RESUMING && !load(&mut way)? {
        // What it was is overwritten, and with what nobody knows.
        pair.source.reset()?;
        pair.set_up()?;
        return pair.round();
    }
    pair.source.set_state(RUNNING)?;
    pair.finish()?;
    let done = pair.bench.twin.counts()?.get("vf1", "jobs_done");
    ensure!(done == JOBS, "{done} jobs were done, {JOBS} handed out");
    Ok(())
}

// The arcs belong to the VFIO layer. `migration.` and `reset.` use the registers of V5.
case!(arcs, generations: One(V3));
/// From each state to each: what `vfio_mig_get_next_state()` lets through ends there, what it does
/// not changes nothing, and the VF does the rest of its work afterwards.
fn arcs() -> Result<()> {
    let mut pair = Pair::new(Driver::Rust, Driver::Rust)?;
    let mut done = 0;
    for from in ALL {
        for to in ALL {
            busy(&mut pair, from, to).map_err(|e| format!("{}: {e}", what(from, to)))?;
            done += 1;
        }
    }
    ensure!(done == 49, "{done} pairs of states");
    for raw in [0, 8, u32::MAX] {
        let error = errno(pair.source.set_state(raw));
        ensure!(error == libc::EINVAL, "state {raw}: errno {error}");
    }
    pair.round()
}
