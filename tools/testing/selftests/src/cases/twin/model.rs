// SPDX-License-Identifier: GPL-2.0

//! `twin.*`: the unmodified drivers of the kernel judge the device model.

use crate::support::{bench::VFS, crypto::selftest, moves};
use acc_vfio_user::{
    ensure,
    host::{self, Accelerator},
    Driver, Result,
};
use std::collections::BTreeSet;

/// The in-tree driver binds the PF, and the kernel has nothing to complain of.
fn probe(accelerator: Accelerator) -> Result<()> {
    let pf = accelerator.bound_pf()?;
    // Cases before this one may have provoked errors of the device: here only this probe counts.
    pf.set_attribute("sriov_numvfs", "0")?;
    pf.unbind()?;
    let mark = format!("acc-selftest: a probe of {}", pf.address);
    host::say(&mark)?;
    pf.bind(accelerator.module)?;
    ensure!(
        pf.driver().as_deref() == Some(accelerator.module),
        "the PF is bound to {:?}",
        pf.driver()
    );
    let complaints: Vec<String> = host::log_after(&mark)?
        .lines()
        .filter(|line| line.contains(accelerator.module) && line.contains(&pf.address))
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

case!(zip_pf_probe);
fn zip_pf_probe() -> Result<()> {
    probe(host::ZIP)
}

case!(sec_pf_probe);
fn sec_pf_probe() -> Result<()> {
    probe(host::SEC)
}

case!(hpre_pf_probe);
fn hpre_pf_probe() -> Result<()> {
    probe(host::HPRE)
}

case!(zip_selftest);
fn zip_selftest() -> Result<()> {
    selftest(host::ZIP)
}

case!(sec_selftest);
fn sec_selftest() -> Result<()> {
    selftest(host::SEC)
}

case!(hpre_selftest);
fn hpre_selftest() -> Result<()> {
    selftest(host::HPRE)
}

case!(sriov);
/// VFs of each accelerator come, each in an IOMMU group of its own, and the in-tree drivers drive
/// them too.
fn sriov() -> Result<()> {
    for accelerator in host::ALL {
        let vfs = accelerator.vfs(VFS)?;
        let groups: BTreeSet<String> = vfs
            .iter()
            .map(|vf| vf.iommu_group())
            .collect::<Result<_>>()?;
        ensure!(groups.len() == VFS, "{} groups for {VFS} VFs", groups.len());
        let vf = &vfs[VFS - 1];
        vf.bind(accelerator.module)?;
        vf.unbind()?;
    }
    Ok(())
}

case!(c_driver_migrates);
/// The kernel's own VFIO driver migrates a busy VF.
fn c_driver_migrates() -> Result<()> {
    moves::busy(host::ZIP, Driver::C, Driver::C, true)
}
