// SPDX-License-Identifier: GPL-2.0

//! The log of one device, from `START` to `STOP`.

#[cfg(any(CONFIG_KUNIT, test))]
mod tests;

use super::{
    flight::{
        Flight,
        Unknown, //
    },
    set::{
        Overflow,
        Set, //
    },
    span::{
        Span,
        Spans, //
    },
    statistics::Statistics, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// Room for the parts that the reports of a round are of, beyond one for each logged span.
const ROUND_ROOM: usize = 64;

/// The reason for a lack of room, which is none of the driver's.
const NO_ROOM: u32 = u32::MAX;

/// Shows the events of a log, as a tracepoint does.
pub trait Trace: Send {
    /// Shows `event`, of `bytes` bytes from `address` on, for the driver's reason `why`.
    fn trace(&self, event: &CStr, why: u32, address: u64, bytes: u64);
}

/// Shows nothing.
impl Trace for () {
    fn trace(&self, _event: &CStr, _why: u32, _address: u64, _bytes: u64) {}
}

/// The pages that a device has written or may write, while logging is on.
///
/// Addresses are IOVAs. The log ignores what lies outside the ranges that userspace logs. Its
/// memory is bounded, and charged to the caller. If there is no memory or no room, all that is
/// logged is dirty. So no method fails.
///
/// Reasons are the driver's own numbers. [`Statistics`] counts them, and the tracepoint
/// `vfio_rs_dirty` shows them.
pub struct Log<T: Trace + ?Sized = dyn Trace> {
    dirty: Set,
    flight: Flight,
    shift: u32,
    statistics: Arc<Statistics>,
    /// The last quiesced period for which what is in flight was made dirty.
    rest: Option<u32>,
    /// What was reported since what is in flight was last made dirty. Without room it has more, and
    /// what is in flight is made dirty more often.
    round: Spans,
    /// The device may run in spite of the quiesced period that the next report is in.
    may_run: bool,
    /// The quiesced period in which it may.
    running: Option<u32>,
    trace: T,
}

/// What the owner of a log does with it.
impl<T: Trace> Log<T> {
    /// Begins a log of `logged`: at most `count` spans of whole pages of `1 << shift` bytes.
    pub fn new(
        logged: impl Iterator<Item = Span>,
        count: usize,
        shift: u32,
        statistics: Arc<Statistics>,
        trace: T,
    ) -> Result<Self> {
        let log = Self {
            dirty: Set::new(logged, count, shift)?,
            flight: Flight::new(),
            shift,
            statistics,
            rest: None,
            round: Spans::with_room(count.saturating_add(ROUND_ROOM))?,
            may_run: false,
            running: None,
            trace,
        };
        for span in log.dirty.logged() {
            log.trace(c"start", 0, span.start(), span.len());
        }
        Ok(log)
    }

    /// Returns whether all of `span` is logged.
    pub fn covers(&self, span: Span) -> bool {
        self.dirty.covers(span)
    }

    /// Reports all that is dirty or in flight in `span`, in order. What was dirty is clean
    /// afterwards.
    ///
    /// Reports of parts that do not overlap are a round. Each in-flight range is marked as dirty
    /// once a round, by the first report that finds it in flight. So the other reports take as long
    /// as what they report.
    ///
    /// `rest` is the number of the current quiesced period, `None` while DMA is possible. In-flight
    /// ranges are reported once per quiesced period.
    pub fn report(&mut self, span: Span, rest: Option<u32>, mut each: impl FnMut(Span)) {
        let mut bytes = 0u64;
        let mut tell = |span: Span| {
            bytes = bytes.saturating_add(span.len());
            each(span);
        };
        let mut full = false;
        if core::mem::take(&mut self.may_run) {
            self.running = rest;
        }
        let rest = rest.filter(|_| rest != self.running);
        let Self { dirty, flight, .. } = self;
        let rests = rest.is_some() && rest == self.rest;
        let again = self.round.within(span).next().is_some();
        if rest != self.rest || (!rests && again) {
            flight.begin_round();
            self.round.clear();
            if rest.is_some() && flight.is_unknown() {
                dirty.mark_all();
            }
        }
        if !rests {
            // Marked as dirty, in-flight ranges come in order, and each page comes once.
            let count = flight.mark(landing(dirty, &mut full));
            self.statistics.count_marked(count);
        }
        self.rest = rest;
        self.round.insert(span);
        if flight.is_lost() || (rest.is_none() && flight.is_unknown()) {
            let Overflow(no_room) = dirty.take(span, |_| {});
            full |= no_room;
            tell(span);
        } else {
            let Overflow(no_room) = dirty.take(span, tell);
            full |= no_room;
        }
        if full {
            self.count_whole(c"all", NO_ROOM);
        }
        self.statistics.count_report(bytes >> self.shift);
        self.trace(c"report", 0, span.start(), bytes);
        self.gauge();
    }
}

/// What the driver does with it.
impl<T: Trace + ?Sized> Log<T> {
    /// Returns how many bytes a page of the log has.
    pub fn page_size(&self) -> u64 {
        1 << self.shift
    }

    fn trace(&self, what: &CStr, why: u32, address: u64, bytes: u64) {
        self.trace.trace(what, why, address, bytes);
    }

    /// Updates the statistics of what is held.
    fn gauge(&self) {
        self.statistics.hold(
            self.flight.entries(),
            self.flight.ranges(),
            self.dirty.chunks(),
        );
    }

    /// Counts that all is dirty, or will be, for `why`.
    fn count_whole(&self, what: &CStr, why: u32) {
        self.statistics.count_whole((why != NO_ROOM).then_some(why));
        self.trace(what, why, 0, 0);
    }

    fn mark_span(&mut self, span: Span) {
        self.trace(c"dirty", 0, span.start(), span.len());
        if let Overflow(true) = self.dirty.mark(span) {
            self.count_whole(c"all", NO_ROOM);
        }
    }

    /// Marks bytes that the device may have written, and does not write any more: the next report
    /// has them. A range that wraps ends where the address space ends.
    pub fn mark(&mut self, address: u64, len: u64) {
        if let Some(span) = Span::of_len(address, len) {
            self.mark_span(span);
            self.gauge();
        }
    }

    /// Marks all that is logged. The next report of each part has it.
    pub fn mark_all(&mut self, why: u32) {
        self.dirty.mark_all();
        self.count_whole(c"all", why);
        self.gauge();
    }

    /// Begins an entry, before the device gets a request. [`Log::complete`] finds the entry by its
    /// number `index`. It follows all that is in flight in `queue`. An entry without ranges writes
    /// nothing. If there is no room for the entry, `queue` loses it ([`Log::lose`]).
    ///
    /// Each number of a queue that was ever given keeps some memory. The driver must not give more
    /// of them than the device has queues.
    pub fn submit(&mut self, queue: u32, index: u32) -> Entry<'_, T> {
        if self.flight.submit(queue, index).is_err() {
            self.count_whole(c"lost", NO_ROOM);
            return Entry {
                log: self,
                queue: None,
            };
        }
        Entry {
            log: self,
            queue: Some(queue),
        }
    }

    /// Puts something unknown in flight in `queue` that is no entry. All that is logged is dirty in
    /// each report until [`Log::abandon`], and in the one after it, also while the device is
    /// quiesced.
    pub fn lose(&mut self, queue: u32, why: u32) {
        self.flight.lose(queue);
        self.count_whole(c"lost", why);
    }

    /// The device may have been made to run in spite of the quiesced period that it is in, if any.
    pub fn may_run(&mut self) {
        self.may_run = true;
    }

    /// Holds the entries that are in flight in `queue` now, because their completions cannot be
    /// told from others. They complete when an entry does that was submitted later.
    pub fn hold(&mut self, queue: u32) {
        self.flight.hold(queue);
    }

    /// Returns the numbers of the entries of `queue` that are held.
    pub fn held(&self, queue: u32) -> impl Iterator<Item = u32> + '_ {
        self.flight.held(queue)
    }

    /// Completes all entries of `queue` up to the oldest one with the number `index` that is not
    /// held: their ranges become dirty. For each entry, `clip` returns how many bytes of its
    /// clippable ranges were written, in the order in which the ranges were added. `None` stands
    /// for all.
    ///
    /// Returns `false`, and changes nothing, if there is no such entry.
    pub fn complete(
        &mut self,
        queue: u32,
        index: u32,
        clip: impl FnMut(u32) -> Option<u64>,
    ) -> bool {
        let Self { dirty, flight, .. } = self;
        let mut full = false;
        let Some(unknown) = flight.complete(queue, index, clip, landing(dirty, &mut full)) else {
            return false;
        };
        self.landed(full, unknown);
        true
    }

    /// Ends all that is in flight in `queue`, since the device does not work on it any more: all of
    /// it becomes dirty.
    pub fn abandon(&mut self, queue: u32) {
        let Self { dirty, flight, .. } = self;
        let mut full = false;
        let unknown = flight.abandon(queue, landing(dirty, &mut full));
        self.landed(full, unknown);
    }

    /// Ends all that is in flight, as [`Log::abandon`] does for one queue.
    pub fn abandon_all(&mut self) {
        let Self { dirty, flight, .. } = self;
        let mut full = false;
        let unknown = flight.abandon_all(landing(dirty, &mut full));
        self.landed(full, unknown);
    }

    /// Accounts for what is not in flight any more.
    fn landed(&mut self, full: bool, unknown: Unknown) {
        if full {
            self.count_whole(c"all", NO_ROOM);
        }
        if let Unknown(true) = unknown {
            // It was counted when it was submitted.
            self.dirty.mark_all();
            self.trace(c"landed", 0, 0, 0);
        }
        self.gauge();
    }

    /// Returns how many entries are in flight in `queue`, without what was lost.
    pub fn in_flight(&self, queue: u32) -> usize {
        self.flight.in_queue(queue)
    }

    /// Returns whether something unknown is in flight in `queue`.
    pub fn is_unknown(&self, queue: u32) -> bool {
        self.flight.is_queue_unknown(queue)
    }
}

