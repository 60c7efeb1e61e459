// SPDX-License-Identifier: GPL-2.0

//! Why all that is logged is dirty.

use hisi_acc_hw::dma::Why;
use kernel::fmt;

/// A reason; by its number the log's statistics count it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// An entry, or a queue's contexts, were not understood
    Why(Why),
    /// The user may have used the mailbox
    Mailbox,
    /// The VF was reset, or its state was loaded
    Reset,
    /// The contexts of the queues cannot be asked for
    NoContexts,
    /// A queue has no contexts that are understood
    NoRing,
    /// An entry was in flight when logging began
    Before,
    /// Where the new entries of a queue begin is not known
    NoTail,
    /// The entries of a queue cannot be read
    Unreadable,
    /// A doorbell of a queue that is none of the VF's
    NoQueue,
    /// Something was written beside the doorbells
    OddWrite,
}

impl Reason {
    /// Those that are no [`Why`].
    const OWN: [Self; 9] = [
        Self::Mailbox,
        Self::Reset,
        Self::NoContexts,
        Self::NoRing,
        Self::Before,
        Self::NoTail,
        Self::Unreadable,
        Self::NoQueue,
        Self::OddWrite,
    ];

    /// All that are of the driver, with their numbers.
    pub(crate) fn own() -> impl Iterator<Item = (u32, Self)> {
        // CAST: A few.
        (Why::COUNT as u32..).zip(Self::OWN)
    }

    /// Its number: those of [`Why`] come first.
    pub(crate) fn number(self) -> u32 {
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
        })
    }
}
