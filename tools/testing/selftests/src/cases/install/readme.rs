// SPDX-License-Identifier: GPL-2.0

//! `install.readme`: what README says is all that an operator needs.

use super::packages::{all_is_ok, migrates, nothing_is_loaded, MODULES};
use crate::support::{
    bench::VFS,
    debian::{enter, sh},
};
use acc_vfio_user::{
    ensure,
    host::{self, ZIP},
    Result,
};
use std::path::Path;

pub(super) const README: &str = include_str!("../../../../../../README.md");
/// The PF in README. Its VFs are its other functions.
const PF: &str = "0000:09:00.0";

/// Returns the blocks of commands in a section of README.
fn blocks(title: &str) -> Result<Vec<String>> {
    let heading = format!("\n## {title}\n");
    let (_, rest) = README.split_once(&heading).ok_or("no such section")?;
    let section = rest.split("\n## ").next().unwrap_or_default();
    let mut blocks = vec![String::new()];
    for line in section.lines() {
        let last = blocks.last_mut().ok_or("no block")?;
        match line.strip_prefix("    ") {
            Some(command) => *last += &format!("{command}\n"),
            None if !last.is_empty() => blocks.push(String::new()),
            None => {}
        }
    }
    blocks.retain(|block| !block.is_empty());
    Ok(blocks)
}

/// Returns the only block of a section that has some words.
fn block(title: &str, words: &str) -> Result<String> {
    let mut found = blocks(title)?;
    found.retain(|block| block.contains(words));
    let [one] = &found[..] else {
        return Err(format!("README, {title}: blocks with '{words}': {found:?}").into());
    };
    Ok(one.clone())
}

case!(readme, debian: true);
/// A bare Debian gets the packages. The commands of README install them, create VFs, and say that
/// they can migrate. A VF with requests in flight migrates. The commands of README go back to the C
/// driver, and the packages leave nothing of theirs.
fn readme() -> Result<()> {
    nothing_is_loaded()?;
    let pf = ZIP.pf()?;
    enter()?;
    ensure!(
        sh("! modprobe hisi_acc_vfio_rs && ! accvf list").is_ok(),
        "Debian is not bare"
    );
    let here = |commands: &str| {
        let [of, to] = [PF, pf.address.as_str()].map(|address| address.trim_end_matches('0'));
        commands.replace(of, to)
    };
    // DKMS and compilers are not there. The packages that the command names are.
    let dkms = block("Install", "dkms_")?;
    sh(&format!(
        "cd /packages\n{}",
        dkms.replace("apt install", "ls")
    ))?;
    sh(&format!("cd /packages\n{}", block("Install", "-modules-")?))?;
    let listed = sh(&here(&block("Install", "accvf setup")?))?;
    ensure!(
        listed.contains(&pf.address),
        "the PF is not listed: {listed}"
    );
    ensure!(
        listed.contains("can migrate"),
        "why does not say it: {listed}"
    );
    let unit = format!(
        "/etc/systemd/system/multi-user.target.wants/accvf-setup@{}.service",
        pf.address
    );
    ensure!(
        Path::new(&unit).symlink_metadata().is_ok(),
        "systemd does not start the unit at boot: no {unit}"
    );
    let vfs = ZIP.vfs(VFS)?;
    let first = here("0000:09:00.1");
    ensure!(vfs[0].address == first, "the first VF is not {first}");
    for vf in &vfs {
        all_is_ok(vf)?;
    }
    migrates()?;
    // Inline in the text, with the address of the VF.
    let back = README
        .split('`')
        .find(|text| text.starts_with("accvf bind --driver"));
    sh(&here(
        back.ok_or("README does not go back to the C driver")?,
    ))?;
    let driver = vfs[0].driver();
    ensure!(
        driver.as_deref() == Some("hisi_acc_vfio_pci"),
        "the driver is {driver:?}"
    );
    sh(&here("accvf setup 0000:09:00.0 --vfs 0"))?;
    for module in MODULES.iter().rev() {
        host::rmmod(module)?;
    }
    sh("apt-get -y purge accvf 'hisi-acc-vfio-rs-*'")?;
    ensure!(
        sh("! modinfo hisi_acc_vfio_rs && ! ls /etc/modprobe.d/hisi-acc-vfio-rs.conf").is_ok(),
        "the packages leave something"
    );
    Ok(())
}
