// SPDX-License-Identifier: GPL-2.0

//! `cli.list`, `cli.why`, `cli.show`, `cli.dirty`, `cli.plan`: what a host and its VFs are like.

use crate::support::{
    accvf::{accvf, can_migrate, exit, is, json, status, vf, Scratch},
    bench::{Bench, VFS},
    logged::{Logged, Vf},
    pair::Pair,
};
use acc_vfio_user::{
    ensure,
    host::{self, ZIP},
    vfio::state,
    Driver, Result,
};
use serde_json::Value;

case!(list, generations: Each);
/// The list has each function with its driver, group, generation, and the process that uses it.
fn list() -> Result<()> {
    let bench = Bench::new(&[Driver::Rust, Driver::C])?;
    for vf in &bench.vfs[2..] {
        vf.unbind()?;
    }
    let device = bench.open(0)?;
    let list = json(exit::OK, &["list"])?;
    is(&list, "host/page_size", 4096)?;
    let pf = host::pf()?;
    let pfs = list["pfs"].as_array().ok_or("no PFs")?;
    ensure!(pfs.len() == host::ALL.len(), "{} PFs", pfs.len());
    let listed = pfs.iter().find(|one| one["address"] == pf.address.as_str());
    let listed = listed.ok_or("no PF of ZIP")?;
    is(listed, "driver", "hisi_zip")?;
    is(listed, "vfs", VFS)?;
    is(listed, "link", true)?;
    let generation = host::generation()?.layout().name;
    for (n, one) in bench.vfs.iter().enumerate() {
        let listed = vf(&list, one)?;
        is(listed, "kind", "zip")?;
        is(listed, "index", n)?;
        is(listed, "pf", pf.address.as_str())?;
        is(listed, "generation", generation)?;
        is(listed, "group/number", one.iommu_group()?)?;
        is(listed, "driver", one.driver())?;
    }
    let open = vf(&list, &bench.vfs[0])?;
    is(open, "migratable", can_migrate(&bench.vfs[0]))?;
    is(open, "dirty_tracking", "auto")?;
    is(open, "state", "RUNNING")?;
    is(open, "users/0/pid", std::process::id())?;
    is(vf(&list, &bench.vfs[1])?, "migratable", Value::Null)?;
    is(vf(&list, &bench.vfs[2])?, "migratable", false)?;
    is(vf(&list, &bench.vfs[2])?, "users", Value::Array(Vec::new()))?;
    accvf(&["list"])?.exits(exit::OK)?.says("acc-selftest(")?;
    drop(device);
    let list = json(exit::OK, &["list"])?;
    is(vf(&list, &bench.vfs[0])?, "users", Value::Array(Vec::new()))?;
    accvf(&["list"])?
        .exits(exit::OK)?
        .says(&bench.vfs[7].address)?;
    Ok(())
}

case!(why, generations: Each);
/// All conditions of a VF with the driver hold. Each that does not hold is named with what to do.
fn why() -> Result<()> {
    let bench = Bench::new(&[Driver::Rust])?;
    let address = bench.vfs[0].address.as_str();
    let holds = can_migrate(&bench.vfs[0]);
    let why = json(exit::OK, &["why", address])?;
    is(&why, "migratable", holds.clone())?;
    for condition in why["conditions"].as_array().ok_or("no conditions")? {
        let is_asked = condition["name"] == "migration_blocker";
        let wanted = if is_asked && holds.is_null() {
            "unknown"
        } else {
            "ok"
        };
        is(condition, "status", wanted)?;
    }
    accvf(&["why", address])?
        .exits(exit::OK)?
        .says("ok  group")?;
    let other = &bench.vfs[1];
    for (driver, wanted) in [(None, "no driver"), (Some("hisi_acc_vfio_pci"), "bound to")] {
        other.unbind()?;
        if let Some(driver) = driver {
            host::modprobe(driver)?;
            other.bind(driver)?;
        }
        let why = json(exit::NO, &["why", &other.address])?;
        ensure!(status(&why, "driver")? == "no", "{why}");
        let ran = accvf(&["why", &other.address])?.exits(exit::NO)?;
        ran.says(wanted)?
            .says(&format!("-> accvf bind {}", other.address))?;
    }
    // Tracking is off.
    let vf = &bench.vfs[0];
    vf.set_attribute("dirty_tracking", "off")?;
    let why = json(exit::OK, &["why", address]);
    vf.set_attribute("dirty_tracking", "auto")?;
    ensure!(
        status(&why?, "dirty_tracking")? == "unknown",
        "tracking is off"
    );
    Ok(())
}

case!(why_link, fresh: true);
/// Without hisi_acc_link nobody publishes the PF, and the driver says so when it is bound again.
fn why_link() -> Result<()> {
    let vfs = host::vfs(VFS)?;
    let address = vfs[0].address.as_str();
    // Nothing is loaded yet.
    ensure!(!host::is_loaded("hisi_acc_link"), "hisi_acc_link is loaded");
    let why = json(exit::NO, &["why", address])?;
    for (name, wanted) in [
        ("modules", "no"),
        ("link", "no"),
        ("pf", "ok"),
        ("driver", "no"),
    ] {
        let found = status(&why, name)?;
        ensure!(found == wanted, "{name}: {found}, not {wanted}");
    }
    accvf(&["why", address])?.says("-> load it: modprobe hisi_acc_vfio_rs")?;
    json(exit::OK, &["bind", address])?;
    let why = json(exit::OK, &["why", address])?;
    ensure!(status(&why, "link")? == "ok", "{why}");
    Ok(())
}

