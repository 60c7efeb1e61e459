// SPDX-License-Identifier: GPL-2.0

//! `install.examples`: Debian's own udev, driverctl and systemd take what the documentation shows.

use super::packages::{all_is_ok, MODULES};
use crate::support::{
    accvf::{accvf, exit},
    debian::{enter, sh},
};
use acc_vfio_user::{
    ensure,
    host::{self, Function, ZIP},
    Result,
};
use std::env;

/// How many VFs there are.
const VFS: usize = 3;
const OURS: Option<&str> = Some("hisi_acc_vfio_rs");

/// Runs systemd's udevd. It ends when this is dropped.
struct Udevd;

impl Udevd {
    fn start() -> Result<Self> {
        // udevadm does nothing in a chroot, where no udevd is expected.
        env::set_var("SYSTEMD_IGNORE_CHROOT", "1");
        sh("/usr/lib/systemd/systemd-udevd --daemon")?;
        Ok(Self)
    }

    /// Waits until udevd has handled all events.
    fn settle(&self) -> Result<()> {
        sh("udevadm settle --timeout=60")?;
        Ok(())
    }
}

impl Drop for Udevd {
    fn drop(&mut self) {
        let _ = sh("udevadm control --exit");
    }
}

/// Creates the VFs anew, with the rules that there are now. No driver takes them by itself.
fn create(udevd: &Udevd) -> Result<Vec<Function>> {
    ZIP.remove_vfs()?;
    sh("udevadm control --reload")?;
    udevd.settle()?;
    let vfs = ZIP.vfs(VFS)?;
    udevd.settle()?;
    Ok(vfs)
}

/// Fails unless the drivers of the VFs are these.
fn drivers(vfs: &[Function], wanted: [Option<&str>; VFS]) -> Result<()> {
    let found: Vec<Option<String>> = vfs.iter().map(Function::driver).collect();
    let same = found.iter().map(Option::as_deref).eq(wanted);
    ensure!(same, "drivers {found:?}, not {wanted:?}");
    Ok(())
}

case!(examples, debian: true);
/// udev binds all VFs by the example, and single ones by `accvf bind --persist`. driverctl binds a
/// VF and remembers it. udev and systemd find nothing wrong in the files.
fn examples() -> Result<()> {
    const EXAMPLE: &str = "/usr/share/doc/accvf/examples/70-accvf.rules";
    enter()?;
    sh("apt-get -y install /packages/accvf_*.deb /packages/hisi-acc-vfio-rs-modules-*.deb")?;
    for module in MODULES {
        ensure!(!host::is_loaded(module), "{module} is loaded");
    }
    sh(&format!("udevadm verify {EXAMPLE}"))?;
    sh("systemd-analyze verify --man=no /usr/lib/systemd/system/accvf-setup@.service")?;

    let udevd = Udevd::start()?;
    sh(&format!("cp {EXAMPLE} /etc/udev/rules.d/"))?;
    let vfs = create(&udevd)?;
    drivers(&vfs, [OURS; VFS])?;
    all_is_ok(&vfs[0])?;

    sh("rm /etc/udev/rules.d/70-accvf.rules")?;
    drivers(&create(&udevd)?, [None; VFS])?;
    let [first, second, _] = [0, 1, 2].map(|n| vfs[n].address.as_str());
    accvf(&["bind", "--persist", first])?.exits(exit::OK)?;
    sh(&format!(
        "udevadm verify /etc/udev/rules.d/70-accvf-{first}.rules"
    ))?;
    drivers(&create(&udevd)?, [OURS, None, None])?;
    accvf(&["unbind", first])?.exits(exit::OK)?;
    drivers(&create(&udevd)?, [None; VFS])?;

    sh(&format!("driverctl set-override {second} hisi_acc_vfio_rs"))?;
    drivers(&vfs, [None, OURS, None])?;
    drivers(&create(&udevd)?, [None; VFS])?;
    // That is what driverctl's unit of systemd runs.
    sh(&format!("driverctl load-override pci/{second}"))?;
    drivers(&vfs, [None, OURS, None])
}
