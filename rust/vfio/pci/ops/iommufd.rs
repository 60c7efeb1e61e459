// SPDX-License-Identifier: GPL-2.0

//! The iommufd operations of a device. They keep its access ([`pci::dma`](crate::pci)) where the
//! device is.

use super::Table;
use crate::{
    bindings,
    pci::{
        device::Device,
        driver::Driver, //
    },
};
use kernel::{
    error::{
        from_result,
        to_result, //
    },
    prelude::*, //
};

impl<D: Driver> Table<D> {
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
            let dev = unsafe { Device::<D>::from_vfio(vdev) };
            if D::reads_dma(dev.data()) {
                // SAFETY: Just bound.
                unsafe { dev.dma().make_access(ictx) }.inspect_err(|_| {
                    // SAFETY: As above.
                    unsafe { bindings::vfio_iommufd_physical_unbind(vdev) };
                })?;
            }
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// To be called by the VFIO core for a bound device of this driver that is not open any more,
    /// under the lock of its device set.
    pub(super) unsafe extern "C" fn unbind_iommufd(vdev: *mut bindings::vfio_device) {
        // SAFETY: By the safety requirement.
        let dev = unsafe { Device::<D>::from_vfio(vdev) };
        // SAFETY: By the safety requirement.
        unsafe {
            dev.dma().destroy_access();
            bindings::vfio_iommufd_physical_unbind(vdev);
        }
    }

    /// While the device goes from one IOAS to another, the driver cannot read.
    ///
    /// # Safety
    ///
    /// To be called by the VFIO core for a bound device of this driver, under the lock of its
    /// device set; `id` must be valid for reading and writing.
    pub(super) unsafe extern "C" fn attach_ioas(
        vdev: *mut bindings::vfio_device,
        id: *mut u32,
    ) -> c_int {
        // SAFETY: By the safety requirement. The ID is replaced by that of a page table below.
        let (dev, wanted) = unsafe { (Device::<D>::from_vfio(vdev), *id) };
        let before = dev.dma().detach();
        // SAFETY: By the safety requirement.
        let ret = unsafe { bindings::vfio_iommufd_physical_attach_ioas(vdev, id) };
        if ret == 0 {
            // SAFETY: The PCI device is valid, and that of `dev`.
            unsafe { dev.dma().follow(dev.as_pdev(), wanted) };
        } else if before != 0 {
            // The device is still attached to the IOAS of before.
            dev.dma().try_ioas(before);
        }
        ret
    }

    /// # Safety
    ///
    /// To be called by the VFIO core for a bound device of this driver, under the lock of its
    /// device set.
    pub(super) unsafe extern "C" fn detach_ioas(vdev: *mut bindings::vfio_device) {
        // SAFETY: By the safety requirement.
        unsafe {
            Device::<D>::from_vfio(vdev).dma().detach();
            bindings::vfio_iommufd_physical_detach_ioas(vdev);
        }
    }
}
