// SPDX-License-Identifier: GPL-2.0

//! `hardware.run`: cases on VFs that are named, on a machine without the model's control device.

use crate::{registry, support::bench::VFS, twin::Twin};
use acc_vfio_user::{
    ensure,
    host::{self, Function},
    Driver, Result,
};
use std::process::Command;

/// How many VFs are named.
const NAMED: usize = 2;

/// The model's control device.
fn control_device() -> Result<Option<Function>> {
    Ok(Function::all(0x1234, 0x11ac)?.into_iter().next())
}

/// Runs this program, and returns what it prints and whether it succeeds.
fn program(arguments: &[&str], vfs: &[Function]) -> Result<(String, bool)> {
    let mut command = Command::new("/proc/self/exe");
    command.args(arguments);
    for vf in vfs {
        command.args(["--vf", &vf.address]);
    }
    let output = command.output()?;
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &errors;
    Ok((said, output.status.success()))
}

/// How many lines of TAP begin so, and have this or nothing behind the name.
fn count(said: &str, begin: &str, skipped: bool) -> usize {
    said.lines()
        .filter(|line| line.starts_with(begin) && line.contains("# SKIP") == skipped)
        .count()
}

/// What the program says on VFs, and what it does to others.
fn on_named(vfs: &[Function]) -> Result<()> {
    let others = &vfs[NAMED..];
    let before: Vec<_> = others.iter().map(Function::driver).collect();
    let (said, succeeded) = program(&["run", "--hardware"], &vfs[..NAMED])?;
    let failed: Vec<&str> = said
        .lines()
        .filter(|line| !line.starts_with("ok "))
        .collect();
    ensure!(succeeded, "it fails:\n{}", failed.join("\n"));
    let (ran, skipped) = (count(&said, "ok ", false), count(&said, "ok ", true));
    let cases = registry::all().len();
    ensure!(
        ran + skipped == cases && ran >= 12,
        "of {cases} cases {ran} were run and {skipped} skipped"
    );
    let needs = said.matches("# SKIP needs the device model").count();
    ensure!(needs != 0, "no case says that it needs the model");
    let after: Vec<_> = others.iter().map(Function::driver).collect();
    ensure!(before == after, "the drivers of other VFs: {after:?}");

    // One VF is too few for two, and none is none.
    let case = match host::has_window()? {
        true => "migration.idle:rust:v5",
        false => "migration.idle:rust",
    };
    let (said, succeeded) = program(&["run", "--hardware", case], &vfs[..1])?;
    ensure!(
        succeeded && said.contains("# SKIP needs 2 VFs of the ZIP, named are 1"),
        "with one VF:\n{said}"
    );
    let (said, succeeded) = program(&["run", "--hardware"], &[])?;
    ensure!(!succeeded && said.contains("--vf"), "with no VF:\n{said}");
    let pf = [host::pf()?];
    let (said, succeeded) = program(&["run", "--hardware"], &pf)?;
    ensure!(
        !succeeded && said.contains("is no VF"),
        "with the PF:\n{said}"
    );
    // As kselftest runs it.
    let output = Command::new("/proc/self/exe")
        .env_remove("ACC_VFS")
        .output()?;
    ensure!(
        output.status.code() == Some(4),
        "without arguments: {}",
        output.status
    );
    Ok(())
}

case!(run);
/// The cases that say so run on the VFs that are named. No other function is accessed.
fn run() -> Result<()> {
    let vfs = host::vfs(VFS)?;
    host::modprobe(Driver::Rust.module())?;
    Twin::open_device(host::ZIP.name)?.mark()?;
    let control = control_device()?.ok_or("no control device")?;
    control.set_attribute("remove", "1")?;
    let seen = match control_device()? {
        None => on_named(&vfs),
        Some(_) => Err("the control device is still there".into()),
    };
    host::write("/sys/bus/pci/rescan", "1")?;
    let counts = Twin::open_device(host::ZIP.name)?.counts()?;
    seen?;
    for n in 1..=VFS {
        let vf = format!("vf{n}");
        let touched = counts.accesses(&vf) + counts.get(&vf, "flr") != 0;
        ensure!(
            touched == (n <= NAMED),
            "VF {n}: {} accesses, {} resets",
            counts.accesses(&vf),
            counts.get(&vf, "flr")
        );
    }
    let flr = counts.get("pf", "flr");
    ensure!(flr == 0, "{flr} resets of the PF");
    Ok(())
}
