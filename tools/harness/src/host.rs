// SPDX-License-Identifier: GPL-2.0

//! Runs the suites of the host: programs that test without a guest.

use crate::{error::Result, machine::Machine, outcome::Outcome};
use acc_case::Case;
use std::{fs, path::Path, process::Command, time::Instant};

/// A suite: its name, the folder in which its program runs, and the program.
struct Suite(&'static str, &'static str, &'static [&'static str]);

const SUITES: &[Suite] = &[
    Suite("host.hw", "drivers/hw", TEST),
    Suite("host.track", "drivers/track", TEST),
    Suite("host.dma_log", "rust/dma_log", TEST),
    Suite(
        "host.twin",
        "tools",
        &["cargo", "test", "-q", "-p", "acc-twin"],
    ),
    Suite(
        "host.cosim",
        "tools",
        &[
            "cargo",
            "test",
            "-q",
            "-p",
            "acc-cosim",
            "--",
            "--nocapture",
        ],
    ),
    Suite(
        "host.harness",
        "tools",
        &["cargo", "test", "-q", "-p", "acc"],
    ),
    Suite(
        "host.selftests",
        "tools",
        &[
            "cargo",
            "test",
            "-q",
            "-p",
            "acc-selftests",
            "-p",
            "acc-vfio-user",
            "-p",
            "hw-report",
            "-p",
            "accvf",
        ],
    ),
    Suite(
        "host.report",
        "tools",
        &["cargo", "test", "-q", "-p", "acc-report"],
    ),
    Suite("host.ci", "", &["tools/testing/ci/test.sh"]),
    Suite("host.modules", "", &["tools/testing/modules/test.sh"]),
    Suite("host.kernel", "", &["tools/kernel/test-host.sh"]),
    Suite("host.install", "", &["tools/packaging/test-install.sh"]),
    Suite(
        "host.kernel_deb",
        "",
        &["tools/packaging/test-kernel-deb.sh"],
    ),
    Suite("host.dkms", "", &["tools/packaging/test-dkms.sh"]),
    Suite("host.lint", "", &["tools/lint.sh"]),
];

/// The suite of all these, to the guests'.
pub const SUITE: &str = "host";

/// Suites that take long. CI names them.
const LONG: &[&str] = &["host.kernel_deb", "host.lint"];

/// Suites of what surrounds the modules: kernels and packages. `QUICK=1` leaves them out.
const SLOW: &[&str] = &["host.dkms", "host.kernel", "host.modules"];

/// What tests a crate in its folder.
const TEST: &[&str] = &["cargo", "test", "-q"];

/// Returns the crates that have a suite of their own: the folder of each, and the suite's name.
pub fn crates() -> impl Iterator<Item = (&'static str, &'static str)> {
    let own = SUITES.iter().filter(|suite| suite.2 == TEST);
    own.map(|Suite(name, folder, _)| (*folder, *name))
}

/// Returns each suite as a case.
pub fn cases() -> Vec<Case> {
    let case = |Suite(name, ..): &Suite| Case {
        long: LONG.contains(name),
        slow: SLOW.contains(name),
        ..Case::new(name)
    };
    SUITES.iter().map(case).collect()
}

/// Counts the tests: those that `cargo test` reports, and lines of the form `ok - NAME`.
fn count(text: &str) -> usize {
    let of = |line: &str| -> Option<usize> {
        if line.starts_with("ok - ") || line.starts_with("not ok - ") {
            return Some(1);
        }
        line.strip_prefix("running ")?
            .split(' ')
            .next()?
            .parse()
            .ok()
    };
    text.lines().filter_map(of).sum()
}

/// Runs a suite and keeps its output in the results.
pub fn run(machine: &Machine, results: &Path, name: &str) -> Result<Outcome> {
    let suite = SUITES.iter().find(|suite| suite.0 == name);
    let Suite(_, folder, command) = suite.ok_or("no such suite")?;
    let begin = Instant::now();
    let output = Command::new(command[0])
        .args(&command[1..])
        .current_dir(machine.top.join(folder))
        .env("CARGO_TARGET_DIR", machine.top.join("build/cargo"))
        .env("ACC_KERNEL", &machine.kernel)
        .output()?;
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    fs::write(results.join(format!("{name}.log")), &text)?;
    // A suite without tests proves nothing.
    let why = match (output.status.success(), count(&text)) {
        (true, 0) => vec!["no test was run".to_owned()],
        (true, _) => vec![],
        (false, _) => text.lines().map(str::to_owned).collect(),
    };
    Ok(Outcome {
        name: name.to_owned(),
        took: begin.elapsed(),
        why,
        ..Outcome::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts() {
        assert_eq!(
            count("running 3 tests\n...\nrunning 0 tests\nrunning 2 tests"),
            5
        );
        assert_eq!(count("ok - a\nnot ok - b\n  ok - c\nok, d"), 2);
        assert_eq!(count("running 0 tests"), 0);
    }

    #[test]
    fn names() {
        assert!(cases().iter().all(|case| case.suite() == "host"));
        assert!(LONG
            .iter()
            .all(|name| SUITES.iter().any(|suite| suite.0 == *name)));
    }
}
