// SPDX-License-Identifier: GPL-2.0

//! `qemu.*`: stock QEMU migrates a running guest whose VF is busy.

use super::ensure;
use crate::{
    host::{self, Accelerator, Function, ZIP},
    nested::{Config, Outcome, Vm, Way},
    twin::Twin,
    Driver, Result,
};

/// Where sources find targets.
const SOCKET: &str = "unix:/run/migration";
/// VFs there are.
const VFS: usize = 4;
/// Jobs that are seen done before a migration, and again after it.
const SOME: u64 = 100;

/// VFs of an accelerator, bound to a driver; no fault is left from before.
fn vfs(accelerator: Accelerator, driver: Driver) -> Result<Vec<Function>> {
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

/// Waits till so many more jobs are done, with no error.
fn works(vm: &mut Vm, engine: &'static str, more: u64) -> Result<()> {
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

/// A guest at work.
fn start(name: &str, config: &Config, vf: &Function) -> Result<Vm> {
    let mut vm = Vm::new(name, config, &[vf], None)?;
    vm.wait_console("the guest's work", |vm| vm.jobs(config.engines).0 > 0)?;
    Ok(vm)
}

/// Moves a guest to another VF of the same host; the target.
fn moved(source: &mut Vm, name: &str, config: &Config, vf: &Function) -> Result<(Vm, Outcome)> {
    let socket = format!("{SOCKET}-{name}");
    let target = Vm::new(name, config, &[vf], Some(&socket))?;
    source.migrate(&socket)?;
    let outcome = source.migrated()?;
    Ok((target, outcome))
}

/// The target goes on where the source was: its count follows the source's last one.
fn goes_on(source: &Vm, target: &mut Vm, engine: &'static str, every: u32) -> Result<()> {
    let (before, errors) = source.jobs(engine);
    ensure!(errors == 0, "{errors} errors of the source");
    target.wait_console("the target's count", |vm| {
        vm.jobs(engine).0 > 0 || vm.jobs(engine).1 > 0
    })?;
    let console = target.console();
    let (first, _) = console
        .lines()
        .find_map(|line| line.split_once(&format!("acc_load {engine}: ")))
        .and_then(|(_, rest)| rest.split_once(' '))
        .and_then(|(jobs, _)| Some((jobs.parse::<u64>().ok()?, ())))
        .ok_or_else(|| format!("no count:\n{console}"))?;
    // The console tells each `every` jobs: the next line is the next multiple, or that line once
    // more where it was on its way.
    let next = before + u64::from(every);
    ensure!(
        first == next || first == before,
        "the source ended with {before} jobs, the target goes on with {first}"
    );
    works(target, engine, SOME)
}

fn migrate(driver: Driver, config: &Config) -> Result<String> {
    let vfs = vfs(ZIP, driver)?;
    let mut source = start("a", config, &vfs[0])?;
    works(&mut source, config.engines, SOME)?;
    let (mut target, outcome) = moved(&mut source, "b", config, &vfs[1])?;
    ensure!(
        outcome.status == "completed",
        "{}: {}\nsource: {}\ntarget: {}",
        outcome.status,
        outcome.error,
        source.stderr(),
        target.stderr()
    );
    goes_on(&source, &mut target, config.engines, config.every)?;
    source.quit()?;
    target.quit()?;
    Ok(format!(
        "downtime {} ms, {} KiB of RAM and {} bytes of VFIO in {} iterations",
        outcome.downtime_ms,
        outcome.ram_bytes >> 10,
        outcome.vfio_bytes,
        outcome.iterations
    ))
}

pub fn iommufd_precopy(driver: Driver) -> Result<String> {
    migrate(driver, &Config::default())
}

pub fn legacy_precopy(driver: Driver) -> Result<String> {
    migrate(
        driver,
        &Config {
            way: Way::Legacy,
            ..Config::default()
        },
    )
}
