// SPDX-License-Identifier: GPL-2.0

//! `acc`: boots guests with the device model and runs cases in them. Called by tools/acc.sh, which
//! has built all that is needed; runs inside the toolchain root.

mod case;
mod complaints;
mod console;
mod guest;
mod judge;
mod machine;
mod mutants;
mod report;
mod select;
mod table;

use case::{Case, Needs};
use clap::{Parser, Subcommand};
use guest::{Guest, Show};
use machine::Machine;
use report::{Outcome, Report};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    sync::Mutex,
    time::Instant,
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
    kernel: Option<PathBuf>,
    /// The kernel's flavour, where it is not the plain one
    #[arg(long, default_value = "")]
    flavour: String,
    /// The object that plugs the device model into QEMU
    #[arg(long)]
    twin: Option<PathBuf>,
    /// The root file system of the QEMU that runs in guests
    #[arg(long)]
    nested: Option<PathBuf>,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Names all cases
    List,
    /// Runs cases, prints TAP, ends with `N passed, N failed`
    Check {
        /// Which: SUITE.CASE, with * and ?; the driver's name may follow behind a colon. Several
        /// have spaces between them
        #[arg(default_value = "*")]
        pattern: String,
        /// With which driver: rust, c, both
        #[arg(long, default_value = "both")]
        driver: String,
        /// Those that take long too, which are else for who asks for them by name
        #[arg(long)]
        all: bool,
    },
    /// Builds the modules with small defects, and runs the cases that have to see them
    Mutants(mutants::Wanted),
    /// Shows a migration
    Demo,
    /// Shows QEMU migrating a guest
    Live,
    /// A guest with a shell
    Shell,
    /// Reports steps of the build that failed; what they said is in build/why-STEP
    Broken {
        /// Which
        steps: Vec<String>,
    },
}

/// Suites of the host: what cargo is asked to test.
const HOST: &[(&str, &str, &[&str])] = &[
    ("host.hw", "drivers/hw", &["test", "-q"]),
    ("host.twin", "tools", &["test", "-q", "-p", "acc-twin"]),
    ("host.harness", "tools", &["test", "-q", "-p", "acc"]),
    (
        "host.selftests",
        "tools",
        &["test", "-q", "-p", "acc-selftests"],
    ),
];

/// How many seconds a guest may be silent, and how many it may take in all: itself, or with guests
/// of its own.
const SILENCE: u64 = 120;
const TOTAL: u64 = 900;
const TOTAL_NESTED: u64 = 1800;

/// The cases that run in guests, with the machine's flavour of the kernel.
fn guest_cases(machine: &Machine) -> Result<Vec<Case>> {
    let output = Command::new(machine.host_selftest()).arg("list").output()?;
    if !output.status.success() {
        return Err("acc-selftest list failed".into());
    }
    let mut cases = Vec::new();
    for line in String::from_utf8(output.stdout)?.lines() {
        let case = Case::read(line)?;
        if case.flavour.as_ref().is_none_or(|f| *f == machine.flavour) {
            cases.push(case);
        }
    }
    Ok(cases)
}

fn all_cases(machine: &Machine) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    // They have nothing to do with the guests' kernel.
    if machine.flavour.is_empty() {
        cases.extend(HOST.iter().map(|(name, ..)| Case::new(name)));
    }
    cases.extend(guest_cases(machine)?);
    Ok(cases)
}

fn run_host(top: &Path, results: &Path, name: &str, report: &Mutex<Report>) -> Result<()> {
    let (_, folder, arguments) = HOST
        .iter()
        .find(|(n, ..)| *n == name)
        .ok_or("no such suite")?;
    let begin = Instant::now();
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
    report.lock().expect("no poison").add(Outcome {
        name: name.to_owned(),
        took: begin.elapsed(),
        why,
        ..Outcome::default()
    });
    Ok(())
}

