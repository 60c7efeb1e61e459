// SPDX-License-Identifier: GPL-2.0

//! What DMA logging has done so far, for debugfs.

use kernel::sync::atomic::{
    Atomic,
    Relaxed, //
};

/// Counters of a device since its registration. They are read without a lock, one by one.
pub struct Statistics {
    reports: Atomic<u64>,
    pages: Atomic<u64>,
    marked: Atomic<usize>,
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
    /// How many reasons have counters of their own. The last counter is of all others, too.
    pub const REASONS: usize = 64;

    /// Returns counters at zero.
    pub const fn new() -> Self {
        Self {
            reports: Atomic::new(0),
            pages: Atomic::new(0),
            marked: Atomic::new(0),
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

    /// Counts a report of `pages` pages.
    pub(crate) fn count_report(&self, pages: u64) {
        self.reports.add(1, Relaxed);
        self.pages.add(pages, Relaxed);
    }

    /// Counts `ranges` in flight that a report has marked as dirty.
    pub(crate) fn count_marked(&self, ranges: usize) {
        self.marked.add(ranges, Relaxed);
    }

    /// Counts that all was dirty, for a reason of the driver's or, if `None`, for lack of room.
    pub(crate) fn count_whole(&self, why: Option<u32>) {
        let counter = why.map_or(&self.full, |why| self.counter(why));
        counter.add(1, Relaxed);
    }

    /// Stores how much is held now.
    pub(crate) fn hold(&self, entries: usize, ranges: usize, chunks: usize) {
        self.entries.store(entries, Relaxed);
        self.ranges.store(ranges, Relaxed);
        self.chunks.store(chunks, Relaxed);
    }

    /// Returns how many `REPORT` ioctls were answered.
    pub fn reports(&self) -> u64 {
        self.reports.load(Relaxed)
    }

    /// Returns how many pages the reports had, in pages of the log. A page counts in each report.
    pub fn pages(&self) -> u64 {
        self.pages.load(Relaxed)
    }

    /// Returns how many ranges in flight the reports marked as dirty. A range counts in each round
    /// of reports.
    pub fn marked(&self) -> usize {
        self.marked.load(Relaxed)
    }

    /// Returns how often all that is logged became dirty for the driver's reason `why`.
    pub fn whole(&self, why: u32) -> u64 {
        self.counter(why).load(Relaxed)
    }

    /// Returns how often all that is logged became dirty for lack of room or memory.
    pub fn full(&self) -> u64 {
        self.full.load(Relaxed)
    }

    /// Returns how many entries are in flight.
    pub fn entries(&self) -> usize {
        self.entries.load(Relaxed)
    }

    /// Returns how many ranges they have.
    pub fn ranges(&self) -> usize {
        self.ranges.load(Relaxed)
    }

    /// Returns how many chunks the map of dirty pages has, of 4 KiB of memory each.
    pub fn chunks(&self) -> usize {
        self.chunks.load(Relaxed)
    }
}
