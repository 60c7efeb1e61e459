// SPDX-License-Identifier: GPL-2.0

//! A set of pages: a bit for each, in chunks that exist only if they have a bit set.

use super::span::Span;
use kernel::{
    prelude::*,
    rbtree::{
        RBTree,
        RBTreeNode, //
    },
};

/// How many words a chunk has: 4 KiB.
const WORDS: usize = 512;

/// How many pages a chunk has, as a power of two.
const CHUNK_SHIFT: u32 = WORDS.ilog2() + u64::BITS.ilog2();

/// `1 << CHUNK_SHIFT` pages.
///
/// # Invariants
///
/// There are [`WORDS`] words. A bit of `used` is set if the word of its number is not 0.
struct Chunk {
    used: [u64; WORDS / 64],
    words: KVec<u64>,
}

/// Splits the number of a bit into the number of its word, and the bit in the word.
fn split(number: usize) -> (usize, u32) {
    // CAST: Below 64.
    (number / 64, (number % 64) as u32)
}

/// Returns a word with the bits `first` to `last` set. Both are below 64.
fn bits(first: u32, last: u32) -> u64 {
    (u64::MAX << first) & (u64::MAX >> (63 - last))
}

impl Chunk {
    fn new() -> Result<Self> {
        // INVARIANT: All zeros.
        Ok(Self {
            used: [0; WORDS / 64],
            words: KVec::from_elem(0, WORDS, GFP_KERNEL_ACCOUNT)?,
        })
    }

    fn is_empty(&self) -> bool {
        self.used.iter().all(|&word| word == 0)
    }

    fn note(&mut self, word: usize, used: bool) {
        let (slot, bit) = split(word);
        if let Some(slot) = self.used.get_mut(slot) {
            if used {
                *slot |= 1 << bit;
            } else {
                *slot &= !(1 << bit);
            }
        }
    }

    /// Sets the bits `first` to `last`.
    fn set(&mut self, first: usize, last: usize) {
        let ((first, low), (last, high)) = (split(first), split(last));
        for word in first..=last {
            let low = if word == first { low } else { 0 };
            let high = if word == last { high } else { 63 };
            if let Some(slot) = self.words.get_mut(word) {
                *slot |= bits(low, high);
                // INVARIANT: At least one bit is set.
                self.note(word, true);
            }
        }
    }

    /// Clears the bits `first` to `last`. Calls `each` with those that were set: the number of a
    /// word, and its bits.
    fn take(&mut self, first: usize, last: usize, mut each: impl FnMut(usize, u64)) {
        let ((first, low), (last, high)) = (split(first), split(last));
        let mut next = first;
        while let Some(word) = self.next_used(next).filter(|&word| word <= last) {
            next = word + 1;
            let low = if word == first { low } else { 0 };
            let high = if word == last { high } else { 63 };
            let Some(slot) = self.words.get_mut(word) else {
                return;
            };
            let taken = *slot & bits(low, high);
            *slot &= !taken;
            // INVARIANT: If no bit is left, the word is not used.
            let used = *slot != 0;
            self.note(word, used);
            if taken != 0 {
                each(word, taken);
            }
        }
    }

    /// Returns the first word from number `from` on that is not 0.
    fn next_used(&self, from: usize) -> Option<usize> {
        let (first, bit) = split(from);
        let mut mask = u64::MAX << bit;
        for (slot, &used) in self.used.iter().enumerate().skip(first) {
            let found = used & mask;
            if found != 0 {
                // CAST: Below 64.
                return Some(slot * 64 + found.trailing_zeros() as usize);
            }
            mask = u64::MAX;
        }
        None
    }
}

/// A set of pages of `1 << shift` bytes.
///
/// # Invariants
///
/// No chunk is empty, except one that is being set.
pub(crate) struct Pages {
    /// By the number of their first page, without its low bits.
    chunks: RBTree<u64, Chunk>,
    count: usize,
    max: usize,
    shift: u32,
}

/// There is no memory or no room for another chunk.
pub(crate) struct Full;

impl Pages {
    /// Returns an empty set of pages of `1 << shift` bytes, with room for `max` chunks.
    pub(crate) fn new(shift: u32, max: usize) -> Self {
        Self {
            chunks: RBTree::new(),
            count: 0,
            max,
            shift,
        }
    }

