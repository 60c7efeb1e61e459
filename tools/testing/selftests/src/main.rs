// SPDX-License-Identifier: GPL-2.0

//! `acc-selftest`: the tests that run in the guest, as TAP.

mod audit;
mod cases;
mod demo;
mod differences;
mod hand;
mod live;
mod nested;
mod sequence;
mod support;
mod twin;

use acc_vfio_user::{Driver, Result};
use clap::{Parser, Subcommand};
use std::{
    panic::{catch_unwind, AssertUnwindSafe},
    process::ExitCode,
};

/// Tests of HiSilicon accelerator VFs and their VFIO drivers.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: What,
}

#[derive(Subcommand)]
enum What {
    /// A line for each case: its name, and behind tabs what it needs
    List,
    /// The differences of the C driver, as the documentation has them
    Differences,
    /// In what the C driver's sequence of accesses differs, as the documentation has it
    Sequence,
    /// Runs cases and prints TAP
    Run {
        /// SUITE.CASE, or SUITE.CASE:DRIVER
        cases: Vec<String>,
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

fn run(names: &[String]) -> ExitCode {
    println!("TAP version 14");
    println!("1..{}", names.len());
    let mut failed = 0;
    for (n, name) in (1..).zip(names) {
        eprintln!("acc-selftest: {name}");
        // In the kernel's log too, so that what it says can be told apart by case.
        let _ = std::fs::write("/dev/kmsg", format!("acc-selftest: begin {name}\n"));
        let result = match cases::find(name) {
            Some(case) => catch_unwind(AssertUnwindSafe(case))
                .unwrap_or_else(|_| Err("panicked, see above".into())),
            None => Err("no such case".into()),
        };
        match differences::judge(name, result) {
            Ok(remark) if remark.is_empty() => println!("ok {n} - {name}"),
            Ok(remark) => println!("ok {n} - {name} # {remark}"),
            Err(e) => {
                failed += 1;
                println!("not ok {n} - {name}");
                for line in e.to_string().lines() {
                    println!("# {line}");
                }
            }
        }
    }
    println!("# {} passed, {failed} failed", names.len() - failed);
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        What::List => {
            for name in cases::names() {
                println!("{name}{}", cases::needs(&name));
            }
            ExitCode::SUCCESS
        }
        What::Differences => {
            print!("{}", differences::table());
            ExitCode::SUCCESS
        }
        What::Sequence => {
            print!("{}", sequence::list::text());
            ExitCode::SUCCESS
        }
        What::Run { cases } => run(&cases),
        What::Audit => match audit::run() {
            Ok(()) => ExitCode::SUCCESS,
            Err(e) => {
                audit::complain(&format!("audit: {e}"));
                ExitCode::FAILURE
            }
        },
        What::Hand => match hand::serve() {
            Ok(()) => ExitCode::SUCCESS,
            Err(e) => {
                eprintln!("acc-selftest hand: {e}");
                ExitCode::FAILURE
            }
        },
        What::Victim { path, deed } => match cases::victim(&path, &deed) {
            Ok(()) => ExitCode::SUCCESS,
            Err(e) => {
                eprintln!("acc-selftest victim: {e}");
                ExitCode::FAILURE
            }
        },
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
