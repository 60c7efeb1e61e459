// SPDX-License-Identifier: GPL-2.0

//! `fault.pause_*`: PAUSE takes effect, and does not end in time: the engine is at a request that
//! takes longer than a mailbox command may (`QM_MB_MAX_WAIT_TIMEOUT`, one second).

use crate::support::pair::{Pair, JOBS};
use acc_vfio_user::{ensure, errno, host, vfio::state, Driver, Result};
use std::thread;

/// How long the request takes. What comes after it takes no time.
const LONG_NS: u64 = 3_000_000_000;

/// Has the model show VF 1.
fn shown(pair: &Pair, what: &str) -> bool {
    let text = pair.bench.twin.ask("show vf1");
    text.is_ok_and(|text| text.contains(what))
}

/// Requests in flight, the engine being at the first, which takes long.
fn at_a_long_request(pair: &mut Pair) -> Result<()> {
    pair.bench.twin.mark()?;
    pair.bench.twin.job_delay(0, LONG_NS)?;
    pair.submit(JOBS)?;
    host::wait_for("the engine to begin", || shown(pair, "current Some"))?;
    pair.bench.twin.job_delay(0, 0)
}

case!(pause_late);
/// The stop fails, and the VF works on: what had been paused goes on.
fn pause_late() -> Result<()> {
    let mut pair = Pair::new(Driver::Rust, Driver::Rust)?;
    for from in [state::RUNNING, state::PRE_COPY] {
        let name = state::name(from);
        let file = pair.source.set_state(from)?;
        at_a_long_request(&mut pair)?;
        let error = errno(pair.source.set_state(state::STOP_COPY));
        ensure!(error == libc::ETIMEDOUT, "from {name}: errno {error}");
        let now = pair.source.state()?;
        ensure!(
            now == from,
            "from {name}: the state is {}",
            state::name(now)
        );
        let paused = pair.bench.twin.counts()?.get("vf1", "mailbox.PAUSE_QM");
        ensure!(paused == 1, "from {name}: {paused} commands PAUSE");
        ensure!(
            shown(&pair, "current Some"),
            "from {name}: the request has ended too early to be in the way"
        );
        ensure!(
            shown(&pair, "paused false"),
            "from {name}: the VF is paused"
        );
        pair.finish().map_err(|e| format!("from {name}: {e}"))?;
        drop(file);
        pair.source.set_state(state::RUNNING)?;
    }
    pair.migrate(true)?;
    pair.round()
}

case!(pause_stays);
/// The VF cannot be reached when it is to go on: the error says so, and it is in ERROR, because it
/// stays paused. A reset leads out.
fn pause_stays() -> Result<()> {
    let mut pair = Pair::new(Driver::Rust, Driver::Rust)?;
    at_a_long_request(&mut pair)?;
    let mark = "acc-selftest: a VF that cannot be reached when it is to go on";
    host::say(mark)?;
    let (source, twin) = (&pair.source, &pair.bench.twin);
    let error = thread::scope(|scope| {
        let stopping = scope.spawn(|| errno(source.set_state(state::STOP_COPY)));
        let gone = host::wait_for("PAUSE", || {
            twin.counts()
                .is_ok_and(|counts| counts.get("vf1", "mailbox.PAUSE_QM") == 1)
        })
        .and_then(|()| twin.fault("vf1", "gone on"));
        let error = stopping.join().map_err(|_| "panicked")?;
        twin.fault("vf1", "gone off")?;
        gone.map(|()| error)
    })?;
    ensure!(error == libc::EIO, "errno {error}");
    let now = pair.source.state()?;
    ensure!(now == state::ERROR, "the state is {}", state::name(now));
    ensure!(shown(&pair, "paused true"), "the VF is not paused");
    let log = host::log_after(mark)?;
    for line in ["the QM does not pause", "no register can be reached"] {
        let n = log.matches(line).count();
        ensure!(n == 1, "{n} times '{line}' in the log");
    }
    host::wait_for("the end of the request", || shown(&pair, "current None"))?;
    let error = errno(pair.source.set_state(state::RUNNING));
    ensure!(error == libc::EINVAL, "out of ERROR: errno {error}");
    pair.source.reset()?;
    pair.set_up()?;
    pair.migrate(true)?;
    pair.round()
}
