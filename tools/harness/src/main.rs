// SPDX-License-Identifier: GPL-2.0

//! `acc`: boots guests with the device model and runs cases in them. Called by tools/acc.sh, which
//! has built all that is needed; runs inside the toolchain root.

mod boot;
mod complaints;
mod console;
mod error;
mod guest;
mod host;
mod judge;
mod machine;
mod mutants;
mod outcome;
mod progress;
mod report;
mod summary;
mod table;

use acc_case::{Case, Needs};
use acc_cases::{
    flavours::{self, Flavours},
    groups, select,
    store::{self, Entry, Kernel, Store},
};
use clap::{Parser, Subcommand};
use error::Result;
use guest::{Guest, Show};
use machine::{Machine, SILENCE, TOTAL, TOTAL_NESTED};
use outcome::Outcome;
use progress::{Progress, GUESTS};
use report::Report;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    sync::{mpsc, Mutex},
    time::Duration,
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
    /// The root of a bare Debian, which guests get a copy of
    #[arg(long)]
    debian: Option<PathBuf>,
    /// The root of a Debian with libvirt
    #[arg(long)]
    libvirt: Option<PathBuf>,
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
        /// Only those with which a change is tried first: with our driver, on the older
        /// generation, in a few minutes
        #[arg(long, conflicts_with = "all")]
        quick: bool,
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

/// The folder of the results, without those of the last run. The store stays.
fn results(machine: &Machine) -> Result<PathBuf> {
    let results = machine.folder("results");
    fs::create_dir_all(&results)?;
    for entry in fs::read_dir(&results)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else if entry.file_name() != store::FILE {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(results)
}

/// Opens the store of the results of all runs, and returns the results that it has.
fn store(machine: &Machine, known: &BTreeSet<&str>) -> Result<(Store, Kernel, Vec<Entry>)> {
    let kernel = Kernel::of(&machine.flavour, &machine.suffix);
    let path = machine.top.join("build/results").join(store::FILE);
    let (store, entries) = Store::open(&path, kernel.clone(), known)?;
    Ok((store, kernel, entries))
}

fn check(machine: &Machine, pattern: &str, driver: &str, size: fn(&Case) -> bool) -> Result<bool> {
    let results = results(machine)?;
    let every = all_cases(machine)?;
    let names = every.iter().map(|case| case.name.clone()).collect();
    let known = every.iter().map(|case| case.name.as_str()).collect();
    let (store, kernel, before) = store(machine, &known)?;
    let (cases, left_out): (Vec<Case>, Vec<Case>) = every
        .into_iter()
        .filter(|case| select::matches(pattern, driver, case))
        .partition(size);
    if cases.is_empty() {
        return Err(format!("no case matches '{pattern}': make list names them").into());
    }
    machine.build_for(&cases)?;
    let planned = cases.len();
    let took = before.into_iter().filter(|entry| entry.kernel == kernel);
    let took = took.map(|entry| (entry.name, entry.wall)).collect();
    let mut groups = groups::groups(cases, !machine.flavour.is_empty());
    groups::longest_first(&mut groups, &took);
    let names_of = |(_, cases): &groups::Group| -> Vec<String> {
        cases.iter().map(|case| case.name.clone()).collect()
    };
    let progress = Progress::new(groups.iter().map(names_of).collect(), took);
    let mut report = Report::new(&results, &machine.flavour, planned)?;
    report.left_out = left_out.len();
    report.keep(store, kernel, names);
    report.follow(progress.shown());
    let report = Mutex::new(report);
    run(machine, &results, groups, &report)?;
    let mut report = report.into_inner()?;
    report.finish()
}

/// Runs the suites of the host, one after the other, and guests: some at a time.
fn run(
    machine: &Machine,
    results: &Path,
    groups: Vec<groups::Group>,
    to: &Mutex<Report>,
) -> Result<()> {
    let report = || to.lock().expect("no poison");
    let queue = Mutex::new(groups.into_iter());
    std::thread::scope(|scope| {
        let (over, ticks) = mpsc::channel::<()>();
        scope.spawn(move || {
            let second = Duration::from_secs(1);
            while ticks.recv_timeout(second) == Err(mpsc::RecvTimeoutError::Timeout) {
                report().tick();
            }
        });
        let work = || loop {
            let next = queue.lock().expect("no poison").next();
            let Some((name, cases)) = next else {
                return Ok(());
            };
            if cases[0].suite() == host::SUITE {
                for case in cases {
                    report().begins(&case.name);
                    let outcome = host::run(machine, results, &case.name);
                    report().add(outcome.map_err(|e| e.to_string())?);
                }
                continue;
            }
            let total = match cases[0].needs.nested {
                true => TOTAL_NESTED,
                false => TOTAL,
            };
            let guest = Guest {
                name,
                cases,
                limits: machine.limits(SILENCE, total),
            };
            guest.run(machine, results, to);
        };
        let workers: Vec<_> = (0..GUESTS).map(|_| scope.spawn(work)).collect();
        let ends: Vec<_> = workers.into_iter().map(|worker| worker.join()).collect();
        drop(over);
        for end in ends {
            end.map_err(|_| "a guest's thread panicked")?
                .map_err(|e: String| e)?;
        }
        Ok(())
    })
}

/// What did not build, as cases that have failed.
fn broken(machine: &Machine, steps: &[String]) -> Result<bool> {
    let results = results(machine)?;
    let names: BTreeSet<String> = steps.iter().map(|step| format!("build.{step}")).collect();
    let mut report = Report::new(&results, &machine.flavour, steps.len())?;
    // What the cases came to before stays.
    let path = machine.top.join("build/results").join(store::FILE);
    let before = store::load(&path)?;
    let known = before.iter().map(|entry| entry.name.as_str()).collect();
    let (store, kernel, _) = store(machine, &known)?;
    report.keep(store, kernel, names);
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
        debian: arguments.debian,
        libvirt: arguments.libvirt,
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
            quick,
        } => machine.build_initramfs().and_then(|()| {
            let size = match (quick, all || pattern != "*") {
                (true, _) => select::is_quick,
                (_, true) => |_: &Case| true,
                (_, false) => |case: &Case| !case.long,
            };
            check(&machine, &pattern, &driver, size)
        }),
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
