// SPDX-License-Identifier: GPL-2.0

//! Why all memory is dirty.

use hisi_acc_hw::dma::Why;
use kernel::fmt;

/// A reason why all memory is dirty. The log's statistics count it by its number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// An SQE, or a queue's contexts, are not understood.
    Why(Why),
    /// The guest may have used the mailbox.
    Mailbox,
    /// The VF was reset, or its state was loaded.
    Reset,
    /// The contexts of the queues cannot be asked for.
    NoContexts,
    /// A queue has no contexts that are understood.
    NoRing,
    /// A request was in flight when logging began.
    Before,
    /// It is unknown where the new requests of a queue begin.
    NoTail,
    /// The SQEs of a queue cannot be read.
    Unreadable,
    /// A doorbell names a queue that the VF does not have.
    NoQueue,
    /// A write to the doorbells was none that a driver makes.
    OddWrite,
    /// A doorbell announces more than the driver reads for one.
    TooLong,
    /// The contexts of a queue at work are not those that the driver knew.
    Changed,
    /// There is no way to read guest memory.
    NoSpace,
}

impl Reason {
    /// The reasons that are no [`Why`].
    const OWN: [Self; 12] = [
        Self::Mailbox,
        Self::Reset,
        Self::NoContexts,
        Self::NoRing,
        Self::Before,
        Self::NoTail,
        Self::Unreadable,
        Self::NoQueue,
        Self::OddWrite,
        Self::TooLong,
        Self::Changed,
        Self::NoSpace,
    ];

    /// Returns the reasons that are no [`Why`], with their numbers.
    pub fn own() -> impl Iterator<Item = (u32, Self)> {
        // CAST: A few.
        (Why::COUNT as u32..).zip(Self::OWN)
    }

    /// Returns its number. Those of [`Why`] come first.
    pub fn number(self) -> u32 {
        match self {
            // CAST: The enum's number.
            Self::Why(why) => why as u32,
            own => Self::own()
                .find(|(_, reason)| *reason == own)
                .map_or(u32::MAX, |(number, _)| number),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Why(why) => return core::fmt::Display::fmt(why, f),
            Self::Mailbox => "the mailbox was in reach of the user",
            Self::Reset => "the VF was reset, or its state was loaded",
            Self::NoContexts => "the contexts of the queues cannot be asked for",
            Self::NoRing => "a queue has no contexts that are understood",
            Self::Before => "an entry was in flight when logging began",
            Self::NoTail => "it is not known where new entries begin",
            Self::Unreadable => "entries cannot be read",
            Self::NoQueue => "a doorbell of a queue that is none of the VF's",
            Self::OddWrite => "a write beside the doorbells",
            Self::TooLong => "a doorbell announces more than is read for one",
            Self::Changed => "the contexts of a queue at work have changed",
            Self::NoSpace => "the address space of the VF is not known",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dma_log::Statistics;

    #[test]
    fn numbers_and_texts_are_distinct() {
        let whys = Why::ALL.iter().map(|why| Reason::Why(*why));
        let all: Vec<_> = whys.chain(Reason::OWN).collect();
        for (number, reason) in all.iter().enumerate() {
            assert_eq!(reason.number() as usize, number);
            let same = |other: &&Reason| other.to_string() == reason.to_string();
            assert_eq!(all.iter().filter(same).count(), 1, "{reason}");
        }
        // The last counter is of all that are beyond.
        assert!(all.len() < Statistics::REASONS);
        let own: Vec<_> = Reason::own().collect();
        assert_eq!(own.len(), Reason::OWN.len());
        assert!(own.iter().all(|(number, own)| own.number() == *number));
    }
}
