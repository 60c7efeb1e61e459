// SPDX-License-Identifier: GPL-2.0

//! What differs between the kernels that this crate builds against. The build sets `linux_7_3` for
//! Linux 7.3 and later (Kbuild).

#[cfg(linux_7_3)]
pub(crate) use kernel::types::CovariantForLt;
/// Linux 7.3 gave this name to what was `ForLt` before.
#[cfg(not(linux_7_3))]
pub(crate) use kernel::types::ForLt as CovariantForLt;
