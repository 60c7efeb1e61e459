// SPDX-License-Identifier: GPL-2.0

//! Which of the logged pages are dirty.

use super::{
    pages::Pages,
    span::{
        Span,
        Spans, //
    },
};
use kernel::{
    alloc::AllocError,
    prelude::*, //
};

/// The maximum of chunks of pages: 64 MiB of memory.
const CHUNKS: usize = 16384;

/// Room for spans, beyond those that are logged.
const ROOM: usize = 256;

/// What is dirty. Nothing is lost: without room, all that is logged is dirty.
pub(crate) struct Set {
    /// What is logged, in whole pages.
    logged: Spans,
    /// Large dirty spans, in whole pages.
    wholes: Spans,
    /// The other dirty pages, one by one.
    pages: Pages,
    shift: u32,
    /// The least size in bytes of a span in `wholes`.
    big: u64,
}

/// Whether all that is logged had to become dirty, since there was no room or no memory.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Overflow(pub(super) bool);

impl Set {
    /// Logs `logged`: at most `count` spans of whole pages of `1 << shift` bytes.
    pub(crate) fn new(
        logged: impl Iterator<Item = Span>,
        count: usize,
        shift: u32,
    ) -> Result<Self, AllocError> {
        let mut set = Self {
            logged: Spans::with_room(count)?,
            wholes: Spans::with_room(count.saturating_add(ROOM))?,
            pages: Pages::new(shift, CHUNKS),
            shift,
            big: Pages::chunk_bytes(shift),
        };
        for span in logged {
            set.logged.insert(span);
        }
        Ok(set)
    }

    /// Returns whether all of `span` is logged.
    pub(crate) fn covers(&self, span: Span) -> bool {
        self.logged.covers(span)
    }

    /// Returns what is logged.
    pub(crate) fn logged(&self) -> impl Iterator<Item = Span> + '_ {
        self.logged.iter()
    }

    /// Returns how many chunks of pages there are.
    pub(crate) fn chunks(&self) -> usize {
        self.pages.chunks()
    }

    /// Marks the logged pages that `span` touches.
    pub(crate) fn mark(&mut self, span: Span) -> Overflow {
        let shift = self.shift;
        let mut full = false;
        for part in self.logged.within(span) {
            // Logged spans are whole pages, so this is one, too.
            let part = part.widen(shift);
            if self.wholes.covers(part) {
                continue;
            }
            if part.len() >= self.big {
                self.wholes.insert(part);
                self.pages.take(part, |_| {});
            } else if self.pages.set(part).is_err() {
                full = true;
                break;
            }
        }
        if full {
            self.mark_all();
        }
        Overflow(full)
    }

    /// Marks all that is logged.
    pub(crate) fn mark_all(&mut self) {
        self.pages.clear();
        self.wholes.clear();
        for span in self.logged.iter() {
            self.wholes.insert(span);
        }
    }

    /// Calls `each` with what is dirty in `span`, and makes it clean. Of a page that `span` covers
    /// in part, only that part is reported, and the page stays dirty.
    pub(crate) fn take(&mut self, span: Span, mut each: impl FnMut(Span)) -> Overflow {
        let mut tell = |dirty: Span| {
            if let Some(part) = dirty.and(span) {
                each(part);
            }
        };
        for dirty in self.wholes.within(span) {
            // Without room, `wholes` may have more than is logged.
            self.logged.within(dirty).for_each(&mut tell);
            // `wholes` has all of these pages.
            self.pages.take(dirty, |_| {});
        }
        if let Some(pages) = span.shrink(self.shift) {
            self.wholes.remove(pages);
        }
        let mut split = [None; 2];
        for (edge, page) in [span.start(), span.end()].into_iter().zip(&mut split) {
            // The page that the edge lies within.
            *page = Span::of_len(edge, 1)
                .map(|byte| byte.widen(self.shift))
                .filter(|page| page.start() < edge);
        }
        let mut kept = [false; 2];
        self.pages.take(span, |dirty| {
            for (page, kept) in split.iter().zip(&mut kept) {
                *kept |= page.is_some_and(|page| page.and(dirty).is_some());
            }
            tell(dirty);
        });
        let mut full = false;
        for (page, kept) in split.into_iter().zip(kept) {
            if let (Some(page), true) = (page, kept) {
                full |= self.pages.set(page).is_err();
            }
        }
        if full {
            self.mark_all();
        }
        Overflow(full)
    }
}

