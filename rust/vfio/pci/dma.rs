// SPDX-License-Identifier: GPL-2.0

//! Reading the user's memory by IOVA, and the iommufd operations of a device, which see to it that
//! there is something to read by.
//!
//! With a legacy container `vfio_dma_rw()` finds what the user has mapped. With iommufd it serves
//! emulated devices only; a physical one has no access to the IOAS but by DMA. So a device whose driver
//! wants to read gets a `struct iommufd_access` of its own beside the attachment of the device, which
//! follows it from IOAS to IOAS. Nothing is ever pinned by it.
//!
//! An access is attached to an IOAS by its ID. A user may attach the device to a page table instead
//! that he has allocated in an IOAS (a HWPT), as QEMU always does, and iommufd has no way from its ID to
//! the IOAS. But there it is, and stays as long as the page table does. So where it is the only one of
//! the user's iommufd, it is found by trying IDs. Where there is more than one nothing can be read, nor
//! where the page table is not all that there is between the device and the IOAS (nested translation),
//! nor for a device that shares its IOMMU group.
//!
//! IDs are given from 1 on, the lowest that is free; [`IDS`] is more than there ever are. A user who
//! has more, and hides the IOAS of his device behind them and leaves another one before them, has the
//! wrong memory read: his own, and his own log suffers.
//!
//! Bind, unbind, attach and detach run under the lock of the device set. A device is bound before it
//! is opened and unbound after it is closed, so that a reader finds the access where there is one; that
//! it is attached elsewhere or detached meanwhile is between the reader and iommufd.

use super::{
    Device,
    Driver,
    OpenDevice, //
};
use crate::bindings;
use core::ptr;
#[cfg(CONFIG_IOMMUFD)]
use kernel::error::{
    from_err_ptr,
    from_result, //
};
use kernel::{
    error::to_result,
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
};

/// Among how many IDs an IOAS is looked for.
#[cfg(CONFIG_IOMMUFD)]
const IDS: u32 = 4096;

/// What a device reads the user's memory by.
///
/// # Invariants
///
/// `access` is null, or an access that is not destroyed; it changes only while the device is not open,
/// under the lock of its device set. `ioas` is the ID of the IOAS that the access is attached to, 0
/// where it is not; it changes under that lock only.
pub(super) struct Dma {
    access: Atomic<*mut bindings::iommufd_access>,
    ioas: Atomic<u32>,
}

impl Dma {
    pub(super) const fn new() -> Self {
        // INVARIANT: There is no access.
        Self {
            access: Atomic::new(ptr::null_mut()),
            ioas: Atomic::new(0),
        }
    }
}

impl<D: Driver> OpenDevice<'_, D> {
    /// Reads the user's memory as the device would, at an IOVA. [`ENODEV`] where there is no way to:
    /// the driver did not want it ([`Driver::reads_dma`]), or the user has the device attached to
    /// nothing, or to a page table of which it is not known what IOAS it is of. Any other error where part of it is not mapped, or not to be read;
    /// what `to` has in it then is not said. An empty read is [`EINVAL`].
    ///
    /// Waits for user memory, also for as long as the user wants (`userfaultfd`). With a legacy
    /// container the memory is that of the calling process, or the read fails; a process that is exiting,
    /// and closes the device by that, has none.
    pub fn read_dma(&self, iova: u64, to: &mut [u8]) -> Result {
        if !D::reads_dma(self.data()) {
            return Err(ENODEV);
        }
        let access = self.dma().access.load(Relaxed);
        if !access.is_null() && self.dma().ioas.load(Relaxed) == 0 {
            return Err(ENODEV);
        }
        // SAFETY: The device is open, and by the invariant the access is there while it is; `to` is
        // valid for writing.
        to_result(unsafe {
            bindings::vfio_rs_dma_read(
                self.as_vfio(),
                access,
                iova,
                to.as_mut_ptr().cast(),
                to.len(),
            )
        })
    }
}

/// The operations, for one driver type.
#[cfg(CONFIG_IOMMUFD)]
impl<D: Driver> Device<D> {
    /// Makes the access, where the driver wants one.
    fn make_access(&self, ictx: *mut bindings::iommufd_ctx) -> Result {
        if !D::reads_dma(self.data()) {
            return Ok(());
        }
        // SAFETY: `ictx` is valid: the core has just bound the device to it.
        let access = from_err_ptr(unsafe { bindings::vfio_rs_access_create(ictx) })?;
        // INVARIANT: It is new, and attached to nothing.
        self.dma().ioas.store(0, Relaxed);
        self.dma().access.store(access, Relaxed);
        Ok(())
    }