    /// Returns how many bytes a chunk covers.
    pub(crate) fn chunk_bytes(shift: u32) -> u64 {
        1 << (CHUNK_SHIFT + shift)
    }

    /// Returns how many chunks there are.
    pub(crate) fn chunks(&self) -> usize {
        self.count
    }

    pub(crate) fn clear(&mut self) {
        self.chunks = RBTree::new();
        self.count = 0;
    }

    /// Returns the first and the last page that `span` touches.
    fn numbers(&self, span: Span) -> (u64, u64) {
        (span.start() >> self.shift, (span.end() - 1) >> self.shift)
    }

    fn chunk(&mut self, key: u64) -> Result<&mut Chunk, Full> {
        if self.chunks.get(&key).is_none() {
            if self.count >= self.max {
                return Err(Full);
            }
            let chunk = Chunk::new().map_err(|_| Full)?;
            let node = RBTreeNode::new(key, chunk, GFP_KERNEL_ACCOUNT).map_err(|_| Full)?;
            // INVARIANT: Empty, and about to be set.
            self.chunks.insert(node);
            self.count += 1;
        }
        self.chunks.get_mut(&key).ok_or(Full)
    }

    /// Adds all pages that `span` touches. On error, some of them are added.
    pub(crate) fn set(&mut self, span: Span) -> Result<(), Full> {
        let (first, last) = self.numbers(span);
        for key in (first >> CHUNK_SHIFT)..=(last >> CHUNK_SHIFT) {
            let (low, high) = part_of(key, first, last);
            self.chunk(key)?.set(low, high);
        }
        Ok(())
    }

    /// Removes the pages that `span` touches. Calls `each` with them: runs of pages, in order, in
    /// bytes.
    pub(crate) fn take(&mut self, span: Span, mut each: impl FnMut(Span)) {
        let (first, last) = self.numbers(span);
        let shift = self.shift;
        let mut run: Option<Span> = None;
        let mut found = |page: u64, count: u64| {
            // A page begins within the address space. Its end may be the end of the address space.
            let Some(next) = Span::of_len(page << shift, count << shift) else {
                return;
            };
            run = match run {
                Some(run) if run.end() == next.start() => Some(run.join(next)),
                Some(run) => {
                    each(run);
                    Some(next)
                }
                None => Some(next),
            };
        };
        let mut cursor = self.chunks.cursor_lower_bound_mut(&(first >> CHUNK_SHIFT));
        while let Some(mut at) = cursor {
            let (&key, chunk) = at.current_mut();
            if key > last >> CHUNK_SHIFT {
                break;
            }
            let (low, high) = part_of(key, first, last);
            chunk.take(low, high, |word, mut taken| {
                // CAST: Below `WORDS`.
                let base = (key << CHUNK_SHIFT) + word as u64 * 64;
                while taken != 0 {
                    let bit = taken.trailing_zeros();
                    let count = (taken >> bit).trailing_ones();
                    found(base + u64::from(bit), u64::from(count));
                    taken &= !bits(bit, bit + count - 1);
                }
            });
            cursor = if chunk.is_empty() {
                self.count -= 1;
                // After the last chunk, the cursor moves to the one before it, which is handled.
                at.remove_current().0.filter(|at| *at.current().0 > key)
            } else {
                at.move_next()
            };
        }
        if let Some(run) = run {
            each(run);
        }
    }
}

/// Returns which bits of chunk `key` the pages `first` to `last` have.
fn part_of(key: u64, first: u64, last: u64) -> (usize, usize) {
    const MASK: u64 = (1 << CHUNK_SHIFT) - 1;

    let low = if key == first >> CHUNK_SHIFT {
        first & MASK
    } else {
        0
    };
    let high = if key == last >> CHUNK_SHIFT {
        last & MASK
    } else {
        MASK
    };
    // CAST: Below `1 << CHUNK_SHIFT`.
    (low as usize, high as usize)
}

#[kunit_tests(vfio_rs_dirty_pages)]
mod tests {
    use super::{
        super::testing::Random,
        *, //
    };

    const SHIFT: u32 = 12;

