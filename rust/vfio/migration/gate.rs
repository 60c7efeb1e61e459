// SPDX-License-Identifier: GPL-2.0

//! The way from a migration file to its device.
//!
//! Userspace can keep a file longer than the device lives. So a file has no reference of the
//! device, but one of the device's [`Gate`], which leads to the device only while it is open.

use core::ptr::NonNull;
use kernel::{
    new_mutex,
    prelude::*,
    sync::Mutex, //
};

/// Names a file to its device, as long as the file is there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileId(*const ());

impl FileId {
    pub(super) fn of<T>(file: &T) -> Self {
        Self(core::ptr::from_ref(file).cast())
    }
}

/// What a file reaches of its device.
pub(crate) trait Receiver {
    /// Returns whether userspace wants v2 of `VFIO_MIG_GET_PRECOPY_INFO`. It may opt in at any
    /// time.
    fn precopy_info_v2(&self) -> bool;

    /// Loads what was written to the file, see [`Machine::receive`](super::Machine::receive).
    ///
    /// # Safety
    ///
    /// The device must be open until this returns.
    unsafe fn receive(&self, file: FileId) -> Result;
}

/// An open device.
///
/// # Invariants
///
/// The device is open as long as this is in a [`Gate`].
struct Way(NonNull<dyn Receiver>);

// SAFETY: A device may be used by any thread while it is open.
unsafe impl Send for Way {}

/// Leads to a device while it is open. The lock order is in [`super`].
#[pin_data]
pub(crate) struct Gate {
    #[pin]
    way: Mutex<Option<Way>>,
}

impl Gate {
    pub(super) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            way <- new_mutex!(None, "vfio_migration::gate"),
        })
    }

    /// Opens the gate.
    ///
    /// # Safety
    ///
    /// The device must stay open until [`Gate::close`] has returned.
    pub(super) unsafe fn open(&self, dev: &(impl Receiver + 'static)) {
        let dev: &(dyn Receiver + 'static) = dev;
        // INVARIANT: By the safety requirement.
        *self.way.lock() = Some(Way(NonNull::from(dev)));
    }

    /// Closes the gate, and waits until no file uses the device.
    pub(super) fn close(&self) {
        *self.way.lock() = None;
    }

    /// Returns whether userspace wants v2 of `VFIO_MIG_GET_PRECOPY_INFO`.
    pub(super) fn precopy_info_v2(&self) -> bool {
        let way = self.way.lock();
        way.as_ref().is_some_and(|Way(dev)| {
            // SAFETY: As for `receive`.
            unsafe { dev.as_ref() }.precopy_info_v2()
        })
    }

    /// Loads what was written to `file`: [`ENODEV`] if the device is not open any more.
    pub(super) fn receive(&self, file: FileId) -> Result {
        let way = self.way.lock();
        let Way(dev) = way.as_ref().ok_or(ENODEV)?;
        // SAFETY: By the type invariant the device is open, and stays so while the lock is held.
        unsafe { dev.as_ref().receive(file) }
    }
}