    /// Detaches the access, where there is one that is attached; says from what.
    fn let_go(&self) -> u32 {
        let ioas = self.dma().ioas.load(Relaxed);
        if ioas != 0 {
            self.dma().ioas.store(0, Relaxed);
            // INVARIANT: Detached.
            // SAFETY: The access is attached, by the invariant.
            unsafe { bindings::vfio_rs_access_detach(self.dma().access.load(Relaxed)) };
        }
        ioas
    }

    /// Attaches the access, where there is one and it is attached to nothing, to the IOAS `id`; says
    /// whether it is one.
    fn try_ioas(&self, id: u32) -> bool {
        let access = self.dma().access.load(Relaxed);
        if access.is_null() {
            return false;
        }
        // SAFETY: The access is there, and attached to nothing.
        let found = unsafe { bindings::vfio_rs_access_attach(access, id) } == 0;
        if found {
            // INVARIANT: Attached.
            self.dma().ioas.store(id, Relaxed);
        }
        found
    }

    /// The only IOAS of the user's iommufd.
    fn only_ioas(&self) -> Option<u32> {
        let mut found = (1..IDS).filter(|&id| {
            let found = self.try_ioas(id);
            self.let_go();
            found
        });
        found.next().filter(|_| found.next().is_none())
    }

    /// The device has been attached to `id`: attaches the access, where there is one, to the IOAS that
    /// this is or is a page table of.
    fn follow(&self, id: u32) {
        if self.try_ioas(id) || self.dma().access.load(Relaxed).is_null() {
            return;
        }
        // SAFETY: The PCI device is valid, and by the lock is not attached elsewhere meanwhile.
        if unsafe { bindings::vfio_rs_has_paging_domain(self.as_pdev()) } {
            if let Some(ioas) = self.only_ioas() {
                self.try_ioas(ioas);
            }
        }
    }

    /// # Safety
    ///
    /// To be called by the VFIO core for a registered device of this driver that is not open, under
    /// the lock of its device set.
    pub(super) unsafe extern "C" fn bind_iommufd(
        vdev: *mut bindings::vfio_device,
        ictx: *mut bindings::iommufd_ctx,
        out_id: *mut u32,
    ) -> c_int {
        from_result(|| {
            // SAFETY: By the safety requirement.
            to_result(unsafe { bindings::vfio_iommufd_physical_bind(vdev, ictx, out_id) })?;
            // SAFETY: By the safety requirement.
            let dev = unsafe { Self::from_vfio(vdev) };
            dev.make_access(ictx).inspect_err(|_| {
                // SAFETY: Just bound.
                unsafe { bindings::vfio_iommufd_physical_unbind(vdev) };
            })?;
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// To be called by the VFIO core for a bound device of this driver that is not open any more,
    /// under the lock of its device set.
    pub(super) unsafe extern "C" fn unbind_iommufd(vdev: *mut bindings::vfio_device) {
        // SAFETY: By the safety requirement.
        let dev = unsafe { Self::from_vfio(vdev) };
        dev.let_go();
        // INVARIANT: There is none any more.
        let access = dev.dma().access.xchg(ptr::null_mut(), Relaxed);
        if !access.is_null() {
            // SAFETY: Nobody uses it: the device is closed.
            unsafe { bindings::vfio_rs_access_destroy(access) };
        }
        // SAFETY: By the safety requirement.
        unsafe { bindings::vfio_iommufd_physical_unbind(vdev) };
    }

    /// While the device goes from one IOAS to another nothing can be read.
    ///
    /// # Safety
    ///
    /// To be called by the VFIO core for a bound device of this driver, under the lock of its device
    /// set; `id` must be valid for reading and writing.
    pub(super) unsafe extern "C" fn attach_ioas(
        vdev: *mut bindings::vfio_device,
        id: *mut u32,
    ) -> c_int {
        // SAFETY: By the safety requirement. The ID is replaced by that of a page table below.
        let (dev, wanted) = unsafe { (Self::from_vfio(vdev), *id) };
        let before = dev.let_go();
        // SAFETY: By the safety requirement.
        let ret = unsafe { bindings::vfio_iommufd_physical_attach_ioas(vdev, id) };
        if ret == 0 {
            dev.follow(wanted);
        } else if before != 0 {
            // It is still attached to what it was attached to.
            dev.try_ioas(before);
        }
        ret
    }

    /// # Safety
    ///
    /// To be called by the VFIO core for a bound device of this driver, under the lock of its device
    /// set.
    pub(super) unsafe extern "C" fn detach_ioas(vdev: *mut bindings::vfio_device) {
        // SAFETY: By the safety requirement.
        unsafe {
            Self::from_vfio(vdev).let_go();
            bindings::vfio_iommufd_physical_detach_ioas(vdev);
        }
    }
}
