// SPDX-License-Identifier: GPL-2.0

//! Regions of a VFIO PCI device, and how much of each user space may see.
//!
//! A variant driver whose device keeps something in a BAR that the user must not reach (a register
//! block meant for the host, say) answers [`pci::Driver::visible_len`] for that region. What lies
//! beyond is then as good as absent on every path: `VFIO_DEVICE_GET_REGION_INFO`, `read()`,
//! `write()`, `mmap()`, `VFIO_DEVICE_IOEVENTFD`. The driver has no second place to forget. No BAR
//! of such a device goes out as a DMA-BUF (`VFIO_DEVICE_FEATURE_DMA_BUF`): the core has that for
//! drivers which give it a `struct vfio_pci_device_ops`, and the layer gives it none.
//!
//! A driver that wants to see what the user writes to a part of a BAR answers
//! [`pci::Driver::mediated`]. That part is left out of what `VFIO_DEVICE_GET_REGION_INFO` says can be
//! mapped (`VFIO_REGION_INFO_CAP_SPARSE_MMAP`), and no ioeventfd writes to it. A user who maps it
//! all the same may, but has no DMA logging. A driver that only wants to know whether the user has
//! been somewhere answers [`pci::Driver::watched`].
//!
//! [`pci::Driver::visible_len`]: crate::pci::Driver::visible_len
//! [`pci::Driver::watched`]: crate::pci::Driver::watched
//! [`pci::Driver::mediated`]: crate::pci::Driver::mediated
//!
//! C header: [`include/uapi/linux/vfio.h`](srctree/include/uapi/linux/vfio.h)

mod part;

pub(crate) use self::part::{
    Part,
    Parts,
    Piece,
    Way, //
};

use crate::bindings;
use core::{
    mem::size_of,
    ops::Range, //
};
use kernel::{
    error::to_result,
    page::PAGE_SIZE,
    prelude::*, //
};

/// The bit position of the region's index in an offset of the device file
/// (`VFIO_PCI_OFFSET_SHIFT`).
const OFFSET_SHIFT: u32 = 40;

/// The part of such an offset that lies within the region (`VFIO_PCI_OFFSET_MASK`).
const OFFSET_MASK: u64 = (1 << OFFSET_SHIFT) - 1;

/// The index of a region (`VFIO_PCI_BAR0_REGION_INDEX` ...).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Index(u32);

impl Index {
    /// The region of BAR `n`, 0 to 5.
    pub const fn bar(n: u32) -> Option<Self> {
        if n <= bindings::VFIO_PCI_BAR5_REGION_INDEX {
            Some(Self(n))
        } else {
            None
        }
    }

    /// The region that user space names by number; any number, also of a region that is not there.
    pub const fn from_raw(index: u32) -> Self {
        Self(index)
    }

    /// The number that user space names the region by.
    pub const fn as_raw(self) -> u32 {
        self.0
    }

    /// The number of the BAR, where the region is one.
    pub const fn as_bar(self) -> Option<u32> {
        if self.0 <= bindings::VFIO_PCI_BAR5_REGION_INDEX {
            Some(self.0)
        } else {
            None
        }
    }
}

/// A place in a region: what an offset of the device file means.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The region.
    pub index: Index,
    /// Bytes from its start.
    pub offset: u64,
}

impl Position {
    /// What `offset` in the device file means.
    pub const fn from_file_offset(offset: u64) -> Self {
        // CAST: 24 bits are left, which fit.
        Self {
            index: Index((offset >> OFFSET_SHIFT) as u32),
            offset: offset & OFFSET_MASK,
        }
    }

    /// Where `offset` in BAR `bar` lies in the device file.
    pub(crate) const fn file_offset(bar: u32, offset: u64) -> u64 {
        // CAST: Widens; `From` is not const.
        ((bar as u64) << OFFSET_SHIFT) | offset
    }

    /// The bytes that an access of `len` bytes touches within the region, [`EINVAL`] where the
    /// end overflows.
    pub fn range(self, len: u64) -> Result<Range<u64>> {
        let end = self.offset.checked_add(len).ok_or(EINVAL)?;
        Ok(self.offset..end)
    }
}

/// One write to a mediated part of a region, as the device gets it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Access {
    /// Bytes from the start of the region; a multiple of `size`.
    pub offset: u64,
    /// How many bytes are written: 1, 2, 4 or 8.
    pub size: u8,
    /// What is written, the byte at `offset` being the lowest.
    pub value: u64,
}

/// How many bytes of an access of `count` bytes at `offset` lie in the first `visible` bytes.
///
/// [`EINVAL`] where the access begins beyond them, as `vfio_pci_bar_rw()` has it for the end of a
/// BAR.
pub(crate) fn clip(visible: u64, offset: u64, count: usize) -> Result<usize> {
    let left = visible.checked_sub(offset).ok_or(EINVAL)?;
    if left == 0 {
        return Err(EINVAL);
    }
    Ok(usize::try_from(left).map_or(count, |left| count.min(left)))
}

