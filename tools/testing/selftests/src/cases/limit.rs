// SPDX-License-Identifier: GPL-2.0

//! What userspace can make the kernel log: a few lines, however often it is at fault.

use super::{ensure, errno, pair::Pair};
use crate::{
    host,
    migrate::{self, Quiet},
    vfio::state,
    Driver, Result,
};
use std::io::Write;

/// A stream that is refused when it is loaded, a hundred times. Each refusal has a line in the log, and
/// most of the lines are suppressed: the kernel's limit is 10 lines in 5 seconds.
pub fn refusals() -> Result<()> {
    const TIMES: usize = 100;
    let pair = Pair::new(Driver::Rust, Driver::Rust)?;
    let mut stream = migrate::save(&pair.source, false, &mut Quiet)?;
    // The page size, which only the load looks at.
    stream[60] = 9;
    let mut file = pair.target.set_state(state::RESUMING)?.ok_or("no file")?;
    file.write_all(&stream)?;
    let mark = "stream.refusals begins";
    host::say(mark)?;
    for _ in 0..TIMES {
        let e = errno(pair.target.set_state(state::STOP));
        ensure!(e == libc::EINVAL, "the load: errno {e}");
    }
    let log = host::log_after(mark)?;
    let lines = log.lines().filter(|line| line.contains("stream refused"));
    let lines = lines.count();
    ensure!(lines > 0, "no line says that a stream was refused");
    ensure!(lines < TIMES, "{lines} lines for {TIMES} refusals");
    Ok(())
}
