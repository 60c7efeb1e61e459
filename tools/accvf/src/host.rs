// SPDX-License-Identifier: GPL-2.0

//! The host: its accelerators, their processes, its kernel. Everything stands below one root.

use crate::{
    error::{Error, Result},
    sysfs,
};
use hisi_acc_hw::{Engine, Generation};
use hw_report::{
    function::{names, Function},
    tree::Tree,
};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

/// The driver of this project.
pub const DRIVER: &str = "hisi_acc_vfio_rs";
/// The kernel's driver, in C.
pub const C_DRIVER: &str = "hisi_acc_vfio_pci";
/// Drivers that give a VF to userspace.
pub const VFIO_DRIVERS: [&str; 4] = [DRIVER, C_DRIVER, "hisi-acc-vfio-pci", "vfio-pci"];
/// The auxiliary devices that publish queue managers of PFs.
const LINK: &str = "hisi_acc_link.qm.";
/// `AT_PAGESZ` of the auxiliary vector.
const AT_PAGESZ: u64 = 6;

/// A process that uses a VF.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub struct User {
    pub pid: u32,
    pub name: String,
}

/// The host.
pub struct Host {
    root: PathBuf,
    tree: Tree,
}

/// A PF or VF of an accelerator.
#[derive(Clone)]
pub struct Accelerator {
    pub engine: Engine,
    pub is_vf: bool,
    pub function: Function,
}

/// Completes an address that leaves out the PCI domain.
fn full(address: &str) -> String {
    match address.matches(':').count() {
        1 => format!("0000:{address}"),
        _ => address.to_owned(),
    }
}

impl Host {
    /// Returns the host whose `/sys`, `/proc`, `/boot` and `/dev` are below `root`.
    pub fn at(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            tree: Tree::at(root),
        }
    }

    /// Returns the path of a file, which is given without the first slash.
    pub fn path(&self, file: &str) -> PathBuf {
        self.root.join(file)
    }

    /// Returns the tree, for the hardware report.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Returns all accelerators, in the order of their addresses.
    pub fn all(&self) -> Result<Vec<Accelerator>> {
        let devices = self.path("sys/bus/pci/devices");
        if !devices.is_dir() {
            return Err(Error::not_found(
                format!("{}: no such folder", devices.display()),
                "this host has no PCI, or sysfs is not mounted",
            ));
        }
        let found = self.tree.accelerators();
        let found = found.map_err(|e| Error::refused(e.to_string(), ""))?;
        let all = found
            .into_iter()
            .map(|(engine, is_vf, function)| Accelerator {
                engine,
                is_vf,
                function,
            });
        Ok(all.collect())
    }

    /// Returns the accelerator at an address.
    fn find(&self, address: &str) -> Result<Accelerator> {
        let address = full(address);
        let found = self.all()?.into_iter();
        let mut found = found.filter(|one| one.function.address == address);
        found.next().ok_or_else(|| {
            let what = match self.tree.function(&address).path.exists() {
                true => format!("{address} is no accelerator of ZIP, SEC2 or HPRE"),
                false => format!("there is no PCI device {address}"),
            };
            Error::not_found(what, "'accvf list' shows all PFs and VFs of this host")
        })
    }

    /// Returns the VF at an address.
    pub fn vf(&self, address: &str) -> Result<Accelerator> {
        let found = self.find(address)?;
        match found.is_vf {
            true => Ok(found),
            false => Err(Error::not_found(
                format!("{} is a PF, not a VF", found.function.address),
                format!(
                    "name one of its VFs; 'accvf setup {} --vfs N' creates them",
                    found.function.address
                ),
            )),
        }
    }

    /// Returns the PF at an address.
    pub fn pf(&self, address: &str) -> Result<Accelerator> {
        let found = self.find(address)?;
        match found.is_vf {
            false => Ok(found),
            true => Err(Error::not_found(
                format!("{} is a VF, not a PF", found.function.address),
                format!("name its PF {}", found.pf().unwrap_or_default()),
            )),
        }
    }

    /// Returns the PCI function of an address.
    pub fn function(&self, address: &str) -> Function {
        self.tree.function(address)
    }

    /// Returns the release of the kernel.
    pub fn release(&self) -> Option<String> {
        self.tree.read("proc/sys/kernel/osrelease")
    }

    /// Returns the name of the host.
    pub fn name(&self) -> Option<String> {
        self.tree.read("proc/sys/kernel/hostname")
    }

    /// Returns the page size of the kernel.
    pub fn page_size(&self) -> Option<u64> {
        let raw = fs::read(self.path("proc/self/auxv")).ok()?;
        let mut words = raw.chunks_exact(8).map(|word| {
            let word: [u8; 8] = word.try_into().unwrap_or_default();
            u64::from_ne_bytes(word)
        });
        while let (Some(key), Some(value)) = (words.next(), words.next()) {
            if key == AT_PAGESZ {
                return Some(value);
            }
        }
        None
    }

    /// Returns whether a module is loaded, or built in.
    pub fn is_loaded(&self, module: &str) -> bool {
        self.path("sys/module").join(module).exists()
    }

    /// Returns whether `modprobe` finds a module for the running kernel.
    pub fn is_installed(&self, module: &str) -> bool {
        let Some(release) = self.release() else {
            return false;
        };
        let list = self.path("lib/modules").join(release).join("modules.dep");
        let list = fs::read_to_string(list).unwrap_or_default();
        let name = |line: &str| {
            let file = line.split(':').next()?.rsplit('/').next()?;
            Some(file.split(".ko").next()?.replace('-', "_"))
        };
        list.lines()
            .any(|line| name(line).as_deref() == Some(module))
    }

    /// Returns the options of the running kernel, if it shows them.
    pub fn kernel_config(&self) -> Option<String> {
        if let Ok(file) = File::open(self.path("proc/config.gz")) {
            let mut text = String::new();
            let mut unpacked = flate2::read::GzDecoder::new(file);
            if unpacked.read_to_string(&mut text).is_ok() {
                return Some(text);
            }
        }
        let release = self.release()?;
        self.tree.read(&format!("boot/config-{release}"))
    }

    /// Returns the processes that have a VF open; `None` if the user may not look at all of them
    /// and the others have it not.
    pub fn users(&self, vf: &Accelerator) -> Option<Vec<User>> {
        // A process in a container or chroot may have the file elsewhere.
        let wanted = vf.device_files();
        let is_vf = |link: PathBuf| wanted.iter().any(|file| link.ends_with(file));
        let mut users = Vec::new();
        let mut hidden = false;
        for name in names(&self.path("proc")) {
            let Ok(pid) = name.parse::<u32>() else {
                continue;
            };
            let process = self.path("proc").join(&name);
            match fs::read_dir(process.join("fd")) {
                Ok(files) => {
                    let mut links = files
                        .flatten()
                        .filter_map(|fd| fs::read_link(fd.path()).ok());
                    if links.any(is_vf) {
                        let comm = sysfs::read_optional(&process.join("comm"));
                        users.push(User {
                            pid,
                            name: comm.unwrap_or_default(),
                        });
                    }
                }
                Err(e) => hidden |= e.kind() == io::ErrorKind::PermissionDenied,
            }
        }
        (!users.is_empty() || !hidden).then_some(users)
    }
}

