// SPDX-License-Identifier: GPL-2.0

//! Which pages devices wrote, as the IOMMU noted it in a page table of iommufd. The bindings have
//! none of these structures.

use crate::vfio::{call::ioctl, Iommufd};
use iommufd_bindings::iommufd as fd_abi;
use std::{
    io::Result,
    mem::{size_of, size_of_val},
    ops::Range,
};

/// `_IO(IOMMUFD_TYPE, n)` for IOMMU_OPTION, IOMMU_GET_HW_INFO, IOMMU_HWPT_SET_DIRTY_TRACKING and
/// IOMMU_HWPT_GET_DIRTY_BITMAP
const OPTION: libc::c_ulong = ((b';' as libc::c_ulong) << 8) | 0x87;
const GET_HW_INFO: libc::c_ulong = ((b';' as libc::c_ulong) << 8) | 0x8a;
const SET_DIRTY_TRACKING: libc::c_ulong = ((b';' as libc::c_ulong) << 8) | 0x8b;
const GET_DIRTY_BITMAP: libc::c_ulong = ((b';' as libc::c_ulong) << 8) | 0x8c;

const OPTION_HUGE_PAGES: u32 = 1;
const HW_CAP_DIRTY_TRACKING: u64 = 1;
const HWPT_ALLOC_DIRTY_TRACKING: u32 = 1 << 1;
const DIRTY_TRACKING_ENABLE: u32 = 1;
const DIRTY_BITMAP_NO_CLEAR: u32 = 1;

/// `struct iommu_hw_info`
#[repr(C)]
#[derive(Default)]
struct HwInfo {
    size: u32,
    flags: u32,
    device: u32,
    data_len: u32,
    data: u64,
    data_type: u32,
    pasid: u32,
    capabilities: u64,
}

/// `struct iommu_hwpt_set_dirty_tracking`
#[repr(C)]
#[derive(Default)]
struct SetDirtyTracking {
    size: u32,
    flags: u32,
    hwpt: u32,
    reserved: u32,
}

/// `struct iommu_hwpt_get_dirty_bitmap`
#[repr(C)]
#[derive(Default)]
struct GetDirtyBitmap {
    size: u32,
    hwpt: u32,
    flags: u32,
    reserved: u32,
    iova: u64,
    length: u64,
    page_size: u64,
    data: u64,
}

// Sizes of the UAPI.
const _: () = assert!(
    size_of::<HwInfo>() == 40
        && size_of::<SetDirtyTracking>() == 16
        && size_of::<GetDirtyBitmap>() == 48
);

impl Iommufd {
    /// Maps each page by itself from now on, also where memory is contiguous. Nothing is attached
    /// yet.
    pub fn map_small_pages(&self) -> Result<()> {
        let mut option = fd_abi::iommu_option {
            size: size_of::<fd_abi::iommu_option>() as u32,
            option_id: OPTION_HUGE_PAGES,
            object_id: self.ioas(),
            ..Default::default()
        };
        // SAFETY: The structure is the request's.
        unsafe { ioctl(self.fd(), OPTION, &mut option).map(|_| ()) }
    }

    /// Whether the IOMMU before a device notes which pages it wrote (`IOMMU_GET_HW_INFO`).
    pub fn has_dirty_bits(&self, device: u32) -> Result<bool> {
        let mut info = HwInfo {
            size: size_of::<HwInfo>() as u32,
            device,
            ..Default::default()
        };
        // SAFETY: The structure is the request's; there is no room for more.
        unsafe { ioctl(self.fd(), GET_HW_INFO, &mut info)? };
        Ok(info.capabilities & HW_CAP_DIRTY_TRACKING != 0)
    }

    /// As [`Iommufd::hwpt`], with `IOMMU_HWPT_ALLOC_DIRTY_TRACKING`.
    pub fn dirty_hwpt(&self, device: u32) -> Result<u32> {
        self.hwpt_with(device, HWPT_ALLOC_DIRTY_TRACKING)
    }

    /// Turns dirty tracking of a page table on or off. No page is dirty after it is turned on.
    pub fn set_dirty_tracking(&self, hwpt: u32, on: bool) -> Result<()> {
        let mut set = SetDirtyTracking {
            size: size_of::<SetDirtyTracking>() as u32,
            flags: if on { DIRTY_TRACKING_ENABLE } else { 0 },
            hwpt,
            ..Default::default()
        };
        // SAFETY: The structure is the request's.
        unsafe { ioctl(self.fd(), SET_DIRTY_TRACKING, &mut set).map(|_| ()) }
    }

    /// Sets the bits of the pages of a range that are dirty by a page table. `clear`: they are
    /// clean then.
    pub fn dirty_bitmap(
        &self,
        hwpt: u32,
        page_size: u64,
        range: Range<u64>,
        bitmap: &mut [u64],
        clear: bool,
    ) -> Result<()> {
        let length = range.end - range.start;
        assert!(size_of_val(bitmap) as u64 * 8 * page_size >= length);
        let mut get = GetDirtyBitmap {
            size: size_of::<GetDirtyBitmap>() as u32,
            hwpt,
            flags: if clear { 0 } else { DIRTY_BITMAP_NO_CLEAR },
            iova: range.start,
            length,
            page_size,
            data: bitmap.as_mut_ptr() as u64,
            ..Default::default()
        };
        // SAFETY: The structure is the request's; the bitmap is long enough.
        unsafe { ioctl(self.fd(), GET_DIRTY_BITMAP, &mut get).map(|_| ()) }
    }
}
