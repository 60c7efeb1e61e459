// SPDX-License-Identifier: GPL-2.0

//! Vectors whose growth can fail, as in the kernel.

pub mod kvec;

pub use self::kvec::Vec;

/// A vector of `kmalloc()` memory.
pub type KVec<T> = Vec<T>;

/// A vector of `kvmalloc()` memory.
pub type KVVec<T> = Vec<T>;

/// There is no memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AllocError;

/// How memory is allocated. The host ignores it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Flags(());

/// The flags that the crates use.
pub mod flags {
    use super::Flags;

    /// Allocation in process context.
    pub const GFP_KERNEL: Flags = Flags(());

    /// The same, charged to the caller's memory cgroup.
    pub const GFP_KERNEL_ACCOUNT: Flags = Flags(());
}
