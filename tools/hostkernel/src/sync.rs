// SPDX-License-Identifier: GPL-2.0

//! What is shared.

pub mod atomic;

use crate::alloc::{
    AllocError,
    Flags, //
};
use core::ops::Deref;
use std::sync;

/// A reference-counted value.
pub struct Arc<T: ?Sized>(sync::Arc<T>);

impl<T> Arc<T> {
    /// Allocates a value.
    pub fn new(value: T, _flags: Flags) -> Result<Self, AllocError> {
        Ok(Self(sync::Arc::new(value)))
    }
}

impl<T: ?Sized> Clone for Arc<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: ?Sized> Deref for Arc<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}
