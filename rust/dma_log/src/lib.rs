// SPDX-License-Identifier: GPL-2.0

//! The log of DMA logging: which pages a device has written, and which it may write.
//!
//! This is the part of `vfio::dirty` that needs nothing but memory. It is compiled into the module
//! `vfio_rs`, and on the host, where `tools/hostkernel` stands for the kernel's crate.
//!
//! - [`Log`]: what is dirty and what is in flight;
//! - [`Statistics`]: what it has done so far;
//! - [`Trace`]: where its events go.
//!
//! The code that owns a log has a `Log<T>` of its own [`Trace`], and makes reports from it. It
//! lends the log to the driver as a [`Log`] of any [`Trace`], which cannot be reported or made.

mod fifo;
mod flight;
mod log;
mod pages;
mod set;
mod span;
mod statistics;
#[cfg(any(CONFIG_KUNIT, test))]
mod testing;

pub use self::{
    log::{
        Entry,
        Log,
        Trace, //
    },
    span::Span,
    statistics::Statistics, //
};
