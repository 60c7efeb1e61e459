// SPDX-License-Identifier: GPL-2.0

//! `make demo`: stock QEMU migrates a guest whose VF is busy, to look at.

use crate::{
    nested::{event, Config, Record, Vm},
    support::qemu,
};
use acc_vfio_user::{
    host::{Function, ZIP},
    Driver, Result,
};
use serde_json::Value;
use std::{
    thread::{self, sleep},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// What of a QEMU has been shown.
#[derive(Default)]
struct Seen {
    console: usize,
    trace: usize,
    /// A line that the guest has begun
    half: String,
}

/// The consoles of two QEMUs beside each other, and what their VFs do.
struct Screen {
    begin: f64,
    seen: [Seen; 2],
}

/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// Seconds, as QEMU's trace has them.
fn now() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0.0, |d| d.as_secs_f64())
}

/// What a line of a trace means to who looks on.
fn meaning(name: &str, text: &str) -> Option<String> {
    match (name, text) {
        ("vfio_migration_set_device_state", _) => {
            Some(format!("-- VF: {}", text.split(' ').next_back()?))
        }
        ("vmstate_downtime_checkpoint", "src-downtime-start") => {
            Some("== the guest is stopped".to_owned())
        }
        ("vmstate_downtime_checkpoint", "dst-precopy-bh-vm-started") => {
            Some("== the guest runs on here".to_owned())
        }
        _ => None,
    }
}

impl Screen {
    fn new() -> Self {
        Self {
            begin: now(),
            seen: Default::default(),
        }
    }

    fn line(&self, at: f64, side: usize, text: &str) {
        let at = at - self.begin;
        match side {
            0 => println!("{at:8.2} s  {text}"),
            _ => println!("{at:8.2} s  {:38}  {text}", ""),
        }
    }

    /// What is new on a side, with its time.
    fn news(&mut self, side: usize, vm: &Vm) -> Vec<(f64, usize, String)> {
        let mut lines = Vec::new();
        let seen = &mut self.seen[side];
        let console = vm.console();
        let new = console.get(seen.console..).unwrap_or_default();
        for part in new.split_inclusive('\n') {
            seen.half.push_str(part);
            if let Some(line) = seen.half.strip_suffix('\n') {
                // [    9.918337] acc_load zip: 750 jobs, 0 errors
                if let Some((_, text)) = line.split_once("acc_load ") {
                    lines.push((now(), side, text.to_owned()));
                }
                seen.half.clear();
            }
        }
        seen.console = console.len();
        let trace = vm.trace();
        let new = trace.get(seen.trace..).unwrap_or_default();
        let new = new.get(..=new.rfind('\n').unwrap_or(0)).unwrap_or_default();
        for (at, name, text) in new.lines().filter_map(event) {
            lines.extend(meaning(name, text).map(|text| (at, side, text)));
        }
        seen.trace += new.len();
        lines
    }

    /// Shows what is new on a side, or on both: first that of the source.
    fn show(&mut self, vms: &[(usize, &Vm)]) {
        let mut lines = Vec::new();
        for (side, vm) in vms {
            lines.extend(self.news(*side, vm));
            // A line may begin on the source and end on the target.
            let other = 1 - side;
            if self.seen[other].console == 0 {
                self.seen[other].half = self.seen[*side].half.clone();
            }
        }
        lines.sort_by(|a, b| a.0.total_cmp(&b.0));
        for (at, side, text) in lines {
            self.line(at, side, &text);
        }
    }

    /// Looks on for a while.
    fn watch(&mut self, side: usize, vm: &Vm, time: Duration) {
        let begin = Instant::now();
        while begin.elapsed() < time {
            self.show(&[(side, vm)]);
            sleep(LOOK);
        }
    }
}

/// A QEMU that waits, on the other side of where one works.
fn waiting(screen: &mut Screen, side: usize, source: &Vm, name: &str, vf: &Function) -> Result<Vm> {
    let (target, _) = thread::scope(|scope| {
        let start = || qemu::waiting(name, &source.config, &[vf]).map_err(|e| e.to_string());
        let thread = scope.spawn(start);
        while !thread.is_finished() {
            screen.watch(side, source, LOOK);
        }
        thread.join().unwrap_or_else(|_| Err("panicked".to_owned()))
    })?;
    screen.seen[1 - side] = Seen::default();
    screen.line(now(), 1 - side, "== QEMU waits for the guest");
    Ok(target)
}