#[kunit_tests(vfio_rs_dirty_set)]
mod tests {
    use super::{
        super::testing::Random,
        *, //
    };

    const SHIFT: u32 = 12;

    fn span(start: u64, end: u64) -> Result<Span> {
        Span::new(start, end).ok_or(EINVAL)
    }

    /// Logs the pages from the first number of each pair to before the second.
    fn logging(logged: &[(u64, u64)]) -> Result<Set> {
        let spans = logged
            .iter()
            .filter_map(|&(start, end)| Span::new(start << SHIFT, end << SHIFT));
        Ok(Set::new(spans, logged.len(), SHIFT)?)
    }

    /// Returns how many bytes of `span` are dirty, and makes them clean.
    fn taken(set: &mut Set, span: Span) -> u64 {
        let mut bytes = 0;
        let _ = set.take(span, |dirty| bytes += dirty.len());
        bytes
    }

    #[test]
    fn what_is_not_logged_is_not_dirty() -> Result {
        let mut set = logging(&[(16, 32), (48, 64)])?;
        assert_eq!(set.mark(span(0, 0x1_0000)?), Overflow(false));
        assert_eq!(set.mark(span(0x2_0000, 0x3_0000)?), Overflow(false));
        assert_eq!(taken(&mut set, span(0, u64::MAX)?), 0);
        assert_eq!(set.mark(span(0x1_f000, 0x3_1001)?), Overflow(false));
        assert_eq!(taken(&mut set, span(0, u64::MAX)?), 0x3000);
        assert!(set.covers(span(0x1_0000, 0x2_0000)?));
        assert!(!set.covers(span(0x1_0000, 0x2_0001)?));
        assert!(!set.covers(span(0x1_0000, 0x4_0000)?));
        Ok(())
    }

    #[test]
    fn what_is_reported_is_clean() -> Result {
        let mut set = logging(&[(0, 1 << 20)])?;
        assert_eq!(set.mark(span(0x5432, 0x5433)?), Overflow(false));
        assert_eq!(taken(&mut set, span(0, 0x5000)?), 0);
        assert_eq!(taken(&mut set, span(0x5000, 0x6000)?), 0x1000);
        assert_eq!(taken(&mut set, span(0, 1 << 32)?), 0);
        Ok(())
    }

    #[test]
    fn a_page_reported_in_part_stays_dirty() -> Result {
        let mut set = logging(&[(0, 64)])?;
        assert_eq!(set.mark(span(0x4000, 0x8000)?), Overflow(false));
        assert_eq!(taken(&mut set, span(0x4800, 0x6400)?), 0x1c00);
        assert_eq!(taken(&mut set, span(0, 0x4_0000)?), 0x3000);
        assert_eq!(taken(&mut set, span(0, 0x4_0000)?), 0);
        set.mark_all();
        assert_eq!(taken(&mut set, span(0x4800, 0x6400)?), 0x1c00);
        assert_eq!(taken(&mut set, span(0x4900, 0x4a00)?), 0x100);
        assert_eq!(taken(&mut set, span(0, 0x4_0000)?), 0x3_f000);
        assert_eq!(taken(&mut set, span(0, 0x4_0000)?), 0);
        Ok(())
    }

