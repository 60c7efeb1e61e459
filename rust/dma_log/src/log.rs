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
    span::Span,
    statistics::Statistics, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// Why all that is logged is dirty, where the reason is none of the driver's: no room.
const NO_ROOM: u32 = u32::MAX;

/// Shows the events of a log, as a tracepoint does.
pub trait Trace: Send {
    /// Shows `event`: of `bytes` bytes from `address` on, for the driver's reason `why`.
    fn trace(&self, event: &CStr, why: u32, address: u64, bytes: u64);
}

/// Shows nothing.
impl Trace for () {
    fn trace(&self, _event: &CStr, _why: u32, _address: u64, _bytes: u64) {}
}

/// What is known of the pages that the device writes; exists while logging is on.
///
/// Addresses are IOVAs. What lies outside the ranges that the user logs is ignored. Memory is
/// bounded, and charged to whoever calls; where there is none, or no room, all that is logged is
/// dirty: none of these can fail.
///
/// Reasons are the driver's own numbers; [`Statistics`] counts them, and the tracepoint
/// `vfio_rs_dirty` shows them.
pub struct Log<T: Trace + ?Sized = dyn Trace> {
    dirty: Set,
    flight: Flight,
    shift: u32,
    statistics: Arc<Statistics>,
    /// The last rest of the device in which what is in flight was made dirty.
    rest: Option<u32>,
    trace: T,
}

/// What the owner of a log does with it.
impl<T: Trace> Log<T> {
    /// Logs `logged`, spans of whole pages of `1 << shift` bytes; there are at most `count` of them.
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
            trace,
        };
        for span in log.dirty.logged() {
            log.trace(c"start", 0, span.start(), span.len());
        }
        Ok(log)
    }

    /// Whether all of `span` is logged.
    pub fn covers(&self, span: Span) -> bool {
        self.dirty.covers(span)
    }

    /// Tells of all that is dirty in `span` and of all that is in flight there, in a few passes, each
    /// in order. What is dirty is not dirty any more.
    ///
    /// `rest`: the device writes nothing, for the so manieth time. What is in flight is dirty once then,
    /// and not in flight for as long as it lasts.
    pub fn report(&mut self, span: Span, rest: Option<u32>, mut each: impl FnMut(Span)) {
        let mut bytes = 0u64;
        let mut tell = |span: Span| {
            bytes = bytes.saturating_add(span.len());
            each(span);
        };
        let mut full = false;
        let Self { dirty, flight, .. } = self;
        if rest.is_some() && rest != self.rest {
            flight.for_each(landing(dirty, &mut full));
            if flight.is_unknown() {
                dirty.mark_all();
            }
        }
        self.rest = rest;
        if rest.is_some() {
            let Overflow(no_room) = dirty.take(span, tell);
            full |= no_room;
        } else if flight.is_unknown() {
            let Overflow(no_room) = dirty.take(span, |_| {});
            full |= no_room;
            tell(span);
        } else {
            // As if it were dirty: it is in order then, and what is there twice is told of once.
            flight.for_each(|in_flight| {
                if let Some(part) = in_flight.and(span) {
                    let Overflow(no_room) = dirty.mark(part);
                    full |= no_room;
                }
            });
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
    /// How many bytes a page has, in what is noted here.
    pub fn page_size(&self) -> u64 {
        1 << self.shift
    }

    fn trace(&self, what: &CStr, why: u32, address: u64, bytes: u64) {
        self.trace.trace(what, why, address, bytes);
    }

    /// Tells of how much there is.
    fn gauge(&self) {
        self.statistics.hold(
            self.flight.entries(),
            self.flight.ranges(),
            self.dirty.chunks(),
        );
    }

    /// All that is logged is dirty, or will be, for `why`.
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

    /// Bytes that the device may have written before now, and does not write any more: they are dirty
    /// in the next report. A range that wraps ends where the address space does.
    pub fn mark(&mut self, address: u64, len: u64) {
        if let Some(span) = Span::of_len(address, len) {
            self.mark_span(span);
            self.gauge();
        }
    }

    /// All that is logged is dirty in the next report of each part of it.
    pub fn mark_all(&mut self, why: u32) {
        self.dirty.mark_all();
        self.count_whole(c"all", why);
        self.gauge();
    }

    /// Begins an entry: something that the device is about to be told to do, with the number `index`
    /// by which [`Log::complete`] finds it. It is behind all that is in flight in `queue`. An entry
    /// with no range writes nothing. Where there is no room for it, `queue` loses it ([`Log::lose`]).
    ///
    /// Some memory stays with each number of a queue that was ever given; it is the driver's to see
    /// to it that there are not more of them than the device has.
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

    /// Something unknown is in flight in `queue` that is no entry: all that is logged is dirty in each
    /// report till [`Log::abandon`], and in the one after.
    pub fn lose(&mut self, queue: u32, why: u32) {
        self.flight.lose(queue);
        self.count_whole(c"lost", why);
    }

    /// All entries of `queue` from the oldest up to and with the oldest that has the number `index`
    /// are complete: their ranges become dirty. For each, `clip` is asked with its number how many
    /// bytes of its clippable ranges, in the order in which they were given, have been written;
    /// `None` is all.
    ///
    /// `false`, and nothing is done, where there is no such entry.
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

    /// The device is known not to work on anything in `queue` any more: all that was in flight in it
    /// becomes dirty.
    pub fn abandon(&mut self, queue: u32) {
        let Self { dirty, flight, .. } = self;
        let mut full = false;
        let unknown = flight.abandon(queue, landing(dirty, &mut full));
        self.landed(full, unknown);
    }

    /// The same for all queues.
    pub fn abandon_all(&mut self) {
        let Self { dirty, flight, .. } = self;
        let mut full = false;
        let unknown = flight.abandon_all(landing(dirty, &mut full));
        self.landed(full, unknown);
    }

    /// Something is not in flight any more.
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

    /// How many entries are in flight in `queue`. What has been lost is not among them.
    pub fn in_flight(&self, queue: u32) -> usize {
        self.flight.in_queue(queue)
    }

    /// Whether something unknown is in flight in `queue`.
    pub fn is_unknown(&self, queue: u32) -> bool {
        self.flight.is_queue_unknown(queue)
    }
}

/// Makes dirty what is not in flight any more.
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

/// An entry to which ranges can be added.
pub struct Entry<'a, T: Trace + ?Sized = dyn Trace> {
    log: &'a mut Log<T>,
    /// `None` where it is lost already.
    queue: Option<u32>,
}

impl<T: Trace + ?Sized> Entry<'_, T> {
    /// Bytes that the device may write. `clippable`: they are part of an output that it writes from
    /// its beginning, and that may turn out shorter. A range that wraps ends where the address space
    /// does. Where there is no room for it the entry is unknown.
    pub fn range(&mut self, clippable: bool, address: u64, len: u64) {
        let (Some(queue), Some(span)) = (self.queue, Span::of_len(address, len)) else {
            return;
        };
        self.log.trace(c"in flight", 0, address, span.len());
        if self.log.flight.range(queue, clippable, span).is_err() {
            self.log.count_whole(c"unknown", NO_ROOM);
        }
    }

    /// It is not known what the device will write: all that is logged is dirty in each report till the
    /// entry is complete, and in the one after.
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
