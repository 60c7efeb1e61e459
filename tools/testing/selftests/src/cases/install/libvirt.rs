// SPDX-License-Identifier: GPL-2.0

//! `install.libvirt_rule`: which driver libvirt binds a VF to, by what kmod writes of the modules.

use super::readme::README;
use crate::support::{
    debian::{enter, sh},
    modules::release,
};
use acc_vfio_user::{
    ensure,
    host::{self, ZIP},
    Result,
};
use std::{ffi::CString, fs};

/// What README, the example and the documentation have in the XML of a guest.
const MODEL: &str = "<driver model='hisi_acc_vfio_rs'/>";
const MIGRATION: &str = include_str!("../../../../../../Documentation/admin-guide/migration.rst");
const EXAMPLE: &str = "/usr/share/doc/accvf/examples/hostdev.xml";

/// Returns whether a pattern of a shell matches.
fn matches(pattern: &str, text: &str) -> Result<bool> {
    let (pattern, text) = (CString::new(pattern)?, CString::new(text)?);
    // SAFETY: Both are strings.
    Ok(unsafe { libc::fnmatch(pattern.as_ptr(), text.as_ptr(), 0) } == 0)
}

/// Returns the module that libvirt 10.0 and later takes for `managed='yes'` without a model: of the
/// `vfio_pci:` aliases that match the device, the first one with the fewest wildcards.
fn choice(modalias: &str) -> Result<String> {
    let (_, rest) = modalias.split_once(':').ok_or("no alias")?;
    let wanted = format!("vfio_pci:{rest}");
    let release = release()?;
    let text = fs::read_to_string(format!("/usr/lib/modules/{release}/modules.alias"))?;
    let mut best: Option<(usize, &str)> = None;
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let ["alias", pattern, module] = words[..] else {
            continue;
        };
        if !pattern.starts_with("vfio_pci:") || !matches(pattern, &wanted)? {
            continue;
        }
        let wildcards = pattern.matches('*').count();
        if best.is_none_or(|(least, _)| wildcards < least) {
            best = Some((wildcards, module));
        }
    }
    let (_, module) = best.ok_or_else(|| format!("no module for {wanted}"))?;
    Ok(module.to_owned())
}

case!(libvirt_rule, debian: true);
/// By libvirt's rule, the C driver of the kernel wins where it is installed, because its alias is
/// as good as ours and comes first. So the XML names the driver. Without the C driver, ours wins
/// over vfio-pci.
fn libvirt_rule() -> Result<()> {
    let vf = ZIP.vfs(1)?.swap_remove(0);
    let modalias = host::read(vf.path().join("modalias"))?;
    enter()?;
    // As `make modules_install` of the kernel leaves it: those of VFIO after many others.
    sh("cd /usr/lib/modules/$(uname -r)\n\
        { ls *.ko | grep -v vfio; echo vfio-pci-core.ko; echo vfio-pci.ko;\
        echo hisi-acc-vfio-pci.ko; } >modules.order\n\
        depmod")?;
    ensure!(
        choice(&modalias)? == "hisi_acc_vfio_pci",
        "without ours it is not the C driver"
    );
    sh("apt-get -y install /packages/accvf_*.deb /packages/hisi-acc-vfio-rs-modules-*.deb")?;
    let with_both = choice(&modalias)?;
    ensure!(
        with_both == "hisi_acc_vfio_pci",
        "libvirt takes {with_both}: Documentation/admin-guide/migration.rst says another"
    );
    for (name, text) in [
        ("README", README),
        ("migration.rst", MIGRATION),
        ("hostdev.xml", &fs::read_to_string(EXAMPLE)?),
    ] {
        ensure!(text.contains(MODEL), "{name} does not have {MODEL}");
    }
    sh("modinfo hisi_acc_vfio_rs >/dev/null\n\
        rm /usr/lib/modules/$(uname -r)/hisi-acc-vfio-pci.ko\n\
        depmod")?;
    let alone = choice(&modalias)?;
    ensure!(alone == "hisi_acc_vfio_rs", "libvirt takes {alone}");
    Ok(())
}
