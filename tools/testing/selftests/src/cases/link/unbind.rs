// SPDX-License-Identifier: GPL-2.0

//! `link.*`: the way to the PF comes and goes.

use crate::support::{
    bench::{Bench, VFS},
    modules,
    pair::Pair,
    refused::{no_migration_in_debugfs, reason},
};
use acc_vfio_user::{
    ensure, errno,
    host::{self, is_loaded, rmmod},
    vfio::state,
    Driver, Result,
};

case!(pf_unbind, known: &[SRIOV_UNLOCKED]);
/// The PF's driver is unbound while a VF is open: the VF's migration ends in errors, nothing else.
fn pf_unbind() -> Result<()> {
    let bench = Bench::new(&[Driver::Rust, Driver::Rust])?;
    let device = bench.open(0)?;
    device.set_state(state::STOP)?;
    device.set_state(state::RUNNING)?;
    let pf = host::pf()?;
    // It waits for the user of the VF, so it needs a thread of its own.
    let unbinding = {
        let pf = pf.clone();
        std::thread::spawn(move || pf.unbind().map_err(|e| e.to_string()))
    };
    host::wait_for("the link's end", || {
        let e = errno(device.set_state(state::PRE_COPY).map(|_| ()));
        // Not yet gone: back, so that the next try asks the link again.
        let _ = device.set_state(state::RUNNING);
        e == libc::ENODEV
    })?;
    let now = device.state()?;
    ensure!(now == state::RUNNING, "the state is {}", state::name(now));
    drop(device);
    drop(bench);
    unbinding.join().map_err(|_| "the unbinding panicked")??;
    ensure!(pf.link().is_none(), "the auxiliary device is still there");
    // And all comes again.
    pf.bind("hisi_zip")?;
    takes_its_own()?;
    let bench = Bench::new(&[Driver::Rust])?;
    let flags = bench.open(0)?.migration_flags()?;
    ensure!(flags != 0, "the VF does not migrate again");
    Ok(())
}

/// The PF of each engine that is unbound takes its own auxiliary device away, and no other.
fn takes_its_own() -> Result<()> {
    let pfs = host::ALL
        .iter()
        .map(|accelerator| Ok((accelerator.bound_pf()?, accelerator.module)))
        .collect::<Result<Vec<_>>>()?;
    for (gone, module) in &pfs {
        gone.unbind()?;
        let wrong = pfs
            .iter()
            .find(|(pf, _)| pf.link().is_some() == (pf.address == gone.address));
        gone.bind(module)?;
        if let Some((pf, _)) = wrong {
            return Err(format!("{} is unbound: link of {}", gone.address, pf.address).into());
        }
    }
    Ok(())
}

case!(pf_unbind_stopped, known: &[SRIOV_UNLOCKED]);
/// The PF's driver is unbound while a VF is stopped and its state is being saved: the VF starts
/// again, and its work goes on until it is closed.
fn pf_unbind_stopped() -> Result<()> {
    let mut pair = Pair::new(Driver::Rust, Driver::Rust)?;
    pair.round()?;
    pair.work_in_flight()?;
    let file = pair.source.set_state(state::STOP_COPY)?;
    let mark = "acc-selftest: the PF is unbound under a VF that is stopped";
    host::say(mark)?;
    let pf = host::pf()?;
    let unbinding = {
        let pf = pf.clone();
        std::thread::spawn(move || pf.unbind().map_err(|e| e.to_string()))
    };
    let seen = host::wait_for("the request for the VF", || {
        host::log_after(mark).is_ok_and(|log| log.contains("device request"))
    })
    .and_then(|()| {
        drop(file);
        pair.source.set_state(state::RUNNING)?;
        pair.finish()?;
        pair.round()?;
        // As `virsh suspend` and `virsh resume` do.
        pair.source.set_state(state::STOP)?;
        pair.source.set_state(state::RUNNING)?;
        pair.round()
    });
    drop(pair);
    unbinding.join().map_err(|_| "the unbinding panicked")??;
    pf.bind(host::ZIP.module)?;
    seen?;
    let mut pair = Pair::new(Driver::Rust, Driver::Rust)?;
    pair.migrate(true)?;
    pair.round()
}

case!(bound_late, known: &[SRIOV_UNLOCKED]);
/// A VF is bound while its PF's driver is being unbound, which waits for the user of another VF:
/// the driver takes it, and it does not migrate.
fn bound_late() -> Result<()> {
    let bench = Bench::new(&[Driver::Rust])?;
    let device = bench.open(0)?;
    // VFs go in order: the last one is there until the first one is closed.
    let late = bench.vfs[VFS - 1].clone();
    late.unbind()?;
    let pf = host::pf()?;
    let unbinding = {
        let pf = pf.clone();
        std::thread::spawn(move || pf.unbind().map_err(|e| e.to_string()))
    };
    let mark = "acc-selftest: a VF is bound late";
    let seen = host::wait_for("the link's end", || {
        let e = errno(device.set_state(state::PRE_COPY).map(|_| ()));
        let _ = device.set_state(state::RUNNING);
        e == libc::ENODEV
    })
    .and_then(|()| {
        host::say(mark)?;
        host::bind(&late, Driver::Rust)?;
        no_migration_in_debugfs(&late)?;
        let said = reason(&late, mark)?;
        ensure!(
            said == "hisi_acc_link publishes no queue manager of its PF",
            "the log says '{said}'"
        );
        let plain = bench.open(VFS - 1)?;
        let flags = errno(plain.migration_flags());
        ensure!(flags == libc::ENOTTY, "migration: errno {flags}");
        Ok(())
    });
    drop(device);
    drop(bench);
    unbinding.join().map_err(|_| "the unbinding panicked")??;
    pf.bind(host::ZIP.module)?;
    seen?;
    let bench = Bench::new(&[Driver::Rust])?;
    let flags = bench.open(0)?.migration_flags()?;
    ensure!(flags != 0, "the VF does not migrate again");
    Ok(())
}

case!(module_unload);
/// The modules go in order, not while they are used, and come again.
fn module_unload() -> Result<()> {
    {
        let bench = Bench::new(&[Driver::Rust])?;
        let device = bench.open(0)?;
        ensure!(
            rmmod("hisi_acc_link").is_err(),
            "hisi_acc_link went while it was used"
        );
        ensure!(
            rmmod("hisi_acc_vfio_rs").is_err(),
            "hisi_acc_vfio_rs went while a VF was open"
        );
        drop(device);
    }
    for module in ["hisi_acc_vfio_rs", "hisi_acc_link", "vfio_rs"] {
        rmmod(module)?;
        ensure!(!is_loaded(module), "{module} is still there");
    }
    ensure!(
        host::pf()?.driver().as_deref() == Some("hisi_zip"),
        "the PF has lost its driver"
    );
    let bench = Bench::new(&[Driver::Rust])?;
    let flags = bench.open(0)?.migration_flags()?;
    ensure!(flags != 0, "the VF does not migrate again");
    Ok(())
}

// modinfo says the same in any guest.
case!(alias, generations: One(V3));
fn alias() -> Result<()> {
    modules::alias()
}
