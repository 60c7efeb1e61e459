// SPDX-License-Identifier: GPL-2.0

//! `install.boot`: what an operator has set up is there after a boot by Debian's own systemd and
//! udev.

use super::packages::{all_is_ok, migrates, MODULES};
use crate::support::{
    bench::VFS,
    debian::{enter, sh},
};
use acc_vfio_user::{
    ensure,
    host::{self, Accelerator, Function, SEC, ZIP},
    Result,
};
use hisi_acc_hw::ids;
use std::{fs, path::Path};

const OURS: Option<&str> = Some("hisi_acc_vfio_rs");
/// How many VFs of the SEC something else than `accvf` creates: a parameter of the PF's driver.
const OTHERS: usize = 2;

/// Returns the VFs that there are.
fn vfs(accelerator: Accelerator) -> Result<Vec<Function>> {
    Function::all(ids::VENDOR_HUAWEI, accelerator.vf)
}

/// Does what an operator does before the boot: installs the packages, enables the unit that the
/// documentation shows, and has driverctl remember a VF of an accelerator without that unit.
pub fn prepare() -> Result<()> {
    let pf = ZIP.pf()?.address;
    enter()?;
    sh("apt-get -y install /packages/accvf_*.deb /packages/hisi-acc-vfio-rs-modules-*.deb")?;
    sh(&format!(
        "echo VFS={VFS} >/etc/default/accvf-{pf}\n\
         systemctl enable accvf-setup@{pf}"
    ))?;
    sh(&format!(
        "echo options hisi_sec2 vfs_num={OTHERS} >/etc/modprobe.d/sec.conf\n\
         modprobe hisi_sec2"
    ))?;
    let found = vfs(SEC)?;
    ensure!(found.len() == OTHERS, "VFs of the SEC: {found:?}");
    sh(&format!(
        "driverctl set-override {} hisi_acc_vfio_rs",
        found[0].address
    ))?;
    // Nothing is left but files. The modules have loaded the drivers of all PFs.
    SEC.remove_vfs()?;
    for module in MODULES.iter().rev() {
        host::rmmod(module)?;
    }
    sh("rmmod hisi_zip hisi_sec2 hisi_hpre")?;
    Ok(())
}

case!(
    boot,
    debian: true,
    systemd: true,
    flavour: Host,
    kernel: &[
        "systemd.show_status=no",
        // The harness takes silence for death.
        "systemd.log_target=kmsg",
        "systemd.firstboot=no",
        "systemd.mask=serial-getty@ttyAMA0.service",
        // What Debian's packages do when they are installed takes minutes here.
        "systemd.mask=systemd-hwdb-update.service",
        "systemd.mask=ldconfig.service",
        "systemd.mask=systemd-journal-catalog-update.service",
    ],
);
/// systemd boots Debian. udev loads what the devices need, the unit has set up the VFs of its PF,
/// and the override of driverctl holds. A VF migrates.
fn boot() -> Result<()> {
    let init = fs::read_link("/proc/1/exe")?;
    ensure!(
        init == Path::new("/usr/lib/systemd/systemd"),
        "init is {}",
        init.display()
    );
    let pf = ZIP.pf()?.address;
    sh(&format!(
        "systemctl is-active systemd-udevd && systemctl is-active accvf-setup@{pf} || \
         {{ systemctl --no-pager --failed; journalctl --no-pager -b | tail -n 100; exit 1; }}"
    ))?;
    let found = vfs(ZIP)?;
    ensure!(found.len() == VFS, "{} VFs, not {VFS}", found.len());
    for vf in &found {
        let driver = vf.driver();
        ensure!(
            driver.as_deref() == OURS,
            "{}: driver {driver:?}",
            vf.address
        );
    }
    all_is_ok(&found[0])?;
    let bound = || -> Vec<Option<String>> {
        let vfs = vfs(SEC).unwrap_or_default();
        vfs.iter().map(Function::driver).collect()
    };
    let wanted = [OURS, Some("hisi_sec2")];
    let waited = host::wait_for("driverctl", || {
        bound().iter().map(Option::as_deref).eq(wanted)
    });
    waited.map_err(|e| format!("{e}: drivers {:?}, not {wanted:?}", bound()))?;
    migrates()
}
