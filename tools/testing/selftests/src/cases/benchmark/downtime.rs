// SPDX-License-Identifier: GPL-2.0

//! `benchmark.downtime`: how long a guest stands when it migrates, with a VF and without.

use crate::{
    nested::{Config, Vm},
    registry::Generations,
    support::qemu::{completed, moved, start, vfs},
};
use acc_vfio_user::{
    ensure,
    host::{Function, ZIP},
    Driver, Result,
};
use std::collections::BTreeMap;

/// How often each guest migrates.
const TIMES: usize = 10;

/// How long a guest stood each time.
#[derive(Default)]
struct Stood {
    all: Vec<f64>,
    phases: BTreeMap<String, Vec<f64>>,
}

fn median(times: &[f64]) -> f64 {
    let mut times = times.to_vec();
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or_default()
}

impl Stood {
    /// Migrates a guest to and fro between two sets of VFs.
    fn of(mut source: Vm, config: &Config, vfs: [&[&Function]; 2]) -> Result<Self> {
        let mut stood = Self::default();
        for n in 1..=TIMES {
            let name = format!("{}{n}", &source.name[..1]);
            let (target, outcome) = moved(&mut source, &name, config, vfs[n % 2])?;
            let outcome = completed(outcome, &source, &target).map_err(|e| format!("{n}: {e}"))?;
            stood.all.push(outcome.stood_ms.ok_or("not traced")?);
            for (name, ms) in outcome.phases() {
                stood.phases.entry(name.to_owned()).or_default().push(ms);
            }
            source.quit()?;
            source = target;
        }
        source.quit()?;
        Ok(stood)
    }
}

// Times of an emulated host tell no more than their ratio.
case!(
    downtime,
    with: [Rust],
    generations: Generations::One(V3),
    nested: true,
    memory_gib: Some(3),
    kernel: &["cryptomgr.notests=1"],
);
/// The same guest with a busy VF that dirty tracking by the driver covers, and without a VF.
fn downtime(driver: Driver) -> Result<String> {
    let config = Config::of(driver);
    let own = vfs(ZIP, driver)?;
    let busy = start("a", &config, &[&own[0]])?;
    let with = Stood::of(busy, &config, [&[&own[0]], &[&own[1]]])?;
    let none = Config {
        engines: "none",
        ..config
    };
    let mut idle = Vm::new("b", &none, &[], None)?;
    idle.wait_console("the guest", |vm| vm.console().contains("nested: up"))?;
    let without = Stood::of(idle, &none, [&[], &[]])?;
    let (a, b) = (median(&with.all), median(&without.all));
    ensure!(b > 0.0, "no time passed");
    let mut shares = Vec::new();
    for (name, times) in &with.phases {
        let other = without.phases.get(name).map_or(0.0, |times| median(times));
        let own = median(times);
        shares.push(format!("{name} {own:.1} and {other:.1}"));
    }
    Ok(format!(
        "{a:.0} ms with a VF and {b:.0} without, {:.2} times; by phase: {}",
        a / b,
        shares.join(", ")
    ))
}
