// SPDX-License-Identifier: GPL-2.0

//! Regions of a VFIO PCI device, and what userspace reaches of them.
//!
//! If a device keeps something in a BAR that userspace must not reach, for example a register block
//! for the host, its driver answers [`pci::Driver::hidden_from`] for that region. The rest of the
//! region is *hidden* on every path: `VFIO_DEVICE_GET_REGION_INFO`, `read()`, `write()`, `mmap()`,
//! `VFIO_DEVICE_IOEVENTFD`. The driver answers in one place. No BAR is exported as a DMA-BUF
//! (`VFIO_DEVICE_FEATURE_DMA_BUF`): the core supports that for drivers that set
//! `struct vfio_pci_device_ops`, which the layer does not.
//!
//! If a driver wants to see what userspace writes to a part of a BAR, it answers
//! [`pci::Driver::mediated`]. `VFIO_DEVICE_GET_REGION_INFO` excludes a *mediated* part from what
//! can be mapped (`VFIO_REGION_INFO_CAP_SPARSE_MMAP`), and no ioeventfd writes to it. Userspace
//! that ignores sparse mmap and maps the part cannot start DMA logging. If a driver only wants to
//! know whether userspace has reached a part, it answers [`pci::Driver::watched`].
//!
//! [`pci::Driver::hidden_from`]: crate::pci::Driver::hidden_from
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
    /// Returns the region of BAR `n`, 0 to 5.
    pub const fn bar(n: u32) -> Option<Self> {
        if n <= bindings::VFIO_PCI_BAR5_REGION_INDEX {
            Some(Self(n))
        } else {
            None
        }
    }

    /// Returns the region with a number of the uAPI, which may be any number.
    pub const fn from_raw(index: u32) -> Self {
        Self(index)
    }

    /// Returns the region's number in the uAPI.
    pub const fn as_raw(self) -> u32 {
        self.0
    }

    /// Returns the number of the BAR if the region is one.
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
    /// Returns the place of `offset` in the device file.
    pub const fn from_file_offset(offset: u64) -> Self {
        // CAST: 24 bits are left, which fit.
        Self {
            index: Index((offset >> OFFSET_SHIFT) as u32),
            offset: offset & OFFSET_MASK,
        }
    }

    /// Returns the offset in the device file of `offset` in BAR `bar`.
    pub(crate) const fn file_offset(bar: u32, offset: u64) -> u64 {
        // CAST: Widens; `From` is not const.
        ((bar as u64) << OFFSET_SHIFT) | offset
    }

    /// Returns the bytes of an access of `len` bytes within the region. [`EINVAL`] if the end
    /// overflows.
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
    /// The number of bytes: 1, 2, 4 or 8.
    pub size: u8,
    /// The value, little-endian: the byte at `offset` is the lowest.
    pub value: u64,
}

/// The end of a region that is hidden.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Hidden(Option<u64>);

impl Hidden {
    /// Nothing is hidden.
    pub(crate) const NOTHING: Self = Self(None);

    /// Hides a region of `len` bytes from byte `from` on.
    pub(crate) fn new(from: Option<u64>, len: u64) -> Self {
        Self(from.filter(|from| *from < len))
    }

    /// Returns where the hidden part begins, `None` if nothing is hidden.
    pub(crate) fn from(self) -> Option<u64> {
        self.0
    }

    /// Returns how many bytes of an access of `count` bytes at `offset` lie before the hidden part.
    /// [`EINVAL`] if the access begins in it, as `vfio_pci_bar_rw()` has it for the end of a BAR.
    pub(crate) fn clip(self, offset: u64, count: usize) -> Result<usize> {
        let Some(from) = self.0 else {
            return Ok(count);
        };
        let left = from.checked_sub(offset).ok_or(EINVAL)?;
        if left == 0 {
            return Err(EINVAL);
        }
        Ok(usize::try_from(left).map_or(count, |left| count.min(left)))
    }

    /// Checks that a mapping of `range` does not reach the hidden part.
    pub(crate) fn check_mmap(self, range: &Range<u64>) -> Result {
        match self.0 {
            Some(from) if range.end > from => Err(EINVAL),
            _ => Ok(()),
        }
    }
}

/// The answer to `VFIO_DEVICE_GET_REGION_INFO`.
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

    /// Returns the size of the region.
    pub(crate) fn size(&self) -> u64 {
        self.0.size
    }

    /// Ends the region where `hidden` begins. Part of a page cannot be mapped without the rest of
    /// it: if `hidden` begins within a page, the region cannot be mapped.
    pub(crate) fn hide(&mut self, hidden: Hidden) {
        if let Some(from) = hidden.from() {
            self.0.size = from;
            // CAST: `usize` is no wider than `u64`.
            if from % PAGE_SIZE as u64 != 0 {
                self.0.flags &= !bindings::VFIO_REGION_INFO_FLAG_MMAP;
            }
        }
    }

    /// Excludes `part` from what can be mapped of the region.
    ///
    /// # Safety
    ///
    /// `caps` must be valid, and be the capabilities that go with this answer.
    pub(crate) unsafe fn leave_out(
        &mut self,
        part: Part,
        caps: *mut bindings::vfio_info_cap,
    ) -> Result {
        let size = self.0.size;
        let mappable = self.0.flags & bindings::VFIO_REGION_INFO_FLAG_MMAP != 0;
        if !mappable || !part.overlaps(0..size) {
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
        let mut bytes = core::mem::offset_of!(SparseMmap, areas);
        let rest = part.rest(size).into_iter().filter(|area| !area.is_empty());
        for (slot, area) in sparse.areas.iter_mut().zip(rest) {
            *slot = [area.start, area.end - area.start];
            sparse.nr_areas += 1;
            bytes += size_of::<[u64; 2]>();
        }
        if sparse.nr_areas == 0 {
            self.0.flags &= !bindings::VFIO_REGION_INFO_FLAG_MMAP;
            return Ok(());
        }
        // SAFETY: By the safety requirement; `bytes` bytes of `sparse` are valid, and begin with
        // the header.
        to_result(unsafe {
            bindings::vfio_info_add_capability(caps, (&raw mut sparse).cast(), bytes)
        })
    }
}

/// `struct vfio_region_info_cap_sparse_mmap` with room for the two areas beside a part.
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

    const HIDDEN: Hidden = Hidden(Some(0x8000));

    #[test]
    fn clip_ends_at_the_hidden_part() {
        assert_eq!(HIDDEN.clip(0x7ffc, 8).ok(), Some(4));
        assert_eq!(HIDDEN.clip(0, 4).ok(), Some(4));
        assert!(HIDDEN.clip(0x8000, 4).is_err());
        assert!(HIDDEN.clip(u64::MAX, 4).is_err());
        assert_eq!(Hidden::NOTHING.clip(u64::MAX, 4).ok(), Some(4));
    }

    #[test]
    fn mmap_may_not_reach_the_hidden_part() {
        assert!(HIDDEN.check_mmap(&(0..0x8000)).is_ok());
        assert!(HIDDEN.check_mmap(&(0x7000..0x9000)).is_err());
        assert!(HIDDEN.check_mmap(&(0x9000..0xa000)).is_err());
        assert!(Hidden::NOTHING.check_mmap(&(0x9000..0xa000)).is_ok());
    }

    #[test]
    fn what_begins_at_the_end_is_not_hidden() {
        assert_eq!(Hidden::new(Some(0x8000), 0x8000), Hidden::NOTHING);
        assert_eq!(Hidden::new(None, 0x8000), Hidden::NOTHING);
        assert_eq!(Hidden::new(Some(0x8000), 0x8001), HIDDEN);
    }
}
