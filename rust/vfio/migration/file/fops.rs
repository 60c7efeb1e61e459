// SPDX-License-Identifier: GPL-2.0

//! The file operations of migration files, as the tables in helpers.c name them.

use super::Shared;
use kernel::{
    bindings as kbindings,
    prelude::*,
    sync::Arc,
    types::ForeignOwnable,
    uaccess::UserPtr, //
};

/// `EPOLLIN | EPOLLRDNORM`: `read()` does not return `ENOMSG`.
const READABLE: u32 = 0x1 | 0x40;

/// `vfio_rs_saving_fops.poll`
///
/// # Safety
///
/// To be called by the VFS for a file of that table.
#[no_mangle]
unsafe extern "C" fn vfio_rs_saving_poll(
    file: *mut kbindings::file,
    table: *mut kbindings::poll_table_struct,
) -> u32 {
    // SAFETY: By the safety requirement. The queue is the file's.
    let shared = unsafe {
        let shared = Shared::of(file);
        shared.changed.poll(file, table);
        shared
    };
    match shared.is_readable() {
        true => READABLE,
        false => 0,
    }
}

/// Converts the result of a read or write for C.
fn from_length(result: Result<usize>) -> isize {
    match result {
        // CAST: At most `MAX_RW_COUNT`.
        Ok(n) => n as isize,
        Err(e) => e.to_errno() as isize,
    }
}

/// `vfio_rs_saving_fops.read`
///
/// # Safety
///
/// To be called by the VFS for a file of that table.
#[no_mangle]
unsafe extern "C" fn vfio_rs_saving_read(
    file: *mut kbindings::file,
    buf: *mut c_char,
    len: usize,
    pos: *mut kbindings::loff_t,
) -> isize {
    if !pos.is_null() {
        return ESPIPE.to_errno() as isize;
    }
    // SAFETY: By the safety requirement.
    let shared = unsafe { Shared::of(file) };
    from_length(shared.read(UserPtr::from_ptr(buf.cast()), len))
}

/// `vfio_rs_saving_fops.unlocked_ioctl`
///
/// # Safety
///
/// To be called by the VFS for a file of that table.
#[no_mangle]
unsafe extern "C" fn vfio_rs_saving_ioctl(
    file: *mut kbindings::file,
    cmd: c_uint,
    arg: c_ulong,
) -> c_long {
    // SAFETY: By the safety requirement.
    let shared = unsafe { Shared::of(file) };
    let result = match cmd {
        PRECOPY_INFO => shared.precopy_info(arg),
        _ => Err(ENOTTY),
    };
    // CAST: Widens; `c_long` is an `isize` here, which `From<i32>` is not there for.
    result.map_or_else(|e| e.to_errno() as c_long, |()| 0)
}

/// `VFIO_MIG_GET_PRECOPY_INFO`: `_IO(VFIO_TYPE, VFIO_BASE + 21)`.
pub(super) const PRECOPY_INFO: u32 = kernel::ioctl::_IO(b';' as u32, 100 + 21);

/// `vfio_rs_resuming_fops.write`
///
/// # Safety
///
/// To be called by the VFS for a file of that table.
#[no_mangle]
unsafe extern "C" fn vfio_rs_resuming_write(
    file: *mut kbindings::file,
    buf: *const c_char,
    len: usize,
    pos: *mut kbindings::loff_t,
) -> isize {
    if !pos.is_null() {
        return ESPIPE.to_errno() as isize;
    }
    // SAFETY: By the safety requirement.
    let shared = unsafe { Shared::of(file) };
    from_length(shared.write(UserPtr::from_ptr(buf.cast_mut().cast()), len))
}

/// `release` of both tables.
///
/// # Safety
///
/// To be called by the VFS for a file of these tables, once.
#[no_mangle]
unsafe extern "C" fn vfio_rs_release(
    _inode: *mut kbindings::inode,
    file: *mut kbindings::file,
) -> c_int {
    // SAFETY: The private data comes from `into_foreign`; the VFS calls this once, when nobody
    // uses the file any more.
    drop(unsafe { Arc::<Shared>::from_foreign((*file).private_data) });
    0
}
