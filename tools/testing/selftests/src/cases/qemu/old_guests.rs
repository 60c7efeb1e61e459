// SPDX-License-Identifier: GPL-2.0

//! `qemu.guest_6*`: guests with an older kernel of Debian, with the drivers of that kernel, give
//! queues back and get new ones while QEMU migrates them.

use crate::{
    nested::{tell, Config, Record, Vm},
    support::qemu::{
        completed, converged, goes_on, start, statistics, tracks, vfs, waiting, works, PAGES, SOME,
    },
    twin::Twin,
};
use acc_vfio_user::{
    ensure,
    host::{Accelerator, HPRE, SEC, ZIP},
    Driver, Result,
};
use hisi_acc_hw::regs;
use serde_json::json;

/// How often each engine gets new queues in a migration.
const ANEW: usize = 3;

/// Rounds of QEMU that go by before the guest is asked for the next thing.
const ROUNDS: u64 = 3;

/// How many more jobs are seen in between.
const FEW: u64 = 10;

/// Waits until QEMU has asked so many times more which pages are dirty.
fn rounds(vm: &mut Vm, more: u64) -> Result<()> {
    let count = |vm: &mut Vm| -> Result<u64> {
        let info = vm.qmp("query-migrate", json!({}))?;
        let status = info["status"].as_str().unwrap_or_default();
        ensure!(["setup", "active"].contains(&status), "{}: {info}", vm.name);
        Ok(info["ram"]["dirty-sync-count"].as_u64().unwrap_or(0))
    };
    let goal = count(vm)? + more;
    let begin = std::time::Instant::now();
    while count(vm)? < goal {
        ensure!(
            begin.elapsed() < acc_vfio_user::host::seconds(120),
            "{}: no {more} rounds",
            vm.name
        );
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    Ok(())
}

/// A guest that moves while it works and makes queues. `reads`: its driver reads
/// `QM_VF_EQ_INT_SOURCE`, in the page of the mailbox, at each interrupt. A report is of all memory
/// only if a queue was given back or made: the others are of what the VFs write.
fn guest(
    driver: Driver,
    config: &Config,
    accelerators: &[Accelerator],
    reads: bool,
) -> Result<String> {
    let mut sources = Vec::new();
    let mut targets = Vec::new();
    for accelerator in accelerators {
        let [source, target, ..] = &vfs(*accelerator, driver)?[..] else {
            return Err("too few VFs".into());
        };
        tracks(source)?;
        sources.push(source.clone());
        targets.push(target.clone());
    }
    let engines: Vec<&str> = config.engines.split(',').collect();
    let mut source = start("a", config, &sources.iter().collect::<Vec<_>>())?;
    for engine in &engines {
        works(&mut source, engine, SOME)?;
    }
    source.walk()?;

    let (mut target, socket) = waiting("b", config, &targets.iter().collect::<Vec<_>>())?;
    let before: Vec<_> = sources.iter().map(statistics).collect::<Result<_>>()?;
    let record = Record::begin(&source, &target)?;
    // It does not end by itself: in a millisecond QEMU sends two pages, and a VF at work has more.
    let fast = source.config.clone();
    source.config.bandwidth = 8 << 20;
    source.config.downtime_ms = 1;
    let begun = source.migrate(&socket);
    source.config = fast;
    begun?;
    rounds(&mut source, ROUNDS)?;
    for n in 1..=ANEW {
        source.type_line(&format!("echo {n} >/sys/module/acc_load/parameters/anew"))?;
        for engine in &engines {
            let said = format!("acc_load {engine}: new queues for request {n}\n");
            source.wait_console(&format!("new queues of {engine}"), |vm| {
                vm.console().contains(&said)
            })?;
            works(&mut source, engine, FEW)?;
        }
        rounds(&mut source, ROUNDS)?;
    }
    source.limit()?;
    let mut outcome = source.migrated().map_err(|e| {
        let shown: Vec<_> = sources.iter().map(statistics).collect();
        format!("{e}: {shown:?}")
    })?;
    if outcome.status == "completed" {
        target.came_in()?;
        outcome.read_target(&target.trace());
        tell(&record.end(&source, &outcome)?)?;
    }
    let outcome = completed(outcome, &source, &target)?;

    let mut whys = Vec::new();
    for ((accelerator, vf), before) in accelerators.iter().zip(&sources).zip(&before) {
        let twin = Twin::open_device(accelerator.name)?;
        let found = twin.register("vf1", false, 2, regs::QM_VF_EQ_INT_SOURCE.into())?;
        ensure!(
            (found != 0) == reads,
            "{}: the guest's driver read QM_VF_EQ_INT_SOURCE {found} times",
            accelerator.name
        );
        for (what, n) in statistics(vf)? {
            let n = n - before.get(&what).copied().unwrap_or(0);
            if n != 0 && what.starts_with("all memory") {
                whys.push(format!("{}: {what}: {n}", accelerator.name));
            }
        }
    }
    let pages = u64::from(config.memory_mb) * PAGES;
    let (whole, others): (Vec<u64>, Vec<u64>) = outcome
        .vf_dirty
        .iter()
        .partition(|dirty| **dirty * 2 > pages);
    let most = others.iter().max().copied().unwrap_or(0);
    let remark = format!(
        "{outcome}; {} reports of all memory, {} of {most} pages at most; {}",
        whole.len(),
        others.len(),
        whys.join(", ")
    );
    // To make them may take longer than a round.
    let limit = 2 * ANEW * engines.len();
    ensure!(
        (ANEW..=limit).contains(&whole.len()) && others.len() > whole.len(),
        "too many are of all memory, or too few: {remark}"
    );
    // What the VFs write to is a share of it.
    ensure!(
        most < u64::from(config.known_mb) * PAGES / 2,
        "a report of too many pages: {remark}"
    );
    converged(&outcome, config)?;

    goes_on(&[source.console()], &mut target, config)?;
    source.quit()?;
    // The target's queues are made anew as well.
    target.type_line("echo 0 >/sys/module/acc_load/parameters/anew")?;
    for engine in &engines {
        let said = format!("acc_load {engine}: new queues for request 0\n");
        target.wait_console(&format!("new queues of {engine}"), |vm| {
            vm.console().contains(&said)
        })?;
        works(&mut target, engine, SOME)?;
    }
    target.walk()?;
    target.quit()?;
    Ok(remark)
}

fn config(driver: Driver, linux: &'static str) -> Config {
    Config {
        linux,
        every: 10,
        ..Config::of(driver)
    }
}

case!(guest_6_1, with: [Rust]);
/// Debian 12. Its drivers read the source at each interrupt.
fn guest_6_1(driver: Driver) -> Result<String> {
    guest(driver, &config(driver, "6.1"), &[ZIP], true)
}

/// With a VF of each engine.
fn of_all(driver: Driver, release: &'static str, reads: bool) -> Result<String> {
    let config = Config {
        engines: "zip,sec,hpre",
        every: 5,
        // The queues of all of them fill the 64 MiB that Debian's configuration keeps for DMA.
        more: " cma=128M",
        memory_mb: 512,
        ..config(driver, release)
    };
    guest(driver, &config, &[ZIP, SEC, HPRE], reads)
}

case!(guest_6_1_all, with: [Rust]);
fn guest_6_1_all(driver: Driver) -> Result<String> {
    of_all(driver, "6.1", true)
}

case!(guest_6_12, with: [Rust]);
/// Debian 13. Its drivers do not.
fn guest_6_12(driver: Driver) -> Result<String> {
    guest(driver, &config(driver, "6.12"), &[ZIP], false)
}

case!(guest_6_12_all, with: [Rust]);
fn guest_6_12_all(driver: Driver) -> Result<String> {
    of_all(driver, "6.12", false)
}
