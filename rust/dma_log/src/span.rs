// SPDX-License-Identifier: GPL-2.0

//! Ranges of addresses, and sets of them that have a fixed amount of room.

use kernel::{
    alloc::AllocError,
    prelude::*, //
};

/// The addresses from `start` to before `end`.
///
/// # Invariants
///
/// `start < end`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span {
    start: u64,
    end: u64,
}

impl Span {
    /// Returns a span, `None` if it is empty.
    pub fn new(start: u64, end: u64) -> Option<Self> {
        // INVARIANT: Checked.
        (start < end).then_some(Self { start, end })
    }

    /// Returns `len` bytes from `address` on, or as many as the address space has. `None` if there
    /// are none.
    pub fn of_len(address: u64, len: u64) -> Option<Self> {
        Self::new(address, address.saturating_add(len))
    }

    /// Returns the first address.
    pub fn start(self) -> u64 {
        self.start
    }

    /// Returns the address after the last one.
    pub fn end(self) -> u64 {
        self.end
    }

    /// Returns how many bytes it has.
    #[expect(clippy::len_without_is_empty, reason = "no span is empty")]
    pub fn len(self) -> u64 {
        self.end - self.start
    }

    /// Returns what it has in common with another span.
    pub(crate) fn and(self, other: Self) -> Option<Self> {
        Self::new(self.start.max(other.start), self.end.min(other.end))
    }

    /// Returns the span from the lower start to the higher end, with what may lie between the two.
    pub(crate) fn join(self, other: Self) -> Self {
        // INVARIANT: Neither gets shorter.
        Self {
            start: self.start.min(other.start),
            end: self.end.max(other.end),
        }
    }

    /// Returns its first `len` bytes, or all.
    pub(crate) fn first(self, len: u64) -> Option<Self> {
        Self::of_len(self.start, len.min(self.len()))
    }

    /// Extends it to multiples of `1 << shift`, or to the end of the address space.
    pub(crate) fn widen(self, shift: u32) -> Self {
        let size = 1u64 << shift;
        // INVARIANT: The start does not get higher, nor the end lower.
        Self {
            start: self.start & !(size - 1),
            end: self.end.checked_next_multiple_of(size).unwrap_or(u64::MAX),
        }
    }

    /// Shortens it to multiples of `1 << shift`. An end of the address space stays.
    pub(crate) fn shrink(self, shift: u32) -> Option<Self> {
        let size = 1u64 << shift;
        let end = match self.end {
            u64::MAX => u64::MAX,
            end => end & !(size - 1),
        };
        Self::new(self.start.checked_next_multiple_of(size)?, end)
    }
}

/// A set of addresses.
///
/// It has all that was inserted and not removed. It may have more: without room, what lies between
/// two spans is inserted, too.
///
/// # Invariants
///
/// The spans are in order, and no two of them touch. There is room for `max` of them.
pub(crate) struct Spans {
    spans: KVec<Span>,
    max: usize,
}

impl Spans {
    /// Returns an empty set with room for `max` spans, at least one.
    pub(crate) fn with_room(max: usize) -> Result<Self, AllocError> {
        let max = max.max(1);
        // INVARIANT: There are no spans, and there is room for `max`.
        Ok(Self {
            spans: KVec::with_capacity(max, GFP_KERNEL_ACCOUNT)?,
            max,
        })
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Span> + '_ {
        self.spans.iter().copied()
    }

    pub(crate) fn clear(&mut self) {
        self.spans.clear();
    }

    /// Returns the number of the first span that ends at or after `address`.
    fn first_to(&self, address: u64) -> usize {
        self.spans.partition_point(|span| span.end < address)
    }

