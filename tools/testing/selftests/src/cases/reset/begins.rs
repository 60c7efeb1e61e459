// SPDX-License-Identifier: GPL-2.0

//! `reset.pf_begins`, `reset.pf_restarts`: the PF is about to be reset, or restarts its own queues
//! only.

use crate::{
    support::{
        bench::{Bench, VFS},
        pair::{Pair, JOBS},
        pf::{reset_answered_late, say_done, window_again},
        streams::is_in,
    },
    twin::Twin,
};
use acc_vfio_user::{
    ensure, errno, host,
    migrate::{save, Quiet},
    vfio::state,
    Driver, Result,
};
use std::{
    io::{Read, Write},
    thread,
};

case!(pf_begins, slow: true);
/// A reset of the PF waits for its VFs, and the PF works meanwhile. No VF begins to migrate, and
/// none is saved: it may have the PF's message that a reset begins, and on the target no PF says
/// that the reset is done.
fn pf_begins() -> Result<()> {
    let bench = Bench::new(&[Driver::Rust; VFS])?;
    let all = bench.open_all()?;
    let (source, target) = (all[1].try_clone()?, all[0].try_clone()?);
    let mut pair = Pair::over(host::ZIP, bench, source, target)?;
    pair.source.set_state(state::STOP)?;
    let vf = pair.bench.vfs[2].clone();
    ensure!(vf.migration_blocker()?.is_empty(), "blocked before");
    let seen = reset_answered_late(&all, || {
        let why = vf.migration_blocker()?;
        ensure!(
            why == "its PF is stopped, or being reset",
            "the blocker: '{why}'"
        );
        for to in [state::PRE_COPY, state::RUNNING_P2P, state::STOP_COPY] {
            let error = errno(all[2].set_state(to));
            ensure!(
                error == libc::EBUSY,
                "to {}: errno {error}",
                state::name(to)
            );
        }
        let mut file = pair.source.set_state(state::STOP_COPY)?.ok_or("no file")?;
        let error = errno(file.read(&mut [0; 8]));
        ensure!(error == libc::EIO, "read() has errno {error}");
        drop(file);
        pair.source.set_state(state::STOP).map(|_| ())?;
        Ok(())
    })
    .and_then(|()| {
        let now = pair.source.state()?;
        ensure!(
            now == state::ERROR,
            "afterwards the state is {}",
            state::name(now)
        );
        pair.source.reset()?;
        pair.set_up()?;
        pair.round()
    });
    drop((all, pair));
    window_again()?;
    seen
}

case!(pf_begins_in_load, slow: true);
/// The reset begins while a target is loaded. The load takes the PF's message, and no guest was
/// there to hear it: so it fails, and the guest hears of the reset at the source.
fn pf_begins_in_load() -> Result<()> {
    let bench = Bench::new(&[Driver::Rust; VFS])?;
    let all = bench.open_all()?;
    let (source, target) = (all[1].try_clone()?, all[0].try_clone()?);
    let mut pair = Pair::over(host::ZIP, bench, source, target)?;
    let stream = save(&pair.source, false, &mut Quiet)?;
    let file = pair.target.set_state(state::RESUMING)?.ok_or("no file")?;
    let (target, twin) = (&pair.target, &pair.bench.twin);
    twin.mark()?;
    twin.fault("vf1", "mailbox-hold SQC_BT")?;
    let seen = thread::scope(|scope| {
        let loading = scope.spawn(|| errno((&file).write_all(&stream)));
        host::wait_for("the loading", || {
            twin.counts()
                .is_ok_and(|counts| counts.get("vf1", "mailbox.SQC_BT") == 1)
        })?;
        reset_answered_late(&all[1..], || {
            let late = loading.is_finished();
            twin.fault("vf1", "mailbox-hold off")?;
            let error = loading.join().map_err(|_| "panicked")?;
            say_done(target)?;
            ensure!(!late, "the reset began too late");
            ensure!(error == libc::EBUSY, "write() has errno {error}");
            is_in(target, "the reset begins", state::RESUMING)
        })
    })
    .and_then(|()| is_in(target, "after the reset", state::ERROR));
    drop(file);
    for device in [&pair.source, &pair.target] {
        device.reset()?;
    }
    let again = seen.and_then(|()| {
        pair.set_up()?;
        pair.round()
    });
    drop((all, pair));
    window_again()?;
    again
}

/// The PF restarts its own queues, as for an overflow of its EQ.
fn restart(twin: &Twin) -> Result<()> {
    let mark = "acc-selftest: the PF restarts its queues";
    host::say(mark)?;
    twin.fault("pf", "eq-overflow")?;
    host::wait_for("the end of the restart", || {
        host::log_after(mark).is_ok_and(|log| log.contains("function reset end"))
    })
}

// Each restart goes on for less time than the driver's looks are apart.
case!(pf_restarts);
/// A PF that restarts its own queues changes nothing of its VFs: whatever the state is, the VF is
/// in it afterwards, and goes on with its work. A transfer may have failed.
fn pf_restarts() -> Result<()> {
    let mut pair = Pair::new(Driver::Rust, Driver::Rust)?;
    for round in 0..3 {
        for to in [
            state::RUNNING,
            state::RUNNING_P2P,
            state::PRE_COPY,
            state::PRE_COPY_P2P,
            state::STOP,
            state::STOP_COPY,
        ] {
            let when = format!("round {round}, {}", state::name(to));
            pair.submit(JOBS)?;
            let file = pair.source.set_state(to)?;
            restart(&pair.bench.twin)?;
            let now = pair.source.state()?;
            ensure!(now == to, "{when}: the state is {}", state::name(now));
            drop(file);
            pair.source
                .set_state(state::RUNNING)
                .map_err(|e| format!("{when}: to RUNNING: {e}"))?;
            pair.finish().map_err(|e| format!("{when}: {e}"))?;
        }
    }
    pair.migrate(true)?;
    pair.round()
}
