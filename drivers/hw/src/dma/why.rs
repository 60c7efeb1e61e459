// SPDX-License-Identifier: GPL-2.0

//! Why it is not known what the hardware writes.

/// Why it is not known what the hardware writes. `why as u32` is its place in [`Why::ALL`], for
/// counters and tracepoints.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Why {
    // --- an entry ---
    /// It is not of the engine's size
    SqeSize,
    /// Its type is unknown: `sqe_type` of ZIP, the BD type of SEC2
    SqeType,
    /// What it asks for is unknown
    Request,
    /// It sets what no driver sets, and what that does is unknown
    Field,
    /// The type of an address is unknown: neither flat nor a hardware SGL
    AddressType,
    /// The engine does not take that length
    Length,
    /// A buffer goes beyond the end of the address space
    Wraps,

    // --- its lists ---
    /// Memory cannot be read: a list, or what the caller wanted to read
    Unreadable,
    /// The address of a list is null or not aligned
    SglAddress,
    /// A list has no entries, or more than there can be
    SglEntries,
    /// A chain of lists is longer than any, as one is that comes back to itself
    SglChain,
    /// There are more ranges than the caller takes
    TooMany,

    // --- the contexts of its queue ---
    /// The queue is disabled
    QueueDisabled,
    /// Its entries are of another kind: the algorithm type, or a bit without a name beside it
    QueueType,
    /// Its completions do not come in order
    QueueOrders,
    /// Its completions go to another queue
    QueueCq,
    /// Its addresses are those of a process (PASID)
    QueuePasid,
    /// The address of a ring is null or not aligned, or the ring goes beyond the address space
    QueueBase,
    /// A ring has no such depth
    QueueDepth,
    /// The entries of a ring are not of the size that they must be
    QueueEntrySize,
    /// A ring's head or tail is not in it
    QueueIndex,
}

impl Why {
    /// All, in the order of their numbers
    pub const ALL: [Self; 21] = [
        Self::SqeSize,
        Self::SqeType,
        Self::Request,
        Self::Field,
        Self::AddressType,
        Self::Length,
        Self::Wraps,
        Self::Unreadable,
        Self::SglAddress,
        Self::SglEntries,
        Self::SglChain,
        Self::TooMany,
        Self::QueueDisabled,
        Self::QueueType,
        Self::QueueOrders,
        Self::QueueCq,
        Self::QueuePasid,
        Self::QueueBase,
        Self::QueueDepth,
        Self::QueueEntrySize,
        Self::QueueIndex,
    ];
    /// How many there are
    pub const COUNT: usize = Self::ALL.len();

    /// A name without blanks, for counters.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SqeSize => "sqe_size",
            Self::SqeType => "sqe_type",
            Self::Request => "request",
            Self::Field => "field",
            Self::AddressType => "address_type",
            Self::Length => "length",
            Self::Wraps => "wraps",
            Self::Unreadable => "unreadable",
            Self::SglAddress => "sgl_address",
            Self::SglEntries => "sgl_entries",
            Self::SglChain => "sgl_chain",
            Self::TooMany => "too_many",
            Self::QueueDisabled => "queue_disabled",
            Self::QueueType => "queue_type",
            Self::QueueOrders => "queue_orders",
            Self::QueueCq => "queue_cq",
            Self::QueuePasid => "queue_pasid",
            Self::QueueBase => "queue_base",
            Self::QueueDepth => "queue_depth",
            Self::QueueEntrySize => "queue_entry_size",
            Self::QueueIndex => "queue_index",
        }
    }
}

impl core::fmt::Display for Why {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::SqeSize => "an entry is not of the engine's size",
            Self::SqeType => "the type of an entry is unknown",
            Self::Request => "what an entry asks for is unknown",
            Self::Field => "an entry sets what no driver sets",
            Self::AddressType => "an address is of an unknown type",
            Self::Length => "the engine takes no such length",
            Self::Wraps => "a buffer goes beyond the address space",
            Self::Unreadable => "memory cannot be read",
            Self::SglAddress => "the address of a list is null or not aligned",
            Self::SglEntries => "a list has no such number of entries",
            Self::SglChain => "a chain of lists is too long",
            Self::TooMany => "there are too many ranges",
            Self::QueueDisabled => "the queue is disabled",
            Self::QueueType => "the queue is of an unknown type",
            Self::QueueOrders => "the queue completes out of order",
            Self::QueueCq => "the queue completes into another one's CQ",
            Self::QueuePasid => "the queue is a process's (PASID)",
            Self::QueueBase => "the address of a ring is null, not aligned, or too high",
            Self::QueueDepth => "a ring has no such depth",
            Self::QueueEntrySize => "the entries of a ring are of another size",
            Self::QueueIndex => "an index of a ring is not in it",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_places() {
        for (n, why) in Why::ALL.into_iter().enumerate() {
            assert_eq!(why as usize, n);
            assert!(!why.to_string().is_empty());
            assert!(Why::ALL[..n].iter().all(|other| other.name() != why.name()));
        }
        // The last one: a new one is to be in the list, too.
        assert_eq!(Why::COUNT, Why::QueueIndex as usize + 1);
    }
}
