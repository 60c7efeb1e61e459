// SPDX-License-Identifier: GPL-2.0

//! Access to the BARs of a VFIO PCI device by its driver, while it is open.
//!
//! `vfio_pci_core_enable()` has mapped them by then. The core's `read()` and `write()` use the same
//! mapping.

use crate::{
    bindings,
    compat::{
        self,
        RawBar,
        Registers, //
    }, //
};
use core::{
    marker::PhantomData,
    ops::Deref,
    ptr::NonNull, //
};
use kernel::{
    error::to_result,
    prelude::*, //
};

/// A mapped BAR. Its registers can be reached by [`Bar::live`] only.
///
/// # Invariants
///
/// - `raw` names a mapping of its length, at least `SIZE`, which lives for `'a`.
/// - `core` is valid for `'a`.
pub struct Bar<'a, const SIZE: usize = 0> {
    raw: RawBar<SIZE>,
    /// What says whether the device takes accesses. `None` while the device is being reset: the
    /// resetting thread may have the core's `memory_lock`, and the device takes accesses.
    core: Option<NonNull<bindings::vfio_pci_core_device>>,
    _open: PhantomData<&'a ()>,
}

impl<'a, const SIZE: usize> Bar<'a, SIZE> {
    /// Returns a BAR. [`EINVAL`] if it is shorter than `SIZE`.
    ///
    /// # Safety
    ///
    /// `addr` must be the address of an I/O mapping of `len` bytes that outlives `'a`, and `core`
    /// must be valid for `'a`.
    pub(crate) unsafe fn from_raw(
        addr: *mut c_void,
        len: usize,
        core: Option<NonNull<bindings::vfio_pci_core_device>>,
    ) -> Result<Self> {
        // INVARIANT: By the safety requirement; `raw_bar` looks at `SIZE`.
        Ok(Self {
            raw: compat::raw_bar(addr as usize, len)?,
            core,
            _open: PhantomData,
        })
    }

    /// Returns the registers, as long as the device takes accesses: [`EIO`] if userspace has
    /// switched its memory off or put it into D3.
    ///
    /// Waits while the device is being reset, and a reset waits for the guard. So do not hold it
    /// while you wait for anything: user memory, the device, or a lock that is held during
    /// accesses.
    pub fn live(&self) -> Result<Live<'_, SIZE>> {
        if let Some(core) = self.core {
            // SAFETY: By the type invariant.
            to_result(unsafe { bindings::vfio_rs_access_begin(core.as_ptr()) })?;
        }
        // INVARIANT: `vfio_rs_access_begin` has taken the lock.
        Ok(Live { bar: self })
    }

    /// Returns the address of `size` bytes at `offset`. [`EINVAL`] if they are not within the BAR,
    /// or not aligned.
    pub(crate) fn addr(&self, offset: usize, size: usize) -> Result<*mut c_void> {
        let end = offset.checked_add(size).ok_or(EINVAL)?;
        if end > compat::raw_len(&self.raw) || offset % size != 0 {
            return Err(EINVAL);
        }
        Ok((self.raw.addr() + offset) as *mut c_void)
    }
}

/// Registers that can be reached while this lives, see [`Bar::live`]. The methods of
/// [`kernel::io::Io`] check accesses against the length of the BAR: `try_read()` and the like at
/// run time, `read()` and the like when they are compiled, against `SIZE`, which the BAR is known
/// to have.
///
/// # Invariants
///
/// If `bar.core` is there, its `memory_lock` is held for reading.
pub struct Live<'a, const SIZE: usize = 0> {
    bar: &'a Bar<'a, SIZE>,
}

impl<const SIZE: usize> Live<'_, SIZE> {
    /// Writes 16 bytes: by one access on arm64, elsewhere by two of 8 bytes, low half first. The
    /// device sees memory that was written before.
    pub fn try_write128(&self, value: u128, offset: usize) -> Result {
        let addr = self.bar.addr(offset, 16)?;
        // CAST: The two halves.
        // SAFETY: `addr` has checked the access against the mapping, which lives by the invariant
        // of `Bar`.
        unsafe { bindings::vfio_rs_write128(addr, value as u64, (value >> 64) as u64) };
        Ok(())
    }

    /// Reads 16 bytes, as [`Live::try_write128`] writes them.
    pub fn try_read128(&self, offset: usize) -> Result<u128> {
        let addr = self.bar.addr(offset, 16)?;
        let (mut lo, mut hi) = (0u64, 0u64);
        // SAFETY: As for `try_write128`; the two places are valid for writing.
        unsafe { bindings::vfio_rs_read128(addr, &mut lo, &mut hi) };
        Ok(u128::from(lo) | (u128::from(hi) << 64))
    }
}

impl<const SIZE: usize> Deref for Live<'_, SIZE> {
    type Target = Registers<SIZE>;

    fn deref(&self) -> &Registers<SIZE> {
        // SAFETY: By the invariant of `Bar`, `raw` is a live mapping.
        unsafe { compat::registers(&self.bar.raw) }
    }
}

impl<const SIZE: usize> Drop for Live<'_, SIZE> {
    fn drop(&mut self) {
        if let Some(core) = self.bar.core {
            // SAFETY: By the type invariant the lock is held, and by that of `Bar` the core is
            // valid.
            unsafe { bindings::vfio_rs_access_end(core.as_ptr()) };
        }
    }
}
