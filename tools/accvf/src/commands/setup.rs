// SPDX-License-Identifier: GPL-2.0

//! `accvf setup`: VFs of a PF that no host driver takes, bound for guests.

use crate::{
    commands::bind::{bind, ensure_unused, modprobe, Bound, How},
    error::{Error, Exit, Result},
    host::{Accelerator, Host},
    sysfs,
};
use indicatif::{ProgressBar, ProgressStyle};

/// Fails if the PF cannot have so many VFs now.
fn ensure_can_have(host: &Host, pf: &Accelerator, vfs: u32) -> Result<()> {
    let module = pf.engine.descriptor().module;
    if pf.driver().as_deref() != Some(module) {
        return Err(Error::refused(
            format!("the PF {} is not bound to {module}", pf.address()),
            format!(
                "modprobe {module}; echo {} >/sys/bus/pci/drivers/{module}/bind",
                pf.address()
            ),
        ));
    }
    let most = sysfs::number(&pf.function.path.join("sriov_totalvfs")).unwrap_or(0);
    if vfs > most {
        return Err(Error::refused(
            format!("the PF {} has at most {most} VFs", pf.address()),
            "choose a smaller number for --vfs",
        ));
    }
    for address in pf.vfs() {
        ensure_unused(host, &host.vf(&address)?)?;
    }
    Ok(())
}

/// Creates so many VFs.
fn create(host: &Host, pf: &Accelerator, vfs: u32) -> Result<()> {
    let number = pf.function.path.join("sriov_numvfs");
    let current = sysfs::number(&number).unwrap_or(0);
    if current == vfs {
        return Ok(());
    }
    ensure_can_have(host, pf, vfs)?;
    // The VFs are for guests: no driver of the host takes them.
    sysfs::write(&pf.function.path.join("sriov_drivers_autoprobe"), "0")?;
    // The kernel changes the number only from or to 0.
    if current != 0 {
        sysfs::write(&number, "0")?;
    }
    if vfs != 0 {
        sysfs::write(&number, &vfs.to_string())?;
    }
    Ok(())
}

/// Shows how many VFs are bound.
fn progress_bar(len: usize) -> ProgressBar {
    let bar = ProgressBar::new(len as u64);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos} of {len} VFs bound") {
        bar.set_style(style);
    }
    bar
}

/// Creates VFs of a PF and binds them.
pub fn setup(host: &Host, pf: &str, vfs: u32, how: &How<'_>) -> Result<(Bound, Exit)> {
    let pf = host.pf(pf)?;
    // Publishes the PF, too.
    modprobe(host, how.driver)?;
    create(host, &pf, vfs)?;
    let addresses = pf.vfs();
    let bar = progress_bar(addresses.len());
    let mut bound = Bound {
        vfs: Vec::new(),
        rules: Vec::new(),
    };
    let mut exit = Exit::Ok;
    for address in addresses {
        let (one, code) = bind(host, &[address], how)?;
        bound.vfs.extend(one.vfs);
        bound.rules.extend(one.rules);
        if code != Exit::Ok {
            exit = code;
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok((bound, exit))
}
