// SPDX-License-Identifier: GPL-2.0

//! `hidden.asleep`, `fault.asleep`: a VF whose user has put it to sleep.

use crate::support::pair::{Pair, JOBS};
use acc_vfio_user::{
    ensure, errno,
    migrate::{self, Quiet},
    vfio::{power::Sleep, state},
    Driver, Result,
};
use std::io::{Read, Write};

/// From one state to another while the VF sleeps: the errno, and where it is then.
type Change = (u32, u32, i32, u32);

/// State changes of a VF that is in D3hot, where no register can be reached. The way to RUNNING
/// goes by RUNNING_P2P and may end there.
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
        (PRE_COPY_P2P, PRE_COPY, EIO, PRE_COPY_P2P),
        (PRE_COPY_P2P, RUNNING, EIO, RUNNING_P2P),
        (STOP, RUNNING, EIO, RUNNING_P2P),
        (STOP_COPY, RUNNING, EIO, RUNNING_P2P),
        (RUNNING, PRE_COPY, EIO, RUNNING),
        (RUNNING_P2P, PRE_COPY_P2P, EIO, RUNNING_P2P),
        (STOP, RESUMING, EIO, STOP),
        // The VF is paused already: the file fails.
        (RUNNING_P2P, STOP, 0, STOP),
        (RUNNING_P2P, STOP_COPY, 0, STOP_COPY),
        (PRE_COPY_P2P, STOP_COPY, 0, STOP_COPY),
        (STOP, STOP_COPY, 0, STOP_COPY),
        // What needs no register of the VF
        (PRE_COPY, RUNNING, 0, RUNNING),
        (PRE_COPY_P2P, RUNNING_P2P, 0, RUNNING_P2P),
        (STOP, RUNNING_P2P, 0, RUNNING_P2P),
        (STOP_COPY, STOP, 0, STOP),
    ]
};

case!(asleep);
/// State changes of a VF that sleeps: what needs its registers fails with EIO, changes nothing, and
/// goes well when the VF is awake. A VF that is paused stops, and its file fails.
fn asleep() -> Result<()> {
    let mut pair = Pair::new(Driver::Rust, Driver::Rust)?;
    for (from, to, wanted, then) in ASLEEP.iter().copied() {
        let what = format!("{} -> {}", state::name(from), state::name(to));
        // One that sleeps does no DMA: nothing may be in flight but what is paused.
        if ![state::RUNNING, state::PRE_COPY].contains(&from) {
            pair.submit(JOBS)?;
        }
        // The saving file is PRE_COPY's.
        let first = match from {
            state::PRE_COPY_P2P => pair.source.set_state(state::PRE_COPY)?,
            _ => None,
        };
        let begun = pair.source.set_state(from)?.or(first);
        pair.source.sleep(Sleep::Config, true)?;
        let changed = pair.source.set_state(to);
        if let (state::STOP_COPY, Ok(file)) = (to, &changed) {
            let mut file = file.as_ref().or(begun.as_ref()).ok_or("no file")?;
            let error = errno(file.read(&mut [0; 8]));
            ensure!(error == libc::EIO, "{what}: read() has errno {error}");
        }
        let error = errno(changed);
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
    // What comes to a target that sleeps is not loaded, and nothing is touched: it is when it is
    // awake.
    let stream = migrate::save(&pair.source, true, &mut Quiet)?;
    pair.bench.twin.mark()?;
    pair.qm.move_to(&pair.target)?;
    let mut file = pair.target.set_state(state::RESUMING)?.ok_or("no file")?;
    pair.target.sleep(Sleep::Config, true)?;
    let error = errno(file.write_all(&stream));
    let now = pair.target.state()?;
    ensure!(
        (error, now) == (libc::EIO, state::RESUMING),
        "a load asleep: errno {error}, and it is in {}",
        state::name(now)
    );
    let resets = pair.bench.twin.counts()?.get("vf2", "flr");
    ensure!(resets == 0, "{resets} resets of a target that sleeps");
    pair.target.sleep(Sleep::Config, false)?;
    file.write_all(&stream)?;
    pair.target.set_state(state::RUNNING)?;
    pair.round()?;
    // Low power is no hindrance: a state change wakes it.
    std::mem::swap(&mut pair.source, &mut pair.target);
    pair.source.sleep(Sleep::LowPower, true)?;
    pair.migrate(true)?;
    pair.round()
}
