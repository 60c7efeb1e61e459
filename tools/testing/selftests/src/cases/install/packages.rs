// SPDX-License-Identifier: GPL-2.0

//! `install.*`: what the packages bring is all that a host needs.

use crate::support::{
    accvf::{accvf, can_migrate, exit, is, json, status},
    bench::VFS,
    modules::release,
    pair::{Pair, JOBS},
    program::run,
};
use acc_vfio_user::{
    ensure, errno,
    host::{self, ZIP},
    migrate::{self, Quiet},
    Driver, Result,
};
use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

/// The modules that the package has.
pub(super) const MODULES: [&str; 3] = ["vfio_rs", "hisi_acc_link", "hisi_acc_vfio_rs"];
/// Where the guest has the packages.
const PACKAGES: &str = "/packages";

/// Fails if one of the modules is loaded.
pub(super) fn nothing_is_loaded() -> Result<()> {
    for module in MODULES {
        ensure!(!host::is_loaded(module), "{module} is loaded");
    }
    Ok(())
}

/// Takes away the files that the tests put into the guest: this project's modules and the tool.
fn make_bare() -> Result<()> {
    let folder = PathBuf::from("/lib/modules").join(release()?);
    for module in MODULES.iter().chain(&["vfio_edu_rs"]) {
        fs::remove_file(folder.join(format!("{module}.ko")))?;
    }
    fs::remove_file("/bin/accvf")?;
    run("depmod", &[])?;
    // Debian has /lib and /bin in /usr. The other way around is the same for packages.
    fs::create_dir_all("/usr")?;
    symlink("/lib", "/usr/lib")?;
    symlink("/bin", "/usr/bin")?;
    let modinfo = Command::new("modinfo").arg("hisi_acc_vfio_rs").output()?;
    ensure!(modinfo.stdout.is_empty(), "the module is still there");
    Ok(())
}

/// Installs the tool, and the modules for this kernel.
fn install_both() -> Result<()> {
    install("accvf")?;
    install(&format!("hisi-acc-vfio-rs-modules-{}", release()?))
}

/// Installs a package as dpkg does: its files, and then its script.
fn install(name: &str) -> Result<()> {
    let mut found = fs::read_dir(PACKAGES)?
        .map(|entry| entry.map(|e| e.path()))
        .collect::<std::io::Result<Vec<_>>>()?;
    found.retain(|path| {
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        file.starts_with(&format!("{name}_"))
    });
    let [package] = &found[..] else {
        return Err(format!("packages {name}: {found:?}").into());
    };
    let path = package.to_str().ok_or("no name")?;
    run("dpkg-deb", &["-x", path, "/"])?;
    let control = Path::new("/tmp/control").join(name);
    fs::create_dir_all(&control)?;
    run(
        "dpkg-deb",
        &["-e", path, control.to_str().ok_or("no name")?],
    )?;
    let script = control.join("postinst");
    if script.exists() {
        run("sh", &[script.to_str().ok_or("no name")?, "configure"])?;
    }
    Ok(())
}

/// Loads the modules of a device's alias, as udev (`pci:`) and libvirt (`vfio_pci:`) do.
fn modprobe_alias(vf: &host::Function, scheme: &str) -> Result<()> {
    let alias = host::read(vf.path().join("modalias"))?;
    let (_, rest) = alias.split_once(':').ok_or("no alias")?;
    run("modprobe", &[&format!("{scheme}:{rest}")])?;
    Ok(())
}

/// Fails if `accvf why` names a condition of migration that does not hold.
pub(super) fn all_is_ok(vf: &host::Function) -> Result<()> {
    let why = json(exit::OK, &["why", &vf.address])?;
    is(&why, "migratable", can_migrate(vf))?;
    for name in [
        "kernel", "modules", "iommu", "group", "pf", "link", "driver",
    ] {
        let found = status(&why, name)?;
        ensure!(found == "ok", "{name}: {found}");
    }
    Ok(())
}

/// Migrates a VF with requests in flight to another one, which completes them.
pub(super) fn migrates() -> Result<()> {
    let mut pair = Pair::new(Driver::Rust, Driver::Rust)?;
    pair.work_in_flight()?;
    let stream = migrate::save(&pair.source, true, &mut Quiet)?;
    let done = pair.bench.twin.counts()?.get("vf1", "jobs_done");
    ensure!(done < JOBS as u64, "nothing was in flight");
    pair.arrive(&stream)?;
    pair.bench.twin.release_jobs(0)?;
    pair.go_on_after(done)
}

