// SPDX-License-Identifier: GPL-2.0

//! Stops and saves that fail.

use crate::support::pair::Pair;
use acc_vfio_user::{ensure, errno, vfio::state, Result};
use std::{fs::File, io::Read};

/// How a transfer fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fails {
    /// `RUNNING -> PRE_COPY` has this errno: the VF was not touched.
    Early(i32),
    /// The arc to STOP_COPY has this errno: the VF works.
    Arc(i32),
    /// The VF is in STOP_COPY, and `read()` has this errno. On the way back it is started.
    File(i32),
}

/// A file fails, and all that is asked of it.
fn file_fails(mut file: &File) -> Result<i32> {
    let error = errno(file.read(&mut [0; 8]));
    let again = errno(file.read(&mut [0; 8]));
    ensure!(
        error == again && error != 0,
        "read() has errno {error}, then {again}"
    );
    Ok(error)
}

/// One way to STOP_COPY, and back to RUNNING.
pub fn stop(pair: &Pair, precopy: bool) -> Result<Fails> {
    let source = &pair.source;
    let from = if precopy {
        state::PRE_COPY
    } else {
        state::RUNNING
    };
    let is_in = |wanted: u32, error: i32| -> Result<()> {
        let now = source.state()?;
        ensure!(
            now == wanted,
            "from {} (errno {error}): the state is {}, not {}",
            state::name(from),
            state::name(now),
            state::name(wanted)
        );
        Ok(())
    };
    let begun = match source.set_state(from) {
        Ok(file) => file,
        Err(e) => {
            let error = e.raw_os_error().unwrap_or(0);
            is_in(state::RUNNING, error)?;
            return Ok(Fails::Early(error));
        }
    };
    let fails = match source.set_state(state::STOP_COPY) {
        Ok(file) => {
            is_in(state::STOP_COPY, 0)?;
            Fails::File(file_fails(&file.or(begun).ok_or("no file")?)?)
        }
        Err(e) => {
            let error = e.raw_os_error().unwrap_or(0);
            is_in(from, error)?;
            Fails::Arc(error)
        }
    };
    source.set_state(state::RUNNING)?;
    Ok(fails)
}

/// How a transfer fails by each of the two ways, without PRE_COPY and with it.
pub fn stops(pair: &Pair) -> Result<[Fails; 2]> {
    Ok([stop(pair, false)?, stop(pair, true)?])
}

/// With `fault` the VF cannot be migrated, which fails as `wanted`; without, its work goes on and
/// it migrates.
pub fn no_stop(
    pair: &mut Pair,
    function: &str,
    fault: &str,
    gone: &str,
    wanted: [Fails; 2],
) -> Result<()> {
    pair.work_in_flight()?;
    let twin = &pair.bench.twin;
    // The PF's driver does not get to know: the VF's is the one under test.
    twin.fault("pf", "lose-msi 1000")?;
    twin.fault(function, fault)?;
    let fails = stops(pair)?;
    let twin = &pair.bench.twin;
    twin.fault(function, gone)?;
    twin.fault("pf", "clear")?;
    ensure!(fails == wanted, "{fails:?}, not {wanted:?}");
    pair.finish()?;
    pair.migrate(true)?;
    pair.round()
}
