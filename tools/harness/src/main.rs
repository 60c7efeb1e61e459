// SPDX-License-Identifier: GPL-2.0

//! `acc`: boots guests with the device model and runs cases in them. Called by tools/acc.sh, which
//! has built all that is needed; runs inside the toolchain root.

mod complaints;
mod console;
mod error;
mod guest;
mod host;
mod judge;
mod machine;
mod mutants;
mod report;
mod table;

use acc_case::{Case, Needs};
use acc_cases::{
    flavours::{self, Flavours},
    groups, select,
};
use clap::{Parser, Subcommand};
use error::Result;
use guest::{Guest, Show};
use machine::{Machine, SILENCE, TOTAL, TOTAL_NESTED};
use report::{Outcome, Report};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    sync::Mutex,
};

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
    /// What is behind the names of the folders of this flavour and this kernel
    #[arg(long, default_value = "", allow_hyphen_values = true)]
    suffix: String,
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
        /// have spaces between them. One that begins with ! excludes
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
    Run,
    /// Shows QEMU migrating a guest
    Demo,
    /// A guest with a shell
    Shell,
    /// Reports steps of the build that failed; what they said is in build/why-STEP
    Broken {
        /// Which
        steps: Vec<String>,
    },
}

/// The cases that run in guests, with the machine's flavour of the kernel.
fn guest_cases(machine: &Machine) -> Result<Vec<Case>> {
    let output = Command::new(machine.host_selftest()).arg("list").output()?;
    if !output.status.success() {
        return Err("acc-selftest list failed".into());
    }
    let mut cases = Vec::new();
    for line in String::from_utf8(output.stdout)?.lines() {
        let case = Case::read(line).map_err(|e| format!("acc-selftest list: {e}: {line}"))?;
        if case.flavour.as_ref().is_none_or(|f| *f == machine.flavour) {
            cases.push(case);
        }
    }
    Ok(cases)
}

fn all_cases(machine: &Machine) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    // They have nothing to do with the guests' kernel.
    if machine.suffix.is_empty() {
        cases.extend(host::cases());
    }
    cases.extend(guest_cases(machine)?);
    Ok(cases)
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
        let outcome = host::run(machine, &results, &case.name)?;
        report.lock().expect("no poison").add(outcome);
    }
    // Two guests at a time, those first that take longest.
    let mut groups = groups::groups(cases, !machine.flavour.is_empty());
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

/// Returns the factor by which the kernel is slower than the plain one.
fn slowness(top: &Path, flavour: &str) -> Result<u32> {
    let file = top.join("tools/kernel/flavours");
    let flavours = Flavours::read(&fs::read_to_string(&file)?);
    let flavours = flavours.map_err(|e| format!("{}: {e}", file.display()))?;
    let name = if flavour.is_empty() {
        flavours::PLAIN
    } else {
        flavour
    };
    let slowness = flavours.slowness(name);
    slowness.ok_or_else(|| format!("{} has no flavour '{name}'", file.display()).into())
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let slowness = match slowness(&arguments.top, &arguments.flavour) {
        Ok(slowness) => slowness,
        Err(e) => {
            eprintln!("error: {e}");
            return ExitCode::from(2);
        }
    };
    let machine = Machine {
        top: arguments.top,
        slowness,
        // Not wanted for a list, nor where something did not build.
        kernel: arguments.kernel.unwrap_or_default(),
        twin: arguments.twin.unwrap_or_default(),
        flavour: arguments.flavour,
        suffix: arguments.suffix,
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
        What::Mutants(wanted) if wanted.table => mutants::table(&machine),
        What::Mutants(wanted) => machine.build_initramfs().and_then(|()| {
            let cases = guest_cases(&machine)?;
            mutants::mutants(&machine, &wanted, &cases)
        }),
        What::Run => machine.build_initramfs().and_then(|()| {
            let show = Show {
                command: "demo",
                needs: Needs::default(),
                limits: machine.limits(60, 180),
            };
            guest::show(&machine, &show)
        }),
        What::Demo => machine.build_initramfs().and_then(|()| {
            let show = Show {
                command: "live",
                needs: Needs {
                    nested: true,
                    memory_gib: Some(3),
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
