// SPDX-License-Identifier: GPL-2.0

//! Programs of the guest.

use acc_vfio_user::{ensure, Result};
use std::process::Command;

/// Runs a program, which must succeed. Returns what it prints.
pub fn run(program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program).args(arguments).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{program} {}: {text}{error}",
        arguments.join(" ")
    );
    Ok(text)
}

/// Mounts something.
pub fn mount(arguments: &[&str]) -> Result<()> {
    run("mount", arguments).map(|_| ())
}