/// Returns a function that marks what is not in flight any more.
fn landing<'a>(dirty: &'a mut Set, full: &'a mut bool) -> impl FnMut(Span) + 'a {
    |span| {
        let Overflow(no_room) = dirty.mark(span);
        *full |= no_room;
    }
}

impl<T: Trace + ?Sized> Drop for Log<T> {
    fn drop(&mut self) {
        self.trace(c"stop", 0, 0, 0);
        self.statistics.hold(0, 0, 0);
    }
}

/// An entry, to which ranges can be added.
pub struct Entry<'a, T: Trace + ?Sized = dyn Trace> {
    log: &'a mut Log<T>,
    /// `None` if the entry is lost.
    queue: Option<u32>,
}

impl<T: Trace + ?Sized> Entry<'_, T> {
    /// Adds bytes that the device may write. Clippable ranges are parts of one output, which the
    /// device writes from its beginning and which may be shorter. A range that wraps ends where the
    /// address space ends. If there is no room for the range, the entry is unknown.
    pub fn range(&mut self, clippable: bool, address: u64, len: u64) {
        let (Some(queue), Some(span)) = (self.queue, Span::of_len(address, len)) else {
            return;
        };
        self.log.trace(c"in flight", 0, address, span.len());
        if self.log.flight.range(queue, clippable, span).is_err() {
            self.log.count_whole(c"unknown", NO_ROOM);
        }
    }

    /// Makes the entry unknown: all that is logged is dirty in each report until the entry is
    /// complete, and in the one after it.
    pub fn unknown(&mut self, why: u32) {
        if let Some(queue) = self.queue {
            self.log.flight.unknown(queue);
        }
        self.log.count_whole(c"unknown", why);
    }
}

impl<T: Trace + ?Sized> Drop for Entry<'_, T> {
    fn drop(&mut self) {
        self.log.gauge();
    }
}
