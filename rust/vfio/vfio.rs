// SPDX-License-Identifier: GPL-2.0

//! Safe abstractions for VFIO PCI variant drivers.
//!
//! A variant driver is a PCI driver which hands its device to user space by `vfio_pci_core` and
//! adds to it what only a driver of that very device can: live migration above all. This crate owns
//! the parts that are the same for all of them, and the `unsafe` that goes with them:
//!
//! - [`pci::Device`]: a `struct vfio_pci_core_device` together with the driver's own pinned data;
//! - [`pci::Driver`]: what a driver implements; [`pci::Adapter`] turns it into a `struct
//!   pci_driver`;
//! - [`region`]: how much of a region user space may see, enforced on every way to it;
//! - [`migration`]: the v2 migration protocol, its state machine and its files;
//! - [`dirty`]: which pages of its user's memory a device has written;
//! - [`debug`]: files in debugfs, tracepoints;
//! - [`sysfs`]: attributes of its devices.
//!
//! Nothing in it knows any particular device. A small driver on it, which explains what it does, is
//! `samples/vfio_edu/`.
//!
//! C headers: [`include/linux/vfio.h`](srctree/include/linux/vfio.h),
//! [`include/linux/vfio_pci_core.h`](srctree/include/linux/vfio_pci_core.h),
//! [`include/uapi/linux/vfio.h`](srctree/include/uapi/linux/vfio.h)

pub mod bindings;
pub mod debug;
pub mod dirty;
pub mod handle;
pub mod io;
pub mod migration;
pub mod pci;
pub mod ratelimit;
pub mod region;
pub mod sysfs;

/// What `pr_*!` of this crate put before their text.
const __LOG_PREFIX: &[u8] = b"vfio_rs\0";
