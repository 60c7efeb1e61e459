// SPDX-License-Identifier: GPL-2.0

//! Values that several threads change. Behind a lock, since the standard library's atomics are not
//! generic.

use core::ops::AddAssign;
use std::sync::{
    Mutex,
    MutexGuard,
    PoisonError, //
};

/// No ordering with other accesses.
#[derive(Clone, Copy)]
pub struct Relaxed;

/// A value.
pub struct Atomic<T>(Mutex<T>);

impl<T: Copy> Atomic<T> {
    /// Returns a value.
    pub const fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads it.
    pub fn load(&self, _: Relaxed) -> T {
        *self.lock()
    }

    /// Writes it.
    pub fn store(&self, value: T, _: Relaxed) {
        *self.lock() = value;
    }

    /// Adds to it.
    pub fn add(&self, value: T, _: Relaxed)
    where
        T: AddAssign,
    {
        *self.lock() += value;
    }
}
