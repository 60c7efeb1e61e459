// SPDX-License-Identifier: GPL-2.0

//! What userspace can make the kernel log: a few lines, however often it is at fault.

use crate::support::pair::Pair;
use acc_vfio_user::{
    ensure, errno, host,
    migrate::{self, Quiet},
    vfio::state,
    Driver, Result,
};
use std::io::Write;

case!(refusals);
/// A stream that is refused when it is loaded, a hundred times. Each refusal has a line in the log,
/// and most of the lines are suppressed: the kernel's limit is 10 lines in 5 seconds.
fn refusals() -> Result<()> {
    const TIMES: usize = 100;
    let pair = Pair::new(Driver::Rust, Driver::Rust)?;
    let mut stream = migrate::save(&pair.source, false, &mut Quiet)?;
    // The page size, which only the load looks at.
    stream[60] = 9;
    let mut file = pair.target.set_state(state::RESUMING)?.ok_or("no file")?;
    file.write_all(&stream)?;
    // An earlier case may have used up the limit of the last seconds.
    host::wait_for("a line that says that a stream was refused", || {
        refuse(&pair, TIMES).map_or(true, |lines| lines > 0)
    })?;
    let lines = refuse(&pair, TIMES)?;
    ensure!(lines < TIMES, "{lines} lines for {TIMES} refusals");
    Ok(())
}

/// Has the target refuse its stream so many times; returns how many lines the log has on that.
fn refuse(pair: &Pair, times: usize) -> Result<usize> {
    let mark = "stream.refusals begins";
    host::say(mark)?;
    for _ in 0..times {
        let e = errno(pair.target.set_state(state::STOP));
        ensure!(e == libc::EINVAL, "the load: errno {e}");
    }
    let log = host::log_after(mark)?;
    let refused = |line: &&str| line.contains("stream refused");
    Ok(log.lines().filter(refused).count())
}
