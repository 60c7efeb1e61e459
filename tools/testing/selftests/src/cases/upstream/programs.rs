// SPDX-License-Identifier: GPL-2.0

//! `upstream.*`: the kernel's own VFIO selftests, built from its source as it is, on a VF bound to
//! our driver and on the same VF bound to vfio-pci.
//!
//! Two of its programs are left out. `vfio_pci_driver_test` wants one of libvfio's drivers in user
//! space (ioat, dsa), which are built for x86 only: on arm64 it skips itself whatever the device.
//! `vfio_pci_sriov_uapi_test` wants a PF on vfio-pci whose VF comes up on "vfio-pci" too, by that
//! very name: no other driver can come under its test.

use crate::{registry::register, support::bench::VFS};
use acc_vfio_user::{
    ensure,
    host::{self, Function},
    vfio::{Device, Iommufd},
    Driver, Result,
};
use std::{
    io::{BufRead, BufReader},
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Command, ExitStatus, Stdio},
};

/// Where the harness puts the programs.
const FOLDER: &str = "/lib/selftests/vfio";

/// To what the VFs are bound.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bound {
    /// The driver under test
    Rust,
    /// The kernel's vfio-pci, which the programs were written with
    VfioPci,
}

/// Registers a program, and the number of VFs that it takes, with each of the two.
macro_rules! program {
    ($name:literal, $vfs:expr) => {
        register!($name, Under("rust", || case($name, $vfs, Bound::Rust)));
        register!(
            $name,
            Under("vfio-pci", || case($name, $vfs, Bound::VfioPci))
        );
    };
}

program!("vfio_pci_device_test", 1);
program!("vfio_iommufd_setup_test", 1);
program!("vfio_dma_mapping_test", 1);
program!("vfio_dma_mapping_mmio_test", 1);
program!("vfio_pci_device_init_perf_test", VFS);

/// What a program said.
#[derive(Default)]
struct Outcome {
    planned: Option<usize>,
    passed: usize,
    skipped: usize,
    failed: Vec<String>,
    /// Its last lines
    tail: Vec<String>,
}

impl Outcome {
    /// Reads a line of a kselftest program's TAP.
    fn read(&mut self, line: &str) {
        if let Some(plan) = line.strip_prefix("1..") {
            self.planned = plan.trim().parse().ok();
        } else if let Some(rest) = line.strip_prefix("ok ") {
            if rest.contains("# SKIP") {
                self.skipped += 1;
            } else {
                self.passed += 1;
            }
        } else if let Some(rest) = line.strip_prefix("not ok ") {
            // Behind the number is the test's name, behind that a remark.
            let name = rest.split_whitespace().nth(1).unwrap_or("?");
            self.failed.push(name.to_owned());
        }
        self.tail.push(line.to_owned());
        if self.tail.len() > 20 {
            self.tail.remove(0);
        }
    }

    /// Whether the program came to its end: all that was planned has a result, and its exit code
    /// says the same as its output.
    fn check(&self, program: &str, status: ExitStatus) -> Result<()> {
        let results = self.passed + self.skipped + self.failed.len();
        let tail = self.tail.join("\n");
        if let Some(signal) = status.signal() {
            return Err(format!("{program}: ended by signal {signal}:\n{tail}").into());
        }
        ensure!(
            self.planned == Some(results),
            "{program}: {results} results, planned {:?}, {status}:\n{tail}",
            self.planned
        );
        ensure!(
            status.success() == self.failed.is_empty(),
            "{program}: {} tests failed, and {status}:\n{tail}",
            self.failed.len()
        );
        Ok(())
    }
}

/// Runs a program on VFs; all it says goes to the console.
fn run(program: &str, vfs: &[Function]) -> Result<Outcome> {
    let mut child = Command::new("sh")
        .args(["-c", "exec \"$@\" 2>&1", "sh"])
        .arg(Path::new(FOLDER).join(program))
        .args(vfs.iter().map(|vf| &vf.address))
        .stdout(Stdio::piped())
        .spawn()?;
    let mut outcome = Outcome::default();
    let stdout = child.stdout.take().ok_or("no output")?;
    for line in BufReader::new(stdout).split(b'\n') {
        let line = String::from_utf8_lossy(&line?).trim_end().to_owned();
        println!("# {line}");
        outcome.read(&line);
    }
    outcome.check(program, child.wait()?)?;
    Ok(outcome)
}

fn bind(vfs: &[Function], bound: Bound) -> Result<()> {
    for vf in vfs {
        match bound {
            Bound::Rust => {
                host::bind(vf, Driver::Rust)?;
                // Not as the plain vfio-pci device that it is where it cannot migrate.
                let device = Device::open(&vf.vfio_path()?, &Iommufd::new()?)?;
                ensure!(
                    device.migration_flags()? != 0,
                    "{} does not migrate",
                    vf.address
                );
            }
            Bound::VfioPci => {
                host::modprobe("vfio-pci")?;
                vf.bind("vfio-pci")?;
            }
        }
    }
    Ok(())
}

/// Runs a program on new VFs, so that no earlier run has changed them.
fn run_fresh(program: &str, count: usize, bound: Bound) -> Result<Outcome> {
    host::ZIP.remove_vfs()?;
    let vfs = host::vfs(VFS)?;
    let vfs = &vfs[..count];
    bind(vfs, bound)?;
    run(program, vfs)
}

fn case(program: &str, count: usize, bound: Bound) -> Result<String> {
    ensure!(
        Path::new(FOLDER).join(program).exists(),
        "{program} was not built, tools/testing/upstream.sh said why"
    );
    let outcome = run_fresh(program, count, bound)?;
    ensure!(
        outcome.passed + outcome.failed.len() != 0,
        "all {} tests were skipped",
        outcome.skipped
    );
    let mut ours = outcome.failed.clone();
    if bound == Bound::Rust && !ours.is_empty() {
        // A test that fails with vfio-pci on new VFs, too, is no failure of our driver.
        println!("# again, with vfio-pci");
        let plain = run_fresh(program, count, Bound::VfioPci)?;
        ours.retain(|name| !plain.failed.contains(name));
    }
    let mut text = format!("{} passed, {} skipped", outcome.passed, outcome.skipped);
    let shared = outcome.failed.len() - ours.len();
    if shared != 0 {
        text += &format!(", {shared} failed as with vfio-pci");
    }
    ensure!(
        ours.is_empty(),
        "{text}, {} failed:\n{}\n{}",
        ours.len(),
        ours.join("\n"),
        outcome.tail.join("\n")
    );
    Ok(text)
}
