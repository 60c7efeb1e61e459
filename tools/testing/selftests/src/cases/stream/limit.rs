// SPDX-License-Identifier: GPL-2.0

//! What userspace can make the kernel log: a few lines, however often it is at fault.

use crate::support::pair::Pair;
use acc_vfio_user::{
    ensure, errno, host,
    migrate::{self, Quiet, MATCH},
    vfio::state,
    Driver, Result,
};
use std::{fs::File, io::Write};

case!(refusals);
/// A stream that `write()` refuses when it is whole, a hundred times. Each refusal has a line in
/// the log, and most of the lines are suppressed: the kernel's limit is 10 lines in 5 seconds.
fn refusals() -> Result<()> {
    const TIMES: usize = 100;
    let pair = Pair::new(Driver::Rust, Driver::Rust)?;
    let mut stream = migrate::save(&pair.source, false, &mut Quiet)?;
    // The address of the SQC table: not aligned.
    stream[160] |= 1;
    let mut file = pair.target.set_state(state::RESUMING)?.ok_or("no file")?;
    let (head, rest) = stream.split_at(MATCH);
    file.write_all(head)?;
    // An earlier case may have used up the limit of the last seconds.
    host::wait_for("a line that says that a stream was refused", || {
        refuse(&mut file, rest, TIMES).map_or(true, |lines| lines > 0)
    })?;
    let lines = refuse(&mut file, rest, TIMES)?;
    ensure!(lines < TIMES, "{lines} lines for {TIMES} refusals");
    Ok(())
}

/// Has a target refuse the end of a stream so many times. Returns how many lines of the log say so.
fn refuse(file: &mut File, rest: &[u8], times: usize) -> Result<usize> {
    let mark = "stream.refusals begins";
    host::say(mark)?;
    for _ in 0..times {
        let e = errno(file.write(rest));
        ensure!(e == libc::EINVAL, "write(): errno {e}");
    }
    let log = host::log_after(mark)?;
    let refused = |line: &&str| line.contains("stream refused");
    Ok(log.lines().filter(refused).count())
}
