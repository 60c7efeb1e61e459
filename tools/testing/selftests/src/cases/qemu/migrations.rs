// SPDX-License-Identifier: GPL-2.0

//! `qemu.*`: stock QEMU migrates a running guest whose VF is busy.

use crate::{
    nested::{Config, Vm, Way},
    support::{
        modules,
        qemu::{
            completed, few_are_dirty, goes_on, migrate, migrate_slowly, moved, start, vfs, waiting,
            works, SOME,
        },
    },
};
use acc_vfio_user::{
    ensure,
    host::{self, Function, HPRE, SEC, ZIP},
    Driver, Result,
};
use serde_json::json;

case!(legacy_precopy, with: [Rust, C], long: false);
/// By a group and container, as QEMU migrates by default; with the C driver all of RAM goes at the
/// end.
fn legacy_precopy(driver: Driver) -> Result<String> {
    let config = Config::of(driver);
    let outcome = migrate(ZIP, driver, &config)?;
    if driver == Driver::Rust {
        few_are_dirty(&outcome, &config)?;
    }
    Ok(outcome.to_string())
}

case!(stop_copy_only, with: [Rust, C]);
/// Stopped before it moves: no PRE_COPY. It stays stopped until it is told to go on.
fn stop_copy_only(driver: Driver) -> Result<String> {
    stopped(driver, &Config::of(driver))
}

case!(iommufd_stopped, with: [Rust], long: false, slow: true);
case!(iommufd_stopped, with: [C]);
/// By an iommufd, stopped before it moves: see [`Way::Iommufd`] for why.
fn iommufd_stopped(driver: Driver) -> Result<String> {
    let config = Config {
        way: Way::Iommufd,
        ..Config::of(driver)
    };
    stopped(driver, &config)
}

fn stopped(driver: Driver, config: &Config) -> Result<String> {
    let vfs = vfs(ZIP, driver)?;
    let mut source = start("a", config, &[&vfs[0]])?;
    works(&mut source, config.engines, SOME)?;
    source.qmp("stop", json!({}))?;
    let (mut target, outcome) = moved(&mut source, "b", config, &[&vfs[1]])?;
    let outcome = completed(outcome, &source, &target)?;
    target.qmp("cont", json!({}))?;
    goes_on(&[source.console()], &mut target, config)?;
    Ok(outcome.to_string())
}

case!(idle_guest, with: [Rust, C]);
/// No driver has set the VF up; after the migration one does.
fn idle_guest(driver: Driver) -> Result<String> {
    let config = Config {
        engines: "none",
        ..Config::of(driver)
    };
    let vfs = vfs(ZIP, driver)?;
    let mut source = Vm::new("a", &config, &[&vfs[0]], None)?;
    source.wait_console("the guest", |vm| vm.console().contains("nested: up"))?;
    let (mut target, outcome) = moved(&mut source, "b", &config, &[&vfs[1]])?;
    let outcome = completed(outcome, &source, &target)?;
    target.type_line("modprobe hisi_zip; modprobe acc_load engines=zip every=50")?;
    works(&mut target, "zip", SOME)?;
    Ok(outcome.to_string())
}

case!(ping_pong, with: [Rust]);
/// Twenty times from one VF to the other and back, the guest never started anew.
fn ping_pong(driver: Driver) -> Result<String> {
    let config = Config::of(driver);
    let vfs = vfs(ZIP, driver)?;
    let mut source = start("a0", &config, &[&vfs[0]])?;
    let mut consoles = Vec::new();
    let mut downtime = 0;
    for n in 1..=20 {
        let vf = &vfs[n % 2];
        let (mut target, outcome) = moved(&mut source, &format!("a{n}"), &config, &[vf])?;
        let outcome = completed(outcome, &source, &target).map_err(|e| format!("{n}: {e}"))?;
        downtime = downtime.max(outcome.downtime_ms);
        consoles.push(source.console());
        source.quit()?;
        goes_on(&consoles, &mut target, &config).map_err(|e| format!("{n}: {e}"))?;
        source = target;
    }
    Ok(format!("20 times, downtime {downtime} ms at most"))
}

case!(two_vfs, with: [Rust, C], long: false, slow: true);
/// Two VFs of different engines, both busy. QEMU wants P2P of all devices then.
fn two_vfs(driver: Driver) -> Result<String> {
    two(driver, Way::Legacy)
}