/// Moves the guest, from one side of the screen to the other.
fn moved(screen: &mut Screen, side: usize, source: &mut Vm, target: &mut Vm) -> Result<Value> {
    let other = 1 - side;
    let record = Record::begin(source, target)?;
    screen.line(now(), side, "== migrate");
    source.migrate(&qemu::socket(&target.name))?;
    let outcome =
        source.migrated_with(|source| screen.show(&[(side, source), (other, &*target)]))?;
    let mut outcome = qemu::completed(outcome, source, target)?;
    target.came_in()?;
    outcome.read_target(&target.trace());
    record.end(source, &outcome)
}

/// What each migration took.
fn table(runs: &[Value]) {
    type Text = fn(&Value) -> String;
    let rows: &[(&str, Text)] = &[
        ("downtime", |run| format!("{} ms", run["downtime_ms"])),
        ("in all", |run| format!("{} ms", run["total_ms"])),
        ("RAM sent", |run| kib(&run["ram_bytes"]["all"])),
        ("  while it stood", |run| kib(&run["ram_bytes"]["stop"])),
        ("  rounds", |run| run["iterations"].to_string()),
        ("  dirty by the VF", |run| pages(&run["dirty_by_vfs"])),
        ("state of the VF", |run| bytes(&run["vfio_bytes"]["all"])),
        ("  while it stood", |run| bytes(&run["vfio_bytes"]["stop"])),
        ("asked of the source", |run| asked(run, "source")),
        ("  of the target", |run| asked(run, "target")),
        ("  of the PF", |run| asked(run, "pf")),
    ];
    println!("\n{:20}{:>39}{:>39}", "", "there", "and back");
    for (name, text) in rows {
        let mut line = format!("{name:20}");
        for run in runs {
            line += &format!("{:>39}", text(run));
        }
        println!("{line}");
    }
}

fn bytes(bytes: &Value) -> String {
    format!("{bytes} bytes")
}

fn kib(bytes: &Value) -> String {
    format!("{} KiB", bytes.as_u64().unwrap_or(0) >> 10)
}

/// How many were dirty each time.
fn pages(pages: &Value) -> String {
    let pages = pages.as_array().map(Vec::as_slice).unwrap_or_default();
    let pages: Vec<String> = pages.iter().map(Value::to_string).collect();
    format!("{} pages", pages.join(", "))
}

/// What a function was asked for.
fn asked(run: &Value, who: &str) -> String {
    let of = &run["vfs"][0][who];
    let mailbox = of["mailbox"].as_object();
    let commands: u64 = mailbox.map_or(0, |map| map.values().filter_map(Value::as_u64).sum());
    format!(
        "{} reads, {} writes, {commands} commands",
        of["reads"], of["writes"]
    )
}

/// The demonstration: there, and back again.
pub fn run(driver: Driver) -> Result<()> {
    let config = Config {
        every: 200,
        ..Config::of(driver)
    };
    println!("QEMU starts a guest with a VF of the ZIP: its own hisi_zip drives it, and texts are");
    println!("compressed and decompressed without pause, each compared with what it was.\n");
    let vfs = qemu::vfs(ZIP, driver)?;
    let mut source = qemu::start("a", &config, &[&vfs[0]])?;
    let title = |vf: usize| format!("VF {} ({})", vfs[vf].address, driver.pci_name());
    println!("            {:38}  {}", title(0), title(1));
    let mut screen = Screen::new();
    // What was traced before is of no interest.
    screen.seen[0].trace = source.trace().len();
    let mut consoles = Vec::new();
    let mut runs = Vec::new();
    for (side, name) in [(0, "b"), (1, "c")] {
        screen.watch(side, &source, Duration::from_secs(2));
        let other = 1 - side;
        let mut target = waiting(&mut screen, side, &source, name, &vfs[other])?;
        screen.watch(side, &source, Duration::from_secs(1));
        runs.push(moved(&mut screen, side, &mut source, &mut target)?);
        screen.watch(other, &target, Duration::from_secs(1));
        consoles.push(source.console());
        source.quit()?;
        source = target;
    }
    qemu::goes_on(&consoles, &mut source, &config)?;
    let (jobs, errors) = source.jobs("zip");
    table(&runs);
    println!(
        "\nMIGRATED  twice  {jobs} jobs in all, each result right, {errors} errors, none lost"
    );
    Ok(())
}