/// The folder of the results, without those of the last run.
fn results(machine: &Machine) -> Result<PathBuf> {
    let results = machine.folder("results");
    let _ = fs::remove_dir_all(&results);
    fs::create_dir_all(&results)?;
    Ok(results)
}

fn check(machine: &Machine, pattern: &str, driver: &str, all: bool) -> Result<bool> {
    let results = results(machine)?;
    let all = all || pattern != "*";
    let (cases, left_out): (Vec<Case>, Vec<Case>) = all_cases(machine)?
        .into_iter()
        .filter(|case| select::matches(pattern, driver, case))
        .partition(|case| all || !case.long);
    if cases.is_empty() {
        return Err(format!("no case matches '{pattern}': make list names them").into());
    }
    let mut report = Report::new(&results, &machine.flavour, cases.len())?;
    report.left_out = left_out.len();
    let report = Mutex::new(report);
    let (host, cases): (Vec<Case>, Vec<Case>) =
        cases.into_iter().partition(|case| case.suite() == "host");
    for case in host {
        run_host(&machine.top, &results, &case.name, &report)?;
    }
    // Two guests at a time, those first that take longest.
    let apart = machine.flavour == "debug";
    let mut groups = case::groups(cases, apart);
    groups.sort_by_key(|(_, cases)| !cases[0].needs.nested);
    let queue = Mutex::new(groups.into_iter());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| loop {
                let next = queue.lock().expect("no poison").next();
                let Some((name, cases)) = next else { break };
                let total = match cases[0].needs.nested {
                    true => TOTAL_NESTED,
                    false => TOTAL,
                };
                let guest = Guest {
                    name,
                    cases,
                    limits: machine.limits(SILENCE, total),
                };
                guest.run(machine, &results, &report);
            });
        }
    });
    let mut report = report.into_inner()?;
    report.finish()
}

/// What did not build, as cases that have failed.
fn broken(machine: &Machine, steps: &[String]) -> Result<bool> {
    let results = results(machine)?;
    let mut report = Report::new(&results, &machine.flavour, steps.len())?;
    for step in steps {
        let log = machine.top.join("build").join(format!("why-{step}"));
        let mut why = vec!["did not build:".to_owned()];
        why.extend(fs::read_to_string(log)?.lines().map(str::to_owned));
        report.add(Outcome {
            name: format!("build.{step}"),
            why,
            ..Outcome::default()
        });
    }
    report.finish()
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let machine = Machine {
        top: arguments.top,
        // Not wanted for a list, nor where something did not build.
        kernel: arguments.kernel.unwrap_or_default(),
        twin: arguments.twin.unwrap_or_default(),
        flavour: arguments.flavour,
        nested: arguments.nested,
        replaced: None,
    };
    let result = match arguments.what {
        What::List => all_cases(&machine).map(|cases| {
            for case in cases {
                println!("{}", case.name);
            }
            true
        }),
        What::Check {
            pattern,
            driver,
            all,
        } => machine
            .build_initramfs()
            .and_then(|()| check(&machine, &pattern, &driver, all)),
        What::Mutants(wanted) => machine.build_initramfs().and_then(|()| {
            let cases = guest_cases(&machine)?;
            mutants::mutants(&machine, &wanted, &cases)
        }),
        What::Demo => machine.build_initramfs().and_then(|()| {
            let show = Show {
                command: "demo",
                needs: Needs::default(),
                limits: machine.limits(60, 180),
            };
            guest::show(&machine, &show)
        }),
        What::Live => machine.build_initramfs().and_then(|()| {
            let show = Show {
                command: "live",
                needs: Needs {
                    nested: true,
                    memory: Some("3G".to_owned()),
                    kernel: vec!["cryptomgr.notests=1".to_owned()],
                    ..Needs::default()
                },
                limits: machine.limits(SILENCE, TOTAL),
            };
            guest::show(&machine, &show)
        }),
        What::Shell => machine
            .build_initramfs()
            .and_then(|()| guest::shell(&machine)),
        What::Broken { steps } => broken(&machine, &steps),
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
