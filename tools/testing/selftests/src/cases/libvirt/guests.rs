// SPDX-License-Identifier: GPL-2.0

//! `libvirt.*`: guests by the XML that the documentation shows.

use crate::{
    nested::{
        console::{jobs, no_gap},
        Config,
    },
    support::{
        libvirt::{domain, hostdev, migrate, migration_state, Host, GUEST, MODEL},
        qemu::{SOME, VFS},
    },
};
use acc_vfio_user::{
    ensure,
    host::{Function, ZIP},
    Driver, Result,
};
use std::{thread::sleep, time::Duration};

/// Creates VFs that no driver has.
fn vfs() -> Result<Vec<Function>> {
    ZIP.remove_vfs()?;
    let vfs = ZIP.vfs(VFS)?;
    for vf in &vfs {
        has(vf, None)?;
    }
    Ok(vfs)
}

/// Fails unless a VF has this driver.
fn has(vf: &Function, driver: Option<&str>) -> Result<()> {
    let found = vf.driver();
    ensure!(
        found.as_deref() == driver,
        "{} has the driver {found:?}, not {driver:?}",
        vf.address
    );
    Ok(())
}

const OURS: Option<&str> = Some("hisi_acc_vfio_rs");

fn config() -> Config {
    Config::of(Driver::Rust)
}

/// Starts the guest with a VF, and waits until it works.
fn start(host: &Host, vf: &Function) -> Result<()> {
    host.write("/tmp/guest.xml", &domain(&config(), host, &hostdev(vf)?))?;
    host.sh("virsh -q define /tmp/guest.xml")?;
    host.sh(&format!("virsh -q start {GUEST}"))?;
    has(vf, OURS)?;
    host.works(SOME)
}

case!(suspend);
/// `managed='yes'` binds a VF without a driver to ours, and takes it away at the end. `suspend`
/// stops the VF, and after `resume` it goes on where it was.
fn suspend() -> Result<()> {
    let vfs = vfs()?;
    let host = Host::start("a")?;
    start(&host, &vfs[0])?;
    let state = migration_state(&vfs[0])?;
    ensure!(state == "RUNNING", "the VF is {state}");
    host.sh(&format!("virsh -q suspend {GUEST}"))?;
    ensure!(host.state()? == "paused", "not paused");
    let state = migration_state(&vfs[0])?;
    ensure!(state == "STOP", "the VF of a suspended guest is {state}");
    let before = jobs(&host.console(), "zip");
    sleep(Duration::from_secs(2));
    ensure!(
        jobs(&host.console(), "zip") == before,
        "a suspended guest works"
    );
    host.sh(&format!("virsh -q resume {GUEST}"))?;
    host.works(SOME)?;
    no_gap(&[host.console()], "zip", config().every)?;
    host.sh(&format!("virsh -q destroy {GUEST}"))?;
    has(&vfs[0], None)
}

case!(save);
/// `save` writes the guest and its VF to a file, and `restore` goes on with another VF. The first
/// one is free meanwhile.
fn save() -> Result<()> {
    let vfs = vfs()?;
    let host = Host::start("a")?;
    start(&host, &vfs[0])?;
    host.sh(&format!("virsh -q save {GUEST} /var/tmp/guest.save"))?;
    has(&vfs[0], None)?;
    let saved = host.console();
    host.write(
        "/tmp/other.xml",
        &domain(&config(), &host, &hostdev(&vfs[1])?),
    )?;
    host.sh("virsh -q restore /var/tmp/guest.save --xml /tmp/other.xml")?;
    has(&vfs[0], None)?;
    has(&vfs[1], OURS)?;
    host.walk()?;
    host.works(SOME)?;
    ensure!(
        host.console().starts_with(&saved),
        "the console does not go on"
    );
    no_gap(&[host.console()], "zip", config().every)?;
    host.sh(&format!(
        "virsh -q destroy {GUEST}; virsh -q undefine {GUEST}"
    ))?;
    has(&vfs[1], None)
}

case!(migrate_live);
/// `virsh migrate --live` moves the guest to another host and back, with the VF that the XML names
/// there.
fn migrate_live() -> Result<String> {
    let vfs = vfs()?;
    let (a, b) = (Host::start("a")?, Host::start("b")?);
    start(&a, &vfs[0])?;
    let there = migrate(&a, &b, &domain(&config(), &b, &hostdev(&vfs[1])?))?;
    has(&vfs[0], None)?;
    has(&vfs[1], OURS)?;
    b.walk()?;
    b.works(SOME)?;
    no_gap(&[a.console(), b.console()], "zip", config().every)?;
    let back = migrate(&b, &a, &domain(&config(), &a, &hostdev(&vfs[2])?))?;
    has(&vfs[1], None)?;
    has(&vfs[2], OURS)?;
    a.works(SOME)?;
    a.sh(&format!(
        "virsh -q destroy {GUEST}; virsh -q undefine {GUEST}"
    ))?;
    has(&vfs[2], None)?;
    let line = |text: &str, name: &str| -> Result<String> {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let words = line.ok_or_else(|| format!("no {name} in {text}"))?;
        Ok(words.split_whitespace().collect::<Vec<_>>().join(" "))
    };
    Ok(format!(
        "downtime {} there, {} back",
        line(&there, "Total downtime:")?,
        line(&back, "Total downtime:")?
    ))
}

case!(without_model);
/// Without `<driver model=…>`, libvirt takes the C driver of the kernel, as
/// `install.libvirt_rule` has it.
fn without_model() -> Result<()> {
    let vfs = vfs()?;
    let host = Host::start("a")?;
    let xml = hostdev(&vfs[0])?;
    ensure!(xml.contains(MODEL), "the example names no driver");
    let domain = domain(&config(), &host, &xml.replace(MODEL, ""));
    host.write("/tmp/guest.xml", &domain)?;
    host.sh("virsh -q create --paused /tmp/guest.xml")?;
    has(&vfs[0], Some("hisi_acc_vfio_pci"))?;
    host.sh(&format!("virsh -q destroy {GUEST}"))?;
    has(&vfs[0], None)
}
