// SPDX-License-Identifier: GPL-2.0

//! `accvf bind` and `accvf unbind`: the driver of a VF, by `driver_override`.

use crate::{
    error::{Error, Exit, Result},
    facts::Vf,
    host::{Accelerator, Host, DRIVER},
    sysfs,
    why::{before_bind, is_vfio, Status},
};
use serde::Serialize;
use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::Command,
};

/// How to bind.
pub struct How<'a> {
    pub driver: &'a str,
    /// Binds although a condition of migration does not hold, or another driver has the VF.
    pub force: bool,
    /// Writes a udev rule.
    pub persist: bool,
}

/// VFs that were bound or unbound.
#[derive(Serialize)]
pub struct Bound {
    pub vfs: Vec<Vf>,
    /// The udev rules that were written or removed.
    pub rules: Vec<PathBuf>,
}

/// Loads the module of a driver, unless the driver is there, or a test has made up the host.
pub fn modprobe(host: &Host, module: &str) -> Result<()> {
    let driver = host.path("sys/bus/pci/drivers").join(module);
    if driver.exists() || host.path("") != PathBuf::from("/") {
        return Ok(());
    }
    let advice = "install the modules (admin-guide/install.rst)";
    // udev runs this program without a PATH.
    let sbin = Path::new("/sbin/modprobe");
    let program = match sbin.exists() {
        true => sbin,
        false => Path::new("modprobe"),
    };
    let output = Command::new(program)
        .arg(module)
        .output()
        .map_err(|e| Error::io("modprobe", e))?;
    match output.status.success() {
        true => Ok(()),
        false => {
            let said = String::from_utf8_lossy(&output.stderr);
            let what = format!("modprobe {module} failed: {}", said.trim());
            Err(
                match said.contains("not permitted") || said.contains("Permission denied") {
                    true => Error::Denied { what },
                    false => Error::not_found(what, advice),
                },
            )
        }
    }
}

/// Fails if a process has the VF open.
pub fn ensure_unused(host: &Host, vf: &Accelerator) -> Result<()> {
    match host.users(vf).as_deref() {
        Some([]) | None => Ok(()),
        Some([user, ..]) => Err(Error::busy(
            format!("{} is open in {}({})", vf.address(), user.name, user.pid),
            "stop the guest or program that uses it",
        )),
    }
}

/// Fails if the VF should not be bound.
fn ensure_can_bind(host: &Host, vf: &Accelerator, how: &How<'_>) -> Result<()> {
    let current = vf.driver();
    if current.as_deref() == Some(how.driver) {
        // Nothing will be changed.
        return Ok(());
    }
    ensure_unused(host, vf)?;
    if let Some(other) = current.filter(|driver| !is_vfio(driver) && !how.force) {
        return Err(Error::busy(
            format!("{} is bound to {other}, which may use it", vf.address()),
            "add --force to take it away from this driver",
        ));
    }
    if how.driver != DRIVER || how.force {
        return Ok(());
    }
    let conditions = before_bind(host, vf).into_iter();
    match { conditions }.find(|one| one.status == Status::No) {
        None => Ok(()),
        Some(failed) => Err(Error::refused(
            format!("{} could not migrate: {}", vf.address(), failed.found),
            format!("{}; or add --force to bind it nevertheless", failed.advice),
        )),
    }
}

/// Takes the driver away from a VF.
fn release(vf: &Accelerator) -> Result<()> {
    match vf.driver() {
        Some(_) => sysfs::write(&vf.function.path.join("driver/unbind"), vf.address()),
        None => Ok(()),
    }
}

/// Returns where the udev rule of a VF is.
fn rule_path(host: &Host, vf: &Accelerator) -> PathBuf {
    let rules = host.path("etc/udev/rules.d");
    rules.join(format!("70-accvf-{}.rules", vf.address()))
}

