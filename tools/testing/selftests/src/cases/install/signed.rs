// SPDX-License-Identifier: GPL-2.0

//! `install.signed`, `install.lockdown`: kernels that load signed modules only.

use super::packages::{migrates, nothing_is_loaded, MODULES};
use crate::support::{
    modules::release,
    program::{mount, run},
};
use acc_vfio_user::{
    ensure,
    host::{self, ZIP},
    Result,
};
use std::{
    ffi::CString,
    fs, io,
    path::{Path, PathBuf},
};

/// Where the guest has what the documentation has operators sign.
const SIGNED: &str = "/signed";
const LOCKDOWN: &str = "/sys/kernel/security/lockdown";

/// Puts modules into the place of those that the guest has.
fn take(from: &str) -> Result<()> {
    let folder = PathBuf::from("/lib/modules").join(release()?);
    for module in MODULES {
        let file = format!("{module}.ko");
        fs::copy(Path::new(from).join(&file), folder.join(&file))?;
    }
    run("depmod", &[])?;
    Ok(())
}

/// Fails unless the kernel refuses to load the modules, and says why.
fn refused(wanted: &str) -> Result<()> {
    let begin = format!("install: not loaded: {wanted}");
    host::say(&begin)?;
    let loaded = host::modprobe("hisi_acc_vfio_rs");
    ensure!(loaded.is_err(), "the modules are loaded: {wanted}");
    nothing_is_loaded()?;
    let log = host::log_after(&begin)?;
    ensure!(log.contains(wanted), "not '{wanted}':\n{log}");
    Ok(())
}

/// Unbinds all VFs, and unloads the modules.
fn unload() -> Result<()> {
    ZIP.remove_vfs()?;
    for module in MODULES.iter().rev() {
        host::rmmod(module)?;
    }
    nothing_is_loaded()
}

/// Adds a certificate to the kernel's keyring of a name.
fn enroll(certificate: &str, keyring: &str) -> Result<()> {
    let keys = fs::read_to_string("/proc/keys")?;
    let line = keys
        .lines()
        .find(|line| line.split_whitespace().nth(8) == Some(&format!("{keyring}:")));
    let line = line.ok_or_else(|| format!("no {keyring} in:\n{keys}"))?;
    let id = line.split_whitespace().next().unwrap_or_default();
    let id = i32::from_str_radix(id, 16)?;
    let data = fs::read(certificate)?;
    let (kind, name) = (CString::new("asymmetric")?, CString::new("")?);
    // SAFETY: The strings end, and the data are as long as said.
    let key = unsafe {
        libc::syscall(
            libc::SYS_add_key,
            kind.as_ptr(),
            name.as_ptr(),
            data.as_ptr(),
            data.len(),
            id,
        )
    };
    ensure!(
        key >= 0,
        "{certificate} to {keyring}: {}",
        io::Error::last_os_error()
    );
    Ok(())
}

case!(signed, signed: true, flavour: Host, kernel: &["module.sig_enforce=1"]);
/// The kernel refuses modules without a signature, and with one by a key that it does not know.
/// When that key is enrolled, and with the kernel's own key, a VF migrates.
fn signed() -> Result<()> {
    refused("Loading of unsigned module is rejected")?;
    take(&format!("{SIGNED}/operator"))?;
    refused("Loading of module with unavailable key is rejected")?;
    enroll(
        &format!("{SIGNED}/operator.x509"),
        ".secondary_trusted_keys",
    )?;
    migrates()?;
    unload()?;
    take(&format!("{SIGNED}/kernel"))?;
    migrates()?;
    unload()
}

case!(lockdown, signed: true, flavour: Host);
/// A kernel in lockdown refuses modules without a signature. Those with one bind a VF.
fn lockdown() -> Result<()> {
    let vf = ZIP.vfs(1)?.swap_remove(0);
    // The twin is out of reach from here on: lockdown denies the BARs.
    mount(&["-t", "securityfs", "securityfs", "/sys/kernel/security"])?;
    host::write(LOCKDOWN, "integrity")?;
    refused("unsigned module loading is restricted")?;
    take(&format!("{SIGNED}/kernel"))?;
    host::modprobe("hisi_acc_vfio_rs")?;
    vf.bind("hisi_acc_vfio_rs")?;
    let blocker = vf.migration_blocker()?;
    ensure!(blocker.is_empty(), "{blocker}");
    unload()
}
