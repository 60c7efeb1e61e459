// SPDX-License-Identifier: GPL-2.0

//! The modules under test.

use acc_vfio_user::{ensure, host, Result};
use std::process::Command;

/// The release of the kernel: the folder of its modules.
pub fn release() -> Result<String> {
    host::read("/proc/sys/kernel/osrelease")
}

/// libvirt and driverctl find the driver by its `vfio_pci:` alias.
pub fn alias() -> Result<()> {
    let output = Command::new("modinfo").arg("hisi_acc_vfio_rs").output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    for device in ["A251", "A256", "A259"] {
        let alias = format!("vfio_pci:v000019E5d0000{device}sv*sd*bc*sc*i*");
        ensure!(text.contains(&alias), "no alias {alias} in:\n{text}");
    }
    Ok(())
}
