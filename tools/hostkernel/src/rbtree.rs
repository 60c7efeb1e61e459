// SPDX-License-Identifier: GPL-2.0

//! A sorted map whose nodes are allocated before they are inserted.

use crate::{
    alloc::Flags,
    error::Result, //
};
use std::collections::BTreeMap;

/// A sorted map.
pub struct RBTree<K, V>(BTreeMap<K, V>);

/// A key and a value, with the memory that the tree needs for them.
pub struct RBTreeNode<K, V>(K, V);

impl<K, V> RBTreeNode<K, V> {
    /// Returns a node to insert.
    pub fn new(key: K, value: V, _flags: Flags) -> Result<Self> {
        Ok(Self(key, value))
    }

    /// Returns what is in it.
    pub fn to_key_value(self) -> (K, V) {
        (self.0, self.1)
    }
}

impl<K, V> RBTree<K, V> {
    /// Returns an empty tree.
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Returns all values, in the order of their keys.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.0.values_mut()
    }

    /// The same, to read.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.0.values()
    }
}

impl<K, V> Default for RBTree<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Ord + Clone, V> RBTree<K, V> {
    /// Inserts a node. Returns the one of the same key that was there.
    pub fn insert(&mut self, node: RBTreeNode<K, V>) -> Option<RBTreeNode<K, V>> {
        let RBTreeNode(key, value) = node;
        let old = self.0.insert(key.clone(), value)?;
        Some(RBTreeNode(key, old))
    }

    /// Returns the value of a key.
    pub fn get(&self, key: &K) -> Option<&V> {
        self.0.get(key)
    }

    /// Returns the value of a key.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.0.get_mut(key)
    }

    /// Removes a key, and returns its value.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        self.0.remove(key)
    }

    /// Returns a cursor at the first node whose key is `key` or greater.
    pub fn cursor_lower_bound_mut(&mut self, key: &K) -> Option<CursorMut<'_, K, V>> {
        let key = self.0.range(key..).next()?.0.clone();
        Some(CursorMut { tree: self, key })
    }
}

/// A place in a tree.
///
/// # Invariants
///
/// `key` is in the tree.
pub struct CursorMut<'a, K, V> {
    tree: &'a mut RBTree<K, V>,
    key: K,
}

impl<K: Ord + Clone, V> CursorMut<'_, K, V> {
    /// Returns the node at this place.
    pub fn current(&self) -> (&K, &V) {
        let value = self.tree.get(&self.key).expect("a key of the tree");
        (&self.key, value)
    }

    /// Returns the node at this place.
    pub fn current_mut(&mut self) -> (&K, &mut V) {
        let value = self.tree.get_mut(&self.key).expect("a key of the tree");
        (&self.key, value)
    }

    fn next_key(&self) -> Option<K> {
        use core::ops::Bound::{
            Excluded,
            Unbounded, //
        };

        let mut after = self.tree.0.range((Excluded(&self.key), Unbounded));
        after.next().map(|(key, _)| key.clone())
    }

    /// Moves to the next node. Returns `None` after the last one.
    pub fn move_next(self) -> Option<Self> {
        let key = self.next_key()?;
        // INVARIANT: The key was found there.
        Some(Self { key, ..self })
    }

    /// Removes the node. The cursor moves to the next node; after the last one to the one before
    /// it.
    pub fn remove_current(self) -> (Option<Self>, RBTreeNode<K, V>) {
        let before = self.tree.0.range(..&self.key).next_back();
        let before = before.map(|(key, _)| key.clone());
        let near = self.next_key().or(before);
        let Self { tree, key } = self;
        let value = tree.remove(&key).expect("a key of the tree");
        // INVARIANT: The key is another one than that which was removed.
        let cursor = near.map(|key| Self { tree, key });
        (cursor, RBTreeNode(key, value))
    }
}