case!(packages);
/// A guest without anything of this project gets the packages. The alias of a VF loads what is
/// needed, all conditions of migration hold, and a VF with requests in flight migrates.
fn packages() -> Result<()> {
    nothing_is_loaded()?;
    make_bare()?;
    ensure!(
        host::modprobe("hisi_acc_vfio_rs").is_err(),
        "modprobe loads what is not there"
    );
    install_both()?;
    for file in [
        "/usr/bin/accvf",
        "/usr/share/man/man1/accvf.1.gz",
        "/usr/share/man/man1/accvf-why.1.gz",
        "/usr/share/bash-completion/completions/accvf",
        "/usr/lib/systemd/system/accvf-setup@.service",
        "/etc/modprobe.d/hisi-acc-vfio-rs.conf",
        "/usr/share/doc/accvf/examples/hostdev.xml",
    ] {
        ensure!(Path::new(file).exists(), "no {file}");
    }
    // The PFs and VFs of this machine, with the kernel's drivers only.
    let vfs = ZIP.vfs(VFS)?;
    nothing_is_loaded()?;
    modprobe_alias(&vfs[0], "vfio_pci")?;
    for module in MODULES {
        ensure!(host::is_loaded(module), "the alias did not load {module}");
    }
    let (a, b) = (vfs[0].address.as_str(), vfs[1].address.as_str());
    json(exit::OK, &["bind", a, b])?;
    for vf in &vfs[..2] {
        all_is_ok(vf)?;
    }
    migrates()
}

case!(at_boot);
/// What the systemd unit starts creates the VFs of a PF and binds them.
fn at_boot() -> Result<()> {
    nothing_is_loaded()?;
    make_bare()?;
    ensure!(
        host::modprobe("hisi_acc_vfio_rs").is_err(),
        "modprobe loads what is not there"
    );
    install_both()?;
    let unit = fs::read_to_string("/usr/lib/systemd/system/accvf-setup@.service")?;
    let start = unit
        .lines()
        .find_map(|line| line.strip_prefix("ExecStart="));
    let pf = ZIP.bound_pf()?;
    let command = start.ok_or("the unit starts nothing")?;
    let command = command.replace("%i", &pf.address).replace("${VFS}", "4");
    let mut words = command.split(' ');
    let program = words.next().ok_or("the unit starts nothing")?;
    run(program, &words.collect::<Vec<_>>())?;
    let list = json(exit::OK, &["list"])?;
    let vfs = list["vfs"].as_array().ok_or("no VFs")?;
    let bound = vfs.iter().filter(|vf| vf["driver"] == "hisi_acc_vfio_rs");
    ensure!(bound.count() == 4, "{list}");
    accvf(&["setup", &pf.address, "--vfs", "0"])?.exits(exit::OK)?;
    Ok(())
}

case!(upgrade);
/// Packages are installed while an older build runs and a VF is open. The VF goes on with the older
/// build, which cannot be unloaded. Without users it is replaced as a whole.
fn upgrade() -> Result<()> {
    let pair = Pair::new(Driver::Rust, Driver::Rust)?;
    make_bare()?;
    install_both()?;
    let addresses: Vec<String> = pair.bench.vfs[..2]
        .iter()
        .map(|vf| vf.address.clone())
        .collect();
    let address = addresses[0].as_str();
    accvf(&["unbind", address])?.exits(exit::BUSY)?;
    for module in MODULES {
        let error = errno(host::delete_module(module));
        ensure!(
            [libc::EBUSY, libc::EWOULDBLOCK].contains(&error),
            "{module} is unloaded while a VF is open: errno {error}"
        );
    }
    let mut pair = pair;
    pair.migrate(true)?;
    pair.round()?;
    drop(pair);
    accvf(&["unbind", address, &addresses[1]])?.exits(exit::OK)?;
    for module in MODULES.iter().rev() {
        host::rmmod(module)?;
    }
    nothing_is_loaded()?;
    json(exit::OK, &["bind", address, &addresses[1]])?;
    accvf(&["why", address])?.exits(exit::OK)?;
    let mut pair = Pair::new(Driver::Rust, Driver::Rust)?;
    pair.migrate(true)?;
    pair.round()
}