case!(iommufd_two_vfs, with: [Rust]);
/// The same by an iommufd: both VFs are attached to a page table of QEMU's.
fn iommufd_two_vfs(driver: Driver) -> Result<String> {
    two(driver, Way::Iommufd)
}

fn two(driver: Driver, way: Way) -> Result<String> {
    let config = Config {
        way,
        engines: "zip,sec",
        memory_mb: 512,
        ..Config::of(driver)
    };
    let (zips, secs) = (vfs(ZIP, driver)?, vfs(SEC, driver)?);
    if driver == Driver::C {
        let refused = Vm::new("a", &config, &[&zips[0], &secs[0]], None);
        ensure!(
            refused.is_err(),
            "QEMU takes two VFs of a driver without P2P"
        );
        return Ok("QEMU refuses it: no P2P".to_owned());
    }
    let mut source = start("a", &config, &[&zips[0], &secs[0]])?;
    let (mut target, outcome) = moved(&mut source, "b", &config, &[&zips[1], &secs[1]])?;
    let outcome = completed(outcome, &source, &target)?;
    goes_on(&[source.console()], &mut target, &config)?;
    few_are_dirty(&outcome, &config)?;
    Ok(outcome.to_string())
}

case!(sec_vf, with: [Rust]);
fn sec_vf(driver: Driver) -> Result<String> {
    let config = Config {
        engines: "sec",
        memory_mb: 512,
        ..Config::of(driver)
    };
    Ok(migrate(SEC, driver, &config)?.to_string())
}

case!(hpre_vf, with: [Rust]);
fn hpre_vf(driver: Driver) -> Result<String> {
    let config = Config {
        engines: "hpre",
        every: 5,
        memory_mb: 512,
        ..Config::of(driver)
    };
    Ok(migrate(HPRE, driver, &config)?.to_string())
}

/// Begins a migration that does not get beyond PRE_COPY by itself, and has the source work on.
fn begin(source: &mut Vm, socket: &str) -> Result<()> {
    migrate_slowly(source, socket)?;
    works(source, source.config.engines, SOME)
}

/// How that ended.
fn broken_off(source: &mut Vm, status: &str) -> Result<()> {
    let outcome = source.migrated()?;
    let been = |state: &str| outcome.states.iter().any(|(_, s, _)| s == state);
    ensure!(
        outcome.status == status && been("PRE_COPY") && !been("STOP_COPY"),
        "{outcome:?}"
    );
    works(source, source.config.engines, SOME)
}

case!(cancel_and_retry, with: [Rust], long: false, slow: true);
/// A migration is called off in PRE_COPY: the source goes on as if nothing had been, and the next
/// one goes well.
fn cancel_and_retry(driver: Driver) -> Result<String> {
    let config = Config::of(driver);
    let vfs = vfs(ZIP, driver)?;
    let mut source = start("a", &config, &[&vfs[0]])?;
    let (target, socket) = waiting("b", &config, &[&vfs[1]])?;
    begin(&mut source, &socket)?;
    source.qmp("migrate_cancel", json!({}))?;
    broken_off(&mut source, "cancelled")?;
    drop(target);
    let (mut target, outcome) = moved(&mut source, "c", &config, &[&vfs[1]])?;
    let outcome = completed(outcome, &source, &target)?;
    goes_on(&[source.console()], &mut target, &config)?;
    Ok(outcome.to_string())
}

case!(target_dies, with: [Rust]);
/// The target's QEMU is killed in mid-migration: the source goes on, and moves elsewhere.
fn target_dies(driver: Driver) -> Result<String> {
    let config = Config::of(driver);
    let vfs = vfs(ZIP, driver)?;
    let mut source = start("a", &config, &[&vfs[0]])?;
    let (target, socket) = waiting("b", &config, &[&vfs[1]])?;
    begin(&mut source, &socket)?;
    drop(target);
    broken_off(&mut source, "failed")?;
    let (mut target, outcome) = moved(&mut source, "c", &config, &[&vfs[2]])?;
    let outcome = completed(outcome, &source, &target)?;
    goes_on(&[source.console()], &mut target, &config)?;
    Ok(outcome.to_string())
}

