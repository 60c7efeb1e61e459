// SPDX-License-Identifier: GPL-2.0

//! `install.mixed`: modules of two builds are not loaded together.

use super::packages::{nothing_is_loaded, MODULES};
use crate::support::modules::release;
use acc_vfio_user::{ensure, host, Result};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Where the guest has the modules of another build.
const OTHER: &str = "/other-build";

/// Loads the driver, and unloads all again.
fn load() -> Result<()> {
    let loaded = host::modprobe("hisi_acc_vfio_rs");
    for module in MODULES.iter().rev() {
        if host::is_loaded(module) {
            host::rmmod(module)?;
        }
    }
    nothing_is_loaded()?;
    loaded
}

case!(mixed, other_build: true);
/// One module of a host is replaced by that of another build, in which a struct has a field more.
/// The kernel refuses to load the driver with it, and names the symbol that shows it.
fn mixed() -> Result<()> {
    let folder = PathBuf::from("/lib/modules").join(release()?);
    load()?;
    for module in ["vfio_rs", "hisi_acc_link"] {
        let file = format!("{module}.ko");
        let (ours, kept) = (folder.join(&file), Path::new("/tmp").join(&file));
        fs::copy(&ours, &kept)?;
        fs::copy(Path::new(OTHER).join(&file), &ours)?;
        let begin = format!("install.mixed: {module}");
        host::say(&begin)?;
        let loaded = load();
        fs::copy(&kept, &ours)?;
        ensure!(
            loaded.is_err(),
            "hisi_acc_vfio_rs is loaded with {module} of another build"
        );
        let log = host::log_after(&begin)?;
        let wanted = format!("hisi_acc_vfio_rs: Unknown symbol {module}_build_");
        ensure!(log.contains(&wanted), "not '{wanted}':\n{log}");
    }
    load()
}
