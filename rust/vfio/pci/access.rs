// SPDX-License-Identifier: GPL-2.0

//! `write()` to regions that have special parts: what is special goes here one access at a time, all
//! else to the core.
//!
//! The bytes of an access are copied from the user once, before any lock is taken: what the driver
//! sees is what the device gets.

use super::{
    Driver,
    OpenDevice, //
};
use crate::{
    bindings,
    region::{
        Access,
        Index,
        Piece,
        Position, //
    },
};
use kernel::{
    bindings as kbindings,
    error::to_result,
    prelude::*,
    uaccess::{
        UserPtr,
        UserSlice, //
    },
};

/// A device that does not sleep while this lives.
///
/// # Invariants
///
/// Owns a reference that `vfio_rs_pm_get()` has taken on the PCI device.
struct Awake(*mut kbindings::pci_dev);

impl Awake {
    fn new<D: Driver>(dev: &OpenDevice<'_, D>) -> Result<Self> {
        let pdev = dev.as_pdev();
        // SAFETY: The PCI device is valid. The core has the same error for it.
        to_result(unsafe { bindings::vfio_rs_pm_get(pdev) }).map_err(|_| EIO)?;
        // INVARIANT: Just taken.
        Ok(Self(pdev))
    }
}

impl Drop for Awake {
    fn drop(&mut self) {
        // SAFETY: By the type invariant; the device is still open, as whoever made this is in a
        // callback of it.
        unsafe { bindings::vfio_rs_pm_put(self.0) };
    }
}

/// Writes `size` bytes, which lie in `raw` as the user has them, to a BAR: [`EIO`] where the device
/// takes no accesses now.
fn io_write<D: Driver>(
    dev: &OpenDevice<'_, D>,
    bar: u32,
    offset: u64,
    size: u8,
    raw: [u8; 8],
) -> Result {
    let offset = usize::try_from(offset).map_err(|_| EINVAL)?;
    let io = dev.bar(bar)?.addr(offset, usize::from(size))?;
    let core = dev.as_core();
    let value = u64::from_ne_bytes(raw);
    // CAST: The rest of `raw` is zeros.
    // SAFETY: `io` names `size` bytes of a BAR that is mapped while the device is open. The core
    // looks at whether the device takes accesses, under its `memory_lock`.
    to_result(unsafe {
        match size {
            1 => bindings::vfio_pci_core_iowrite8(core, true, value as u8, io),
            2 => bindings::vfio_pci_core_iowrite16(core, true, value as u16, io),
            4 => bindings::vfio_pci_core_iowrite32(core, true, value as u32, io),
            8 => bindings::vfio_pci_core_iowrite64(core, true, value, io),
            _ => return Err(EINVAL),
        }
    })
}

/// One access to what is special, of `size` bytes at `pos`.
fn write_own<D: Driver>(
    dev: &OpenDevice<'_, D>,
    pos: Position,
    size: u8,
    user: UserPtr,
) -> Result<usize> {
    let len = usize::from(size);
    let bar = pos.index.as_bar().ok_or(EINVAL)?;
    let mut raw = [0u8; 8];
    UserSlice::new(user, len)
        .reader()
        .read_slice(raw.get_mut(..len).ok_or(EINVAL)?)?;
    let _awake = Awake::new(dev)?;
    let access = Access {
        offset: pos.offset,
        size,
        value: u64::from_le_bytes(raw),
    };
    dev.tracker().mediate(dev, pos.index, access, || {
        io_write(dev, bar, pos.offset, size, raw)
    })?;
    Ok(len)
}

/// Does an access of `count` bytes piece by piece. What has been done counts where a later piece
/// fails, or is short.
fn by_pieces(
    count: usize,
    mut next: impl FnMut(usize, usize) -> Result<(usize, usize)>,
) -> Result<usize> {
    let mut done = 0;
    while done < count {
        match next(done, count - done) {
            Ok((wanted, got)) => {
                done += got;
                if got < wanted {
                    break;
                }
            }
            Err(_) if done > 0 => break,
            Err(e) => return Err(e),
        }
    }
    Ok(done)
}

/// `vfio_device_ops.write`, within what the user may see: how many bytes were written.
///
/// # Safety
///
/// `ppos` must be valid for reading and writing. `buf` is the user's, who may give any address.
pub(super) unsafe fn write<D: Driver>(
    dev: &OpenDevice<'_, D>,
    buf: *const c_char,
    count: usize,
    ppos: *mut kbindings::loff_t,
) -> Result<usize> {
    by_pieces(count, |done, left| {
        let buf = buf.wrapping_add(done);
        // SAFETY: By the safety requirement. The sign bit is part of the region's index.
        let pos = Position::from_file_offset(unsafe { *ppos } as u64);
        match dev.piece(pos, left) {
            Piece::Core(len) => {
                // SAFETY: The device is open; the rest by the safety requirement.
                let ret = unsafe { bindings::vfio_pci_core_write(dev.as_vfio(), buf, len, ppos) };
                Ok((len, length(ret)?))
            }
            Piece::Own(size) => {
                let len = write_own(dev, pos, size, UserPtr::from_ptr(buf.cast_mut().cast()))?;
                // CAST: At most 8.
                // SAFETY: By the safety requirement.
                unsafe { *ppos += len as kbindings::loff_t };
                Ok((len, len))
            }
        }
    })
}

/// What the core's read and write return.
fn length(ret: isize) -> Result<usize> {
    // CAST: An error number where it is negative.
    usize::try_from(ret).map_err(|_| Error::from_errno(ret as c_int))
}

/// What VFIO's core expects of `read` and `write`.
pub(super) fn from_length(result: Result<usize>) -> isize {
    match result {
        // CAST: No more than was asked for, which is at most `MAX_RW_COUNT`.
        Ok(n) => n as isize,
        Err(e) => e.to_errno() as isize,
    }
}

impl<D: Driver> OpenDevice<'_, D> {
    /// How a write of `count` bytes at `pos` begins.
    fn piece(&self, pos: Position, count: usize) -> Piece {
        match self.parts(pos.index) {
            Some(parts) => parts.piece(pos.offset, count),
            None => Piece::Core(count),
        }
    }

    /// Whether any BAR has a mediated part.
    pub(super) fn has_parts(&self) -> bool {
        (0..).map_while(Index::bar).any(|index| {
            self.parts(index)
                .is_some_and(|parts| !parts.mediated.is_empty())
        })
    }
}
