// SPDX-License-Identifier: GPL-2.0

//! VFIO PCI devices and the drivers that bind them.
//!
//! - [`Device`] and [`OpenDevice`]: what a driver works with;
//! - [`Driver`]: what a variant driver implements;
//! - [`Adapter`]: makes a `struct pci_driver` of it;
//! - [`VirtualFunction`]: of which PF a device is a VF;
//! - [`Isolation`]: whether a device is alone in its IOMMU group, and who else is in it;
//! - [`Exclusion`]: a watched part of a BAR that userspace cannot reach for a while.
//!
//! The files build on each other, first to last: `bars` and `dma` (what a device keeps), `device`
//! and `driver` (the two need each other, and they alone), `parts`, `watch` and `access` (what
//! userspace does to a BAR), `ops` (the tables of callbacks that C gets), `registration`,
//! `adapter`.
//!
//! C header: [`include/linux/vfio_pci_core.h`](srctree/include/linux/vfio_pci_core.h)

mod access;
mod adapter;
mod bars;
mod device;
mod dma;
mod driver;
mod group;
mod ops;
mod parts;
mod registration;
mod topology;
mod watch;

pub use self::adapter::Adapter;
pub use self::device::{
    Device,
    OpenDevice, //
};
pub use self::driver::{
    DeviceId,
    Driver,
    IdTable, //
};

pub use self::group::{
    Isolation,
    Others, //
};

pub use self::topology::{
    iommu_tracks_dirty_pages,
    masters_bus,
    VirtualFunction, //
};

pub use self::watch::Exclusion;
