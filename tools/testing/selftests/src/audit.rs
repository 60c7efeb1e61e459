// SPDX-License-Identifier: GPL-2.0

//! The end of a guest: what the debug flavour of the kernel has found out by then.
//!
//! The harness puts what there is to complain of to the case that ran last.

use crate::report;
use acc_case::Message;
use acc_vfio_user::{host, Result};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    thread::sleep,
    time::Duration,
};

const KMEMLEAK: &str = "/sys/kernel/debug/kmemleak";
/// kmemleak does not speak of what is younger (`MSECS_MIN_AGE`).
const MIN_AGE: Duration = Duration::from_secs(5);
/// How many leaks are shown in full.
const SHOWN: usize = 10;
/// Modules that have to go.
const OURS: &[&str] = &["hisi_acc_vfio_rs", "hisi_acc_link", "vfio_rs"];

/// Speaks against the case that ran last.
pub fn complain(lines: Vec<String>) -> Result<()> {
    for line in &lines {
        println!("complaint: {line}");
    }
    report::tell(&Message::Complaint { lines })
}

pub fn run() -> Result<()> {
    self_tests_end()?;
    if !Path::new(KMEMLEAK).exists() {
        return Ok(());
    }
    // While the modules are there, their functions have names.
    let names = Names::read()?;
    let mut known = BTreeSet::new();
    leaks(&mut known, &names)?;
    unload()?;
    leaks(&mut known, &names)
}

/// Waits for the kernel's own tests of the engines. The end of the guest stops the engines, and a
/// test that runs then fails with a splat.
fn self_tests_end() -> Result<()> {
    let runs = || -> Result<bool> {
        for process in fs::read_dir("/proc")? {
            // Other entries have no such file, and a process may end meanwhile.
            let comm = fs::read_to_string(process?.path().join("comm"));
            if comm.is_ok_and(|comm| comm.trim() == "cryptomgr_test") {
                return Ok(true);
            }
        }
        Ok(false)
    };
    let mut error = None;
    host::wait_for("the end of the kernel's own tests", || match runs() {
        Ok(runs) => !runs,
        Err(e) => {
            error = Some(e);
            true
        }
    })?;
    error.map_or(Ok(()), Err)
}

/// Where modules have their functions.
struct Names(BTreeMap<u64, String>);

impl Names {
    fn read() -> Result<Self> {
        let symbols = fs::read_to_string("/proc/kallsyms")?;
        let of_modules = symbols.lines().filter_map(|line| {
            let mut fields = line.split_whitespace();
            let address = u64::from_str_radix(fields.next()?, 16).ok()?;
            let name = fields.nth(1)?;
            let module = fields.next()?;
            (!name.starts_with('$')).then(|| (address, format!("{name} {module}")))
        });
        Ok(Self(of_modules.collect()))
    }

    /// A line of a backtrace, with the name where there was an address alone.
    fn explain(&self, line: &str) -> String {
        let address = line.trim_start().strip_prefix("0x");
        let Some(address) = address.and_then(|a| u64::from_str_radix(a, 16).ok()) else {
            return line.to_owned();
        };
        match self.0.range(..=address).next_back() {
            Some((begin, name)) if address - begin < 0x1_0000 => {
                format!("{line} {name}+{:#x}", address - begin)
            }
            _ => line.to_owned(),
        }
    }
}

/// Scans, and complains of leaks that are not known yet. Twice: at the first sight of an object
/// its contents count as changed.
fn leaks(known: &mut BTreeSet<String>, names: &Names) -> Result<()> {
    sleep(MIN_AGE + Duration::from_secs(1));
    for _ in 0..2 {
        fs::write(KMEMLEAK, "scan").map_err(|e| format!("{KMEMLEAK}: {e}"))?;
    }
    let report = fs::read(KMEMLEAK)?;
    let report = String::from_utf8_lossy(&report);
    // Each new leak with its lines.
    let mut new: Vec<Vec<String>> = Vec::new();
    let mut shown = false;
    for line in report.lines() {
        if line.starts_with("unreferenced") {
            shown = known.insert(line.to_owned());
            if shown {
                new.push(Vec::new());
            }
        }
        if let (true, Some(leak)) = (shown, new.last_mut()) {
            leak.push(names.explain(line));
        }
    }
    let more = new.len().saturating_sub(SHOWN);
    new.truncate(SHOWN);
    if let (1.., Some(last)) = (more, new.last_mut()) {
        last.push(format!("and {more} more"));
    }
    new.into_iter().try_for_each(complain)
}

/// Unloads what can be unloaded.
fn unload() -> Result<()> {
    for accelerator in host::ALL {
        let Ok(pf) = accelerator.pf() else { continue };
        let numvfs = pf.path().join("sriov_numvfs");
        if fs::read_to_string(&numvfs).is_ok_and(|n| n.trim() != "0") {
            fs::write(&numvfs, "0").map_err(|e| format!("{}: {e}", numvfs.display()))?;
        }
    }
    loop {
        // Those that nobody uses, again and again: each may have been the last user of another.
        let modules = fs::read_to_string("/proc/modules")?;
        let unused = modules.lines().filter_map(|line| {
            let mut fields = line.split(' ');
            let name = fields.next()?;
            (fields.nth(1)? == "0").then_some(name)
        });
        if unused.filter(|name| host::rmmod(name).is_ok()).count() == 0 {
            break;
        }
    }
    for module in OURS {
        if host::is_loaded(module) {
            complain(vec![format!("{module} cannot be unloaded")])?;
        }
    }
    Ok(())
}
