// SPDX-License-Identifier: GPL-2.0

//! Where things are in guest memory.
//!
//! The engine never writes to a list or a source that a request in flight reads. Documentation
//! excludes guests that have such requests, because the engine then works on other data than the
//! driver decoded.

use acc_twin::testing::MEMORY;

/// The first address of guest memory.
pub const FIRST: u64 = MEMORY;
/// How much memory the guest has.
pub const SIZE: u64 = 0x10_0000;
/// How many queues the VF has, by the VFT.
pub const NUM: u16 = 16;
/// How many of them the guest uses.
pub const QUEUES: u16 = 4;
/// The most entries of a ring.
pub const DEPTH_MAX: u16 = 32;
/// How many entries EQ and AEQ have.
pub const EVENTS: u32 = 64;
/// In how many places tables, event queues and rings can be.
pub const PLACES: u16 = 2;

/// A context for a mailbox command.
pub const CONTEXT: u64 = MEMORY + 0xc000;
/// What mailbox commands dump.
pub const DUMP: u64 = MEMORY + 0xd000;
/// Sources, keys, initial values: the engine only reads them.
pub const SOURCES: u64 = MEMORY + 0x1_0000;
/// Compressed streams, one a page, by format
pub const STREAMS: u64 = SOURCES + 0x8000;
/// Outputs, up to the end of memory.
pub const OUTPUTS: u64 = MEMORY + 0x6_0000;
/// Behind the end of memory.
pub const END: u64 = MEMORY + SIZE;

const RINGS: u64 = MEMORY + 0x2_0000;
const LISTS: u64 = MEMORY + 0x3_0000;
const LIST_SIZE: u64 = 0x400;

/// The table of SQCs.
pub fn sqcs(place: u16) -> u64 {
    MEMORY + u64::from(place % PLACES) * 0x1000
}

/// The table of CQCs.
pub fn cqcs(place: u16) -> u64 {
    MEMORY + 0x4000 + u64::from(place % PLACES) * 0x1000
}

/// The EQ: not at the begin of a page, so that few events are in two.
pub fn eq(place: u16) -> u64 {
    MEMORY + 0x8040 + u64::from(place % PLACES) * 0x1000
}

/// The AEQ.
pub fn aeq(place: u16) -> u64 {
    MEMORY + 0xa000 + u64::from(place % PLACES) * 0x1000
}

/// The SQ of a queue.
pub fn sq(queue: u16, place: u16) -> u64 {
    RINGS + u64::from((queue % QUEUES) * PLACES + place % PLACES) * 0x2000
}

/// The CQ of a queue.
pub fn cq(queue: u16, place: u16) -> u64 {
    sq(queue, place) + 0x1000
}

/// The lists of the request in a slot of a ring.
pub fn list(queue: u16, slot: u16) -> u64 {
    let number = (queue % QUEUES) * DEPTH_MAX + slot % DEPTH_MAX;
    LISTS + u64::from(number) * LIST_SIZE
}
