// SPDX-License-Identifier: GPL-2.0

//! A PCI function as sysfs shows it.

use acc_vfio_user::vfio::Mapping;
use hisi_acc_hw::reg::Reg;
use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

/// `PCI_CAPABILITY_LIST`
const CAPABILITY_LIST: u64 = 0x34;
/// `PCI_CAP_ID_PM`
pub const CAP_PM: u32 = 0x1;
/// `PCI_CAP_ID_EXP`
pub const CAP_EXP: u32 = 0x10;
/// `PCI_EXT_CAP_ID_ACS`
pub const EXT_CAP_ACS: u32 = 0xd;
/// Capabilities of a list that is none end the search.
const CAPABILITIES_MAX: usize = 96;
/// The size of the pages that are mapped: a multiple of the kernel's.
const PAGE: u64 = 64 << 10;

/// Returns the names in a folder, in order; none if there is no such folder.
pub fn names(path: &Path) -> Vec<String> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// A PCI function.
#[derive(Clone)]
pub struct Function {
    pub address: String,
    pub path: PathBuf,
}

impl Function {
    /// Reads an attribute.
    pub fn attribute(&self, name: &str) -> Option<String> {
        let text = fs::read_to_string(self.path.join(name)).ok()?;
        Some(text.trim().to_owned())
    }

    /// Reads an attribute that is a number of at most 16 bits.
    pub fn id(&self, name: &str) -> Option<u16> {
        let text = self.attribute(name)?;
        u16::from_str_radix(text.strip_prefix("0x")?, 16).ok()
    }

    /// Returns where a link of it leads to: the last part of the path.
    pub fn link(&self, name: &str) -> Option<String> {
        let link = fs::read_link(self.path.join(name)).ok()?;
        Some(link.file_name()?.to_string_lossy().into_owned())
    }

    /// Returns the address of the port that it is below; `None` on the root bus.
    pub fn parent(&self) -> Option<String> {
        let path = self.path.canonicalize().ok()?;
        let name = path.parent()?.file_name()?.to_string_lossy().into_owned();
        // A root bus is named `pci0000:00`.
        (!name.starts_with("pci")).then_some(name)
    }

    /// Returns the addresses of the devices of its IOMMU group.
    pub fn group(&self) -> Option<Vec<String>> {
        let devices = self.path.join("iommu_group/devices");
        devices.is_dir().then(|| names(&devices))
    }

    /// Reads a word of the configuration space. Only root reads all of it.
    pub fn config(&self, at: u64) -> Option<u32> {
        let mut raw = [0; 4];
        let file = File::open(self.path.join("config")).ok()?;
        file.read_exact_at(&mut raw, at).ok()?;
        Some(u32::from_le_bytes(raw))
    }

    /// Returns where it has a capability.
    pub fn capability(&self, id: u32) -> Option<u64> {
        let mut at = u64::from(self.config(CAPABILITY_LIST)? & 0xfc);
        for _ in 0..CAPABILITIES_MAX {
            let head = self.config(at).filter(|_| at != 0)?;
            if head & 0xff == id {
                return Some(at);
            }
            at = u64::from((head >> 8) & 0xfc);
        }
        None
    }

    /// Returns where it has an extended capability.
    pub fn extended_capability(&self, id: u32) -> Option<u64> {
        let mut at = 0x100;
        for _ in 0..CAPABILITIES_MAX {
            let head = self.config(at).filter(|_| at >= 0x100)?;
            if head & 0xffff == id {
                return Some(at);
            }
            at = u64::from(head >> 20);
        }
        None
    }

    /// Returns the sizes of its BARs.
    pub fn bars(&self) -> Vec<(usize, u64)> {
        let text = self.attribute("resource").unwrap_or_default();
        let number = |word: &str| u64::from_str_radix(word.strip_prefix("0x")?, 16).ok();
        let size = |line: &str| {
            let mut words = line.split_whitespace().filter_map(number);
            let (start, end) = (words.next()?, words.next()?);
            (end > start).then(|| end - start + 1)
        };
        let bars = text.lines().take(6).enumerate();
        bars.filter_map(|(n, line)| Some((n, size(line)?)))
            .collect()
    }

    /// Reads a register of BAR2. Fails if the kernel does not let userspace map the BAR
    /// (`CONFIG_IO_STRICT_DEVMEM`), or if the function decodes no memory.
    pub fn register<S>(&self, reg: Reg<S>) -> Option<u32> {
        let at = u64::from(reg);
        // PCI_COMMAND_MEMORY. That of a VF reads 0: its PF decides.
        let is_vf = self.path.join("physfn").exists();
        if !is_vf && self.config(4)? & 2 == 0 {
            return None;
        }
        let file = File::open(self.path.join("resource2")).ok()?;
        let end = file.metadata().ok()?.len();
        if at + 4 > end {
            return None;
        }
        let base = at / PAGE * PAGE;
        let len = PAGE.min(end - base);
        let page = Mapping::new(&file, base, len as usize, libc::PROT_READ).ok()?;
        let within = (at - base) as usize;
        // SAFETY: Within the mapping, and within the BAR, by the check above. The offset is that of
        // a register.
        Some(unsafe { page.address.add(within).cast::<u32>().read_volatile() })
    }
}
