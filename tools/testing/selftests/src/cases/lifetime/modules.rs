// SPDX-License-Identifier: GPL-2.0

//! `lifetime.*`: modules go and come again; what outlives a module.

use crate::support::{bench::Bench, pair::Pair};
use acc_vfio_user::{
    ensure, errno,
    host::{self, delete_module, is_loaded},
    vfio::{precopy_info, state},
    Driver, Result,
};
use std::io::{Read, Write};

/// A module, and those of the same list that use it.
type Module = (&'static str, &'static [&'static str]);

fn of(driver: Driver) -> &'static [Module] {
    match driver {
        Driver::Rust => &[
            ("hisi_acc_vfio_rs", &[]),
            ("hisi_acc_link", &["hisi_acc_vfio_rs"]),
            ("vfio_rs", &["hisi_acc_vfio_rs"]),
            ("hisi_zip", &["hisi_acc_link"]),
        ],
        Driver::C => &[
            ("hisi_acc_vfio_pci", &[]),
            ("hisi_zip", &["hisi_acc_vfio_pci"]),
        ],
    }
}

/// All orders in which each module goes after those that use it.
fn orders(left: &[Module], gone: &[&'static str]) -> Vec<Vec<&'static str>> {
    if left.is_empty() {
        return vec![gone.to_vec()];
    }
    left.iter()
        .filter(|(_, users)| users.iter().all(|user| gone.contains(user)))
        .flat_map(|(name, _)| {
            let rest: Vec<Module> = left.iter().copied().filter(|(n, _)| n != name).collect();
            orders(&rest, &[gone, &[*name]].concat())
        })
        .collect()
}

/// The kernel says EWOULDBLOCK, which is EAGAIN, to one that is used.
fn is_used(module: &str) -> Result<()> {
    let error = errno(delete_module(module));
    ensure!(
        error == libc::EWOULDBLOCK,
        "{module}, which is used: errno {error}"
    );
    Ok(())
}

// Files, module references and locks belong to the VFIO layer, which knows no generations. The case
// repeats the same many times.
case!(modules, with: [Rust, C], generations: One(V3), known: &[SRIOV_UNLOCKED]);
/// In use none goes; free, each goes once those have that use it, in any such order.
fn modules(driver: Driver) -> Result<()> {
    // What the other driver holds.
    let other = match driver {
        Driver::Rust => Driver::C,
        Driver::C => Driver::Rust,
    };
    for (module, _) in of(other) {
        if is_loaded(module) && !of(driver).iter().any(|(name, _)| name == module) {
            delete_module(module).map_err(|e| format!("{module}: {e}"))?;
        }
    }
    for order in orders(of(driver), &[]) {
        {
            let bench = Bench::new(&[driver])?;
            let device = bench.open(0)?;
            let _file = device.set_state(state::PRE_COPY)?;
            for (module, _) in of(driver) {
                is_used(module)?;
            }
        }
        for (n, module) in order.iter().enumerate() {
            for (other, users) in of(driver) {
                if users.iter().any(|user| !order[..n].contains(user)) {
                    is_used(other)?;
                }
            }
            delete_module(module).map_err(|e| format!("{module} of {order:?}: {e}"))?;
            ensure!(!is_loaded(module), "{module} is still there");
        }
    }
    let mut pair = Pair::new(driver, driver)?;
    pair.submit(8)?;
    pair.migrate(true)?;
    pair.finish()
}

/// Which migration files are kept.
#[derive(Clone, Copy, Debug)]
enum Kept {
    Saving,
    Resuming,
    Both,
}

// Files, module references and locks belong to the VFIO layer, which knows no generations. The case
// repeats the same many times.
case!(fd_outlives_module, generations: One(V3));
/// D4: migration files are kept over the close of their device, its unbinding and the unloading of
/// its driver; each kind holds the layer alone, too. Not with the C driver, which looks at its
/// device first.
fn fd_outlives_module() -> Result<()> {
    for kept in [Kept::Saving, Kept::Resuming, Kept::Both] {
        outlives(kept).map_err(|e| format!("{kept:?}: {e}"))?;
    }
    let mut pair = Pair::new(Driver::Rust, Driver::Rust)?;
    pair.migrate(true)?;
    pair.round()
}

fn outlives(kept: Kept) -> Result<()> {
    let Pair {
        bench,
        source,
        target,
        qm,
        ..
    } = Pair::new(Driver::Rust, Driver::Rust)?;
    let mut saving = source.set_state(state::PRE_COPY)?;
    let mut resuming = target.set_state(state::RESUMING)?;
    ensure!(saving.is_some() && resuming.is_some(), "no files");
    match kept {
        Kept::Saving => resuming = None,
        Kept::Resuming => saving = None,
        Kept::Both => {}
    }
    is_used("hisi_acc_vfio_rs")?;
    drop((source, target, qm));
    let mut all = |when: &str| -> Result<()> {
        let mut errors = Vec::new();
        if let Some(file) = &mut saving {
            errors.push(("read", errno(file.read(&mut [0; 8]))));
            let error = errno(precopy_info(file));
            ensure!(error == libc::EINVAL, "{when}, precopy info: errno {error}");
        }
        if let Some(file) = &mut resuming {
            errors.push(("write", errno(file.write(&[0; 8]))));
        }
        for (what, error) in errors {
            ensure!(error == libc::ENODEV, "{when}, {what}: errno {error}");
        }
        Ok(())
    };
    all("closed")?;
    for vf in &bench.vfs[..2] {
        vf.unbind()?;
    }
    all("unbound")?;
    // The files are the layer's, which stays; the driver can go.
    delete_module("hisi_acc_vfio_rs").map_err(|e| format!("hisi_acc_vfio_rs: {e}"))?;
    is_used("vfio_rs")?;
    all("unloaded")?;
    host::modprobe("hisi_acc_vfio_rs")?;
    all("loaded again")?;
    drop((saving, resuming));
    // A file is released on the way back from its close: nothing holds the layer now but the
    // driver.
    delete_module("hisi_acc_vfio_rs").map_err(|e| format!("hisi_acc_vfio_rs: {e}"))?;
    delete_module("vfio_rs").map_err(|e| format!("vfio_rs: {e}"))?;
    Ok(())
}
