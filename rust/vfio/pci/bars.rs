// SPDX-License-Identifier: GPL-2.0

//! The parts of the BARs of an open device.

use crate::{
    bindings,
    region::{
        Index,
        Parts, //
    },
};
use core::cell::UnsafeCell;

/// How many BARs a device can have.
pub(super) const BARS: usize = bindings::VFIO_PCI_BAR5_REGION_INDEX as usize + 1;

/// The [`Parts`] of each BAR.
///
/// # Invariants
///
/// They change only while VFIO opens the device and has not given it to userspace. They are read
/// only while the device is open.
pub(super) struct Bars(UnsafeCell<[Parts; BARS]>);

// SAFETY: By the type invariant nobody reads them while they change.
unsafe impl Sync for Bars {}

impl Bars {
    /// Returns BARs without parts.
    pub(super) fn new() -> Self {
        Self(UnsafeCell::default())
    }

    /// Sets the parts of all BARs.
    ///
    /// # Safety
    ///
    /// The device is being opened, and VFIO has not given it to userspace yet.
    pub(super) unsafe fn set(&self, parts: [Parts; BARS]) {
        // INVARIANT: By the safety requirement.
        // SAFETY: By the safety requirement nobody reads them now.
        unsafe { *self.0.get() = parts };
    }

    /// Returns the parts of a region if it is a BAR.
    ///
    /// # Safety
    ///
    /// The device must be open for as long as the result is used.
    pub(super) unsafe fn get(&self, index: Index) -> Option<&Parts> {
        let slot = usize::try_from(index.as_bar()?).ok()?;
        // SAFETY: By the type invariant nobody changes them now.
        unsafe { (*self.0.get()).get(slot) }
    }
}
