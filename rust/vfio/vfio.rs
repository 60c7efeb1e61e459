// SPDX-License-Identifier: GPL-2.0

//! Safe abstractions for VFIO PCI variant drivers.
//!
//! A variant driver is a PCI driver that gives its device to userspace through `vfio_pci_core`, and
//! adds what needs knowledge of the device: above all live migration. This crate owns what is the
//! same in all variant drivers, and the `unsafe` code that goes with it:
//!
//! - [`pci::Device`]: a `struct vfio_pci_core_device` together with the driver's own pinned data;
//! - [`pci::Driver`]: what a driver implements; [`pci::Adapter`] makes a `struct pci_driver` of it;
//! - [`region`]: what is hidden of a region, enforced on every path to it;
//! - [`migration`]: the v2 migration protocol, its state machine and its files;
//! - [`dirty`]: DMA logging, which pages of user memory a device has written;
//! - [`debug`]: files in debugfs, tracepoints;
//! - [`sysfs`]: attributes of its devices;
//! - [`handle`]: the device types that the callbacks of these modules get.
//!
//! The crate knows no particular device. `samples/vfio_edu/` is a small driver on it that explains
//! what it does.
//!
//! C headers: [`include/linux/vfio.h`](srctree/include/linux/vfio.h),
//! [`include/linux/vfio_pci_core.h`](srctree/include/linux/vfio_pci_core.h),
//! [`include/uapi/linux/vfio.h`](srctree/include/uapi/linux/vfio.h)

pub mod bindings;
mod compat;
pub mod debug;
pub mod dirty;
pub mod handle;
pub mod io;
pub mod migration;
pub mod pci;
pub mod ratelimit;
pub mod region;
pub mod sysfs;

pub use compat::parameter;

/// The prefix of this crate's `pr_*!` messages.
const __LOG_PREFIX: &[u8] = b"vfio_rs\0";
