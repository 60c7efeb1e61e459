// SPDX-License-Identifier: GPL-2.0

//! Flags of allocations. They have no meaning on the host.

/// How memory is allocated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Flags(());

/// Allocation in process context.
pub const GFP_KERNEL: Flags = Flags(());

/// Allocation in process context, charged to the caller's memory cgroup.
pub const GFP_KERNEL_ACCOUNT: Flags = Flags(());
