// SPDX-License-Identifier: GPL-2.0

//! A limit on how often userspace can make the kernel log a line.
//!
//! C header: [`include/linux/ratelimit.h`](srctree/include/linux/ratelimit.h)

use crate::bindings;
use kernel::{
    prelude::*,
    types::Opaque, //
};

/// A `struct ratelimit_state` with the kernel's default interval and burst.
///
/// # Invariants
///
/// `state` is initialized and pinned.
#[pin_data(PinnedDrop)]
#[repr(transparent)]
pub struct RateLimit {
    #[pin]
    state: Opaque<kernel::bindings::ratelimit_state>,
}

// SAFETY: A `struct ratelimit_state` belongs to no thread.
unsafe impl Send for RateLimit {}
// SAFETY: `__ratelimit()` takes the lock inside the state.
unsafe impl Sync for RateLimit {}

impl RateLimit {
    /// Returns a new state.
    pub fn new() -> impl PinInit<Self> {
        // INVARIANT: `vfio_rs_ratelimit_init` initializes the state where it will stay.
        pin_init!(Self {
            state <- Opaque::ffi_init(|slot| {
                // SAFETY: `slot` is valid for writing and will be pinned.
                unsafe { bindings::vfio_rs_ratelimit_init(slot) }
            }),
        })
    }

    /// Returns whether a line may be logged now. Counts the lines that may not.
    pub fn allow(&self) -> bool {
        // SAFETY: The state is initialized by the type invariant.
        unsafe { bindings::vfio_rs_ratelimit(self.state.get()) }
    }
}

#[pinned_drop]
impl PinnedDrop for RateLimit {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: The state is initialized by the type invariant, and nobody uses it any more.
        unsafe { bindings::vfio_rs_ratelimit_exit(self.state.get()) };
    }
}

/// `dev_warn!` for what userspace can cause at will: at most a few lines in a few seconds.
///
/// The first argument is a [`pci::Device`](crate::pci::Device).
#[macro_export]
macro_rules! dev_warn_ratelimited {
    ($dev:expr, $($arg:tt)+) => {
        if $dev.ratelimit().allow() {
            ::kernel::dev_warn!($dev.as_device(), $($arg)+);
        }
    };
}

/// `dev_info!` with the same limit.
///
/// The first argument is a [`pci::Device`](crate::pci::Device).
#[macro_export]
macro_rules! dev_info_ratelimited {
    ($dev:expr, $($arg:tt)+) => {
        if $dev.ratelimit().allow() {
            ::kernel::dev_info!($dev.as_device(), $($arg)+);
        }
    };
}
