// SPDX-License-Identifier: GPL-2.0

//! The tracepoints of the layer, while this is there.

use crate::{cases::ensure, host, Result};
use std::{fs, path::Path, process::Command};

const TRACING: &str = "/sys/kernel/tracing";

/// Tracing is on while this lives.
pub struct Trace(());

impl Trace {
    pub fn new() -> Result<Self> {
        if !Path::new(TRACING).join("trace").exists() {
            let mounted = Command::new("mount")
                .args(["-t", "tracefs", "tracefs", TRACING])
                .status()?;
            ensure!(mounted.success(), "no tracefs");
        }
        let trace = Self(());
        trace.clear()?;
        host::write(format!("{TRACING}/events/vfio_rs/enable"), "1")?;
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
}

impl Drop for Trace {
    fn drop(&mut self) {
        let _ = host::write(format!("{TRACING}/events/vfio_rs/enable"), "0");
    }
}
