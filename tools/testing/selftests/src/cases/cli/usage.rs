// SPDX-License-Identifier: GPL-2.0

//! `cli.usage`, `cli.unprivileged`: the command line itself, and users who are not root.

use crate::support::{
    accvf::{accvf, as_nobody, exit, is, Scratch},
    bench::{Bench, VFS},
    pair::Pair,
};
use acc_vfio_user::{
    ensure, host,
    migrate::{self, Quiet},
    Driver, Result,
};
use serde_json::Value;
use std::fs;

case!(usage);
/// Wrong command lines, help, pages and completions.
fn usage() -> Result<()> {
    for bad in [
        &[][..],
        &["no-such-command"],
        &["why"],
        &["bind"],
        &["setup", "0000:00:00.0"],
        &["show", "0000:00:00.0", "--interval", "0"],
        &["decode"],
    ] {
        accvf(bad)?.exits(exit::USAGE)?;
    }
    accvf(&["--version"])?.exits(exit::OK)?.says("accvf ")?;
    accvf(&["--help"])?.exits(exit::OK)?.says("Exit codes:")?;
    for shell in ["bash", "zsh", "fish"] {
        accvf(&["completion", shell])?
            .exits(exit::OK)?
            .says("unbind")?;
    }
    let folder = "/tmp/cli-man";
    accvf(&["man", folder])?.exits(exit::OK)?;
    let pages = fs::read_dir(folder)?.count();
    let page = fs::read_to_string(format!("{folder}/accvf-why.1"))?;
    fs::remove_dir_all(folder)?;
    ensure!(
        pages > 12 && page.contains(".TH accvf"),
        "{pages} pages, the one of why:\n{page}"
    );
    // What is no VF.
    let pf = host::pf()?;
    for (address, said) in [
        (pf.address.as_str(), "is a PF"),
        ("0000:ff:1f.7", "no PCI device"),
    ] {
        for command in ["why", "bind", "unbind", "show", "dirty"] {
            accvf(&[command, address])?
                .exits(exit::NOT_FOUND)?
                .says(said)?;
        }
    }
    Ok(())
}

case!(unprivileged);
/// Commands that only read work for any user. What only root may do fails, and the error says so.
fn unprivileged() -> Result<()> {
    let pair = Pair::new(Driver::Rust, Driver::Rust)?;
    let saved = migrate::save(&pair.source, true, &mut Quiet)?;
    let file = Scratch::new("stream", &saved)?;
    drop(pair);
    let bench = Bench::new(&[Driver::Rust])?;
    let address = bench.vfs[0].address.as_str();
    let list = as_nobody(&["--json", "list"])?.json(exit::OK)?;
    let listed = crate::support::accvf::vf(&list, &bench.vfs[0])?;
    is(listed, "driver", "hisi_acc_vfio_rs")?;
    // Users and state are for root.
    is(listed, "users", Value::Null)?;
    is(listed, "state", Value::Null)?;
    as_nobody(&["why", address])?.exits(exit::OK)?;
    as_nobody(&["decode", file.path()])?
        .exits(exit::OK)?
        .says("complete")?;
    as_nobody(&["show", address])?
        .exits(exit::OK)?
        .says("only root can read debugfs")?;
    for denied in [
        &["unbind", address][..],
        &["bind", "--driver", "vfio-pci", address],
        &["check", address, file.path()],
        &["dirty", address],
    ] {
        as_nobody(denied)?
            .exits(exit::DENIED)?
            .says("-> run it as root")?;
    }
    let driver = bench.vfs[0].driver();
    ensure!(
        driver.as_deref() == Some("hisi_acc_vfio_rs"),
        "bound to {driver:?}"
    );
    ensure!(bench.vfs.len() == VFS, "VFs are gone");
    Ok(())
}
