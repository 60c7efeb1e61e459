// SPDX-License-Identifier: GPL-2.0

//! `link.*`: the way to the PF comes and goes.

use crate::support::{bench::Bench, modules};
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