/// Returns the udev rule that binds a VF again when the PF creates it.
fn rule(vf: &Accelerator, driver: &str) -> String {
    let program = env::current_exe().unwrap_or_else(|_| "/usr/bin/accvf".into());
    format!(
        "# 'accvf bind --persist' wrote this file. 'accvf unbind' removes it.\n\
         ACTION==\"add\", SUBSYSTEM==\"pci\", KERNEL==\"{address}\", ATTR{{device}}==\"{id:#06x}\", \
         RUN+=\"{program} bind --driver {driver} {address}\"\n",
        address = vf.address(),
        id = vf.engine.descriptor().vf,
        program = program.display(),
    )
}

/// Writes the rule, and returns its path.
fn persist(host: &Host, vf: &Accelerator, driver: &str) -> Result<PathBuf> {
    let path = rule_path(host, vf);
    let failed = |e| Error::of_file(&path, e);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    fs::write(&path, rule(vf, driver)).map_err(failed)?;
    Ok(path)
}

/// Binds one VF.
pub fn bind_one(host: &Host, vf: &Accelerator, driver: &str) -> Result<()> {
    if vf.driver().as_deref() == Some(driver) {
        return Ok(());
    }
    release(vf)?;
    sysfs::write(&vf.function.path.join("driver_override"), driver)?;
    sysfs::write(&host.path("sys/bus/pci/drivers_probe"), vf.address())?;
    match vf.driver() {
        Some(bound) if bound == driver => Ok(()),
        _ => Err(Error::refused(
            format!("{driver} did not take {}", vf.address()),
            "look at the kernel's log (dmesg)",
        )),
    }
}

/// Binds VFs.
pub fn bind(host: &Host, addresses: &[String], how: &How<'_>) -> Result<(Bound, Exit)> {
    let vfs = all(host, addresses)?;
    modprobe(host, how.driver)?;
    // Nothing is changed before all of them are looked at.
    for vf in &vfs {
        ensure_can_bind(host, vf, how)?;
    }
    let mut rules = Vec::new();
    for vf in &vfs {
        bind_one(host, vf, how.driver)?;
        if how.persist {
            rules.push(persist(host, vf, how.driver)?);
        }
    }
    let vfs: Vec<Vf> = vfs.iter().map(|vf| Vf::of(host, vf)).collect();
    let exit = match vfs.iter().any(|vf| vf.migratable == Some(false)) {
        true if how.driver == DRIVER => Exit::No,
        _ => Exit::Ok,
    };
    Ok((Bound { vfs, rules }, exit))
}

/// Takes VFs away from their drivers, and forgets the override.
pub fn unbind(host: &Host, addresses: &[String]) -> Result<Bound> {
    let vfs = all(host, addresses)?;
    for vf in &vfs {
        ensure_unused(host, vf)?;
    }
    let mut rules = Vec::new();
    for vf in &vfs {
        release(vf)?;
        sysfs::write(&vf.function.path.join("driver_override"), "\n")?;
        let path = rule_path(host, vf);
        match fs::remove_file(&path) {
            Ok(()) => rules.push(path),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(Error::of_file(&path, e)),
        }
    }
    let vfs = vfs.iter().map(|vf| Vf::of(host, vf)).collect();
    Ok(Bound { vfs, rules })
}

/// Finds VFs.
fn all(host: &Host, addresses: &[String]) -> Result<Vec<Accelerator>> {
    addresses.iter().map(|address| host.vf(address)).collect()
}

impl Bound {
    /// Returns it as a text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for vf in &self.vfs {
            let address = &vf.address;
            text += &match &vf.driver {
                Some(driver) => format!("{address} is bound to {driver}\n"),
                None => format!("{address} has no driver\n"),
            };
            if let (Some(_), Some(false), Some(why)) = (&vf.driver, vf.migratable, &vf.blocker) {
                text += &format!("{address} cannot migrate: {why} (accvf why {address})\n");
            }
        }
        for rule in &self.rules {
            text += &match rule.exists() {
                true => format!("wrote {}\n", rule.display()),
                false => format!("removed {}\n", rule.display()),
            };
        }
        text
    }
}
