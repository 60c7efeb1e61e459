// SPDX-License-Identifier: GPL-2.0

//! Ways to a BAR that are no read, write or mapping of the device file.

use crate::vfio::{
    call::{ioctl, vfio_ioctl, FEATURE},
    face, Device,
};
use std::{
    io::Result,
    mem::size_of,
    os::fd::{FromRawFd, OwnedFd, RawFd},
    ptr,
};
use vfio_bindings::bindings::vfio as abi;

const IOEVENTFD: libc::c_ulong = vfio_ioctl(16);

impl Device {
    /// `VFIO_DEVICE_IOEVENTFD` of `size` bytes, all ones, at `offset` of the device file.
    pub fn ioeventfd(&self, offset: u64, size: u32, fd: RawFd) -> Result<()> {
        // SAFETY: A structure of integers.
        let mut arg: abi::vfio_device_ioeventfd = unsafe { std::mem::zeroed() };
        arg.argsz = size_of::<abi::vfio_device_ioeventfd>() as u32;
        arg.flags = size;
        arg.offset = offset;
        arg.data = u64::MAX;
        arg.fd = fd;
        // SAFETY: The structure is the request's.
        unsafe { ioctl(self.fd(), IOEVENTFD, &mut arg).map(|_| ()) }
    }

    /// The same with an argument that is not there.
    pub fn ioeventfd_of_nothing(&self) -> Result<()> {
        // SAFETY: The kernel finds out that nothing is there.
        unsafe { ioctl(self.fd(), IOEVENTFD, ptr::null_mut::<u8>()).map(|_| ()) }
    }

    /// `VFIO_DEVICE_FEATURE_DMA_BUF`: part of a BAR as a DMA-BUF.
    pub fn dma_buf(&self, bar: u32, offset: u64, len: u64) -> Result<OwnedFd> {
        // struct vfio_device_feature_dma_buf with one range, each of its 64-bit fields as two words
        let halves = |n: u64| [n as u32, (n >> 32) as u32];
        let mut buffer = vec![40, abi::VFIO_DEVICE_FEATURE_GET | face::DMA_BUF];
        buffer.extend([bar, libc::O_RDWR as u32, 0, 1]);
        buffer.extend(halves(offset));
        buffer.extend(halves(len));
        // SAFETY: The buffer is as long as its first word says.
        let fd = unsafe { ioctl(self.fd(), FEATURE, buffer.as_mut_ptr())? };
        // SAFETY: The kernel has just installed it for us.
        Ok(unsafe { OwnedFd::from_raw_fd(fd) })
    }
}