case!(incompatible_target, with: [Rust]);
/// A VF with another number of queues is refused by the match data, before the guest is stopped.
fn incompatible_target(driver: Driver) -> Result<String> {
    let config = Config::of(driver);
    // hisi_qm gives what is left over when it shares the queues out to the last one.
    const ODD: usize = 7;
    let vfs = ZIP.vfs(ODD)?;
    for vf in &vfs {
        host::bind(vf, driver)?;
    }
    let mut source = start("a", &config, &[&vfs[0]])?;
    let (target, socket) = waiting("b", &config, &[&vfs[ODD - 1]])?;
    source.migrate(&socket)?;
    let outcome = source.migrated()?;
    ensure!(outcome.status == "failed", "{outcome:?}");
    ensure!(
        outcome.downtime_ms == 0,
        "the guest was stopped for {} ms",
        outcome.downtime_ms
    );
    works(&mut source, config.engines, SOME)?;
    let why = target.stderr();
    drop(target);
    let (mut target, outcome) = moved(&mut source, "c", &config, &[&vfs[1]])?;
    let outcome = completed(outcome, &source, &target)?;
    goes_on(&[source.console()], &mut target, &config)?;
    ensure!(!why.is_empty(), "the target's QEMU has not said why");
    Ok(outcome.to_string())
}

case!(guest_reboot_between, with: [Rust]);
/// The guest reboots after a migration, and migrates again.
fn guest_reboot_between(driver: Driver) -> Result<String> {
    let config = Config::of(driver);
    let vfs = vfs(ZIP, driver)?;
    let mut source = start("a", &config, &[&vfs[0]])?;
    let (mut target, outcome) = moved(&mut source, "b", &config, &[&vfs[1]])?;
    completed(outcome, &source, &target)?;
    works(&mut target, config.engines, SOME)?;
    source.quit()?;
    target.qmp("system_reset", json!({}))?;
    target.wait_console("the guest's second life", |vm| {
        vm.console()
            .rsplit_once("Linux version")
            .is_some_and(|(_, after)| after.contains("acc_load zip: "))
    })?;
    works(&mut target, config.engines, SOME)?;
    let (mut third, outcome) = moved(&mut target, "c", &config, &[&vfs[0]])?;
    let outcome = completed(outcome, &target, &third)?;
    works(&mut third, config.engines, SOME)?;
    third.walk()?;
    Ok(outcome.to_string())
}

case!(guest_driver_unloaded, with: [Rust]);
/// The guest's driver is unloaded before the migration, and loaded again after it.
fn guest_driver_unloaded(driver: Driver) -> Result<String> {
    let config = Config::of(driver);
    let vfs = vfs(ZIP, driver)?;
    let mut source = start("a", &config, &[&vfs[0]])?;
    source
        .type_line("rmmod acc_load; rmmod hisi_zip; echo unloaded: $(lsmod | grep -c hisi_zip)")?;
    source.wait_console("the driver's end", |vm| {
        vm.console().contains("\nunloaded: 0")
    })?;
    let (mut target, outcome) = moved(&mut source, "b", &config, &[&vfs[1]])?;
    let outcome = completed(outcome, &source, &target)?;
    target.type_line("modprobe hisi_zip; modprobe acc_load engines=zip every=50")?;
    works(&mut target, config.engines, SOME)?;
    Ok(outcome.to_string())
}

/// Neither driver is loaded any more, whatever VFs it has.
fn unload() -> Result<()> {
    for module in ["hisi_acc_vfio_rs", "hisi_acc_vfio_pci"] {
        if !host::is_loaded(module) {
            continue;
        }
        for accelerator in [ZIP, SEC, HPRE] {
            for vf in Function::all(0x19e5, accelerator.vf)? {
                vf.unbind()?;
            }
        }
        host::rmmod(module)?;
    }
    Ok(())
}

case!(libvirt_alias, long: false);
/// The module is found by the aliases that libvirt looks for, of each engine's VFs: `modinfo` shows
/// them, and `modprobe` knows them.
fn libvirt_alias() -> Result<()> {
    modules::alias()?;
    for accelerator in [ZIP, SEC, HPRE] {
        unload()?;
        let id = accelerator.vf;
        let alias = format!("vfio_pci:v000019E5d{id:08X}sv000019E5sd00000000bc12sc00i00");
        host::modprobe(&alias)?;
        ensure!(
            host::is_loaded("hisi_acc_vfio_rs"),
            "modprobe {alias} does not load hisi_acc_vfio_rs"
        );
    }
    Ok(())
}
