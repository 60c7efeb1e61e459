// SPDX-License-Identifier: GPL-2.0

//! Cases on VFs of this machine, without the device model: `acc-selftest run --hardware`.

use crate::registry::{self, Entry};
use acc_vfio_user::{
    host::{self, Function},
    Driver, Result,
};
use std::{
    panic::{catch_unwind, AssertUnwindSafe},
    process::ExitCode,
};

/// Names the VFs, with spaces between them, if kselftest runs the program.
const VFS: &str = "ACC_VFS";
/// `KSFT_SKIP` of kselftest.h.
const KSFT_SKIP: u8 = 4;

/// Reads addresses of VFs.
fn functions(addresses: &[String]) -> Result<Vec<Function>> {
    let function = |address: &String| -> Result<Function> {
        let function = Function {
            address: address.clone(),
        };
        match function.path().exists() {
            true => Ok(function),
            false => Err(format!("there is no {address}: write it as 0000:09:00.1").into()),
        }
    };
    addresses.iter().map(function).collect()
}

/// Runs one case.
fn run_one(entry: &Entry) -> Result<String> {
    catch_unwind(AssertUnwindSafe(|| entry.run()))
        .unwrap_or_else(|_| Err("panicked, see the output".into()))
}

/// Runs the cases of these names, or all, on these VFs only. Prints TAP. Returns whether none has
/// failed.
pub fn run(vfs: &[String], driver: Driver, names: &[String]) -> Result<bool> {
    host::use_only(functions(vfs)?)?;
    let entries: Vec<Entry> = match names {
        [] => registry::all(),
        names => names
            .iter()
            .map(|name| registry::find(name).ok_or_else(|| format!("no such case: {name}").into()))
            .collect::<Result<_>>()?,
    };
    println!("TAP version 14");
    println!("1..{}", entries.len());
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for (n, entry) in (1..).zip(&entries) {
        let name = &entry.case.name;
        if let Some(why) = entry.skipped(driver)? {
            println!("ok {n} - {name} # SKIP {why}");
            skipped += 1;
            continue;
        }
        match run_one(entry) {
            Ok(_) => {
                println!("ok {n} - {name}");
                passed += 1;
            }
            Err(e) => {
                println!("not ok {n} - {name}");
                e.to_string().lines().for_each(|line| println!("# {line}"));
                failed += 1;
            }
        }
    }
    println!("# {passed} passed, {failed} failed, {skipped} skipped");
    Ok(failed == 0)
}

/// Runs all cases on the VFs that the environment names; `None` if it names none.
pub fn of_kselftest() -> Option<ExitCode> {
    let vfs = std::env::var(VFS).ok()?;
    let vfs: Vec<String> = vfs.split_whitespace().map(str::to_owned).collect();
    if vfs.is_empty() {
        return None;
    }
    Some(match run(&vfs, Driver::Rust, &[]) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(e) => {
            eprintln!("acc-selftest: {e}");
            ExitCode::FAILURE
        }
    })
}

/// Skips all, as kselftest has it.
pub fn skip_all() -> ExitCode {
    println!("TAP version 13");
    println!("1..0 # SKIP name VFs that may be used: {VFS}=\"0000:09:00.1 0000:09:00.2\"");
    ExitCode::from(KSFT_SKIP)
}
