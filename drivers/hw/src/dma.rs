// SPDX-License-Identifier: GPL-2.0

//! What an engine may write for a request, and how much of it it did.
//!
//! A submission queue entry names buffers by DMA address. From an entry, [`outputs()`] tells every
//! byte that the engine may write while it carries it out, the entry itself excepted, which every
//! engine writes back. This is for dirty tracking, where a byte too many costs time and one too few
//! corrupts somebody's memory. So all of it is on the safe side:
//!
//! - What is not understood is an error ([`Why`]): then the engine may write anything. That is
//!   every number without a name, every option that neither the in-tree drivers nor UADK ever set,
//!   and every bit that they leave 0 and that could name a buffer or lengthen one.
//! - Where it is not known how much is written, it is the most that it can be.
//! - Entries and lists come from memory that anybody may write at any time. What is met is read
//!   once, into a copy, and nothing but the copy is looked at. No arithmetic wraps, no work is
//!   without a bound ([`READS_MAX`]).
//!
//! What is known of the hardware is what its drivers show. In-tree: below
//! `drivers/crypto/hisilicon/`. In user space: UADK (`drv/hisi_comp.c`, `drv/hisi_sec.c`,
//! `drv/hisi_hpre.c`, and what was before them in `v1/drv/`), whose queues a guest can have as
//! well.
//!
//! What all this rests on: an engine writes what its descriptor has as an output, as far as that
//! says how long it is, and nothing else; so that lists, keys and inputs are read only, as no
//! driver ever looks at them again. `Guess:` marks where drivers do not show even that much.

mod limits;
#[cfg(test)]
mod operations;
#[cfg(test)]
pub(crate) mod ram;
pub(crate) mod sgl;
#[cfg(test)]
mod tests;
pub(crate) mod types;
pub(crate) mod why;

pub use limits::{
    LISTS_MAX,
    RANGES_MAX,
    READS_MAX,
    SGES_MAX,
    SGL_READS_MAX, //
};
pub use types::{
    Memory,
    Output,
    Range,
    Unreadable, //
};
pub use why::Why;

pub use crate::engine::{
    Engine,
    SQE_MAX, //
};

/// Reports to `each` every byte that the engine may write for the SQE `sqe`, except for the SQE
/// itself, which the engine writes back.
///
/// An error is one of `each`, which ends the decoding, or says why it is unknown what is written.
/// After an error the engine may write anything, whatever was reported before.
///
/// Ranges may overlap. There are [`RANGES_MAX`] at most, and [`READS_MAX`] calls of `memory`.
pub fn outputs<M: Memory>(
    engine: Engine,
    sqe: &[u8],
    memory: &M,
    each: &mut dyn FnMut(Output, Range) -> Result<(), Why>,
) -> Result<(), Why> {
    (engine.descriptor().decoder.outputs)(sqe, memory, each)
}

/// Returns how many bytes of the [`Output::Data`] of a request were written at most, from its SQE
/// as the engine wrote it back. `None`: all may have been.
pub fn produced(engine: Engine, sqe: &[u8]) -> Option<u64> {
    (engine.descriptor().decoder.produced)(sqe)
}

/// Returns a fingerprint of the fields of an SQE that the engine reads. It detects that a ring slot
/// was reused. `None` for engines without [`produced()`]. If `fresh`, `None` also for an SQE whose
/// result fields are not 0: it could not be told whether the engine has written them.
pub fn identity(engine: Engine, sqe: &[u8], fresh: bool) -> Option<u64> {
    (engine.descriptor().decoder.identity)(sqe, fresh)
}
