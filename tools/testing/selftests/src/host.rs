// SPDX-License-Identifier: GPL-2.0

//! The machine that the tests run on: PCI functions, their drivers, modules, the kernel's log.

use crate::{Driver, Result};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread::sleep,
    time::{Duration, Instant},
};

/// Where PCI devices are.
const DEVICES: &str = "/sys/bus/pci/devices";

fn read(path: impl AsRef<Path>) -> Result<String> {
    let path = path.as_ref();
    fs::read_to_string(path)
        .map(|text| text.trim().to_owned())
        .map_err(|e| format!("{}: {e}", path.display()).into())
}

fn write(path: impl AsRef<Path>, value: &str) -> Result<()> {
    let path = path.as_ref();
    fs::write(path, value).map_err(|e| format!("{} <- {value}: {e}", path.display()).into())
}

/// Waits a moment for something to become true.
pub fn wait_for(what: &str, mut ready: impl FnMut() -> bool) -> Result<()> {
    let begin = Instant::now();
    while !ready() {
        if begin.elapsed() > Duration::from_secs(10) {
            return Err(format!("{what}: not in time").into());
        }
        sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// Loads a module and what it needs.
pub fn modprobe(name: &str) -> Result<()> {
    let output = Command::new("modprobe").arg(name).output()?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(format!("modprobe {name}: {text}").into());
    }
    Ok(())
}

/// Unloads one.
pub fn rmmod(name: &str) -> Result<()> {
    let output = Command::new("rmmod").arg(name).output()?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(format!("rmmod {name}: {text}").into());
    }
    Ok(())
}

pub fn is_loaded(name: &str) -> bool {
    Path::new("/sys/module").join(name).exists()
}

/// The kernel's log since boot.
pub fn log() -> Result<String> {
    let output = Command::new("dmesg").output()?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A PCI function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    pub address: String,
}

impl Function {
    /// All of an ID, in the order of their addresses.
    pub fn all(vendor: u16, device: u16) -> Result<Vec<Self>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(DEVICES)? {
            let path = entry?.path();
            if read(path.join("vendor"))? == format!("{vendor:#06x}")
                && read(path.join("device"))? == format!("{device:#06x}")
            {
                let name = path.file_name().ok_or("no name")?;
                found.push(Self {
                    address: name.to_string_lossy().into_owned(),
                });
            }
        }
        found.sort_by(|a, b| a.address.cmp(&b.address));
        Ok(found)
    }

    pub fn path(&self) -> PathBuf {
        Path::new(DEVICES).join(&self.address)
    }

    pub fn driver(&self) -> Option<String> {
        let link = fs::read_link(self.path().join("driver")).ok()?;
        Some(link.file_name()?.to_string_lossy().into_owned())
    }

    pub fn iommu_group(&self) -> Result<String> {
        let link = fs::read_link(self.path().join("iommu_group"))?;
        Ok(link
            .file_name()
            .ok_or("no name")?
            .to_string_lossy()
            .into_owned())
    }

    pub fn unbind(&self) -> Result<()> {
        if self.driver().is_some() {
            write(self.path().join("driver/unbind"), &self.address)?;
        }
        Ok(())
    }

    /// Binds by `driver_override`, as libvirt and driverctl do.
    pub fn bind(&self, driver: &str) -> Result<()> {
        if self.driver().as_deref() == Some(driver) {
            return Ok(());
        }
        self.unbind()?;
        write(self.path().join("driver_override"), driver)?;
        write("/sys/bus/pci/drivers_probe", &self.address)?;
        match self.driver() {
            Some(name) if name == driver => Ok(()),
            other => Err(format!("{} is bound to {other:?}, not to {driver}", self.address).into()),
        }
    }

    /// Its VFIO character device.
    pub fn vfio_path(&self) -> Result<PathBuf> {
        let dir = self.path().join("vfio-dev");
        let entry = fs::read_dir(&dir)?.next().ok_or("no VFIO device")??;
        Ok(Path::new("/dev/vfio/devices").join(entry.file_name()))
    }
}

/// The ZIP PF of the machine.
pub fn pf() -> Result<Function> {
    Function::all(0x19e5, 0xa250)?
        .into_iter()
        .next()
        .ok_or_else(|| "no ZIP PF (19e5:a250) here".into())
}

/// The PF bound to the in-tree driver, with this many VFs; those of `hisi_zip` are let go.
pub fn vfs(count: usize) -> Result<Vec<Function>> {
    modprobe("hisi_zip")?;
    let pf = pf()?;
    if pf.driver().is_none() {
        pf.bind("hisi_zip")?;
    }
    let current = read(pf.path().join("sriov_numvfs"))?;
    if current != count.to_string() {
        let numvfs = pf.path().join("sriov_numvfs");
        if current != "0" {
            write(&numvfs, "0")?;
        }
        // The VFs are to be ours: no driver takes them.
        write(pf.path().join("sriov_drivers_autoprobe"), "0")?;
        write(&numvfs, &count.to_string())?;
    }
    let vfs = Function::all(0x19e5, 0xa251)?;
    if vfs.len() != count {
        return Err(format!("{} VFs, {count} wanted", vfs.len()).into());
    }
    Ok(vfs)
}

impl Driver {
    /// Its name on the PCI bus.
    pub fn pci_name(self) -> &'static str {
        match self {
            Self::Rust => "hisi_acc_vfio_rs",
            Self::C => "hisi_acc_vfio_pci",
        }
    }

    pub fn module(self) -> &'static str {
        match self {
            Self::Rust => "hisi_acc_vfio_rs",
            Self::C => "hisi_acc_vfio_pci",
        }
    }
}

/// Binds a VF to a driver under test.
pub fn bind(vf: &Function, driver: Driver) -> Result<()> {
    modprobe(driver.module())?;
    vf.bind(driver.pci_name())
}
