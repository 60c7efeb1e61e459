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
    entries: Atomic<u64>,
    ranges: Atomic<u64>,
}

impl Statistics {
    /// How many reasons are told apart; all above are counted as the last one.
    pub const REASONS: usize = 64;

    pub(crate) const fn new() -> Self {
        Self {
            reports: Atomic::new(0),
            pages: Atomic::new(0),
            whole: [const { Atomic::new(0) }; Self::REASONS],
            full: Atomic::new(0),
            entries: Atomic::new(0),
            ranges: Atomic::new(0),
        }
    }

    /// How many `REPORT` ioctls were answered.
    pub fn reports(&self) -> u64 {
        self.reports.load(Relaxed)
    }

    /// How many pages, of the size that logging was started with, they have told of.
    pub fn pages(&self) -> u64 {
        self.pages.load(Relaxed)
    }

    /// How often all that is logged was dirty for the driver's reason `why`.
    pub fn whole(&self, why: u32) -> u64 {
        let last = Self::REASONS - 1;
        let why = usize::try_from(why).map_or(last, |why| why.min(last));
        self.whole
            .get(why)
            .map_or(0, |counter| counter.load(Relaxed))
    }

    /// How often all that is logged was dirty since there was no room, or no memory, to note less.
    pub fn full(&self) -> u64 {
        self.full.load(Relaxed)
    }

    /// How many entries are in flight.
    pub fn entries(&self) -> u64 {
        self.entries.load(Relaxed)
    }

    /// How many ranges they have.
    pub fn ranges(&self) -> u64 {
        self.ranges.load(Relaxed)
    }
}
