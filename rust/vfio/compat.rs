// SPDX-License-Identifier: GPL-2.0

//! What differs between the kernels that this crate builds against.
//!
//! Each kernel that changed something has a file here, and the files have the same names in them.
//! The build sets `linux_7_3` for Linux 7.3 and later (Kbuild). Nothing outside of this module asks
//! for it, and C code asks for no version of the kernel at all.
//!
//! - `RawBar`, `raw_bar()`, `raw_len()`, `Registers`, `registers()`: a mapping of a BAR, and access
//!   to it;
//! - `impl_device_id_index!`, `info()`: the driver's data of a device ID;
//! - [`pci_device_table!`](crate::pci_device_table) and
//!   [`auxiliary_device_table!`](crate::auxiliary_device_table);
//! - [`parameter()`](crate::parameter): the value of a parameter of a module;
//! - `init_at()`: runs an initializer.

#[cfg(not(linux_7_3))]
mod linux_7_2;
#[cfg(linux_7_3)]
mod linux_7_3;

#[cfg(not(linux_7_3))]
pub use linux_7_2::parameter;
#[cfg(not(linux_7_3))]
pub(crate) use linux_7_2::*;
#[cfg(linux_7_3)]
pub use linux_7_3::parameter;
#[cfg(linux_7_3)]
pub(crate) use linux_7_3::*;
