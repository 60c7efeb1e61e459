// SPDX-License-Identifier: GPL-2.0

//! Vectors whose growth can fail, as in the kernel.

pub mod flags;
pub mod kvec;

pub use self::{
    flags::Flags,
    kvec::{
        AllocError,
        Vec, //
    },
};

/// A vector of `kmalloc()` memory.
pub type KVec<T> = Vec<T>;

/// A vector of `kvmalloc()` memory.
pub type KVVec<T> = Vec<T>;
