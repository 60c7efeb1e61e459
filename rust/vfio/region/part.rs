// SPDX-License-Identifier: GPL-2.0

//! The arithmetic of mediated and watched parts of a region.

use core::ops::Range;
use kernel::{
    page::PAGE_SIZE,
    prelude::*, //
};

// CAST: `usize` is no wider than `u64`; `From` is not const.
const PAGE: u64 = PAGE_SIZE as u64;

/// Whole pages of a region; none, by default.
///
/// # Invariants
///
/// `start <= end`, and both are multiples of the page size.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Part {
    start: u64,
    end: u64,
}

impl Part {
    /// Returns the pages that `range` touches, of a region of `len` bytes.
    pub(crate) fn around(range: Range<u64>, len: u64) -> Self {
        let end = range.end.min(len);
        if range.start >= end {
            return Self::default();
        }
        // INVARIANT: The start is rounded down, and the end, which is beyond it, up. A region is
        // far shorter than the address space.
        Self {
            start: range.start / PAGE * PAGE,
            end: end.div_ceil(PAGE).saturating_mul(PAGE),
        }
    }

    pub(crate) fn start(self) -> u64 {
        self.start
    }

    pub(crate) fn len(self) -> u64 {
        self.end - self.start
    }

    pub(crate) fn is_empty(self) -> bool {
        self.len() == 0
    }

    pub(crate) fn contains(self, offset: u64) -> bool {
        (self.start..self.end).contains(&offset)
    }

    /// Returns whether the part and `range` have a byte in common.
    pub(crate) fn overlaps(self, range: Range<u64>) -> bool {
        self.start.max(range.start) < self.end.min(range.end)
    }

    /// Returns the areas before and after the part, of a region of `size` bytes. Either may be
    /// empty.
    pub(crate) fn rest(self, size: u64) -> [Range<u64>; 2] {
        [0..self.start.min(size), self.end.min(size)..size]
    }

    /// Returns where the part begins or ends next after `offset`.
    fn edge(self, offset: u64) -> Option<u64> {
        next(self.start..self.end, offset)
    }
}

/// Returns the first of the two ends of `range` that lies beyond `offset`. An empty range has none.
fn next(range: Range<u64>, offset: u64) -> Option<u64> {
    if range.is_empty() {
        return None;
    }
    [range.start, range.end]
        .into_iter()
        .find(|&end| end > offset)
}

/// The mediated and watched parts of a region.
#[derive(Clone, Default)]
pub(crate) struct Parts {
    /// The driver sees each write there.
    pub(crate) mediated: Part,
    /// The watch sees whether userspace has been there.
    pub(crate) watched: Part,
    /// The MSI-X table: the core drops writes there and reads ones.
    pub(crate) hole: Range<u64>,
}

/// Which way an access goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Way {
    /// `read()`
    Read,
    /// `write()`
    Write,
}

/// What comes next in a `read()` or `write()`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Piece {
    /// So many bytes for the core.
    Core(usize),
    /// One access of so many bytes to a mediated or watched part.
    Own(u8),
}

impl Parts {
    /// Returns whether a part and `range` have a byte in common.
    pub(crate) fn overlaps(&self, range: Range<u64>) -> bool {
        self.mediated.overlaps(range.clone()) || self.watched.overlaps(range)
    }

    /// Returns whether there is any part.
    pub(crate) fn any(&self) -> bool {
        !self.mediated.is_empty() || !self.watched.is_empty()
    }

    /// Returns how an access of `count` bytes at `offset` begins.
    pub(crate) fn piece(&self, way: Way, offset: u64, count: usize) -> Piece {
        let mediated = match way {
            Way::Read => Part::default(),
            Way::Write => self.mediated,
        };
        let edges = [
            mediated.edge(offset),
            self.watched.edge(offset),
            next(self.hole.clone(), offset),
        ];
        let count = edges
            .into_iter()
            .flatten()
            .filter_map(|edge| usize::try_from(edge - offset).ok())
            .fold(count, usize::min);
        let own = mediated.contains(offset) || self.watched.contains(offset);
        if self.hole.contains(&offset) || !own {
            return Piece::Core(count);
        }
        // The widths that the core uses.
        let size = [8u8, 4, 2]
            .into_iter()
            .find(|&size| usize::from(size) <= count && offset % u64::from(size) == 0);
        Piece::Own(size.unwrap_or(1))
    }
}

#[kunit_tests(vfio_rs_region_part)]
mod tests {
    use super::*;

    fn part(first: u64, pages: u64) -> Part {
        Part::around(first * PAGE..(first + pages) * PAGE, u64::MAX / 2)
    }

    #[test]
    fn a_part_is_made_of_whole_pages() {
        let part = Part::around(PAGE + 8..2 * PAGE + 1, 8 * PAGE);
        assert_eq!((part.start, part.end), (PAGE, 3 * PAGE));
        assert!(part.contains(PAGE) && !part.contains(PAGE - 1) && !part.contains(3 * PAGE));
        // Of a BAR that is shorter than a page, the page.
        let part = Part::around(0x10..u64::MAX, 0x100);
        assert_eq!((part.start, part.end), (0, PAGE));
    }