    #[test]
    fn all_is_dirty_piece_by_piece() -> Result {
        let mut set = logging(&[(16, 32), (48, 64)])?;
        assert_eq!(set.mark(span(0x1_2000, 0x1_3000)?), Overflow(false));
        set.mark_all();
        assert_eq!(set.chunks(), 0);
        assert_eq!(taken(&mut set, span(0x1_0000, 0x1_8000)?), 0x8000);
        // What is marked after a part was reported is in its next report.
        assert_eq!(set.mark(span(0x1_2000, 0x1_3000)?), Overflow(false));
        assert_eq!(taken(&mut set, span(0x1_8000, 0x2_0000)?), 0x8000);
        assert_eq!(taken(&mut set, span(0x3_0000, 0x4_0000)?), 0x1_0000);
        assert_eq!(taken(&mut set, span(0, u64::MAX)?), 0x1000);
        Ok(())
    }

    #[test]
    fn what_is_big_takes_no_memory() -> Result {
        let mut set = logging(&[(0, 1 << 40)])?;
        assert_eq!(set.mark(span(0x1000, 1 << 50)?), Overflow(false));
        assert_eq!(set.chunks(), 0);
        assert_eq!(set.mark(span(0x5000, 0x6000)?), Overflow(false));
        assert_eq!(set.chunks(), 0);
        assert_eq!(taken(&mut set, span(0, 1 << 52)?), (1 << 50) - 0x1000);
        Ok(())
    }

    #[test]
    fn without_room_all_is_dirty() -> Result {
        let mut set = logging(&[(0, 64), (1 << 20, 1 << 21)])?;
        set.pages = Pages::new(SHIFT, 1);
        assert_eq!(set.mark(span(0, 1)?), Overflow(false));
        assert_eq!(set.mark(span(1 << 32, (1 << 32) + 1)?), Overflow(true));
        assert_eq!(taken(&mut set, span(0, 64 << SHIFT)?), 64 << SHIFT);
        assert_eq!(taken(&mut set, span(1 << 32, 1 << 33)?), 1 << 32);
        Ok(())
    }

    /// Compares with a byte for each page: what was marked is reported once, and nothing else.
    #[test]
    fn random_marks_and_reports() -> Result {
        const ALL: usize = 3 << 15;
        const LOGGED: [(u64, u64); 3] = [(5, 700), (701, 40_000), (50_000, 98_000)];

        let mut random = Random::new(11);
        let mut set = logging(&LOGGED)?;
        // So that spans of so few pages are large, and are split.
        set.big = 1000 << SHIFT;
        let mut model = KVVec::from_elem(false, ALL, GFP_KERNEL)?;
        // CAST: Small, and so are all casts in here.
        for round in 0..4000 {
            let first = random.below(ALL as u64 - 1);
            let most = [3, 100, 5000][random.below(3) as usize];
            let end = (first + 1 + random.below(most)).min(ALL as u64);
            let within = span(first << SHIFT, end << SHIFT)?;
            if round % 500 == 499 {
                set.mark_all();
                for (start, end) in LOGGED {
                    let logged = model.get_mut(start as usize..end as usize);
                    logged.ok_or(EINVAL)?.fill(true);
                }
            } else if random.below(2) == 0 {
                // Any bytes of these pages.
                let bytes = span(within.start() + random.below(4096), within.end())?;
                assert_eq!(set.mark(bytes), Overflow(false));
                for (start, end) in LOGGED {
                    for page in first.max(start)..(within.end() >> SHIFT).min(end) {
                        if let Some(slot) = model.get_mut(page as usize) {
                            *slot = true;
                        }
                    }
                }
            } else {
                let mut right = true;
                let _ = set.take(within, |dirty| {
                    right &= dirty.and(within) == Some(dirty);
                    for page in (dirty.start() >> SHIFT)..(dirty.end() >> SHIFT) {
                        let slot = model.get_mut(page as usize);
                        right &= slot.is_some_and(core::mem::take);
                    }
                });
                assert!(right);
                let left = model.get(first as usize..end as usize).ok_or(EINVAL)?;
                assert!(left.iter().all(|dirty| !dirty));
            }
        }
        Ok(())
    }
}
