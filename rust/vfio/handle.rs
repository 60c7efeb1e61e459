// SPDX-License-Identifier: GPL-2.0

//! The types by which the callbacks of a driver get their device.
//!
//! [`migration`], [`dirty`], [`debug`] and [`sysfs`] define traits and tables of callbacks. A
//! callback takes a device of the driver, and the device is made of the driver's callbacks
//! ([`pci::Device`], [`pci::Driver`]). So these modules name the device by its driver ([`Handles`])
//! and know nothing else of it.
//!
//! [`migration`]: crate::migration
//! [`dirty`]: crate::dirty
//! [`debug`]: crate::debug
//! [`sysfs`]: crate::sysfs
//! [`pci::Device`]: crate::pci::Device
//! [`pci::Driver`]: crate::pci::Driver

/// Names the devices of a driver. Each [`pci::Driver`](crate::pci::Driver) has it.
pub trait Handles: Sized + 'static {
    /// A device that is registered with VFIO, open or not: [`pci::Device`](crate::pci::Device).
    type Device: 'static;

    /// A device that userspace has open: [`pci::OpenDevice`](crate::pci::OpenDevice).
    type Open<'a>;
}
