// SPDX-License-Identifier: GPL-2.0

//! The part of the kernel's Rust API that the crates of pure logic use, on the host.
//!
//! `rust/dma_log` and `drivers/track` are compiled into the kernel modules against the kernel's
//! crate of this name, and on the host against this one. Names, types and semantics are those of
//! the kernel, for what these crates need and no more: a call that is missing here does not compile
//! on the host.
//!
//! Everything is safe code over the standard library. Allocation flags have no meaning here.

pub mod alloc;
pub mod error;
pub mod rbtree;
pub mod sync;

/// Formatting. In the kernel `Display` is a trait of its own, which `core`'s adapts to.
pub mod fmt {
    pub use core::fmt::*;
}

/// What a module of the kernel imports by default.
pub mod prelude {
    pub use crate::{
        alloc::{
            flags::*,
            KVVec,
            KVec, //
        },
        error::{
            code::*,
            Error,
            Result, //
        },
    };
    pub use core::{ffi::CStr, pin::Pin};
    pub use kernel_macros::kunit_tests;
}