    /// Returns the pages from `first` to before `end`.
    fn pages(first: u64, end: u64) -> Span {
        let page = Span::of_len(0, 1).map(|span| span.widen(SHIFT));
        Span::new(first << SHIFT, end << SHIFT)
            .or(page)
            .unwrap_or_else(|| unreachable!())
    }

    fn taken(set: &mut Pages, span: Span) -> Result<KVec<Span>> {
        let mut runs = KVec::new();
        let mut room = Ok(());
        set.take(span, |run| {
            room = runs.push(run, GFP_KERNEL);
        });
        room?;
        Ok(runs)
    }

    #[test]
    fn runs_go_over_words_and_chunks() -> Result {
        let chunk = 1 << CHUNK_SHIFT;
        let mut set = Pages::new(SHIFT, 8);
        assert!(set.set(pages(3, 5)).is_ok());
        assert!(set.set(pages(60, 200)).is_ok());
        assert!(set.set(pages(chunk - 1, chunk + 1)).is_ok());
        assert_eq!(set.chunks(), 2);
        assert_eq!(
            taken(&mut set, pages(0, 4 * chunk))?.as_slice(),
            [pages(3, 5), pages(60, 200), pages(chunk - 1, chunk + 1)]
        );
        assert_eq!(set.chunks(), 0);
        Ok(())
    }

    #[test]
    fn a_byte_is_a_page() -> Result {
        let mut set = Pages::new(SHIFT, 8);
        for at in [0, 0x1fff, 0x3000] {
            assert!(Span::of_len(at, 1).is_none_or(|byte| set.set(byte).is_ok()));
        }
        assert_eq!(
            taken(&mut set, pages(0, 100))?.as_slice(),
            [pages(0, 2), pages(3, 4)]
        );
        Ok(())
    }

    #[test]
    fn the_end_of_the_address_space_is_a_page() -> Result {
        let mut set = Pages::new(SHIFT, 8);
        let last = Span::of_len(u64::MAX - 1, 1).ok_or(EINVAL)?;
        assert!(set.set(last).is_ok());
        assert_eq!(taken(&mut set, last)?.as_slice(), [last.widen(SHIFT)]);
        Ok(())
    }

    #[test]
    fn without_room_there_is_an_error() {
        let chunk = 1 << CHUNK_SHIFT;
        let mut set = Pages::new(SHIFT, 1);
        assert!(set.set(pages(chunk, chunk + 1)).is_ok());
        assert!(set.set(pages(0, 1)).is_err());
        assert!(set.set(pages(chunk + 7, chunk + 8)).is_ok());
        set.clear();
        assert!(set.set(pages(0, 1)).is_ok());
        assert_eq!(set.chunks(), 1);
    }

    /// Compares with a byte for each page.
    #[test]
    fn random_sets() -> Result {
        const ALL: usize = 3 << CHUNK_SHIFT;

        let mut random = Random::new(7);
        let mut set = Pages::new(SHIFT, 3);
        let mut model = KVVec::from_elem(false, ALL, GFP_KERNEL)?;
        for _ in 0..3000 {
            // CAST: Small.
            let first = random.below(ALL as u64) as usize;
            let most = [1, 10, 200, ALL][(random.below(64) as usize).min(3)];
            let end = (first + 1 + random.below(most as u64) as usize).min(ALL);
            let span = pages(first as u64, end as u64);
            let modelled = model.get_mut(first..end).ok_or(EINVAL)?;
            if random.below(3) != 0 {
                assert!(set.set(span).is_ok());
                modelled.fill(true);
                continue;
            }
            let mut last = None;
            let (mut in_order, mut right) = (true, true);
            set.take(span, |run| {
                in_order &=
                    last.is_none_or(|last| last < run.start()) && run.and(span) == Some(run);
                last = Some(run.end());
                // CAST: Small.
                for page in (run.start() >> SHIFT)..(run.end() >> SHIFT) {
                    let at = page as usize - first;
                    right &= modelled.get(at) == Some(&true);
                    if let Some(slot) = modelled.get_mut(at) {
                        *slot = false;
                    }
                }
            });
            assert!(in_order && right);
            assert!(modelled.iter().all(|dirty| !dirty));
        }
        let empty = model.iter().all(|dirty| !dirty);
        assert!(empty == (set.chunks() == 0));
        Ok(())
    }
}
