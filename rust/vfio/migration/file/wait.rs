// SPDX-License-Identifier: GPL-2.0

//! A wait queue that belongs to a file.

use crate::bindings;
use kernel::{
    bindings as kbindings,
    prelude::*,
    types::Opaque, //
};

/// The processes that wait in `poll()`. Unlike the kernel crate's `PollCondVar` it needs no grace
/// period when it is dropped, because it lives as long as the file.
///
/// # Invariants
///
/// The queue is initialized and pinned.
#[pin_data]
pub(super) struct WaitQueue {
    #[pin]
    queue: Opaque<kbindings::wait_queue_head>,
}

// SAFETY: A queue has its own lock, and belongs to no thread.
unsafe impl Send for WaitQueue {}
// SAFETY: As for `Send`.
unsafe impl Sync for WaitQueue {}

impl WaitQueue {
    pub(super) fn new() -> impl PinInit<Self> {
        // INVARIANT: `vfio_rs_wait_init` initializes the queue where it will stay.
        pin_init!(Self {
            // SAFETY: `slot` is valid for writing and will be pinned.
            queue <- Opaque::ffi_init(|slot| unsafe { bindings::vfio_rs_wait_init(slot) }),
        })
    }

    pub(super) fn wake(&self) {
        // SAFETY: By the type invariant.
        unsafe { bindings::vfio_rs_wait_wake(self.queue.get()) };
    }

    /// Has `poll()` of `file` wait for the queue.
    ///
    /// # Safety
    ///
    /// To be called by `poll()` of `file` with its `table`. The queue must live as long as the
    /// file: the VFS takes its waiters away before it releases the file.
    pub(super) unsafe fn poll(
        &self,
        file: *mut kbindings::file,
        table: *mut kbindings::poll_table_struct,
    ) {
        // SAFETY: By the safety requirement, and the type invariant.
        unsafe { bindings::vfio_rs_wait_poll(file, self.queue.get(), table) };
    }
}