    /// Returns what of `span` is in the set, in order.
    pub(crate) fn within(&self, span: Span) -> impl Iterator<Item = Span> + '_ {
        let first = self.first_to(span.start);
        self.spans
            .get(first..)
            .unwrap_or_default()
            .iter()
            .take_while(move |known| known.start < span.end)
            .filter_map(move |known| known.and(span))
    }

    /// Returns whether all of `span` is in the set.
    pub(crate) fn covers(&self, span: Span) -> bool {
        self.within(span).next() == Some(span)
    }

    /// Removes the spans from number `first` to before `end`.
    fn drop_between(&mut self, first: usize, end: usize) {
        if let Some(rest) = self.spans.get_mut(first..) {
            let gone = end.saturating_sub(first).min(rest.len());
            rest.rotate_left(gone);
            let left = self.spans.len() - gone;
            self.spans.truncate(left);
        }
    }

    /// Inserts `span`. Without room, what lies between it and its nearer neighbor is inserted, too.
    pub(crate) fn insert(&mut self, span: Span) {
        let first = self.first_to(span.start);
        let end = self
            .spans
            .partition_point(|known| known.start <= span.end)
            .max(first);
        let touching = self.spans.get(first..end).unwrap_or_default();
        let joined = touching.iter().fold(span, |all, known| all.join(*known));
        if first < end {
            // INVARIANT: One span replaces all that it touches.
            if let Some(slot) = self.spans.get_mut(first) {
                *slot = joined;
            }
            self.drop_between(first + 1, end);
        } else if self.spans.len() < self.max
            // INVARIANT: It touches none, and goes between those before it and those after it.
            && self.spans.insert_within_capacity(first, span).is_ok()
        {
        } else {
            self.join_nearest(first, span);
        }
    }

    /// Joins `span`, whose place is `at`, with its nearer neighbor.
    fn join_nearest(&mut self, at: usize, span: Span) {
        let gap = |known: Option<&Span>| {
            known.map_or(u64::MAX, |known| {
                let joined = known.join(span);
                joined.len() - known.len() - span.len()
            })
        };
        let below = at.checked_sub(1);
        let before = gap(below.and_then(|i| self.spans.get(i)));
        let after = gap(self.spans.get(at));
        let nearest = match below {
            Some(below) if before <= after => below,
            _ => at,
        };
        // INVARIANT: It reaches no other neighbor: `span` touches none, and lies before the next.
        if let Some(known) = self.spans.get_mut(nearest) {
            *known = known.join(span);
        }
    }

    /// Removes `span`. If that would make two spans of one and there is no room, it stays in the
    /// set.
    pub(crate) fn remove(&mut self, span: Span) {
        let mut first = self.spans.partition_point(|known| known.end <= span.start);
        let mut end = self
            .spans
            .partition_point(|known| known.start < span.end)
            .max(first);
        let below = self
            .spans
            .get(first)
            .filter(|known| known.start < span.start);
        let below = below.and_then(|known| Span::new(known.start, span.start));
        let above = end.checked_sub(1).and_then(|last| self.spans.get(last));
        let above = above.filter(|known| known.end > span.end);
        let above = above.and_then(|known| Span::new(span.end, known.end));
        if let (Some(below), Some(above)) = (below, above) {
            if first + 1 == end {
                if self.spans.len() < self.max
                    && self.spans.insert_within_capacity(end, above).is_ok()
                {
                    // INVARIANT: Two spans replace one, and what is removed lies between them.
                    if let Some(slot) = self.spans.get_mut(first) {
                        *slot = below;
                    }
                }
                return;
            }
        }
        // INVARIANT: The two at the ends get shorter, and those between are removed.
        if let (Some(below), Some(slot)) = (below, self.spans.get_mut(first)) {
            *slot = below;
            first += 1;
        }
        if let (Some(above), Some(last)) = (above, end.checked_sub(1)) {
            if let Some(slot) = self.spans.get_mut(last) {
                *slot = above;
                end = last;
            }
        }
        self.drop_between(first, end);
    }
}

#[kunit_tests(vfio_rs_dirty_span)]
mod tests {
    use super::{
        super::testing::Random,
        *, //
    };

    fn span(start: u64, end: u64) -> Span {
        Span::new(start, end).unwrap_or(Span { start: 0, end: 1 })
    }

    fn set(max: usize, spans: &[(u64, u64)]) -> Result<Spans> {
        let mut set = Spans::with_room(max)?;
        for &(start, end) in spans {
            set.insert(span(start, end));
        }
        Ok(set)
    }

    fn is(set: &Spans, spans: &[(u64, u64)]) -> bool {
        set.iter()
            .eq(spans.iter().map(|&(start, end)| span(start, end)))
    }

