// SPDX-License-Identifier: GPL-2.0

//! `cli.bind`, `cli.setup`: VFs are created, bound and unbound.

use crate::support::{
    accvf::{accvf, can_migrate, exit, is, json, vf},
    bench::{Bench, VFS},
};
use acc_case::Topology;
use acc_vfio_user::{
    ensure,
    host::{self, Function, SEC, ZIP},
    Driver, Result,
};
use std::{fs, path::Path};

/// Returns what `driver_override` of a VF has.
fn overridden(vf: &Function) -> Result<String> {
    host::read(vf.path().join("driver_override"))
}

case!(bind);
/// VFs are bound and unbound, and a udev rule is written and removed.
fn bind() -> Result<()> {
    let vfs = host::vfs(VFS)?;
    for vf in &vfs {
        vf.unbind()?;
    }
    let (a, b) = (vfs[0].address.as_str(), vfs[1].address.as_str());
    let bound = json(exit::OK, &["bind", a, b])?;
    for (n, vf) in vfs[..2].iter().enumerate() {
        is(&bound, &format!("vfs/{n}/address"), vf.address.as_str())?;
        is(&bound, &format!("vfs/{n}/driver"), "hisi_acc_vfio_rs")?;
        is(&bound, &format!("vfs/{n}/migratable"), can_migrate(vf))?;
        let driver = vf.driver();
        ensure!(
            driver.as_deref() == Some("hisi_acc_vfio_rs"),
            "{} is bound to {driver:?}",
            vf.address
        );
    }
    ensure!(vfs[2].driver().is_none(), "a third VF was bound");
    let rule = format!("/etc/udev/rules.d/70-accvf-{a}.rules");
    let persisted = json(exit::OK, &["bind", "--persist", a])?;
    is(&persisted, "rules/0", rule.as_str())?;
    let text = fs::read_to_string(&rule)?;
    let wanted = format!("RUN+=\"/bin/accvf bind --driver hisi_acc_vfio_rs {a}\"");
    ensure!(text.contains(&wanted), "not '{wanted}' in:\n{text}");
    accvf(&["unbind", a, b])?
        .exits(exit::OK)?
        .says(&format!("removed {rule}"))?;
    for vf in &vfs[..2] {
        let (driver, override_) = (vf.driver(), overridden(vf)?);
        ensure!(
            driver.is_none() && override_ == "(null)",
            "{}: driver {driver:?}, override {override_}",
            vf.address
        );
    }
    ensure!(!Path::new(&rule).exists(), "the rule is still there");
    // Another driver, and back.
    json(exit::OK, &["bind", "--driver", "hisi_acc_vfio_pci", a])?;
    let driver = vfs[0].driver();
    ensure!(
        driver.as_deref() == Some("hisi_acc_vfio_pci"),
        "bound to {driver:?}"
    );
    json(exit::OK, &["bind", a])?;
    let driver = vfs[0].driver();
    ensure!(
        driver.as_deref() == Some("hisi_acc_vfio_rs"),
        "bound to {driver:?}"
    );
    Ok(())
}

case!(bind_refused);
/// A VF that is open, or that a driver of the host has, stays as it is.
fn bind_refused() -> Result<()> {
    let bench = Bench::new(&[Driver::Rust])?;
    let (open, other) = (&bench.vfs[0], &bench.vfs[1]);
    let device = bench.open(0)?;
    for arguments in [
        &["unbind", open.address.as_str()][..],
        &["bind", "--driver", "hisi_acc_vfio_pci", &open.address],
    ] {
        let ran = accvf(arguments)?.exits(exit::BUSY)?;
        ran.says("is open in acc-selftest(")?
            .says("-> stop the guest")?;
    }
    drop(device);
    let driver = open.driver();
    ensure!(
        driver.as_deref() == Some("hisi_acc_vfio_rs"),
        "bound to {driver:?}"
    );
    // The in-tree driver has it, for the host.
    other.bind("hisi_zip")?;
    accvf(&["bind", &other.address])?
        .exits(exit::BUSY)?
        .says("--force")?;
    let driver = other.driver();
    ensure!(driver.as_deref() == Some("hisi_zip"), "bound to {driver:?}");
    json(exit::OK, &["bind", "--force", &other.address])?;
    accvf(&["unbind", &other.address])?.exits(exit::OK)?;
    // No driver of this name, and none that takes VFs.
    accvf(&["bind", "--driver", "no_such_driver", &other.address])?.exits(exit::NOT_FOUND)?;
    let ran = accvf(&["bind", "--driver", "pcieport", &other.address])?.exits(exit::FAILED)?;
    ran.says("pcieport did not take")?;
    accvf(&["unbind", &other.address])?.exits(exit::OK)?;
    Ok(())
}

