// SPDX-License-Identifier: GPL-2.0

//! The tracepoints of the driver and the layer.

use acc_vfio_user::{ensure, host, Result};
use std::{fs, path::Path, process::Command};

const TRACING: &str = "/sys/kernel/tracing";

/// Tracepoints that are on while this lives.
pub struct Trace(String);

impl Trace {
    /// Switches on `events`, a folder of the tracefs, with nothing traced before.
    pub fn new(events: &str) -> Result<Self> {
        if !Path::new(TRACING).join("trace").exists() {
            let mounted = Command::new("mount")
                .args(["-t", "tracefs", "tracefs", TRACING])
                .status()?;
            ensure!(mounted.success(), "no tracefs");
        }
        let trace = Self(format!("{TRACING}/events/{events}/enable"));
        trace.clear()?;
        host::write(&trace.0, "1")?;
        Ok(trace)
    }

    /// Forgets what there is.
    pub fn clear(&self) -> Result<()> {
        host::write(format!("{TRACING}/trace"), "")
    }

    /// Returns what there is, a line each.
    pub fn text(&self) -> Result<String> {
        Ok(fs::read_to_string(format!("{TRACING}/trace"))?)
    }

    /// Fails if one of `wanted` is not there, in order.
    pub fn has(&self, wanted: &[String]) -> Result<()> {
        let trace = self.text()?;
        let mut from = 0;
        for wanted in wanted {
            match trace[from..].find(wanted) {
                Some(at) => from += at + wanted.len(),
                None => return Err(format!("no {wanted:?} in order in:\n{trace}").into()),
            }
        }
        Ok(())
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        let _ = host::write(&self.0, "0");
    }
}
