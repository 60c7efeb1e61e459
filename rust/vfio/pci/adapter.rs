// SPDX-License-Identifier: GPL-2.0

//! The `struct pci_driver` of a variant driver.

use super::{
    device::Device,
    driver::{
        DeviceId,
        Driver, //
    },
    ops::attributes,
    registration::Registration, //
};
use crate::{
    bindings,
    compat, //
};
use kernel::{
    bindings as kbindings,
    device::Core,
    driver,
    error::{
        from_result,
        to_result, //
    },
    pci,
    prelude::*,
    types::Opaque,
    ThisModule, //
};

/// Declares a module that is one variant driver and nothing else: C's `module_pci_driver()`.
///
/// ```ignore
/// vfio::module_vfio_pci_driver! {
///     type: MyDriver,
///     name: "my_vfio_driver",
///     authors: ["Me"],
///     description: "VFIO PCI driver with live migration for my device",
///     license: "GPL",
/// }
/// ```
#[macro_export]
macro_rules! module_vfio_pci_driver {
    ($($f:tt)*) => {
        ::kernel::module_driver!(<T>, $crate::pci::Adapter<T>, { $($f)* });
    };
}

/// The `struct pci_driver` of a [`Driver`]: `driver::Registration<vfio::pci::Adapter<T>>` is what a
/// module holds.
pub struct Adapter<D: Driver>(D);

// SAFETY:
// - `struct pci_driver` is a C type, with a `struct device_driver` at the offset given;
// - the driver data are gone by the time the driver core looks for them (`Registration::drop`), so
//   their type does not matter.
unsafe impl<D: Driver> driver::DriverLayout for Adapter<D> {
    type DriverType = kbindings::pci_driver;
    type DriverData<'bound> = ();
    const DEVICE_DRIVER_OFFSET: usize = core::mem::offset_of!(kbindings::pci_driver, driver);
}

// SAFETY: `unregister` is valid after a successful `register`.
unsafe impl<D: Driver> driver::RegistrationOps for Adapter<D> {
    unsafe fn register(
        pdrv: &Opaque<Self::DriverType>,
        name: &'static CStr,
        module: &'static ThisModule,
    ) -> Result {
        // SAFETY: Not registered yet: the fields may be set.
        unsafe {
            let pdrv = pdrv.get();
            (*pdrv).name = name.as_char_ptr();
            (*pdrv).probe = Some(Self::probe_callback);
            (*pdrv).remove = Some(Self::remove_callback);
            (*pdrv).id_table = D::ID_TABLE.as_ptr();
            (*pdrv).err_handler = &Self::ERROR_HANDLERS;
            (*pdrv).dev_groups = attributes::Table::<D>::GROUPS.as_ptr().cast_mut();
            // Userspace owns the DMA of the device: the driver does not use the group's default
            // domain.
            (*pdrv).driver_managed_dma = true;
        }
        // SAFETY: `pdrv` is set up and stays where it is.
        to_result(unsafe {
            kbindings::__pci_register_driver(pdrv.get(), module.as_ptr(), name.as_char_ptr())
        })
    }

    unsafe fn unregister(pdrv: &Opaque<Self::DriverType>) {
        // SAFETY: Registered by the safety requirement.
        unsafe { kbindings::pci_unregister_driver(pdrv.get()) }
    }
}

/// The bus takes no accesses, and is going to be reset.
const FROZEN: kbindings::pci_channel_state_t = kbindings::pci_channel_io_frozen;
/// Nothing below the port recovers.
const FAILED: kbindings::pci_channel_state_t = kbindings::pci_channel_io_perm_failure;

impl<D: Driver> Adapter<D> {
    const ERROR_HANDLERS: kbindings::pci_error_handlers = kbindings::pci_error_handlers {
        error_detected: Some(Self::error_detected_callback),
        slot_reset: Some(Self::slot_reset_callback),
        reset_prepare: Some(Self::reset_prepare_callback),
        reset_done: Some(Self::reset_done_callback),
        ..pin_init::zeroed()
    };