    #[test]
    fn a_span_ends_where_the_address_space_does() {
        assert_eq!(
            Span::of_len(u64::MAX - 4, 100),
            Span::new(u64::MAX - 4, u64::MAX)
        );
        assert!(Span::of_len(7, 0).is_none());
        assert!(Span::of_len(u64::MAX, 1).is_none());
        assert_eq!(span(0x1fff, 0x2001).widen(12), span(0x1000, 0x3000));
        assert_eq!(span(0x1000, u64::MAX).widen(12), span(0x1000, u64::MAX));
        assert_eq!(span(0x1001, 0x3fff).shrink(12), Span::new(0x2000, 0x3000));
        assert_eq!(span(0x1000, 0x3000).shrink(12), Span::new(0x1000, 0x3000));
        assert_eq!(
            span(0x1001, u64::MAX).shrink(12),
            Span::new(0x2000, u64::MAX)
        );
        assert!(span(0x1001, 0x2fff).shrink(12).is_none());
        assert_eq!(span(8, 16).first(4), Span::new(8, 12));
        assert_eq!(span(8, 16).first(u64::MAX), Span::new(8, 16));
        assert!(span(8, 16).first(0).is_none());
    }

    #[test]
    fn what_touches_becomes_one() -> Result {
        let mut all = set(8, &[(10, 20), (30, 40), (50, 60)])?;
        all.insert(span(20, 30));
        assert!(is(&all, &[(10, 40), (50, 60)]));
        all.insert(span(0, 5));
        all.insert(span(35, 100));
        assert!(is(&all, &[(0, 5), (10, 100)]));
        assert!(all.covers(span(10, 100)) && !all.covers(span(4, 6)));
        Ok(())
    }

    #[test]
    fn what_is_taken_out_may_leave_two() -> Result {
        let mut all = set(8, &[(10, 20), (30, 40), (50, 60)])?;
        all.remove(span(12, 14));
        assert!(is(&all, &[(10, 12), (14, 20), (30, 40), (50, 60)]));
        all.remove(span(18, 55));
        assert!(is(&all, &[(10, 12), (14, 18), (55, 60)]));
        all.remove(span(0, 11));
        all.remove(span(20, 30));
        all.remove(span(14, 18));
        assert!(is(&all, &[(11, 12), (55, 60)]));
        all.remove(span(0, u64::MAX));
        assert!(is(&all, &[]));
        Ok(())
    }

    #[test]
    fn without_room_there_is_more_in_it_and_not_less() -> Result {
        let mut all = set(2, &[(10, 20), (100, 110)])?;
        all.insert(span(30, 40));
        assert!(is(&all, &[(10, 40), (100, 110)]));
        all.insert(span(95, 96));
        assert!(is(&all, &[(10, 40), (95, 110)]));
        all.remove(span(20, 30));
        assert!(is(&all, &[(10, 40), (95, 110)]));
        all.insert(span(0, 1));
        all.insert(span(200, 201));
        assert!(is(&all, &[(0, 40), (95, 201)]));
        Ok(())
    }

    #[test]
    fn within_is_clipped() -> Result {
        let all = set(4, &[(10, 20), (30, 40)])?;
        assert!(all.within(span(15, 35)).eq([span(15, 20), span(30, 35)]));
        assert!(all.within(span(20, 30)).next().is_none());
        Ok(())
    }

    /// Compares with a bit for each address, with enough room and without.
    #[test]
    fn random_sets() -> Result {
        for (seed, max) in [(1, 64), (2, 3), (3, 1)] {
            let mut random = Random::new(seed);
            let mut all = Spans::with_room(max)?;
            let mut model = 0u128;
            for _ in 0..2000 {
                let start = random.below(127);
                let end = start + 1 + random.below(128 - start);
                let mask = (u128::MAX >> (128 - (end - start))) << start;
                if random.below(2) == 0 {
                    all.insert(span(start, end));
                    model |= mask;
                } else {
                    all.remove(span(start, end));
                    model &= !mask;
                }
                let mut last = None;
                let mut found = 0u128;
                for known in all.iter() {
                    assert!(last.is_none_or(|last| last < known.start));
                    last = Some(known.end);
                    found |= (u128::MAX >> (128 - known.len())) << known.start;
                }
                assert_eq!(found & model, model);
                assert!(max < 64 || found == model);
                assert!(all.iter().count() <= max);
                // What the set has beyond the model stays: it is added to the model.
                model = found;
            }
        }
        Ok(())
    }
}
