// SPDX-License-Identifier: GPL-2.0

//! `acc-selftest`: the tests that run in the guest.

#[macro_use]
mod registry;

mod audit;
mod cases;
mod demo;
mod differences;
mod hand;
mod hardware;
mod live;
mod nested;
mod report;
mod sequence;
mod support;
mod twin;

use acc_case::{Message, BEGIN};
use acc_vfio_user::{Driver, Result};
use clap::{Parser, Subcommand};
use std::{
    panic::{catch_unwind, AssertUnwindSafe},
    process::ExitCode,
    time::Instant,
};

/// Tests of HiSilicon accelerator VFs and their VFIO drivers.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: What,
}

#[derive(Subcommand)]
enum What {
    /// Prints a JSON line for each case: its name and what it needs
    List,
    /// The differences of the C driver, as the documentation has them
    Differences,
    /// In what the C driver's sequence of accesses differs, as the documentation has it
    Sequence,
    /// Runs cases and prints TAP
    Run {
        /// SUITE.CASE, or SUITE.CASE:DRIVER
        cases: Vec<String>,
        /// Runs on VFs of this machine, without the device model. Cases that need the model are
        /// skipped; without names, all others are run
        #[arg(long, requires = "vf")]
        hardware: bool,
        /// A VF that may be bound, reset and used, by its PCI address. Once for each VF; two VFs of
        /// the ZIP are enough for all cases. Nothing else is changed
        #[arg(long, requires = "hardware", value_name = "ADDRESS")]
        vf: Vec<String>,
        /// The driver that the VFs are bound to
        #[arg(long, value_enum, default_value = "rust", requires = "hardware")]
        driver: Driver,
    },
    /// Unloads all modules, looks for leaks and the like: for the end of a guest
    Audit,
    /// Migrates what it is given over its standard input: for a case, not for people
    #[command(hide = true)]
    Hand,
    /// Logs what a VF writes until it is killed: for a case, not for people
    #[command(hide = true)]
    Victim {
        /// The VF's VFIO device
        path: String,
        /// What it goes on with
        deed: String,
    },
    /// Installs the packages in a Debian that systemd boots then: for a case, not for people
    #[command(hide = true)]
    Install,
    /// Shows a VF with work in flight being migrated
    Demo {
        #[arg(long, value_enum, default_value = "rust")]
        driver: Driver,
    },
    /// Shows QEMU migrating a guest
    Live {
        #[arg(long, value_enum, default_value = "rust")]
        driver: Driver,
    },
}

/// Runs a case, whatever it does.
fn run_one(name: &str) -> Result<String> {
    let entry = registry::find(name).ok_or("no such case")?;
    let result = catch_unwind(AssertUnwindSafe(|| entry.run()));
    differences::judge(
        name,
        result.unwrap_or_else(|_| Err("panicked, see the guest's output".into())),
    )
}

/// Runs cases: TAP on standard output, for people, and messages to the harness.
fn run(names: &[String]) -> Result<bool> {
    println!("TAP version 14");
    println!("1..{}", names.len());
    let mut failed = 0;
    for (n, name) in (1..).zip(names) {
        // In the kernel's log, so that what it says can be told apart by case.
        let _ = std::fs::write("/dev/kmsg", format!("{BEGIN}{name}\n"));
        let begin = Instant::now();
        let (remark, why) = match run_one(name) {
            Ok(remark) => (remark, None),
            Err(e) => (String::new(), Some(e.to_string())),
        };
        let took = begin.elapsed();
        let result = if why.is_none() { "ok" } else { "not ok" };
        let shown = match remark.as_str() {
            "" => String::new(),
            remark => format!(" # {remark}"),
        };
        println!("{result} {n} - {name}{shown}");
        if let Some(why) = &why {
            failed += 1;
            for line in why.lines() {
                println!("# {line}");
            }
        }
        report::tell(&Message::Result {
            name: name.clone(),
            remark,
            why,
            millis: u64::try_from(took.as_millis())?,
        })?;
    }
    println!("# {} passed, {failed} failed", names.len() - failed);
    Ok(failed == 0)
}

/// Prints all cases as the harness reads them.
fn list() -> Result<()> {
    for entry in registry::all() {
        println!("{}", entry.case.line()?);
    }
    Ok(())
}

/// Says what went wrong with a command.
fn exit(command: &str, result: Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("acc-selftest {command}: {e}");
            ExitCode::FAILURE
        }
    }
}

fn main() -> ExitCode {
    let arguments = match std::env::args_os().len() {
        // As kselftest calls it.
        1 => match hardware::of_kselftest() {
            Some(passed) => return passed,
            None => return hardware::skip_all(),
        },
        _ => Arguments::parse(),
    };
    match arguments.command {
        What::List => exit("list", list()),
        What::Differences => {
            print!("{}", differences::table());
            ExitCode::SUCCESS
        }
        What::Sequence => {
            print!("{}", sequence::list::text());
            ExitCode::SUCCESS
        }
        What::Run {
            cases,
            hardware,
            vf,
            driver,
        } => {
            let passed = match hardware {
                true => hardware::run(&vf, driver, &cases),
                false => run(&cases),
            };
            match passed {
                Ok(true) => ExitCode::SUCCESS,
                Ok(false) => ExitCode::FAILURE,
                Err(e) => exit("run", Err(e)),
            }
        }
        What::Audit => match audit::run() {
            Ok(()) => ExitCode::SUCCESS,
            Err(e) => exit("audit", audit::complain(vec![format!("audit: {e}")])),
        },
        What::Install => exit("install", cases::install::boot::prepare()),
        What::Hand => exit("hand", hand::serve()),
        What::Victim { path, deed } => exit("victim", cases::dirty::dies::serve(&path, &deed)),
        What::Demo { driver } => shown(demo::run(driver)),
        What::Live { driver } => shown(live::run(driver)),
    }
}

/// How a demonstration went.
fn shown(result: Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            println!("FAILED: {e}");
            ExitCode::FAILURE
        }
    }
}
