// SPDX-License-Identifier: GPL-2.0

//! Watched parts of BARs. `watch.c` does the work.

use super::{
    device::OpenDevice,
    driver::Driver, //
};
use crate::{
    bindings,
    region::Index, //
};
use core::marker::PhantomData;
use kernel::prelude::*;

/// The watched part of a region. Userspace cannot reach it while this lives.
///
/// [`OpenDevice::exclude`] makes it.
pub struct Exclusion<'a> {
    touched: bool,
    _open: PhantomData<&'a ()>,
}

impl Exclusion<'_> {
    /// Returns whether the part may have been reached before the exclusion, see
    /// [`OpenDevice::touched`].
    pub fn was_touched(&self) -> bool {
        self.touched
    }
}

/// Keeps userspace away from the watched part of a BAR while this lives.
///
/// # Invariants
///
/// `vfio_rs_watch_exclude()` has been called for the BAR, of a device that is open for `'a`.
struct Excluded<'a> {
    core: *mut bindings::vfio_pci_core_device,
    bar: u32,
    _open: PhantomData<&'a ()>,
}

impl Drop for Excluded<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant, and this is dropped once.
        unsafe { bindings::vfio_rs_watch_release(self.core, self.bar) };
    }
}

/// An access to a watched part on behalf of userspace. No exclusion begins while this lives.
///
/// # Invariants
///
/// `vfio_rs_watch_touch()` has been called, of a device that is open for `'a`.
pub(super) struct Touch<'a> {
    core: *mut bindings::vfio_pci_core_device,
    _open: PhantomData<&'a ()>,
}

impl<'a> Touch<'a> {
    /// Marks the part as touched. [`EINVAL`] if `bar` is no BAR.
    pub(super) fn new<D: Driver>(dev: &'a OpenDevice<'_, D>, bar: u32) -> Result<Self> {
        Index::bar(bar).ok_or(EINVAL)?;
        let core = dev.as_core();
        // SAFETY: The device is open, and it can have such a BAR.
        unsafe { bindings::vfio_rs_watch_touch(core, bar) };
        // INVARIANT: Just called.
        Ok(Self {
            core,
            _open: PhantomData,
        })
    }
}

impl Drop for Touch<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant, and this is dropped once.
        unsafe { bindings::vfio_rs_watch_touch_end(self.core) };
    }
}

impl<D: Driver> OpenDevice<'_, D> {
    /// Returns the BAR if part of it is watched.
    fn watched_bar(&self, index: Index) -> Option<u32> {
        let watched = self.parts(index)?.watched;
        index.as_bar().filter(|_| !watched.is_empty())
    }

    /// Returns whether the watched part of `index` ([`Driver::watched`]) may have been reached
    /// since the last exclusion, or since the device was opened. Always `true` if no part of the
    /// region is watched.
    pub fn touched(&self, index: Index) -> bool {
        self.watched_bar(index).is_none_or(|bar| {
            // SAFETY: The device is open, and `bar` is one of its.
            unsafe { bindings::vfio_rs_watch_touched(self.as_core(), bar) }
        })
    }

    /// Runs `f` while userspace cannot reach the watched part of `index`, which counts as not
    /// touched from then on: `f` is told whether it was. [`EINVAL`] if no part of the region is
    /// watched.
    ///
    /// A process that accesses the part meanwhile waits in a page fault, or in `read()` or
    /// `write()`. So `f` must not reach user memory ([`OpenDevice::read_dma`] does), nor take the
    /// tracker's lock ([`OpenDevice::with_log`] does), nor reset the device: see the locks in
    /// [`crate::migration`].
    ///
    /// Two paths are not covered: the BAR's file in sysfs, and other devices for which userspace
    /// has mapped the BAR in the IOMMU.
    pub fn exclude<T>(
        &self,
        index: Index,
        f: impl FnOnce(&Exclusion<'_>) -> Result<T>,
    ) -> Result<T> {
        let bar = self.watched_bar(index).ok_or(EINVAL)?;
        let core = self.as_core();
        // SAFETY: The device is open, and part of `bar` is watched.
        unsafe { bindings::vfio_rs_watch_exclude(core, bar) };
        // INVARIANT: Just called.
        let _excluded = Excluded {
            core,
            bar,
            _open: PhantomData,
        };
        f(&Exclusion {
            touched: self.touched(index),
            _open: PhantomData,
        })
    }
}
