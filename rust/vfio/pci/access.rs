// SPDX-License-Identifier: GPL-2.0

//! `read()` and `write()` of regions that have mediated or watched parts: this file does each
//! access to such a part, the core does the rest.
//!
//! The bytes of an access are copied from or to userspace once and with no lock held: the device
//! gets what the driver has seen, and the user memory may be the mapped BAR.

use super::{
    device::{
        Device,
        OpenDevice, //
    },
    driver::Driver,
    watch::Touch, //
};
use crate::{
    bindings,
    dirty::Log,
    region::{
        Access,
        Parts,
        Piece,
        Position,
        Way, //
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

/// Keeps a device from runtime suspend while this lives.
///
/// # Invariants
///
/// Owns a reference that `vfio_rs_pm_get()` has taken on the PCI device.
pub(super) struct Awake(*mut kbindings::pci_dev);

impl Awake {
    pub(super) fn new<D: Driver>(dev: &Device<D>) -> Result<Self> {
        let pdev = dev.as_pdev();
        // SAFETY: The PCI device is valid. The core has the same error for it.
        to_result(unsafe { bindings::vfio_rs_pm_get(pdev) }).map_err(|_| EIO)?;
        // INVARIANT: Just taken.
        Ok(Self(pdev))
    }
}

impl Drop for Awake {
    fn drop(&mut self) {
        // SAFETY: By the type invariant; the device is still open, since this lives in a callback
        // of it only.
        unsafe { bindings::vfio_rs_pm_put(self.0) };
    }
}

/// One access to a mediated or watched part of a BAR.
struct Own<'a, D: Driver> {
    dev: &'a OpenDevice<'a, D>,
    pos: Position,
    bar: u32,
    size: u8,
}

impl<'a, D: Driver> Own<'a, D> {
    fn new(dev: &'a OpenDevice<'a, D>, pos: Position, size: u8) -> Result<Self> {
        let bar = pos.index.as_bar().ok_or(EINVAL)?;
        Ok(Self {
            dev,
            pos,
            bar,
            size,
        })
    }

    fn len(&self) -> usize {
        usize::from(self.size)
    }

    /// Returns the address of the access, in a BAR that is mapped while the device is open.
    fn io(&self) -> Result<*mut c_void> {
        let offset = usize::try_from(self.pos.offset).map_err(|_| EINVAL)?;
        self.dev.bar(self.bar)?.addr(offset, self.len())
    }

    fn parts(&self) -> Result<&Parts> {
        self.dev.parts(self.pos.index).ok_or(EINVAL)
    }

    /// Runs `access`. If the part is watched, marks it as touched first.
    fn touching(&self, access: impl FnOnce() -> Result) -> Result {
        let watched = self.parts()?.watched.contains(self.pos.offset);
        let _touch = match watched {
            true => Some(Touch::new(self.dev, self.bar)?),
            false => None,
        };
        access()
    }

    /// Writes the bytes of `raw` to the device. [`EIO`] if it takes no accesses now.
    fn give(&self, raw: [u8; 8]) -> Result {
        let (core, io) = (self.dev.as_core(), self.io()?);
        let value = u64::from_ne_bytes(raw);
        // CAST: The rest of `raw` is zeros.
        // SAFETY: `io` names so many bytes of a mapped BAR. The core looks at whether the device
        // takes accesses, under its `memory_lock`.
        to_result(unsafe {
            match self.size {
                1 => bindings::vfio_pci_core_iowrite8(core, true, value as u8, io),
                2 => bindings::vfio_pci_core_iowrite16(core, true, value as u16, io),
                4 => bindings::vfio_pci_core_iowrite32(core, true, value as u32, io),
                8 => bindings::vfio_pci_core_iowrite64(core, true, value, io),
                _ => return Err(EINVAL),
            }
        })
    }

    /// Reads the bytes from the device. [`EIO`] if it takes no accesses now.
    fn take(&self) -> Result<[u8; 8]> {
        let (core, io) = (self.dev.as_core(), self.io()?);
        let (mut v8, mut v16, mut v32, mut v64) = (0, 0, 0, 0);
        // SAFETY: As for `give`; the four places are valid for writing.
        to_result(unsafe {
            match self.size {
                1 => bindings::vfio_pci_core_ioread8(core, true, &mut v8, io),
                2 => bindings::vfio_pci_core_ioread16(core, true, &mut v16, io),
                4 => bindings::vfio_pci_core_ioread32(core, true, &mut v32, io),
                8 => bindings::vfio_pci_core_ioread64(core, true, &mut v64, io),
                _ => return Err(EINVAL),
            }
        })?;
        // All but one are zeros.
        let value = u64::from(v8) | u64::from(v16) | u64::from(v32) | v64;
        Ok(value.to_ne_bytes())
    }

    fn write(&self, user: UserPtr) -> Result<usize> {
        let len = self.len();
        let mut raw = [0u8; 8];
        UserSlice::new(user, len)
            .reader()
            .read_slice(raw.get_mut(..len).ok_or(EINVAL)?)?;
        let _awake = Awake::new(self.dev)?;
        let write = || self.touching(|| self.give(raw));
        if self.parts()?.mediated.contains(self.pos.offset) {
            let access = Access {
                offset: self.pos.offset,
                size: self.size,
                value: u64::from_le_bytes(raw),
            };
            let (dev, index) = (self.dev, self.pos.index);
            let tell = |log: Option<&mut Log>| D::write_mediated(dev, index, access, log);
            dev.tracker().mediate(&**dev, tell, write)?;
        } else {
            write()?;
        }
        Ok(len)
    }

    fn read(&self, user: UserPtr) -> Result<usize> {
        let len = self.len();
        let mut raw = [0u8; 8];
        {
            let _awake = Awake::new(self.dev)?;
            self.touching(|| {
                raw = self.take()?;
                Ok(())
            })?;
        }
        UserSlice::new(user, len)
            .writer()
            .write_slice(raw.get(..len).ok_or(EINVAL)?)?;
        Ok(len)
    }
}

/// Does an access of `count` bytes piece by piece. Returns how many bytes were done, if any, when a
/// piece fails or is short.
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

/// Does the next access of a `read()` or `write()` at `*ppos`, by `core` or by `own`.
///
/// # Safety
///
/// `ppos` must be valid for reading and writing.
unsafe fn next<D: Driver>(
    dev: &OpenDevice<'_, D>,
    way: Way,
    left: usize,
    ppos: *mut kbindings::loff_t,
    core: impl FnOnce(usize) -> isize,
    own: impl FnOnce(Own<'_, D>) -> Result<usize>,
) -> Result<(usize, usize)> {
    // SAFETY: By the safety requirement. The sign bit is part of the region's index.
    let pos = Position::from_file_offset(unsafe { *ppos } as u64);
    match dev.piece(way, pos, left) {
        Piece::Core(len) => Ok((len, length(core(len))?)),
        Piece::Own(size) => {
            let len = own(Own::new(dev, pos, size)?)?;
            // CAST: At most 8.
            // SAFETY: By the safety requirement.
            unsafe { *ppos += len as kbindings::loff_t };
            Ok((len, len))
        }
    }
}

/// `vfio_device_ops.write`, of bytes that are not hidden. Returns how many were written.
///
/// # Safety
///
/// `ppos` must be valid for reading and writing. `buf` is an address of userspace, any address.
pub(super) unsafe fn write<D: Driver>(
    dev: &OpenDevice<'_, D>,
    buf: *const c_char,
    count: usize,
    ppos: *mut kbindings::loff_t,
) -> Result<usize> {
    let vdev = dev.as_vfio();
    by_pieces(count, |done, left| {
        let buf = buf.wrapping_add(done);
        // SAFETY: The device is open; the rest by the safety requirement.
        let core = |len| unsafe { bindings::vfio_pci_core_write(vdev, buf, len, ppos) };
        let own = |own: Own<'_, D>| own.write(UserPtr::from_ptr(buf.cast_mut().cast()));
        // SAFETY: By the safety requirement.
        unsafe { next(dev, Way::Write, left, ppos, core, own) }
    })
}

/// `vfio_device_ops.read`, of bytes that are not hidden. Returns how many were read.
///
/// # Safety
///
/// As for [`write()`].
pub(super) unsafe fn read<D: Driver>(
    dev: &OpenDevice<'_, D>,
    buf: *mut c_char,
    count: usize,
    ppos: *mut kbindings::loff_t,
) -> Result<usize> {
    let vdev = dev.as_vfio();
    by_pieces(count, |done, left| {
        let buf = buf.wrapping_add(done);
        // SAFETY: The device is open; the rest by the safety requirement.
        let core = |len| unsafe { bindings::vfio_pci_core_read(vdev, buf, len, ppos) };
        let own = |own: Own<'_, D>| own.read(UserPtr::from_ptr(buf.cast()));
        // SAFETY: By the safety requirement.
        unsafe { next(dev, Way::Read, left, ppos, core, own) }
    })
}

/// Converts what the core's read and write return.
fn length(ret: isize) -> Result<usize> {
    // CAST: An error number where it is negative.
    usize::try_from(ret).map_err(|_| Error::from_errno(ret as c_int))
}

/// Converts the result of `read` or `write` for the VFIO core.
pub(super) fn from_length(result: Result<usize>) -> isize {
    match result {
        // CAST: No more than was asked for, which is at most `MAX_RW_COUNT`.
        Ok(n) => n as isize,
        Err(e) => e.to_errno() as isize,
    }
}

impl<D: Driver> OpenDevice<'_, D> {
    /// Returns how an access of `count` bytes at `pos` begins.
    fn piece(&self, way: Way, pos: Position, count: usize) -> Piece {
        match self.parts(pos.index) {
            Some(parts) => parts.piece(way, pos.offset, count),
            None => Piece::Core(count),
        }
    }
}
