// SPDX-License-Identifier: GPL-2.0

//! The older way to a VFIO device: a container with a type1 IOMMU, and the device's group.

use crate::{
    memory::AddressSpace,
    vfio::{
        abi,
        call::{ioctl, vfio_ioctl},
        Device,
    },
};
use std::{
    ffi::CString,
    fs::{File, OpenOptions},
    io::{Error, Result},
    mem::size_of,
    os::fd::{AsRawFd, FromRawFd, RawFd},
};

const SET_IOMMU: libc::c_ulong = vfio_ioctl(2);
const GROUP_SET_CONTAINER: libc::c_ulong = vfio_ioctl(4);
const GROUP_GET_DEVICE_FD: libc::c_ulong = vfio_ioctl(6);
const IOMMU_MAP_DMA: libc::c_ulong = vfio_ioctl(13);

/// `/dev/vfio/vfio`
pub struct Container(File);

impl Container {
    pub fn new() -> Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open("/dev/vfio/vfio")?;
        Ok(Self(file))
    }

    /// Makes it one of type1 (v2). There must be a group in it.
    pub fn set_type1(&self) -> Result<()> {
        self.set_iommu(abi::VFIO_TYPE1v2_IOMMU)
    }

    /// Makes it one without an IOMMU. There must be a group in it that has none.
    pub fn set_noiommu(&self) -> Result<()> {
        self.set_iommu(abi::VFIO_NOIOMMU_IOMMU)
    }

    fn set_iommu(&self, kind: u32) -> Result<()> {
        let kind = libc::c_ulong::from(kind);
        // SAFETY: The argument is a number.
        let done = unsafe { libc::ioctl(self.0.as_raw_fd(), SET_IOMMU as _, kind) };
        match done {
            0 => Ok(()),
            _ => Err(Error::last_os_error()),
        }
    }
}

impl AddressSpace for Container {
    fn map(&self, iova: u64, memory: *mut u8, len: usize) -> Result<()> {
        // SAFETY: A structure of integers.
        let mut map: abi::vfio_iommu_type1_dma_map = unsafe { std::mem::zeroed() };
        map.argsz = size_of::<abi::vfio_iommu_type1_dma_map>() as u32;
        // VFIO_DMA_MAP_FLAG_READ, _WRITE
        map.flags = 1 | 2;
        map.vaddr = memory as u64;
        map.iova = iova;
        map.size = len as u64;
        // SAFETY: The structure is the request's; the memory is the caller's.
        unsafe { ioctl(self.0.as_raw_fd(), IOMMU_MAP_DMA, &mut map).map(|_| ()) }
    }
}

/// `/dev/vfio/N`, `/dev/vfio/noiommu-N`
pub struct Group(File);

impl Group {
    pub fn open(number: &str) -> Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(format!("/dev/vfio/{number}"))?;
        Ok(Self(file))
    }

    pub fn set_container(&self, container: &Container) -> Result<()> {
        let mut fd: RawFd = container.0.as_raw_fd();
        // SAFETY: The argument is a file descriptor's number.
        unsafe { ioctl(self.0.as_raw_fd(), GROUP_SET_CONTAINER, &mut fd).map(|_| ()) }
    }

    /// Opens a device of it by its PCI address.
    pub fn device(&self, address: &str) -> Result<Device> {
        let name = CString::new(address)?;
        // SAFETY: The argument is a string, which the kernel only reads.
        let fd = unsafe {
            ioctl(
                self.0.as_raw_fd(),
                GROUP_GET_DEVICE_FD,
                name.as_ptr().cast_mut(),
            )?
        };
        // SAFETY: The kernel has just installed it for us.
        Ok(Device::from_file(unsafe { File::from_raw_fd(fd) }))
    }
}