case!(bind_shared, topology: Topology::NoAcs, fresh: true);
/// A VF that shares its IOMMU group is bound by force only, and says that it cannot migrate.
fn bind_shared() -> Result<()> {
    let vfs = host::vfs(VFS)?;
    host::modprobe("hisi_acc_vfio_rs")?;
    let address = vfs[0].address.as_str();
    let ran = accvf(&["bind", address])?.exits(exit::FAILED)?;
    ran.says("shares IOMMU group")?.says("enable ACS")?;
    ensure!(vfs[0].driver().is_none(), "it is bound");
    let known = vfs[0].path().join("migration_blocker");
    accvf(&["bind", "--force", address])?;
    let wanted = if known.exists() { exit::NO } else { exit::OK };
    json(wanted, &["bind", "--force", address])?;
    let why = json(exit::NO, &["why", address])?;
    let status = crate::support::accvf::status(&why, "group")?;
    ensure!(status == "no", "group: {status}");
    Ok(())
}

case!(setup);
/// VFs of a PF are created for guests and bound. An open VF keeps the PF as it is.
fn setup() -> Result<()> {
    let pf = ZIP.bound_pf()?;
    ZIP.remove_vfs()?;
    let address = pf.address.as_str();
    let vfs = |wanted: usize| -> Result<Vec<Function>> {
        let all = Function::all(hisi_acc_hw::ids::VENDOR_HUAWEI, ZIP.vf)?;
        ensure!(all.len() == wanted, "{} VFs, not {wanted}", all.len());
        Ok(all)
    };
    let bound = json(exit::OK, &["setup", address, "--vfs", "3"])?;
    for (n, vf) in vfs(3)?.iter().enumerate() {
        is(&bound, &format!("vfs/{n}/address"), vf.address.as_str())?;
        is(&bound, &format!("vfs/{n}/driver"), "hisi_acc_vfio_rs")?;
    }
    let autoprobe = host::read(pf.path().join("sriov_drivers_autoprobe"))?;
    ensure!(autoprobe == "0", "drivers of the host take VFs");
    // Again: nothing to do, although one is open.
    let iommufd = acc_vfio_user::vfio::Iommufd::new()?;
    let path = vfs(3)?[0].vfio_path()?;
    let device = acc_vfio_user::vfio::Device::open(&path, &iommufd)?;
    json(exit::OK, &["setup", address, "--vfs", "3"])?;
    accvf(&["setup", address, "--vfs", "4"])?.exits(exit::BUSY)?;
    vfs(3)?;
    drop(device);
    json(exit::OK, &["setup", address, "--vfs", "4"])?;
    let list = json(exit::OK, &["list"])?;
    for (n, one) in vfs(4)?.iter().enumerate() {
        is(vf(&list, one)?, "driver", "hisi_acc_vfio_rs")?;
        is(vf(&list, one)?, "index", n)?;
    }
    let most = host::read(pf.path().join("sriov_totalvfs"))?.parse::<u32>()?;
    let more = (most + 1).to_string();
    let ran = accvf(&["setup", address, "--vfs", &more])?.exits(exit::FAILED)?;
    ran.says(&format!("at most {most} VFs"))?;
    json(exit::OK, &["setup", address, "--vfs", "0"])?;
    vfs(0)?;
    Ok(())
}

case!(setup_without_driver);
/// A PF without its driver has no VFs, and the error says what to do.
fn setup_without_driver() -> Result<()> {
    let pf = SEC.bound_pf()?;
    SEC.remove_vfs()?;
    pf.unbind()?;
    let ran = accvf(&["setup", &pf.address, "--vfs", "2"]);
    host::write("/sys/bus/pci/drivers_probe", &pf.address)?;
    ran?.exits(exit::FAILED)?
        .says("-> modprobe hisi_sec2; echo")?;
    SEC.bound_pf()?;
    Ok(())
}
