// SPDX-License-Identifier: GPL-2.0

//! `acc`: boots guests with the device model and runs cases in them. Called by tools/acc.sh, which
//! has built all that is needed; runs inside the toolchain root.

mod console;
mod guest;
mod report;
mod select;

use clap::{Parser, Subcommand};
use guest::{Guest, Machine};
use report::Report;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    sync::Mutex,
    time::Duration,
};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Tests HiSilicon accelerator VFs in guests.
#[derive(Parser)]
struct Arguments {
    /// The top of the tree
    #[arg(long)]
    top: PathBuf,
    /// The kernel's build folder
    #[arg(long)]
    kernel: PathBuf,
    /// The object that plugs the device model into QEMU
    #[arg(long)]
    twin: PathBuf,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Names all cases
    List,
    /// Runs cases, prints TAP, ends with `N passed, N failed`
    Check {
        /// Which: SUITE.CASE, with * and ?; the driver's name may follow behind a colon
        #[arg(default_value = "*")]
        pattern: String,
        /// With which driver: rust, c, both
        #[arg(long, default_value = "both")]
        driver: String,
    },
    /// Shows a migration
    Demo,
    /// A guest with a shell
    Shell,
}

/// Suites of the host: what cargo is asked to test.
const HOST: &[(&str, &str, &[&str])] = &[
    ("host.hw", "drivers/hw", &["test", "-q"]),
    ("host.twin", "tools", &["test", "-q", "-p", "acc-twin"]),
    ("host.harness", "tools", &["test", "-q", "-p", "acc"]),
];

/// How long a guest may be silent, and how long it may take in all.
const SILENCE: Duration = Duration::from_secs(120);
const TOTAL: Duration = Duration::from_secs(900);

fn guest_cases(machine: &Machine) -> Result<Vec<String>> {
    let output = Command::new(machine.host_selftest()).arg("list").output()?;
    if !output.status.success() {
        return Err("acc-selftest list failed".into());
    }
    Ok(String::from_utf8(output.stdout)?
        .lines()
        .map(str::to_owned)
        .collect())
}

fn all_cases(machine: &Machine) -> Result<Vec<String>> {
    let host = HOST.iter().map(|(name, ..)| (*name).to_owned());
    Ok(host.chain(guest_cases(machine)?).collect())
}

fn run_host(top: &Path, results: &Path, name: &str, report: &Mutex<Report>) -> Result<()> {
    let (_, folder, arguments) = HOST
        .iter()
        .find(|(n, ..)| *n == name)
        .ok_or("no such suite")?;
    let output = Command::new("cargo")
        .args(*arguments)
        .current_dir(top.join(folder))
        .env("CARGO_TARGET_DIR", top.join("build/cargo"))
        .output()?;
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    fs::write(results.join(format!("{name}.log")), &text)?;
    // "running 0 tests" alone would prove nothing.
    let ran = text
        .lines()
        .filter_map(|line| {
            line.strip_prefix("running ")?
                .split(' ')
                .next()?
                .parse::<u32>()
                .ok()
        })
        .sum::<u32>();
    let why = match (output.status.success(), ran) {
        (true, 0) => vec!["no test was run".to_owned()],
        (true, _) => vec![],
        (false, _) => text.lines().map(str::to_owned).collect(),
    };
    report.lock().expect("no poison").add(name, "", why);
    Ok(())
}

fn check(machine: &Machine, pattern: &str, driver: &str) -> Result<bool> {
    let top = &machine.top;
    let results = top.join("build/results");
    let _ = fs::remove_dir_all(&results);
    fs::create_dir_all(&results)?;
    let cases: Vec<String> = all_cases(machine)?
        .into_iter()
        .filter(|case| select::matches(pattern, driver, case))
        .collect();
    if cases.is_empty() {
        return Err(format!("no case matches '{pattern}': make list names them").into());
    }
    let report = Mutex::new(Report::new(&results, cases.len())?);
    for name in cases.iter().filter(|case| case.starts_with("host.")) {
        run_host(top, &results, name, &report)?;
    }
    // A guest for each suite; two at a time.
    let mut suites: Vec<(String, Vec<String>)> = Vec::new();
    for case in cases.iter().filter(|case| !case.starts_with("host.")) {
        let suite = case.split('.').next().unwrap_or_default();
        match suites.iter_mut().find(|(name, _)| name == suite) {
            Some((_, cases)) => cases.push(case.clone()),
            None => suites.push((suite.to_owned(), vec![case.clone()])),
        }
    }
    let queue = Mutex::new(suites.into_iter());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| loop {
                let next = queue.lock().expect("no poison").next();
                let Some((suite, cases)) = next else { break };
                let guest = Guest {
                    name: suite,
                    cases,
                    silence: SILENCE,
                    total: TOTAL,
                };
                guest.run(machine, &results, &report);
            });
        }
    });
    let mut report = report.into_inner()?;
    report.finish()
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let machine = Machine {
        top: arguments.top,
        kernel: arguments.kernel,
        twin: arguments.twin,
    };
    let result = match arguments.what {
        What::List => all_cases(&machine).map(|cases| {
            for case in cases {
                println!("{case}");
            }
            true
        }),
        What::Check { pattern, driver } => machine
            .build_initramfs()
            .and_then(|()| check(&machine, &pattern, &driver)),
        What::Demo => machine
            .build_initramfs()
            .and_then(|()| guest::demo(&machine)),
        What::Shell => machine
            .build_initramfs()
            .and_then(|()| guest::shell(&machine)),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(e) => {
            eprintln!("error: {e}");
            ExitCode::from(2)
        }
    }
}
