// SPDX-License-Identifier: GPL-2.0

//! A queue in memory that grows.

use kernel::{
    alloc::AllocError,
    prelude::*, //
};

/// First in, first out.
///
/// # Invariants
///
/// `head` is at most the length of `items`. The items before it have been removed.
pub(crate) struct Fifo<T> {
    items: KVVec<T>,
    head: usize,
}

/// How many items an empty queue keeps memory for.
const KEPT: usize = 64;

impl<T: Copy> Fifo<T> {
    pub(crate) const fn new() -> Self {
        Self {
            items: KVVec::new(),
            head: 0,
        }
    }

    /// Returns all items, the oldest first.
    pub(crate) fn as_slice(&self) -> &[T] {
        self.items.get(self.head..).unwrap_or_default()
    }

    pub(crate) fn len(&self) -> usize {
        self.as_slice().len()
    }

    pub(crate) fn last_mut(&mut self) -> Option<&mut T> {
        self.items.get_mut(self.head..)?.last_mut()
    }

    /// Adds an item at the end.
    pub(crate) fn push(&mut self, item: T) -> Result<(), AllocError> {
        if self.items.len() == self.items.capacity() {
            self.close_up();
        }
        self.items.push(item, GFP_KERNEL_ACCOUNT)
    }

    /// Removes the last `count` items, or all.
    pub(crate) fn drop_last(&mut self, count: usize) {
        let left = self.items.len() - count.min(self.len());
        self.items.truncate(left);
        self.tidy();
    }

    /// Removes the first `count` items, or all.
    pub(crate) fn drop_first(&mut self, count: usize) {
        // INVARIANT: At most as many as there are.
        self.head += count.min(self.len());
        self.tidy();
    }

    /// Moves all items to the beginning, if that frees as much room as there is to move.
    fn close_up(&mut self) {
        if self.head >= self.len() {
            let head = self.head;
            self.items.as_mut_slice().copy_within(head.., 0);
            let left = self.len();
            self.items.truncate(left);
            // INVARIANT: No removed item is left.
            self.head = 0;
        }
    }

    fn tidy(&mut self) {
        if self.len() == 0 {
            if self.items.capacity() > KEPT {
                self.items = KVVec::new();
            }
            self.items.clear();
            // INVARIANT: No removed item is left.
            self.head = 0;
        }
    }
}

#[kunit_tests(vfio_rs_dirty_fifo)]
mod tests {
    use super::{
        super::testing::Random,
        *, //
    };

    #[test]
    fn first_in_first_out() -> Result {
        let mut fifo = Fifo::new();
        for i in 0..10 {
            fifo.push(i)?;
        }
        fifo.drop_first(3);
        fifo.drop_last(2);
        assert_eq!(fifo.as_slice(), [3, 4, 5, 6, 7]);
        if let Some(last) = fifo.last_mut() {
            *last = 70;
        }
        fifo.drop_first(4);
        assert_eq!(fifo.as_slice(), [70]);
        fifo.drop_first(9);
        assert!(fifo.last_mut().is_none() && fifo.len() == 0);
        Ok(())
    }

    /// Pushes consecutive numbers. The model is the first and the last of them.
    #[test]
    fn random_use_in_bounded_memory() -> Result {
        let mut random = Random::new(1);
        let mut fifo = Fifo::new();
        let (mut first, mut next, mut most) = (0u64, 0u64, KEPT);
        for _ in 0..20_000 {
            let held = next - first;
            match random.below(5) {
                0 => {
                    let count = random.below(40);
                    // CAST: Small.
                    fifo.drop_first(count as usize);
                    first += count.min(held);
                }
                1 => {
                    let count = random.below(3);
                    // CAST: Small.
                    fifo.drop_last(count as usize);
                    next -= count.min(held);
                }
                _ => {
                    for _ in 0..random.below(10) {
                        fifo.push(next)?;
                        next += 1;
                    }
                }
            }
            assert!(fifo.as_slice().iter().copied().eq(first..next));
            most = most.max(fifo.len());
            assert!(fifo.items.capacity() <= 4 * most);
        }
        assert!(next > 1000);
        Ok(())
    }
}
