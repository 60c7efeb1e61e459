// SPDX-License-Identifier: GPL-2.0

//! Registers the device of a driver with VFIO.

use super::{
    device::Device,
    driver::Driver,
    ops::{
        self,
        debugfs,
        migration, //
    },
};
use crate::{
    bindings,
    migration::Operations, //
};
use core::ptr::{
    self,
    NonNull, //
};
use kernel::{
    bindings as kbindings,
    device,
    error::{
        from_err_ptr,
        to_result, //
    },
    pci,
    prelude::*, //
};

/// A device that is registered with VFIO. Unregistered when dropped, which waits until userspace
/// closes it.
///
/// # Invariants
///
/// The device is registered, and this owns the reference that `_vfio_alloc_device()` returned.
pub(super) struct Registration<D: Driver>(NonNull<Device<D>>);

impl<D: Driver> Registration<D> {
    /// Allocates, initializes and registers the device of `pdev`.
    pub(super) fn new(
        pdev: &pci::Device<device::Core<'_>>,
        data: impl PinInit<D, Error>,
    ) -> Result<Self> {
        let dev = ptr::from_ref::<device::Device>(pdev.as_ref())
            .cast_mut()
            .cast::<kbindings::device>();
        // SAFETY: `dev` is the device being probed; the size is that of a type which begins with
        // a `struct vfio_device`; the operations are static and fit the type. The callback `init`
        // touches nothing but the core's part.
        let vdev = from_err_ptr(unsafe {
            bindings::_vfio_alloc_device(
                core::mem::size_of::<Device<D>>(),
                dev,
                &ops::Table::<D>::OPS,
            )
        })?;
        let this: NonNull<Device<D>> = NonNull::new(vdev.cast()).ok_or(ENOMEM)?;
        // From here on `Unregistered::drop()` cleans up.
        let unregistered = Unregistered(this);
        // SAFETY: `this` begins with a `struct vfio_rs_device`.
        unsafe { bindings::vfio_rs_watch_init(vdev.cast()) };
        // SAFETY: The allocation is ours alone until it is registered, and does not move.
        unsafe { Device::init_tail(this.as_ptr(), data, debugfs::entries(this.as_ptr())?) }?;
        // SAFETY: The tail is initialized.
        let device = unsafe { this.as_ref() };
        if let Some(flags) = D::Migration::flags(device.data()) {
            // SAFETY: Not registered yet: nobody else reads the fields.
            unsafe {
                (*vdev).migration_flags = flags.as_raw();
                (*vdev).mig_ops = &raw const bindings::vfio_rs_mig_ops;
                (*vdev.cast::<bindings::vfio_rs_device>()).migration = &migration::Table::<D>::OPS;
            }
        }
        // `vfio_pci_core_register_device()` requires this.
        // SAFETY: `dev` is valid, and being probed: its driver data are ours.
        unsafe { kbindings::dev_set_drvdata(dev, vdev.cast()) };
        // SAFETY: The device is initialized.
        let ret = unsafe { bindings::vfio_pci_core_register_device(device.as_core()) };
        if let Err(e) = to_result(ret) {
            // SAFETY: As above.
            unsafe { kbindings::dev_set_drvdata(dev, ptr::null_mut()) };
            return Err(e);
        }
        if D::Migration::flags(device.data()).is_some() {
            // SAFETY: Registered. The entries do not change until the device is released.
            unsafe { debugfs::create::<D>(vdev, device.debug_entries()) };
        }
        core::mem::forget(unregistered);
        // INVARIANT: Just registered.
        Ok(Self(this))
    }

    /// Gives the registration to the PCI device, whose driver data name it.
    pub(super) fn into_drvdata(self) {
        core::mem::forget(self);
    }

    /// Takes it back from the PCI device.
    ///
    /// # Safety
    ///
    /// `pdev` must be bound to this driver, with a registration given to it by
    /// [`Registration::into_drvdata`], and it must not be taken twice.
    pub(super) unsafe fn from_drvdata(pdev: *mut kbindings::pci_dev) -> Self {
        // SAFETY: By the safety requirement.
        let device = unsafe { Device::<D>::from_pci(pdev) };
        // INVARIANT: By the safety requirement.
        Self(NonNull::from(device))
    }
}

impl<D: Driver> Drop for Registration<D> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the device is registered and a reference is ours. The
        // driver data are cleared when nobody can read them any more.
        unsafe {
            let device = self.0.as_ref();
            let dev = &raw mut (*device.as_pdev()).dev;
            bindings::vfio_pci_core_unregister_device(device.as_core());
            kbindings::dev_set_drvdata(dev, ptr::null_mut());
            bindings::vfio_rs_put_device(device.as_vfio());
        }
    }
}

/// A device on the way to its registration; put when dropped.
struct Unregistered<D: Driver>(NonNull<Device<D>>);

impl<D: Driver> Drop for Unregistered<D> {
    fn drop(&mut self) {
        // SAFETY: The reference is ours; `release` checks whether the tail is initialized.
        unsafe { bindings::vfio_rs_put_device(self.0.as_ptr().cast()) };
    }
}
