// SPDX-License-Identifier: GPL-2.0

//! A page table of iommufd in which the IOMMU notes what devices write.

use crate::support::{
    bench::Bench,
    logged::{arena, Pages, PAGE},
};
use acc_vfio_user::{
    vfio::{Device, Iommufd},
    Result,
};

/// The page table, by its number in the iommufd. No page is dirty when it is made.
#[derive(Clone, Copy)]
pub struct DirtyBits(u32);

impl DirtyBits {
    /// Makes one for a device that is bound and attached to nothing, and attaches the device.
    pub fn new(iommufd: &Iommufd, device: &Device) -> Result<Self> {
        let hwpt = iommufd.dirty_hwpt(device.id())?;
        device.attach(hwpt)?;
        iommufd.set_dirty_tracking(hwpt, true)?;
        Ok(Self(hwpt))
    }

    /// Attaches another device to it.
    pub fn attach(self, device: &Device) -> Result<()> {
        Ok(device.attach(self.0)?)
    }

    /// From here on the ledger counts, and no page is dirty. What devices have to write by now,
    /// they have written before.
    pub fn mark(self, bench: &Bench) -> Result<()> {
        bench.twin.counts()?;
        self.take(&bench.iommufd)?;
        bench.twin.mark()
    }

    /// Returns the pages of the arena that became dirty since the last time. They are clean then.
    pub fn take(self, iommufd: &Iommufd) -> Result<Pages> {
        self.pages(iommufd, true)
    }

    /// The same, and they stay dirty.
    pub fn look(self, iommufd: &Iommufd) -> Result<Pages> {
        self.pages(iommufd, false)
    }

    fn pages(self, iommufd: &Iommufd, clear: bool) -> Result<Pages> {
        let mut pages = Pages::none();
        iommufd.dirty_bitmap(self.0, PAGE, arena(), &mut pages.0, clear)?;
        Ok(pages)
    }
}

/// Binds VF n of a bench to its iommufd, attached to nothing yet. The memory of the bench will be
/// mapped page by page: a dirty bit is that of a mapping, which may be as large as memory is
/// contiguous.
pub fn bind(bench: &Bench, vf: usize) -> Result<Device> {
    bench.iommufd.map_small_pages()?;
    Ok(Device::bind(&bench.vfs[vf].vfio_path()?, &bench.iommufd)?)
}

/// Fails if the two differ.
pub fn equal(dirty: &Pages, written: &Pages, when: &str) -> Result<()> {
    let (lost, more) = (written.without(dirty), dirty.without(written));
    if lost.len() == 0 && more.len() == 0 {
        return Ok(());
    }
    let first = |pages: &Pages| pages.addresses().next().unwrap_or(0);
    Err(format!(
        "{when}: {} pages were written; {} of them are clean, the first {:#x}; {} others are dirty, \
         the first {:#x}",
        written.len(),
        lost.len(),
        first(&lost),
        more.len(),
        first(&more)
    )
    .into())
}