impl Accelerator {
    /// Returns the address.
    pub fn address(&self) -> &str {
        &self.function.address
    }

    /// Returns the name of the engine: `zip`, `sec` or `hpre`.
    pub fn kind(&self) -> &'static str {
        self.engine.descriptor().name
    }

    /// Returns the address of the PF of a VF.
    pub fn pf(&self) -> Option<String> {
        self.function.link("physfn")
    }

    /// Returns the driver.
    pub fn driver(&self) -> Option<String> {
        self.function.link("driver")
    }

    /// Returns the PCI revision.
    pub fn revision(&self) -> Option<u16> {
        self.function.id("revision")
    }

    /// Returns the hardware generation.
    pub fn generation(&self) -> Option<Generation> {
        Generation::of_version(self.revision()?.into())
    }

    /// Returns whether a PF's queue manager is published to the driver of the VFs.
    pub fn has_link(&self) -> bool {
        let mut all = names(&self.function.path).into_iter();
        all.any(|name| {
            name.starts_with(LINK) && self.function.path.join(name).join("driver").exists()
        })
    }

    /// Returns the addresses of the VFs of a PF, in their order.
    pub fn vfs(&self) -> Vec<String> {
        let mut numbers: Vec<u32> = names(&self.function.path)
            .iter()
            .filter_map(|name| name.strip_prefix("virtfn")?.parse().ok())
            .collect();
        numbers.sort_unstable();
        numbers
            .iter()
            .filter_map(|n| self.function.link(&format!("virtfn{n}")))
            .collect()
    }

    /// Returns the name of the VFIO device: `vfioN`.
    pub fn vfio_name(&self) -> Option<String> {
        names(&self.function.path.join("vfio-dev"))
            .into_iter()
            .next()
    }

    /// Returns the device files by which userspace opens it, below `/dev`.
    fn device_files(&self) -> Vec<PathBuf> {
        let cdev = self.vfio_name();
        let group = self.function.link("iommu_group");
        [
            cdev.map(|name| Path::new("vfio/devices").join(name)),
            group.map(|number| Path::new("vfio").join(number)),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// Returns the folder of its files in debugfs.
    pub fn debugfs(&self, host: &Host) -> PathBuf {
        let vfio = host.path("sys/kernel/debug/vfio");
        vfio.join(self.address()).join("migration")
    }
}