    /// # Safety
    ///
    /// To be called by the PCI core for a device that matches this driver.
    unsafe extern "C" fn probe_callback(
        pdev: *mut kbindings::pci_dev,
        id: *const kbindings::pci_device_id,
    ) -> c_int {
        // SAFETY: The PCI core calls this with a valid device, under its lock. `pci::Device` is
        // transparent.
        let pdev = unsafe { &*pdev.cast::<pci::Device<Core<'_>>>() };
        // SAFETY: `DeviceId` is transparent, and the PCI core passes a valid ID.
        let id = unsafe { &*id.cast::<DeviceId>() };
        from_result(|| {
            let info = if id.is_specific() {
                // SAFETY: The ID is in the table, or an administrator has added it. The PCI core
                // takes such an ID only with the data of one in the table (`new_id_store()`).
                unsafe { compat::info(D::ID_TABLE, id) }
            } else {
                None
            };
            Registration::<D>::new(pdev, D::probe(pdev, info))?.into_drvdata();
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// To be called by the PCI core for a device bound to this driver.
    unsafe extern "C" fn remove_callback(pdev: *mut kbindings::pci_dev) {
        // SAFETY: Probe gave the registration away; remove is called once.
        drop(unsafe { Registration::<D>::from_drvdata(pdev) });
    }

    /// # Safety
    ///
    /// To be called by the PCI core for a device bound to this driver.
    unsafe extern "C" fn reset_prepare_callback(pdev: *mut kbindings::pci_dev) {
        // SAFETY: Bound, under the device lock: probe is done and remove is not.
        let dev = unsafe { Device::<D>::from_pci(pdev) };
        dev.machine().reset_begins();
        D::reset_prepare(dev.data());
    }

    /// # Safety
    ///
    /// To be called by the PCI core for a device bound to this driver.
    unsafe extern "C" fn reset_done_callback(pdev: *mut kbindings::pci_dev) {
        // SAFETY: As for `reset_prepare_callback`.
        let dev = unsafe { Device::<D>::from_pci(pdev) };
        D::reset_done(dev.data());
        dev.machine().reset_done(dev);
    }

    /// # Safety
    ///
    /// To be called by the PCI core for a device bound to this driver.
    unsafe extern "C" fn error_detected_callback(
        pdev: *mut kbindings::pci_dev,
        state: kbindings::pci_channel_state_t,
    ) -> kbindings::pci_ers_result_t {
        // SAFETY: As for `reset_prepare_callback`.
        let dev = unsafe { Device::<D>::from_pci(pdev) };
        if state == FAILED {
            // PCI has reset a frozen bus by then. It does not call `slot_reset` if another function
            // has no driver that handles errors.
            dev.machine().slot_reset(dev);
        }
        dev.machine().bus_error(state == FROZEN);
        // SAFETY: By the safety requirement.
        let vote = unsafe { bindings::vfio_pci_core_aer_err_detected(pdev, state) };
        // PCI resets a frozen bus whatever the drivers say. It calls `slot_reset` only if one of
        // them asks for a reset, and the answer of VFIO's core does not.
        if state == FROZEN {
            kbindings::pci_ers_result_PCI_ERS_RESULT_NEED_RESET
        } else {
            vote
        }
    }

    /// Called when a fatal error has had the bus reset. The other callbacks of a reset are not.
    ///
    /// # Safety
    ///
    /// To be called by the PCI core for a device bound to this driver.
    unsafe extern "C" fn slot_reset_callback(
        pdev: *mut kbindings::pci_dev,
    ) -> kbindings::pci_ers_result_t {
        // SAFETY: As for `reset_prepare_callback`.
        let dev = unsafe { Device::<D>::from_pci(pdev) };
        dev.machine().slot_reset(dev);
        kbindings::pci_ers_result_PCI_ERS_RESULT_RECOVERED
    }
}