    #[test]
    fn a_part_out_of_the_region_is_none() {
        for range in [0..0, 8 * PAGE..9 * PAGE, 5..5, u64::MAX..u64::MAX] {
            assert!(Part::around(range, 8 * PAGE).is_empty());
        }
        assert!(!Part::default().contains(0));
        assert!(!Part::default().overlaps(0..u64::MAX));
    }

    #[test]
    fn overlap_is_by_byte() {
        let part = part(1, 2);
        assert!(part.overlaps(0..PAGE + 1));
        assert!(part.overlaps(3 * PAGE - 1..4 * PAGE));
        assert!(!part.overlaps(0..PAGE));
        assert!(!part.overlaps(3 * PAGE..4 * PAGE));
    }

    #[test]
    fn the_rest_is_what_can_be_mapped() {
        assert_eq!(part(1, 2).rest(8 * PAGE), [0..PAGE, 3 * PAGE..8 * PAGE]);
        assert_eq!(part(0, 2).rest(8 * PAGE), [0..0, 2 * PAGE..8 * PAGE]);
        assert_eq!(part(6, 2).rest(8 * PAGE), [0..6 * PAGE, 8 * PAGE..8 * PAGE]);
        assert!(part(0, 8).rest(8 * PAGE).iter().all(Range::is_empty));
        // The part may begin or end beyond the region.
        assert_eq!(part(4, 8).rest(6 * PAGE), [0..4 * PAGE, 6 * PAGE..6 * PAGE]);
        assert_eq!(part(7, 1).rest(6 * PAGE), [0..6 * PAGE, 6 * PAGE..6 * PAGE]);
    }

    #[test]
    fn a_write_is_split_at_each_edge() {
        let parts = Parts {
            mediated: part(1, 2),
            ..Parts::default()
        };
        assert_eq!(parts.piece(Way::Write, 0, 16), Piece::Core(16));
        assert_eq!(parts.piece(Way::Write, PAGE - 4, 16), Piece::Core(4));
        assert_eq!(parts.piece(Way::Write, PAGE, 16), Piece::Own(8));
        assert_eq!(parts.piece(Way::Write, PAGE, 7), Piece::Own(4));
        assert_eq!(parts.piece(Way::Write, PAGE + 4, 16), Piece::Own(4));
        assert_eq!(parts.piece(Way::Write, PAGE + 2, 16), Piece::Own(2));
        assert_eq!(parts.piece(Way::Write, PAGE + 1, 16), Piece::Own(1));
        assert_eq!(parts.piece(Way::Write, 3 * PAGE - 1, 16), Piece::Own(1));
        assert_eq!(parts.piece(Way::Write, 3 * PAGE, 16), Piece::Core(16));
        assert_eq!(Parts::default().piece(Way::Write, 0, 16), Piece::Core(16));
    }

    #[test]
    fn a_read_is_split_at_what_is_watched_only() {
        let parts = Parts {
            mediated: part(1, 2),
            watched: part(0, 1),
            ..Parts::default()
        };
        assert_eq!(parts.piece(Way::Read, 8, 16), Piece::Own(8));
        assert_eq!(parts.piece(Way::Write, 8, 16), Piece::Own(8));
        assert_eq!(parts.piece(Way::Read, PAGE - 4, 16), Piece::Own(4));
        assert_eq!(parts.piece(Way::Read, PAGE, 16), Piece::Core(16));
        assert!(parts.overlaps(0..1) && parts.overlaps(PAGE..PAGE + 1));
        assert!(!parts.overlaps(3 * PAGE..4 * PAGE));
        assert!(parts.any() && !Parts::default().any());
    }

    #[test]
    fn the_hole_is_for_the_core() {
        let parts = Parts {
            mediated: part(0, 4),
            hole: PAGE + 4..PAGE + 0x20,
            ..Parts::default()
        };
        assert_eq!(parts.piece(Way::Write, PAGE, 64), Piece::Own(4));
        assert_eq!(parts.piece(Way::Write, PAGE + 4, 64), Piece::Core(0x1c));
        assert_eq!(parts.piece(Way::Write, PAGE + 8, 4), Piece::Core(4));
        assert_eq!(parts.piece(Way::Write, PAGE + 0x20, 64), Piece::Own(8));
    }

    /// Whatever is written: the pieces are all of it, each is of one kind, and none is empty.
    #[test]
    fn pieces_cover_a_write() {
        let parts = Parts {
            mediated: part(1, 1),
            watched: part(3, 1),
            hole: PAGE + 0x100..PAGE + 0x107,
        };
        let own = |offset| {
            (parts.mediated.contains(offset) || parts.watched.contains(offset))
                && !parts.hole.contains(&offset)
        };
        for start in (0..5 * PAGE).step_by(13) {
            for len in [1, 8, 300, 4096] {
                let (mut offset, mut left) = (start, len);
                while left > 0 {
                    let size = match parts.piece(Way::Write, offset, left) {
                        Piece::Core(size) => {
                            assert!(!own(offset));
                            // CAST: Small.
                            assert!(!own(offset + size as u64 - 1));
                            size
                        }
                        Piece::Own(size) => {
                            assert!(own(offset) && offset % u64::from(size) == 0);
                            usize::from(size)
                        }
                    };
                    assert!(size > 0 && size <= left);
                    // CAST: Small.
                    offset += size as u64;
                    left -= size;
                }
            }
        }
    }
}
