// SPDX-License-Identifier: GPL-2.0

//! What DMA logging has done so far, for debugfs.

use kernel::sync::atomic::{
    Atomic,
    Relaxed, //
};

/// Counters of a device, from its registration on. They are read without a lock, one by one.
pub struct Statistics {
    reports: Atomic<u64>,
    pages: Atomic<u64>,
    whole: [Atomic<u64>; Self::REASONS],
    full: Atomic<u64>,
    entries: Atomic<usize>,
    ranges: Atomic<usize>,
    chunks: Atomic<usize>,
}

impl Default for Statistics {
    fn default() -> Self {
        Self::new()
    }
}

impl Statistics {
    /// How many reasons are told apart: those from the last one on are counted together.
    pub const REASONS: usize = 64;

    /// Returns counters at zero.
    pub const fn new() -> Self {
        Self {
            reports: Atomic::new(0),
            pages: Atomic::new(0),
            whole: [const { Atomic::new(0) }; Self::REASONS],
            full: Atomic::new(0),
            entries: Atomic::new(0),
            ranges: Atomic::new(0),
            chunks: Atomic::new(0),
        }
    }

    fn counter(&self, why: u32) -> &Atomic<u64> {
        let last = Self::REASONS - 1;
        let why = usize::try_from(why).map_or(last, |why| why.min(last));
        self.whole.get(why).unwrap_or(&self.full)
    }

    /// A report of so many pages.
    pub(crate) fn count_report(&self, pages: u64) {
        self.reports.add(1, Relaxed);
        self.pages.add(pages, Relaxed);
    }

    /// All was dirty, for a reason of the driver's or for want of room.
    pub(crate) fn count_whole(&self, why: Option<u32>) {
        let counter = why.map_or(&self.full, |why| self.counter(why));
        counter.add(1, Relaxed);
    }

    /// So much is held now.
    pub(crate) fn hold(&self, entries: usize, ranges: usize, chunks: usize) {
        self.entries.store(entries, Relaxed);
        self.ranges.store(ranges, Relaxed);
        self.chunks.store(chunks, Relaxed);
    }

    /// How many `REPORT` ioctls were answered.
    pub fn reports(&self) -> u64 {
        self.reports.load(Relaxed)
    }

    /// How many pages they have told of, of the size that the log has, and each time anew.
    pub fn pages(&self) -> u64 {
        self.pages.load(Relaxed)
    }

    /// How often something came that made all that is logged dirty, for the driver's reason `why`.
    pub fn whole(&self, why: u32) -> u64 {
        self.counter(why).load(Relaxed)
    }

    /// How often all that is logged was dirty since there was no room, or no memory, to note less.
    pub fn full(&self) -> u64 {
        self.full.load(Relaxed)
    }

    /// How many entries are in flight.
    pub fn entries(&self) -> usize {
        self.entries.load(Relaxed)
    }

    /// How many ranges they have.
    pub fn ranges(&self) -> usize {
        self.ranges.load(Relaxed)
    }

    /// How many chunks of the map of dirty pages there are, 4 KiB of memory each.
    pub fn chunks(&self) -> usize {
        self.chunks.load(Relaxed)
    }
}
