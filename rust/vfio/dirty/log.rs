// SPDX-License-Identifier: GPL-2.0

//! The log of one device, from `START` to `STOP`.

use core::marker::PhantomData;

/// What is known of the pages that the device writes; exists while logging is on.
///
/// Addresses are IOVAs. What lies outside the ranges that the user logs is ignored. Memory is
/// bounded, and charged to whoever calls; where there is none, or no room, all that is logged is
/// dirty: none of these can fail.
pub struct Log {
    _todo: (),
}

impl Log {
    /// Bytes that the device may have written before now, and does not write any more: they are dirty
    /// in the next report. A range that wraps ends where the address space does.
    pub fn mark(&mut self, _address: u64, _len: u64) {}

    /// All that is logged is dirty in the next report of each part of it. `why` is the driver's.
    pub fn mark_all(&mut self, _why: u32) {}

    /// Begins an entry: something that the device is about to be told to do, with the number `index`
    /// by which [`Log::complete`] finds it. It is behind all that is in flight in `queue`. An entry
    /// with no range writes nothing.
    pub fn submit(&mut self, _queue: u32, _index: u32) -> Entry<'_> {
        Entry { _log: PhantomData }
    }

    /// Something unknown is in flight in `queue` that has no number: all that is logged is dirty in
    /// each report till [`Log::abandon`].
    pub fn lose(&mut self, _queue: u32, _why: u32) {}

    /// All entries of `queue` from the oldest up to and with the oldest that has the number `index`
    /// are complete: their ranges become dirty. For each, `clip` is asked with its number how many
    /// bytes of its clippable ranges, in the order in which they were given, have been written;
    /// `None` is all.
    ///
    /// `false`, and nothing is done, where there is no such entry.
    pub fn complete(
        &mut self,
        _queue: u32,
        _index: u32,
        _clip: impl FnMut(u32) -> Option<u64>,
    ) -> bool {
        false
    }

    /// The device is known not to work on anything in `queue` any more: all that was in flight in it
    /// becomes dirty.
    pub fn abandon(&mut self, _queue: u32) {}

    /// The same for all queues.
    pub fn abandon_all(&mut self) {}

    /// How many entries are in flight in `queue`. What has been lost is not among them.
    pub fn in_flight(&self, _queue: u32) -> usize {
        0
    }

    /// Whether something unknown is in flight in `queue`.
    pub fn is_unknown(&self, _queue: u32) -> bool {
        true
    }
}

/// An entry to which ranges can be added.
pub struct Entry<'a> {
    _log: PhantomData<&'a mut Log>,
}

impl Entry<'_> {
    /// Bytes that the device may write. `clippable`: they are part of an output that it writes from
    /// its beginning, and that may turn out shorter. A range that wraps ends where the address space
    /// does.
    pub fn range(&mut self, _clippable: bool, _address: u64, _len: u64) {}

    /// It is not known what the device will write: all that is logged is dirty in each report till the
    /// entry is complete, and in the one after.
    pub fn unknown(&mut self, _why: u32) {}
}