case!(show);
/// A VF is shown closed, open and set up: then with what a migration would save.
fn show() -> Result<()> {
    let closed = Bench::new(&[Driver::Rust])?;
    let address = closed.vfs[0].address.clone();
    let shown = json(exit::OK, &["show", &address])?;
    is(&shown, "would_save", Value::Null)?;
    is(&shown, "note", Value::Null)?;
    drop(closed);
    let mut pair = Pair::new(Driver::Rust, Driver::Rust)?;
    let shown = json(exit::OK, &["show", &address])?;
    is(&shown, "state", "RUNNING")?;
    is(&shown, "would_save/kind", "zip")?;
    pair.source.set_state(state::STOP)?;
    let stopped = json(exit::OK, &["show", &address])?;
    is(&stopped, "state", "STOP")?;
    is(&stopped, "would_save/error", Value::Null)?;
    pair.source.set_state(state::RUNNING)?;
    pair.migrate(true)?;
    let shown = json(exit::OK, &["show", &address])?;
    is(&shown, "last_stream/bytes", 176)?;
    // What it would have saved is what it saved.
    is(
        &shown,
        "last_stream/fields",
        stopped["would_save"]["fields"].clone(),
    )?;
    let watched = accvf(&[
        "--json",
        "show",
        &address,
        "-w",
        "--count",
        "2",
        "--interval",
        "0.1",
    ])?;
    let watched = watched.exits(exit::OK)?.out;
    ensure!(watched.lines().count() == 2, "two looks:\n{watched}");
    accvf(&["show", &address])?
        .exits(exit::OK)?
        .says("last stream saved or loaded")?;
    Ok(())
}

case!(dirty);
/// The pages that are shown are those of the reports.
fn dirty() -> Result<()> {
    let mut vf = Vf::new()?;
    let address = vf.bench.vfs[0].address.clone();
    let before = json(exit::OK, &["dirty", &address])?;
    let log = Logged::start(&vf.device)?;
    vf.round()?;
    let pages = log.report()?.len();
    ensure!(pages != 0, "no page is dirty");
    let after = json(exit::OK, &["dirty", &address])?;
    for (name, more) in [("reports", 1), ("pages", pages)] {
        let numbers = [&before, &after].map(|one| one[name].as_u64().unwrap_or(u64::MAX));
        ensure!(
            numbers[1] - numbers[0] == more,
            "{name}: {numbers:?}, not {more} more"
        );
    }
    is(&after, "entries_in_flight", 0)?;
    drop(log);
    let watch = ["dirty", &address, "-w", "--count", "2", "--interval", "0.1"];
    accvf(&watch)?.exits(exit::OK)?.says("pages a second")?;
    let other = &vf.bench.vfs[1];
    other.unbind()?;
    accvf(&["dirty", &other.address])?
        .exits(exit::NOT_FOUND)?
        .says("no counters")?;
    Ok(())
}

case!(plan);
/// The lists of two hosts: the same host twice, and then with another number of VFs.
fn plan() -> Result<()> {
    let bench = Bench::new(&[Driver::Rust; VFS])?;
    let listed = |name: &str| Scratch::new(name, accvf(&["--json", "list"])?.out.as_bytes());
    let source = listed("source")?;
    let one = bench.vfs[0].address.clone();
    let one = one.as_str();
    let plan = json(
        exit::OK,
        &["plan", source.path(), source.path(), "--vf", one],
    )?;
    is(&plan, "pairs/0/target", one)?;
    is(&plan, "pairs/0/migrates", can_migrate(&bench.vfs[0]))?;
    drop(bench);
    ZIP.vfs(2)?;
    let target = listed("target")?;
    host::vfs(VFS)?;
    let ran = accvf(&["plan", source.path(), target.path(), "--vf", one])?.exits(exit::NO)?;
    ran.says("one of 8 VFs on the source, of 2 on the target")?;
    let garbage = Scratch::new("garbage", b"{}")?;
    accvf(&["plan", source.path(), garbage.path()])?.exits(exit::MALFORMED)?;
    Ok(())
}

case!(report);
/// The report is that of hw-report.
fn report() -> Result<()> {
    let vfs = host::vfs(VFS)?;
    vfs[0].unbind()?;
    let ran = accvf(&["report"])?.exits(exit::OK)?;
    ran.says(&format!("zip VF {}: ", vfs[0].address))?
        .says("Not asked here:")?;
    let address = vfs[0].address.as_str();
    let ran = accvf(&["report", "--reset-unused-vf", address])?.exits(exit::OK)?;
    ran.says(&format!("Reset of {address}"))?;
    let bench = Bench::new(&[Driver::Rust])?;
    let ran = accvf(&["report", "--reset-unused-vf", &bench.vfs[0].address])?;
    ran.exits(exit::FAILED)?.says("has a driver")?;
    Ok(())
}
