// SPDX-License-Identifier: GPL-2.0

//! QEMU in this guest migrates a guest of its own, whose VF is busy.

use crate::{
    nested::{console::no_gap, tell, Config, Outcome, Record, Vm},
    twin::Twin,
};
use acc_vfio_user::{
    ensure,
    host::{self, Accelerator, Function, HPRE, SEC, ZIP},
    vfio::{Device, Iommufd},
    Driver, Result,
};
use std::{collections::BTreeMap, fs};

/// VFs there are.
pub const VFS: usize = 4;

/// Jobs that are seen done before a migration, and again after it.
pub const SOME: u64 = 100;

/// VFs of an accelerator, bound to a driver; no fault is left from before.
pub fn vfs(accelerator: Accelerator, driver: Driver) -> Result<Vec<Function>> {
    let vfs = accelerator.vfs(VFS)?;
    for vf in &vfs {
        host::bind(vf, driver)?;
    }
    let twin = Twin::open_device(accelerator.name)?;
    for n in 1..=VFS {
        twin.fault(&format!("vf{n}"), "clear")?;
    }
    Ok(vfs)
}

/// Waits until so many more jobs are done, with no error.
pub fn works(vm: &mut Vm, engine: &str, more: u64) -> Result<()> {
    let goal = vm.jobs(engine).0 + more;
    vm.wait_console(&format!("{goal} jobs of {engine}"), |vm| {
        let (jobs, errors) = vm.jobs(engine);
        jobs >= goal || errors != 0
    })?;
    let (_, errors) = vm.jobs(engine);
    ensure!(
        errors == 0,
        "{errors} errors of {engine}:\n{}",
        vm.console()
    );
    Ok(())
}

/// Fails unless the guest answers on its console, whatever happened to its VF.
pub fn answers(vm: &mut Vm) -> Result<()> {
    vm.type_line("echo still: there")?;
    vm.wait_console("an answer of the guest", |vm| {
        vm.console().contains("\nstill: there")
    })
}

/// A guest at work.
pub fn start(name: &str, config: &Config, vfs: &[&Function]) -> Result<Vm> {
    let mut vm = Vm::new(name, config, vfs, None)?;
    for engine in config.engines.split(',') {
        vm.wait_console("the guest's work", |vm| {
            vm.jobs(engine).0 > 0 || vm.console().contains("nested: up")
        })?;
        vm.wait_console("the guest's work", |vm| vm.jobs(engine).0 > 0)?;
    }
    Ok(vm)
}

/// Begins a migration that is so slow that the guest would stand too long. What the source is
/// configured for stays.
pub fn migrate_slowly(source: &mut Vm, socket: &str) -> Result<()> {
    let config = source.config.clone();
    source.config.bandwidth = 100_000;
    source.config.downtime_ms = 1000;
    let begun = source.migrate(socket);
    source.config = config;
    begun
}

/// Where sources find a target.
pub fn socket(name: &str) -> String {
    format!("unix:/run/migration-{name}")
}

/// A QEMU that waits for a guest, and where.
pub fn waiting(name: &str, config: &Config, vfs: &[&Function]) -> Result<(Vm, String)> {
    let socket = socket(name);
    Ok((Vm::new(name, config, vfs, Some(&socket))?, socket))
}

/// Moves a guest to other VFs of the same host, and records what that took; the target.
pub fn moved(
    source: &mut Vm,
    name: &str,
    config: &Config,
    vfs: &[&Function],
) -> Result<(Vm, Outcome)> {
    let (mut target, socket) = waiting(name, config, vfs)?;
    let record = Record::begin(source, &target)?;
    source.migrate(&socket)?;
    let mut outcome = source.migrated()?;
    if outcome.status == "completed" {
        target.came_in()?;
        outcome.read_target(&target.trace());
        tell(&record.end(source, &outcome)?)?;
    }
    Ok((target, outcome))
}

