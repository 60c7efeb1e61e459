// SPDX-License-Identifier: GPL-2.0

//! Access to the BARs of a VFIO PCI device by its driver, while it is open.
//!
//! `vfio_pci_core_enable()` has mapped them by then. The core's `read()` and `write()` use the same
//! mapping.

use crate::bindings;
use core::{
    marker::PhantomData,
    ops::Deref, //
};
use kernel::{
    io::{
        Mmio,
        MmioRaw, //
    },
    prelude::*, //
};

/// A mapped BAR. The methods of [`kernel::io::Io`] check accesses against its length: `try_read()`
/// and the like at run time, `read()` and the like when they are compiled, against `SIZE`, which
/// the BAR is known to have.
///
/// # Invariants
///
/// `raw` names a mapping of its length, at least `SIZE`, which lives for `'a`.
pub struct Bar<'a, const SIZE: usize = 0> {
    raw: MmioRaw<SIZE>,
    _open: PhantomData<&'a ()>,
}

impl<'a, const SIZE: usize> Bar<'a, SIZE> {
    /// Returns a BAR. [`EINVAL`] if it is shorter than `SIZE`.
    ///
    /// # Safety
    ///
    /// `addr` must be the address of an I/O mapping of `len` bytes that outlives `'a`.
    pub(crate) unsafe fn from_raw(addr: *mut c_void, len: usize) -> Result<Self> {
        // INVARIANT: By the safety requirement; `MmioRaw::new` looks at `SIZE`.
        Ok(Self {
            raw: MmioRaw::new(addr as usize, len)?,
            _open: PhantomData,
        })
    }

    /// Returns the address of `size` bytes at `offset`. [`EINVAL`] if they are not within the BAR,
    /// or not aligned.
    pub(crate) fn addr(&self, offset: usize, size: usize) -> Result<*mut c_void> {
        let end = offset.checked_add(size).ok_or(EINVAL)?;
        if end > self.raw.maxsize() || offset % size != 0 {
            return Err(EINVAL);
        }
        Ok((self.raw.addr() + offset) as *mut c_void)
    }

    fn addr128(&self, offset: usize) -> Result<*mut c_void> {
        self.addr(offset, 16)
    }

    /// Writes 16 bytes: by one access on arm64, elsewhere by two of 8 bytes, low half first. The
    /// device sees memory that was written before.
    pub fn try_write128(&self, value: u128, offset: usize) -> Result {
        let addr = self.addr128(offset)?;
        // CAST: The two halves.
        // SAFETY: `addr` has checked the access against the mapping, which lives by the type
        // invariant.
        unsafe { bindings::vfio_rs_write128(addr, value as u64, (value >> 64) as u64) };
        Ok(())
    }

    /// Reads 16 bytes, as [`Bar::try_write128`] writes them.
    pub fn try_read128(&self, offset: usize) -> Result<u128> {
        let addr = self.addr128(offset)?;
        let (mut lo, mut hi) = (0u64, 0u64);
        // SAFETY: As for `try_write128`; the two places are valid for writing.
        unsafe { bindings::vfio_rs_read128(addr, &mut lo, &mut hi) };
        Ok(u128::from(lo) | (u128::from(hi) << 64))
    }
}

impl<const SIZE: usize> Deref for Bar<'_, SIZE> {
    type Target = Mmio<SIZE>;

    fn deref(&self) -> &Mmio<SIZE> {
        // SAFETY: By the type invariant `raw` is a live mapping.
        unsafe { Mmio::from_raw(&self.raw) }
    }
}
