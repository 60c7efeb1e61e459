// SPDX-License-Identifier: GPL-2.0

//! Stops that fail.

use crate::support::pair::Pair;
use acc_vfio_user::{ensure, errno, vfio::state, Result};

/// The error of a stop by each of the two ways; none stopped it.
pub fn stops(pair: &Pair) -> Result<[i32; 2]> {
    let direct = errno(pair.source.set_state(state::STOP_COPY));
    ensure!(
        pair.source.state()? == state::RUNNING,
        "after RUNNING -> STOP_COPY (errno {direct}) the state is {}",
        pair.source.state()?
    );
    let file = pair.source.set_state(state::PRE_COPY)?;
    let precopy = errno(pair.source.set_state(state::STOP_COPY));
    let after = pair.source.state()?;
    ensure!(
        after == state::PRE_COPY,
        "after PRE_COPY -> STOP_COPY (errno {precopy}) the state is {after}"
    );
    drop(file);
    pair.source.set_state(state::RUNNING)?;
    Ok([direct, precopy])
}

/// With `fault` the VF cannot be stopped, which fails with `error`; without, its work goes on and
/// it migrates.
pub fn no_stop(pair: &mut Pair, function: &str, fault: &str, gone: &str, error: i32) -> Result<()> {
    pair.work_in_flight()?;
    let twin = &pair.bench.twin;
    // The PF's driver does not get to know: the VF's is the one under test.
    twin.fault("pf", "lose-msi 1000")?;
    twin.fault(function, fault)?;
    let errors = stops(pair)?;
    let twin = &pair.bench.twin;
    twin.fault(function, gone)?;
    twin.fault("pf", "clear")?;
    ensure!(errors == [error; 2], "errors {errors:?}, not {error}");
    pair.finish()?;
    pair.migrate(true)?;
    pair.round()
}
