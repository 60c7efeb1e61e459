// SPDX-License-Identifier: GPL-2.0

//! iommufd: an address space, and page tables of it.

use crate::{memory::AddressSpace, vfio::call::ioctl};
use iommufd_bindings::iommufd as fd_abi;
use std::{
    fs::{File, OpenOptions},
    io::Result,
    mem::size_of,
    os::fd::{AsRawFd, RawFd},
};

/// `_IO(IOMMUFD_TYPE, n)` for IOMMU_DESTROY, IOMMU_IOAS_ALLOC, _MAP, _UNMAP and IOMMU_HWPT_ALLOC
const DESTROY: libc::c_ulong = ((b';' as libc::c_ulong) << 8) | 0x80;
const IOAS_ALLOC: libc::c_ulong = ((b';' as libc::c_ulong) << 8) | 0x81;
const IOAS_MAP: libc::c_ulong = ((b';' as libc::c_ulong) << 8) | 0x85;
const IOAS_UNMAP: libc::c_ulong = ((b';' as libc::c_ulong) << 8) | 0x86;
const HWPT_ALLOC: libc::c_ulong = ((b';' as libc::c_ulong) << 8) | 0x89;

/// Memory of this process, mapped for DMA at the IOVA that is given.
pub struct Iommufd {
    file: File,
    ioas: u32,
}

impl Iommufd {
    /// A new one with an empty address space.
    pub fn new() -> Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open("/dev/iommu")?;
        let mut iommufd = Self { file, ioas: 0 };
        iommufd.ioas = iommufd.empty_ioas()?;
        Ok(iommufd)
    }

    /// One more address space, with nothing in it: its number.
    pub fn empty_ioas(&self) -> Result<u32> {
        // SAFETY: A structure of integers.
        let mut alloc: fd_abi::iommu_ioas_alloc = unsafe { std::mem::zeroed() };
        alloc.size = size_of::<fd_abi::iommu_ioas_alloc>() as u32;
        // SAFETY: The structure is the request's.
        unsafe { ioctl(self.fd(), IOAS_ALLOC, &mut alloc)? };
        Ok(alloc.out_ioas_id)
    }

    pub(super) fn fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }

    /// The number of its address space.
    pub fn ioas(&self) -> u32 {
        self.ioas
    }

    /// One of its address spaces, by its number.
    pub fn space(&self, ioas: u32) -> Space<'_> {
        let iommufd = self;
        Space { iommufd, ioas }
    }

    /// Destroys an object that is not in use.
    pub fn destroy(&self, id: u32) -> Result<()> {
        let size = size_of::<fd_abi::iommu_destroy>() as u32;
        let mut destroy = fd_abi::iommu_destroy { size, id };
        // SAFETY: The structure is the request's.
        unsafe { ioctl(self.fd(), DESTROY, &mut destroy).map(|_| ()) }
    }

    /// Takes a mapping away.
    pub fn unmap(&self, iova: u64, len: usize) -> Result<()> {
        // SAFETY: A structure of integers.
        let mut unmap: fd_abi::iommu_ioas_unmap = unsafe { std::mem::zeroed() };
        unmap.size = size_of::<fd_abi::iommu_ioas_unmap>() as u32;
        unmap.ioas_id = self.ioas;
        unmap.iova = iova;
        unmap.length = len as u64;
        // SAFETY: The structure is the request's.
        unsafe { ioctl(self.fd(), IOAS_UNMAP, &mut unmap).map(|_| ()) }
    }

    /// Makes a page table of the address space, for a device by its number in this iommufd.
    /// Returns the number of the page table.
    pub fn hwpt(&self, device: u32) -> Result<u32> {
        self.hwpt_with(device, 0)
    }

    /// The same, with flags (`enum iommufd_hwpt_alloc_flags`).
    pub(super) fn hwpt_with(&self, device: u32, flags: u32) -> Result<u32> {
        // SAFETY: A structure of integers.
        let mut alloc: fd_abi::iommu_hwpt_alloc = unsafe { std::mem::zeroed() };
        alloc.size = size_of::<fd_abi::iommu_hwpt_alloc>() as u32;
        alloc.flags = flags;
        alloc.dev_id = device;
        alloc.pt_id = self.ioas;
        // SAFETY: The structure is the request's.
        unsafe { ioctl(self.fd(), HWPT_ALLOC, &mut alloc)? };
        Ok(alloc.out_hwpt_id)
    }
}

impl AddressSpace for Iommufd {
    fn map(&self, iova: u64, memory: *mut u8, len: usize) -> Result<()> {
        self.space(self.ioas).map(iova, memory, len)
    }
}

/// One of the address spaces of an iommufd.
pub struct Space<'a> {
    iommufd: &'a Iommufd,
    ioas: u32,
}

impl AddressSpace for Space<'_> {
    fn map(&self, iova: u64, memory: *mut u8, len: usize) -> Result<()> {
        // SAFETY: A structure of integers.
        let mut map: fd_abi::iommu_ioas_map = unsafe { std::mem::zeroed() };
        map.size = size_of::<fd_abi::iommu_ioas_map>() as u32;
        // IOMMU_IOAS_MAP_FIXED_IOVA, _WRITEABLE, _READABLE
        map.flags = 1 | 2 | 4;
        map.ioas_id = self.ioas;
        map.user_va = memory as u64;
        map.length = len as u64;
        map.iova = iova;
        // SAFETY: The structure is the request's; the memory is the caller's.
        unsafe { ioctl(self.iommufd.fd(), IOAS_MAP, &mut map).map(|_| ()) }
    }
}
