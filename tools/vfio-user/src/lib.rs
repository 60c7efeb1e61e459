// SPDX-License-Identifier: GPL-2.0

//! A VF driver in userspace, over VFIO: devices and IOMMU address spaces, migration, the queue
//! manager, jobs for the engines; and the machine's PCI functions and their drivers.

mod cpus;
mod driver;
mod error;
pub mod host;
pub mod memory;
pub mod migrate;
pub mod qm;
pub mod vfio;
pub mod work;

pub use cpus::run_on_each;
pub use driver::Driver;
pub use error::{errno, Result};
