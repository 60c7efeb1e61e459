// SPDX-License-Identifier: GPL-2.0

//! How ioctls of VFIO and iommufd are made.

use std::{
    io::{Error, Result},
    os::fd::RawFd,
};

/// `_IO(VFIO_TYPE, VFIO_BASE + n)`
pub const fn vfio_ioctl(n: u32) -> libc::c_ulong {
    (((b';' as u32) << 8) | (100 + n)) as libc::c_ulong
}

/// `VFIO_DEVICE_FEATURE`
pub const FEATURE: libc::c_ulong = vfio_ioctl(17);

/// An ioctl whose argument is a structure or a buffer that begins with one.
///
/// # Safety
///
/// `arg` must be what the kernel expects for `request`, as long as it says.
pub unsafe fn ioctl<T>(fd: RawFd, request: libc::c_ulong, arg: *mut T) -> Result<i32> {
    // SAFETY: By the safety requirement.
    match unsafe { libc::ioctl(fd, request as _, arg) } {
        -1 => Err(Error::last_os_error()),
        n => Ok(n),
    }
}