/// The target goes on where the source was: its memory is what it must be, no count is missing,
/// none comes twice; and it works.
pub fn goes_on(consoles: &[String], target: &mut Vm, config: &Config) -> Result<()> {
    target.walk()?;
    for engine in config.engines.split(',') {
        works(target, engine, SOME).map_err(|e| format!("{e}\n{}", lost(engine)))?;
        let mut consoles = consoles.to_vec();
        consoles.push(target.console());
        no_gap(&consoles, engine, config.every)?;
    }
    Ok(())
}

/// Where the VFs of an engine stand, for who looks for a job that was lost.
pub fn lost(engine: &str) -> String {
    let accelerator = [ZIP, SEC, HPRE].into_iter().find(|a| a.name == engine);
    let Some(Ok(twin)) = accelerator.map(|a| Twin::open_device(a.name)) else {
        return String::new();
    };
    let show = |vf: &str| twin.ask(&format!("show {vf}")).unwrap_or_default();
    let ledger = twin.ask("ledger").unwrap_or_default();
    format!("vf1: {}vf2: {}{ledger}", show("vf1"), show("vf2"))
}

/// What a migration came to, where it has to go well.
pub fn completed(outcome: Outcome, source: &Vm, target: &Vm) -> Result<Outcome> {
    ensure!(
        outcome.status == "completed",
        "{}: {}\nsource: {}\ntarget: {}",
        outcome.status,
        outcome.error,
        source.stderr(),
        target.stderr()
    );
    Ok(outcome)
}

/// A guest at work moves to another VF, and its memory is compared before and after.
pub fn migrate(accelerator: Accelerator, driver: Driver, config: &Config) -> Result<Outcome> {
    let vfs = vfs(accelerator, driver)?;
    let mut source = start("a", config, &[&vfs[0]])?;
    works(&mut source, config.engines, SOME)?;
    source.walk()?;
    let (mut target, outcome) = moved(&mut source, "b", config, &[&vfs[1]])?;
    let outcome = completed(outcome, &source, &target)?;
    goes_on(&[source.console()], &mut target, config)?;
    source.quit()?;
    target.quit()?;
    Ok(outcome)
}

/// Pages in a MiB
pub const PAGES: u64 = 256;

/// Fails where the driver of a VF does not track what it writes.
pub fn tracks(vf: &Function) -> Result<()> {
    let iommufd = Iommufd::new()?;
    let device = Device::open(&vf.vfio_path()?, &iommufd)?;
    ensure!(
        device.has_logging(),
        "{}: no VFIO_DEVICE_FEATURE_DMA_LOGGING_START: its driver does not track what it writes",
        vf.address
    );
    Ok(())
}

/// What debugfs shows of a VF's dirty tracking.
pub fn statistics(vf: &Function) -> Result<BTreeMap<String, u64>> {
    let address = &vf.address;
    let text = fs::read_to_string(format!(
        "/sys/kernel/debug/vfio/{address}/migration/hisi_acc/dirty_tracking"
    ))?;
    text.lines()
        .map(|line| {
            let (what, n) = line.rsplit_once(": ").ok_or("no number")?;
            Ok((what.to_owned(), n.parse()?))
        })
        .collect()
}

/// Whether the driver could tell, up to the end, which pages its VFs had written: few, not all.
pub fn few_are_dirty(outcome: &Outcome, config: &Config) -> Result<()> {
    let by_vfs = &outcome.vf_dirty;
    let last = by_vfs.last().copied().unwrap_or(0);
    ensure!(
        last * 4 < u64::from(config.memory_mb) * PAGES,
        "dirty by the VF, at the end too: {by_vfs:?} pages"
    );
    Ok(())
}

/// Whether the guest was stopped with little to do.
pub fn converged(outcome: &Outcome, config: &Config) -> Result<()> {
    let ram = outcome.ram;
    ensure!(ram.stop * 4 < ram.all, "it did not converge: {outcome}");
    few_are_dirty(outcome, config)
}
