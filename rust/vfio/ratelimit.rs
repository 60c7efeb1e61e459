// SPDX-License-Identifier: GPL-2.0

//! A limit on how often user space may make the kernel log a line.
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
/// `state` is initialised and pinned.
#[pin_data]
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
    /// A new state.
    pub fn new() -> impl PinInit<Self> {
        // INVARIANT: `vfio_rs_ratelimit_init` initialises the state where it will stay.
        pin_init!(Self {
            state <- Opaque::ffi_init(|slot| {
                // SAFETY: `slot` is valid for writing and will be pinned.
                unsafe { bindings::vfio_rs_ratelimit_init(slot) }
            }),
        })
    }

    /// Whether a line may be logged now; a line that may not is counted and reported later.
    pub fn allow(&self) -> bool {
        // SAFETY: The state is initialised by the type invariant.
        unsafe { bindings::vfio_rs_ratelimit(self.state.get()) }
    }
}

/// `dev_warn!` for what user space can cause at will: at most a few lines in a few seconds.
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
