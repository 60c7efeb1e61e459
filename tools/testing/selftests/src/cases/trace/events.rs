// SPDX-License-Identifier: GPL-2.0

//! `trace.*`: tracepoints.

use crate::support::{pair::Pair, trace::Trace};
use acc_vfio_user::{ensure, vfio::state, Driver, Result};

case!(events);
/// Tracepoints tell of a migration, step by step.
fn events() -> Result<()> {
    let mut pair = Pair::new(Driver::Rust, Driver::Rust)?;
    let trace = Trace::new("vfio_rs")?;
    pair.migrate(true)?;
    pair.bench.twin.fault("vf2", "mailbox-error PAUSE_QM")?;
    let failed = pair.target.set_state(state::STOP).is_err();
    pair.bench.twin.fault("vf2", "clear")?;
    ensure!(failed, "the fault had no effect");
    let (source, target) = (&pair.bench.vfs[0].address, &pair.bench.vfs[1].address);
    trace.has(&[
        format!("vfio_rs_stream: {source} begun 40 bytes"),
        format!("vfio_rs_state: {source} RUNNING -> PRE_COPY error=0"),
        // QM_MB_CMD_PAUSE_QM
        format!("vfio_rs_command: {source} command=0xe argument=0x0 error=0"),
        format!("vfio_rs_state: {source} PRE_COPY -> PRE_COPY_P2P error=0"),
        format!("vfio_rs_stream: {source} saved 176 bytes"),
        format!("vfio_rs_state: {source} PRE_COPY_P2P -> STOP_COPY error=0"),
        format!("vfio_rs_state: {target} STOP -> RESUMING error=0"),
        format!("vfio_rs_stream: {target} loaded 176 bytes"),
        format!("vfio_rs_state: {target} RUNNING_P2P -> RUNNING error=0"),
        format!("vfio_rs_command: {target} command=0xe argument=0x0 error=-5"),
        format!("vfio_rs_state: {target} RUNNING -> RUNNING_P2P error=-5"),
    ])?;
    drop(trace);
    pair.round()
}

#[cfg(test)]
mod tests {
    /// Documentation/ABI names each tracepoint that there is.
    #[test]
    fn tracepoints_are_documented() {
        let header = include_str!("../../../../../../rust/vfio/trace.h");
        let abi =
            include_str!("../../../../../../Documentation/ABI/testing/debugfs-hisi-acc-vfio-rs");
        let events: Vec<&str> = header
            .lines()
            .filter_map(|line| line.strip_prefix("TRACE_EVENT(")?.strip_suffix(','))
            .collect();
        assert!(events.len() >= 4, "{events:?}");
        for event in events {
            let path = format!("/sys/kernel/tracing/events/vfio_rs/{event}");
            assert!(abi.lines().any(|line| line.ends_with(&path)), "no {path}");
        }
    }
}
