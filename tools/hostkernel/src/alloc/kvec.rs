// SPDX-License-Identifier: GPL-2.0

//! A vector that grows only where the caller handles the failure.

use super::flags::Flags;
use core::ops::{
    Deref,
    DerefMut, //
};
use std::vec;

/// There is no memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AllocError;

/// A contiguous growable array.
pub struct Vec<T>(vec::Vec<T>);

/// An element was not inserted.
#[derive(Debug)]
pub enum InsertError<T> {
    /// The index is beyond the end.
    IndexOutOfBounds(T),
    /// There is no capacity for another element.
    OutOfCapacity(T),
}

impl<T> Vec<T> {
    /// Returns an empty vector without memory.
    pub const fn new() -> Self {
        Self(vec::Vec::new())
    }

    /// Returns an empty vector with room for `capacity` elements, and no more.
    pub fn with_capacity(capacity: usize, _flags: Flags) -> Result<Self, AllocError> {
        let mut items = vec::Vec::new();
        items.try_reserve_exact(capacity).map_err(|_| AllocError)?;
        Ok(Self(items))
    }

    /// Returns how many elements there is memory for.
    pub fn capacity(&self) -> usize {
        self.0.capacity()
    }

    /// Returns all elements.
    pub fn as_slice(&self) -> &[T] {
        &self.0
    }

    /// Returns all elements.
    pub fn as_mut_slice(&mut self) -> &mut [T] {
        &mut self.0
    }

    /// Appends an element. Grows by half of the capacity at least.
    pub fn push(&mut self, item: T, _flags: Flags) -> Result<(), AllocError> {
        self.0.try_reserve(1).map_err(|_| AllocError)?;
        self.0.push(item);
        Ok(())
    }

    /// Inserts an element before the one at `index`, if there is capacity.
    pub fn insert_within_capacity(&mut self, index: usize, item: T) -> Result<(), InsertError<T>> {
        if index > self.0.len() {
            Err(InsertError::IndexOutOfBounds(item))
        } else if self.0.len() == self.0.capacity() {
            Err(InsertError::OutOfCapacity(item))
        } else {
            self.0.insert(index, item);
            Ok(())
        }
    }

    /// Drops all elements, and keeps the memory.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Drops all elements from number `len` on, and keeps the memory.
    pub fn truncate(&mut self, len: usize) {
        self.0.truncate(len);
    }

    /// Drops all elements for which `keep` returns `false`.
    pub fn retain(&mut self, keep: impl FnMut(&mut T) -> bool) {
        self.0.retain_mut(keep);
    }
}

impl<T: Clone> Vec<T> {
    /// Returns a vector of `count` copies of `item`.
    pub fn from_elem(item: T, count: usize, flags: Flags) -> Result<Self, AllocError> {
        let mut all = Self::with_capacity(count, flags)?;
        all.0.resize(count, item);
        Ok(all)
    }
}

impl<T> Default for Vec<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Deref for Vec<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T> DerefMut for Vec<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.0
    }
}

impl<T: core::fmt::Debug> core::fmt::Debug for Vec<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.fmt(f)
    }
}

impl<'a, T> IntoIterator for &'a Vec<T> {
    type Item = &'a T;
    type IntoIter = core::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<'a, T> IntoIterator for &'a mut Vec<T> {
    type Item = &'a mut T;
    type IntoIter = core::slice::IterMut<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter_mut()
    }
}
