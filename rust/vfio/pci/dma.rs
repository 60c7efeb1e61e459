// SPDX-License-Identifier: GPL-2.0

//! What a device reads userspace's memory by.
//!
//! With a legacy container, `vfio_dma_rw()` finds what userspace has mapped. With iommufd it serves
//! emulated devices only: a physical device has no access to the IOAS but by DMA. So if the driver
//! wants to read, the device gets a `struct iommufd_access` of its own beside its attachment, which
//! follows the device from IOAS to IOAS. The access never pins memory.
//!
//! An access is attached to an IOAS by its ID. Userspace may attach the device to a page table
//! (HWPT) of an IOAS instead, as QEMU always does, and iommufd offers no way from the ID of a HWPT
//! to the IOAS. But an IOAS outlives its HWPTs. If the context has exactly one IOAS, it must be the
//! right one: probing IDs finds it. Nothing can be read if there are several, if the page table is
//! nested, or if the device shares its IOMMU group.
//!
//! An IOAS that is probed is attached for a moment, in which userspace cannot destroy it (EBUSY).
//! The IOAS of the device is in use anyway. So only another IOAS suffers: at most one, since the
//! second one that is found ends the scan, and once for each time that the device is attached.
//! `Documentation/driver-api/iommufd.rst` has the details, and the API that iommufd lacks.
//!
//! iommufd hands out the lowest free ID, from 1 on, and [`IDS`] is more than there ever are. A
//! process with more objects can make the scan pick the wrong IOAS. Only its own memory and log are
//! affected.
//!
//! Bind, unbind, attach and detach run under the lock of the device set. A device is bound before
//! it is opened and unbound after it is closed, so that a reader finds the access if there is one.
//! If it is attached elsewhere or detached meanwhile, iommufd serializes that with the reader.

use crate::bindings;
use core::ptr;
#[cfg(CONFIG_IOMMUFD)]
use kernel::{
    bindings as kbindings,
    error::from_err_ptr, //
};
use kernel::{
    error::to_result,
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
};

/// How many IDs are probed for an IOAS.
#[cfg(CONFIG_IOMMUFD)]
const IDS: u32 = 4096;

/// The access of a device to userspace's memory.
///
/// # Invariants
///
/// `access` is null, or an access that is not destroyed; it changes only while the device is not
/// open, under the lock of its device set. `ioas` is the ID of the IOAS that the access is attached
/// to, 0 if it is attached to none; it changes under that lock only.
pub(super) struct Dma {
    access: Atomic<*mut bindings::iommufd_access>,
    ioas: Atomic<u32>,
}

impl Dma {
    /// Returns a `Dma` without access.
    pub(super) const fn new() -> Self {
        // INVARIANT: There is no access.
        Self {
            access: Atomic::new(ptr::null_mut()),
            ioas: Atomic::new(0),
        }
    }

    /// Returns whether it is known what to read from: no access is for a container, which is.
    pub(super) fn knows_space(&self) -> bool {
        self.access.load(Relaxed).is_null() || self.ioas.load(Relaxed) != 0
    }

    /// Reads the memory of userspace at an IOVA. [`ENODEV`] if there is an access that is attached
    /// to nothing.
    ///
    /// # Safety
    ///
    /// `vdev` must be the device that this is of, and be open.
    pub(super) unsafe fn read(
        &self,
        vdev: *mut bindings::vfio_device,
        iova: u64,
        to: &mut [u8],
    ) -> Result {
        if !self.knows_space() {
            return Err(ENODEV);
        }
        let access = self.access.load(Relaxed);
        // SAFETY: The device is open, and by the invariant the access is there while it is; `to` is
        // valid for writing.
        to_result(unsafe {
            bindings::vfio_rs_dma_read(vdev, access, iova, to.as_mut_ptr().cast(), to.len())
        })
    }
}

/// What the iommufd operations do to it, under the lock of the device set.
#[cfg(CONFIG_IOMMUFD)]
impl Dma {
    /// Makes the access.
    ///
    /// # Safety
    ///
    /// `ictx` must be valid, and the device of this must just have been bound to it.
    pub(super) unsafe fn make_access(&self, ictx: *mut bindings::iommufd_ctx) -> Result {
        // SAFETY: By the safety requirement.
        let access = from_err_ptr(unsafe { bindings::vfio_rs_access_create(ictx) })?;
        // INVARIANT: It is new, and attached to nothing.
        self.ioas.store(0, Relaxed);
        self.access.store(access, Relaxed);
        Ok(())
    }

    /// Detaches and destroys the access, if there is one.
    ///
    /// # Safety
    ///
    /// The device must be closed.
    pub(super) unsafe fn destroy_access(&self) {
        self.detach();
        // INVARIANT: There is none any more.
        let access = self.access.xchg(ptr::null_mut(), Relaxed);
        if !access.is_null() {
            // SAFETY: Nobody uses it: by the safety requirement the device is closed.
            unsafe { bindings::vfio_rs_access_destroy(access) };
        }
    }

    /// Detaches the access if it is attached. Returns the IOAS that it was attached to, or 0.
    pub(super) fn detach(&self) -> u32 {
        let ioas = self.ioas.load(Relaxed);
        if ioas != 0 {
            self.ioas.store(0, Relaxed);
            // INVARIANT: Detached.
            // SAFETY: The access is attached, by the invariant.
            unsafe { bindings::vfio_rs_access_detach(self.access.load(Relaxed)) };
        }
        ioas
    }

    /// Attaches the access to the IOAS `id`, if there is an access, which must be attached to
    /// nothing. Returns whether `id` is an IOAS.
    pub(super) fn try_ioas(&self, id: u32) -> bool {
        let access = self.access.load(Relaxed);
        if access.is_null() {
            return false;
        }
        // SAFETY: The access is there, and attached to nothing.
        let found = unsafe { bindings::vfio_rs_access_attach(access, id) } == 0;
        if found {
            // INVARIANT: Attached.
            self.ioas.store(id, Relaxed);
        }
        found
    }

    /// Returns the only IOAS of the iommufd context, or `None` if there are several or none.
    fn only_ioas(&self) -> Option<u32> {
        let mut found = (1..IDS).filter(|&id| {
            let found = self.try_ioas(id);
            self.detach();
            found
        });
        found.next().filter(|_| found.next().is_none())
    }

    /// The device was attached to `id`, an IOAS or a page table of one: attaches the access, if
    /// there is one, to that IOAS.
    ///
    /// # Safety
    ///
    /// `pdev` must be valid, and be the device that this is of.
    pub(super) unsafe fn follow(&self, pdev: *mut kbindings::pci_dev, id: u32) {
        if self.try_ioas(id) || self.access.load(Relaxed).is_null() {
            return;
        }
        // SAFETY: By the safety requirement; by the lock it is not attached elsewhere meanwhile.
        if unsafe { bindings::vfio_rs_has_paging_domain(pdev) } {
            if let Some(ioas) = self.only_ioas() {
                self.try_ioas(ioas);
            }
        }
    }
}
