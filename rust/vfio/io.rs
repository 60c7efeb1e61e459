// SPDX-License-Identifier: GPL-2.0

//! Access to the BARs of a VFIO PCI device by its driver, while it is open.
//!
//! `vfio_pci_core_enable()` has mapped them by then; this is the same mapping that the core's own
//! `read()` and `write()` use.

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

/// A mapped BAR. Accesses by the methods of [`kernel::io::Io`] are checked against its length: when
/// they are made (`try_read()` and its likes), or, within the first `SIZE` bytes, which it is known
/// to have, when they are compiled (`read()`).
///
/// # Invariants
///
/// `raw` names a mapping of its length, at least `SIZE`, which lives for `'a`.
pub struct Bar<'a, const SIZE: usize = 0> {
    raw: MmioRaw<SIZE>,
    _open: PhantomData<&'a ()>,
}

impl<'a, const SIZE: usize> Bar<'a, SIZE> {
    /// [`EINVAL`] where it is shorter than `SIZE`.
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

    /// The address of `size` bytes at `offset`: within the BAR and aligned, else [`EINVAL`].
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

    /// Writes 16 bytes as the CPU's widest store has it: one access on arm64, two of 8 bytes, low
    /// half first, elsewhere. Memory written before is visible to the device first.
    pub fn try_write128(&self, value: u128, offset: usize) -> Result {
        let addr = self.addr128(offset)?;
        // CAST: The two halves.
        // SAFETY: `addr` has checked the access against the mapping, which lives by the type
        // invariant.
        unsafe { bindings::vfio_rs_write128(addr, value as u64, (value >> 64) as u64) };
        Ok(())
    }

    /// Reads 16 bytes, the counterpart of [`Bar::try_write128`].
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
