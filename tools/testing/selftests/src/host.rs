// SPDX-License-Identifier: GPL-2.0

//! The machine that the tests run on: PCI functions, their drivers, modules, the kernel's log.

use crate::{Driver, Result};
use hisi_acc_hw::ids;
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

/// By how much this kernel is slower than a plain one, as the harness says it on its command line.
pub fn slowness() -> u32 {
    let command_line = fs::read_to_string("/proc/cmdline").unwrap_or_default();
    command_line
        .split_whitespace()
        .find_map(|word| word.strip_prefix("acc.slowness=")?.parse().ok())
        .unwrap_or(1)
}

/// So many seconds, or more where the kernel is slow.
pub fn seconds(n: u64) -> Duration {
    Duration::from_secs(n) * slowness()
}

/// Waits a moment for something to become true.
pub fn wait_for(what: &str, ready: impl FnMut() -> bool) -> Result<()> {
    wait_long_for(what, Duration::from_secs(10), ready)
}

/// Waits that long.
pub fn wait_long_for(what: &str, limit: Duration, mut ready: impl FnMut() -> bool) -> Result<()> {
    let begin = Instant::now();
    let limit = limit * slowness();
    while !ready() {
        if begin.elapsed() > limit {
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

    /// The auxiliary device that publishes its queue manager, if it is one.
    pub fn link(&self) -> Option<String> {
        fs::read_dir(self.path())
            .ok()?
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .find(|name| name.starts_with("hisi_acc_link.qm."))
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

/// An accelerator: its name as the device model has it, its device IDs, the in-tree driver.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Accelerator {
    pub name: &'static str,
    pub pf: u16,
    pub vf: u16,
    pub module: &'static str,
}

pub const ZIP: Accelerator = Accelerator {
    name: "zip",
    pf: ids::ZIP_PF,
    vf: ids::ZIP_VF,
    module: "hisi_zip",
};
pub const SEC: Accelerator = Accelerator {
    name: "sec",
    pf: ids::SEC_PF,
    vf: ids::SEC_VF,
    module: "hisi_sec2",
};
pub const HPRE: Accelerator = Accelerator {
    name: "hpre",
    pf: ids::HPRE_PF,
    vf: ids::HPRE_VF,
    module: "hisi_hpre",
};

impl Accelerator {
    /// The PF of the machine.
    pub fn pf(&self) -> Result<Function> {
        Function::all(ids::VENDOR_HUAWEI, self.pf)?
            .into_iter()
            .next()
            .ok_or_else(|| format!("no PF of {} here", self.name).into())
    }

    /// The PF bound to the in-tree driver.
    pub fn bound_pf(&self) -> Result<Function> {
        modprobe(self.module)?;
        let pf = self.pf()?;
        if pf.driver().is_none() {
            pf.bind(self.module)?;
        }
        Ok(pf)
    }

    /// So many VFs; those that the in-tree driver had are let go.
    pub fn vfs(&self, count: usize) -> Result<Vec<Function>> {
        let pf = self.bound_pf()?;
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
        let vfs = Function::all(ids::VENDOR_HUAWEI, self.vf)?;
        if vfs.len() != count {
            return Err(format!("{} VFs, {count} wanted", vfs.len()).into());
        }
        Ok(vfs)
    }
}

/// The ZIP PF of the machine.
pub fn pf() -> Result<Function> {
    ZIP.pf()
}

/// Whether the accelerators are V5: the revision of the PF says it.
pub fn is_v5() -> Result<bool> {
    let revision = read(pf()?.path().join("revision"))?;
    Ok(revision == format!("{:#04x}", ids::QM_HW_V5))
}

/// So many VFs of the ZIP.
pub fn vfs(count: usize) -> Result<Vec<Function>> {
    ZIP.vfs(count)
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
