// SPDX-License-Identifier: GPL-2.0

//! `twin.*`: the unmodified drivers of the kernel judge the device model.

use super::{ensure, migration, VFS};
use crate::{host, Driver, Result};
use std::collections::BTreeSet;

/// hisi_zip binds the PF, and the kernel has nothing to complain of.
pub fn zip_pf_probe() -> Result<()> {
    host::modprobe("hisi_zip")?;
    let pf = host::pf()?;
    ensure!(
        pf.driver().as_deref() == Some("hisi_zip"),
        "the PF is bound to {:?}",
        pf.driver()
    );
    let complaints: Vec<String> = host::log()?
        .lines()
        .filter(|line| line.contains("hisi_zip") && line.contains(&pf.address))
        .filter(|line| {
            let line = line.to_lowercase();
            ["fail", "error", "timeout", "busy", "not "]
                .iter()
                .any(|word| line.contains(word))
        })
        .map(str::to_owned)
        .collect();
    ensure!(complaints.is_empty(), "{}", complaints.join("\n"));
    Ok(())
}

/// The self-tests of the kernel's crypto API pass for what hisi_zip registers.
pub fn zip_selftest() -> Result<()> {
    host::modprobe("hisi_zip")?;
    let entry = || -> Result<String> {
        let crypto = std::fs::read_to_string("/proc/crypto")?;
        crypto
            .split("\n\n")
            // While it is tested there is a second entry, whose module is the kernel's.
            .find(|entry| {
                entry.contains("hisi-deflate-acomp") && entry.contains("module       : hisi_zip")
            })
            .map(str::to_owned)
            .ok_or_else(|| "hisi_zip registers no deflate".into())
    };
    host::wait_for("the self-test", || {
        entry().is_ok_and(|entry| !entry.contains("selftest     : unknown"))
    })?;
    let entry = entry()?;
    ensure!(entry.contains("selftest     : passed"), "{entry}");
    // "passed" is also what is shown where nothing was tested: the engine must have worked.
    let twin = crate::twin::Twin::open()?;
    let done = twin.counts()?.get("pf", "jobs_done");
    ensure!(done > 0, "the engine has done no job");
    Ok(())
}

/// VFs come, each in an IOMMU group of its own, and hisi_zip drives them too.
pub fn sriov() -> Result<()> {
    let vfs = host::vfs(VFS)?;
    let groups: BTreeSet<String> = vfs
        .iter()
        .map(|vf| vf.iommu_group())
        .collect::<Result<_>>()?;
    ensure!(groups.len() == VFS, "{} groups for {VFS} VFs", groups.len());
    let vf = &vfs[VFS - 1];
    vf.bind("hisi_zip")?;
    vf.unbind()
}

/// The kernel's own VFIO driver migrates a busy VF.
pub fn c_driver_migrates() -> Result<()> {
    migration::busy_queue(Driver::C)
}
