// SPDX-License-Identifier: GPL-2.0

//! Work that is done again and again.

use crate::bindings;
use core::ptr::NonNull;
use kernel::{
    ffi,
    prelude::*,
    sync::Arc, //
};

/// What a [`Poll`] does.
pub(crate) trait Look: Send + Sync + 'static {
    /// Looks once. Returns whether to look again.
    fn look(&self) -> bool;
}

/// The work of a [`Poll`]. Not generic, so that only this module calls C.
///
/// # Invariants
///
/// It comes from `acc_link_poll_new()`.
struct Work(NonNull<bindings::acc_link_poll>);

// SAFETY: Any thread may start and cancel work.
unsafe impl Send for Work {}

impl Drop for Work {
    fn drop(&mut self) {
        // SAFETY: Valid by the type invariant, and nothing else has it.
        unsafe { bindings::acc_link_poll_free(self.0.as_ptr()) };
    }
}

/// Calls [`Look::look`] every few milliseconds, once it is started. No call is in progress after
/// this is dropped.
///
/// # Invariants
///
/// The owner of `work` is what `_owner` refers to, and its callback is that of `T`.
pub(crate) struct Poll<T: Look> {
    // First: it is dropped while there is an owner.
    work: Work,
    _owner: Arc<T>,
}

impl<T: Look> Poll<T> {
    /// Returns one that is not started: [`ENOMEM`] if there is no memory.
    pub(crate) fn new(owner: Arc<T>) -> Result<Self> {
        let at: *const T = &*owner;
        // SAFETY: The pointer and the callback are kept, and no more.
        let poll = unsafe { bindings::acc_link_poll_new(at.cast(), Some(Self::look)) };
        // INVARIANT: Just made, for this owner and with the callback of `T`.
        Ok(Self {
            work: Work(NonNull::new(poll).ok_or(ENOMEM)?),
            _owner: owner,
        })
    }

    /// Starts to look, until [`Look::look`] returns `false`. Does nothing if it is started already.
    pub(crate) fn start(&self) {
        // SAFETY: Valid by the type invariant.
        unsafe { bindings::acc_link_poll_start(self.work.0.as_ptr()) };
    }

    /// # Safety
    ///
    /// To be called by the work of a [`Poll`] of this type, with its owner.
    unsafe extern "C" fn look(owner: *const ffi::c_void) -> bool {
        // SAFETY: The `Poll` has a reference to its owner, and waits for this before it drops it.
        let owner = unsafe { &*owner.cast::<T>() };
        owner.look()
    }
}
