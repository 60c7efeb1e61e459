// SPDX-License-Identifier: GPL-2.0

//! VFIO PCI devices and the drivers that bind them.
//!
//! - [`device`](self): [`Device`] and [`OpenDevice`], with [`Registration`] that owns one;
//! - [`Driver`]: the trait of a variant driver;
//! - [`Adapter`]: makes a `struct pci_driver` of it.
//!
//! C header: [`include/linux/vfio_pci_core.h`](srctree/include/linux/vfio_pci_core.h)

mod device;
mod driver;
mod ops;

pub use self::device::{
    Device,
    OpenDevice, //
};
pub use self::driver::{
    Adapter,
    DeviceId,
    Driver,
    IdTable, //
};

pub(crate) use self::device::Registration;
