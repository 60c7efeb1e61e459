// SPDX-License-Identifier: GPL-2.0

//! What is in flight: the entries of each queue, in the order in which they were submitted.

#[cfg(any(CONFIG_KUNIT, test))]
mod tests;

use super::{
    fifo::Fifo,
    span::Span, //
};
use kernel::{
    prelude::*,
    rbtree::{
        RBTree,
        RBTreeNode, //
    },
};

/// The maximum of entries: 3 MiB of memory.
const ENTRIES: usize = 1 << 18;

/// The maximum of their ranges: 24 MiB.
const RANGES: usize = 1 << 20;

/// Part of what an entry writes.
#[derive(Clone, Copy)]
struct Output {
    span: Span,
    clippable: bool,
}

#[derive(Clone, Copy)]
struct Entry {
    index: u32,
    /// How many of the queue's outputs are its own.
    outputs: u32,
    unknown: bool,
}

/// What is in flight in one queue.
///
/// # Invariants
///
/// `outputs` are those of `entries`, in order. `unknown` of the entries are unknown. The first
/// `held` entries are held. The first `marked` outputs were marked in this round.
struct Queue {
    entries: Fifo<Entry>,
    outputs: Fifo<Output>,
    unknown: usize,
    held: usize,
    marked: usize,
    /// Something that is no entry is in flight.
    lost: bool,
}

impl Queue {
    const fn new() -> Self {
        // INVARIANT: Nothing is in flight.
        Self {
            entries: Fifo::new(),
            outputs: Fifo::new(),
            unknown: 0,
            held: 0,
            marked: 0,
            lost: false,
        }
    }

    fn is_unknown(&self) -> bool {
        self.lost || self.unknown > 0
    }
}

/// Whether something unknown was among what is not in flight any more.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Unknown(pub(super) bool);

/// There is no memory or no room for another entry or range.
pub(crate) struct Full;

/// What is in flight.
///
/// # Invariants
///
/// `entries` and `ranges` are the sums over `queues`. In `unknown` of the queues something unknown
/// is in flight, and in `lost_queues` of them something that is no entry.
pub(crate) struct Flight {
    queues: RBTree<u32, Queue>,
    entries: usize,
    ranges: usize,
    unknown: usize,
    /// How many queues have something in flight that is no entry.
    lost_queues: usize,
    /// Something is in flight in a queue for which there was no memory.
    lost: bool,
    max_entries: usize,
    max_ranges: usize,
}

impl Flight {
    pub(crate) fn new() -> Self {
        Self::with_room(ENTRIES, RANGES)
    }

    fn with_room(max_entries: usize, max_ranges: usize) -> Self {
        // INVARIANT: Nothing is in flight.
        Self {
            queues: RBTree::new(),
            entries: 0,
            ranges: 0,
            unknown: 0,
            lost_queues: 0,
            lost: false,
            max_entries,
            max_ranges,
        }
    }

    /// Returns how many entries there are.
    pub(crate) fn entries(&self) -> usize {
        self.entries
    }

    /// Returns how many ranges they have.
    pub(crate) fn ranges(&self) -> usize {
        self.ranges
    }

    /// Returns whether anything unknown is in flight.
    pub(crate) fn is_unknown(&self) -> bool {
        self.lost || self.unknown > 0
    }

    /// Returns whether anything unknown is in flight in `queue`, or may be.
    pub(crate) fn is_queue_unknown(&self, queue: u32) -> bool {
        self.lost || self.queues.get(&queue).is_some_and(Queue::is_unknown)
    }

    /// Returns whether anything is in flight that is no entry.
    pub(crate) fn is_lost(&self) -> bool {
        self.lost || self.lost_queues > 0
    }

    /// Holds the entries of `queue` that are there now: none of them completes by its own number,
    /// only with a later one.
    pub(crate) fn hold(&mut self, queue: u32) {
        if let Some(queue) = self.queues.get_mut(&queue) {
            // INVARIANT: All entries.
            queue.held = queue.entries.len();
        }
    }