/// Whether an mmap of `len` bytes at page `pgoff` of the device file stays in the first `visible`
/// bytes of its region.
pub(crate) fn check_mmap(visible: u64, offset: u64, len: u64) -> Result {
    let end = offset.checked_add(len).ok_or(EINVAL)?;
    if end > visible {
        return Err(EINVAL);
    }
    Ok(())
}

/// The answer to `VFIO_DEVICE_GET_REGION_INFO`, seen by the driver's limit.
///
/// # Invariants
///
/// The core has filled the structure in.
#[repr(transparent)]
pub(crate) struct Info(bindings::vfio_region_info);

impl Info {
    /// # Safety
    ///
    /// `info` must be valid for reading and writing for `'a`, and filled in by
    /// `vfio_pci_ioctl_get_region_info()`.
    pub(crate) unsafe fn from_raw<'a>(info: *mut bindings::vfio_region_info) -> &'a mut Self {
        // INVARIANT: By the safety requirement.
        // SAFETY: The type is transparent; the rest by the safety requirement.
        unsafe { &mut *info.cast() }
    }

    /// The size of the region.
    pub(crate) fn size(&self) -> u64 {
        self.0.size
    }

    /// Shows the first `visible` bytes only. Part of a page cannot be mapped without the rest of
    /// it: a limit within a page takes the mmap away.
    pub(crate) fn limit(&mut self, visible: u64) {
        if visible < self.0.size {
            self.0.size = visible;
            // CAST: `usize` is no wider than `u64`.
            if visible % PAGE_SIZE as u64 != 0 {
                self.0.flags &= !bindings::VFIO_REGION_INFO_FLAG_MMAP;
            }
        }
    }

    /// What can be mapped of the region without `part`, which cannot.
    ///
    /// # Safety
    ///
    /// `caps` must be valid, and be the capabilities that go with this answer.
    pub(crate) unsafe fn leave_out(
        &mut self,
        part: Part,
        caps: *mut bindings::vfio_info_cap,
    ) -> Result {
        let visible = self.0.size;
        let mappable = self.0.flags & bindings::VFIO_REGION_INFO_FLAG_MMAP != 0;
        if !mappable || !part.overlaps(0..visible) {
            return Ok(());
        }
        let mut sparse = SparseMmap {
            header: bindings::vfio_info_cap_header {
                // CAST: 1.
                id: bindings::VFIO_REGION_INFO_CAP_SPARSE_MMAP as u16,
                version: 1,
                next: 0,
            },
            nr_areas: 0,
            reserved: 0,
            areas: [[0; 2]; 2],
        };
        let mut size = core::mem::offset_of!(SparseMmap, areas);
        let rest = part
            .rest(visible)
            .into_iter()
            .filter(|area| !area.is_empty());
        for (slot, area) in sparse.areas.iter_mut().zip(rest) {
            *slot = [area.start, area.end - area.start];
            sparse.nr_areas += 1;
            size += size_of::<[u64; 2]>();
        }
        if sparse.nr_areas == 0 {
            self.0.flags &= !bindings::VFIO_REGION_INFO_FLAG_MMAP;
            return Ok(());
        }
        // SAFETY: By the safety requirement; `size` bytes of `sparse` are valid, and begin with the
        // header.
        to_result(unsafe {
            bindings::vfio_info_add_capability(caps, (&raw mut sparse).cast(), size)
        })
    }
}

/// `struct vfio_region_info_cap_sparse_mmap` with room for what a part leaves of a region.
#[repr(C)]
struct SparseMmap {
    header: bindings::vfio_info_cap_header,
    nr_areas: u32,
    reserved: u32,
    /// `struct vfio_region_sparse_mmap_area`: offset and size.
    areas: [[u64; 2]; 2],
}

#[kunit_tests(vfio_rs_region)]
mod tests {
    use super::*;

    #[test]
    fn position_splits_index_and_offset() {
        let pos = Position::from_file_offset((2 << 40) | 0x1000);
        assert_eq!(pos.index.as_raw(), 2);
        assert_eq!(pos.offset, 0x1000);
        assert_eq!(Position::file_offset(2, 0x1000), (2 << 40) | 0x1000);
        assert!(Position::from_file_offset(u64::MAX)
            .index
            .as_bar()
            .is_none());
    }

    #[test]
    fn clip_ends_at_the_limit() {
        assert_eq!(clip(0x8000, 0x7ffc, 8).ok(), Some(4));
        assert_eq!(clip(0x8000, 0, 4).ok(), Some(4));
        assert!(clip(0x8000, 0x8000, 4).is_err());
        assert!(clip(0x8000, u64::MAX, 4).is_err());
    }

    #[test]
    fn mmap_may_not_cross_nor_overflow() {
        assert!(check_mmap(0x8000, 0, 0x8000).is_ok());
        assert!(check_mmap(0x8000, 0x7000, 0x2000).is_err());
        assert!(check_mmap(0x8000, u64::MAX, 2).is_err());
    }
}