    /// Returns the numbers of the entries of `queue` that are held.
    pub(crate) fn held(&self, queue: u32) -> impl Iterator<Item = u32> + '_ {
        let queue = self.queues.get(&queue);
        queue.into_iter().flat_map(|queue| {
            let entries = queue.entries.as_slice().iter();
            entries.take(queue.held).map(|entry| entry.index)
        })
    }

    /// Returns how many entries there are in `queue`.
    pub(crate) fn in_queue(&self, queue: u32) -> usize {
        self.queues
            .get(&queue)
            .map_or(0, |queue| queue.entries.len())
    }

    /// Runs `change` on `queue`, which can make it unknown or known.
    fn change<T>(
        queue: &mut Queue,
        unknown: &mut usize,
        change: impl FnOnce(&mut Queue) -> T,
    ) -> T {
        let before = queue.is_unknown();
        let result = change(queue);
        match (before, queue.is_unknown()) {
            (false, true) => *unknown += 1,
            (true, false) => *unknown -= 1,
            _ => {}
        }
        result
    }

    /// Returns a queue, which is made if it does not exist.
    fn queue(&mut self, number: u32) -> Result<&mut Queue, Full> {
        if self.queues.get(&number).is_none() {
            let node = RBTreeNode::new(number, Queue::new(), GFP_KERNEL_ACCOUNT);
            self.queues.insert(node.map_err(|_| Full)?);
        }
        self.queues.get_mut(&number).ok_or(Full)
    }

    /// Adds an entry to `queue`. If there is no room, the queue loses it.
    pub(crate) fn submit(&mut self, queue: u32, index: u32) -> Result<(), Full> {
        let entry = Entry {
            index,
            outputs: 0,
            unknown: false,
        };
        let room = self.entries < self.max_entries;
        let pushed = match self.queue(queue) {
            Ok(queue) if room => queue.entries.push(entry).is_ok(),
            _ => false,
        };
        if pushed {
            self.entries += 1;
            Ok(())
        } else {
            self.lose(queue);
            Err(Full)
        }
    }

    /// Adds a range to the last entry of `queue`. If there is no room, the entry is unknown.
    pub(crate) fn range(&mut self, queue: u32, clippable: bool, span: Span) -> Result<(), Full> {
        let room = self.ranges < self.max_ranges;
        let Some(into) = self.queues.get_mut(&queue) else {
            return Ok(());
        };
        let Some(entry) = into.entries.last_mut() else {
            return Ok(());
        };
        if entry.unknown {
            return Ok(());
        }
        if entry.outputs > 0 {
            if let Some(last) = into.outputs.last_mut() {
                if last.clippable == clippable && last.span.end() == span.start() {
                    last.span = last.span.join(span);
                    return Ok(());
                }
            }
        }
        let output = Output { span, clippable };
        if room && entry.outputs < u32::MAX && into.outputs.push(output).is_ok() {
            entry.outputs += 1;
            self.ranges += 1;
            Ok(())
        } else {
            self.unknown(queue);
            Err(Full)
        }
    }

    /// Makes the last entry of `queue` unknown.
    pub(crate) fn unknown(&mut self, queue: u32) {
        let Self {
            queues,
            unknown,
            ranges,
            ..
        } = self;
        let Some(queue) = queues.get_mut(&queue) else {
            return;
        };
        Self::change(queue, unknown, |queue| {
            if let Some(entry) = queue.entries.last_mut().filter(|entry| !entry.unknown) {
                entry.unknown = true;
                let gone = core::mem::take(&mut entry.outputs);
                queue.unknown += 1;
                // CAST: Widens.
                queue.outputs.drop_last(gone as usize);
                // INVARIANT: No more than there are.
                queue.marked = queue.marked.min(queue.outputs.len());
                *ranges -= gone as usize;
            }
        });
    }

    /// Puts something that is no entry in flight in `queue`.
    pub(crate) fn lose(&mut self, queue: u32) {
        if self.queue(queue).is_err() {
            self.lost = true;
        }
        if let Some(queue) = self.queues.get_mut(&queue) {
            self.lost_queues += usize::from(!queue.lost);
            Self::change(queue, &mut self.unknown, |queue| queue.lost = true);
        }
    }

    /// Removes the first `count` entries of a queue. Calls `each` with what was written of their
    /// outputs, as `clip` says for each entry.
    fn finish(
        queue: &mut Queue,
        count: usize,
        mut clip: impl FnMut(u32) -> Option<u64>,
        mut each: impl FnMut(Span),
    ) -> (usize, Unknown) {
        let mut outputs = queue.outputs.as_slice().iter();
        let (mut gone, mut unknown) = (0, 0);
        for entry in queue.entries.as_slice().iter().take(count) {
            let mut left = clip(entry.index).unwrap_or(u64::MAX);
            // CAST: Widens.
            let own = entry.outputs as usize;
            for output in outputs.by_ref().take(own) {
                let written = if output.clippable {
                    let written = output.span.first(left);
                    left = left.saturating_sub(output.span.len());
                    written
                } else {
                    Some(output.span)
                };
                if let Some(written) = written {
                    each(written);
                }
            }
            gone += own;
            unknown += usize::from(entry.unknown);
        }
        queue.entries.drop_first(count);
        // INVARIANT: As many of them are left.
        queue.held = queue.held.saturating_sub(count);
        queue.outputs.drop_first(gone);
        // INVARIANT: As many of them are left.
        queue.marked = queue.marked.saturating_sub(gone);
        queue.unknown -= unknown;
        (gone, Unknown(unknown > 0))
    }

    /// Removes all entries of `queue` up to the first one with the number `index` that is not held,
    /// as [`Flight::finish`] does. Returns `None` if there is no such entry.
    pub(crate) fn complete(
        &mut self,
        queue: u32,
        index: u32,
        clip: impl FnMut(u32) -> Option<u64>,
        each: impl FnMut(Span),
    ) -> Option<Unknown> {
        let queue = self.queues.get_mut(&queue)?;
        let mut entries = queue.entries.as_slice().iter().skip(queue.held);
        let count = queue.held + entries.position(|entry| entry.index == index)? + 1;
        let (gone, unknown) = Self::change(queue, &mut self.unknown, |queue| {
            Self::finish(queue, count, clip, each)
        });
        self.entries -= count;
        self.ranges -= gone;
        Some(unknown)
    }

    /// Removes all that is in flight in `queue`. Calls `each` with all outputs.
    pub(crate) fn abandon(&mut self, queue: u32, each: impl FnMut(Span)) -> Unknown {
        let Some(mut queue) = self.queues.remove(&queue) else {
            return Unknown(false);
        };
        self.unknown -= usize::from(queue.is_unknown());
        self.lost_queues -= usize::from(queue.lost);
        let count = queue.entries.len();
        let (gone, Unknown(unknown)) = Self::finish(&mut queue, count, |_| None, each);
        self.entries -= count;
        self.ranges -= gone;
        Unknown(unknown || queue.lost)
    }

    /// Removes all that is in flight. Calls `each` with all outputs.
    pub(crate) fn abandon_all(&mut self, mut each: impl FnMut(Span)) -> Unknown {
        let unknown = self.is_unknown();
        self.for_each(&mut each);
        // INVARIANT: Nothing is in flight.
        *self = Self::with_room(self.max_entries, self.max_ranges);
        Unknown(unknown)
    }

    /// Begins a round of reports: nothing that is in flight has been marked in it.
    pub(crate) fn begin_round(&mut self) {
        for queue in self.queues.values_mut() {
            // INVARIANT: None of them.
            queue.marked = 0;
        }
    }

    /// Calls `each` with all that is in flight and known, and that was not marked in this round.
    /// Returns how many ranges that are.
    pub(crate) fn mark(&mut self, mut each: impl FnMut(Span)) -> usize {
        let mut count = 0;
        for queue in self.queues.values_mut() {
            let outputs = queue.outputs.as_slice();
            for output in outputs.get(queue.marked..).unwrap_or_default() {
                each(output.span);
                count += 1;
            }
            // INVARIANT: All of them.
            queue.marked = outputs.len();
        }
        count
    }

    /// Calls `each` with all that is in flight and known.
    pub(crate) fn for_each(&self, mut each: impl FnMut(Span)) {
        for output in self
            .queues
            .values()
            .flat_map(|queue| queue.outputs.as_slice())
        {
            each(output.span);
        }
    }
}
