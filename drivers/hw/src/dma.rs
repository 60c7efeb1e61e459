// SPDX-License-Identifier: GPL-2.0

//! What an engine may write for a request, and how much of it it did.
//!
//! A submission queue entry names buffers by DMA address. From an entry, [`outputs()`] tells every
//! byte that the engine may write while it carries it out, the entry itself excepted, which every
//! engine writes back. This is for dirty tracking, where a byte too many costs time and one too few
//! corrupts somebody's memory. So all of it is on the safe side:
//!
//! - What is not understood is an error ([`Why`]): then the engine may write anything. That is every
//!   number without a name, every option that neither the in-tree drivers nor UADK ever set, and
//!   every bit that they leave 0 and that could name a buffer or lengthen one.
//! - Where it is not known how much is written, it is the most that it can be.
//! - Entries and lists come from memory that anybody may write at any time. What is met is read once,
//!   into a copy, and nothing but the copy is looked at. No arithmetic wraps, no work is without a
//!   bound ([`READS_MAX`]).
//!
//! What is known of the hardware is what its drivers show. In-tree: below
//! `drivers/crypto/hisilicon/`. In user space: UADK (`drv/hisi_comp.c`, `drv/hisi_sec.c`,
//! `drv/hisi_hpre.c`, and what was before them in `v1/drv/`), whose queues a guest can have as well.
//!
//! What all this rests on: an engine writes what its descriptor has as an output, as far as that
//! says how long it is, and nothing else; so that lists, keys and inputs are read only, as no driver
//! ever looks at them again. `Guess:` marks where drivers do not show even that much.

mod hpre;
mod sec;
mod sgl;
#[cfg(test)]
mod tests;
mod why;
mod zip;

pub use sgl::{
    LISTS_MAX,
    READS_MAX as SGL_READS_MAX,
    SGES_MAX, //
};
pub use why::Why;

use crate::{
    ids,
    words, //
};

/// Memory as the function sees it: by DMA address.
pub trait Memory {
    /// Reads all of `to`, or fails as a whole.
    fn read(&self, address: u64, to: &mut [u8]) -> Result<(), Unreadable>;
}

/// Memory could not be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unreadable;

/// An engine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Engine {
    /// Compresses
    Zip,
    /// Ciphers and authenticates
    Sec,
    /// RSA, DH, elliptic curves
    Hpre,
}

impl Engine {
    /// Of a PCI device ID, PF or VF.
    pub const fn of_device(id: u16) -> Option<Self> {
        match id {
            ids::ZIP_PF | ids::ZIP_VF => Some(Self::Zip),
            ids::SEC_PF | ids::SEC_VF => Some(Self::Sec),
            ids::HPRE_PF | ids::HPRE_VF => Some(Self::Hpre),
            _ => None,
        }
    }

    /// The size of a submission queue entry, in bytes: a power of two, [`SQE_MAX`] at most.
    pub const fn sqe_size(self) -> usize {
        match self {
            Self::Zip => crate::zip::SQE_SIZE,
            Self::Sec => crate::sec::SQE_SIZE,
            Self::Hpre => crate::hpre::SQE_SIZE,
        }
    }

    /// Whether the entries of a queue with this algorithm type (of the SQC) are what [`outputs()`]
    /// takes them for.
    ///
    /// ZIP: `HZIP_ALG_TYPE_COMP` and `_DECOMP`; type 2 is the data analysis engine, whose entries
    /// are others (`DAE_SQC_ALG_TYPE` of UADK's `hisi_dae.h`). SEC2: 0, all that drivers use. HPRE:
    /// `HPRE_V2_ALG_TYPE`, `HPRE_V3_ECC_ALG_TYPE`.
    pub const fn takes_queue_type(self, alg_type: u8) -> bool {
        match self {
            Self::Zip | Self::Hpre => alg_type <= 1,
            Self::Sec => alg_type == 0,
        }
    }
}

/// The largest [`Engine::sqe_size`].
pub const SQE_MAX: usize = 128;

/// Calls of [`Memory::read`] for one entry, at most: three buffers of SEC2 can be lists.
pub const READS_MAX: usize = 3 * SGL_READS_MAX;
/// Ranges of one entry, at most: each list entry can be two, and there are few that are of no list.
pub const RANGES_MAX: usize = 3 * (SGES_MAX + 1) + 8;

/// What an output is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Output {
    /// A piece of the output stream, in the stream's order: [`produced()`] says how much of all
    /// pieces together was written
    Data,
    /// All of it may have been written
    Other,
}

/// A range of DMA addresses: never empty, and its end is an address, too.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Range {
    /// The first byte
    pub address: u64,
    /// Bytes: at least 1, and `address + len` does not wrap
    pub len: u64,
}

impl Range {
    /// `None` where it would be empty or wrap.
    pub const fn new(address: u64, len: u64) -> Option<Self> {
        match address.checked_add(len) {
            Some(_) if len != 0 => Some(Self { address, len }),
            _ => None,
        }
    }
}

/// Who is told of the outputs.
type Each<'a> = dyn FnMut(Output, Range) -> Result<(), Why> + 'a;

/// Tells of a flat buffer; of nothing where it is empty.
fn flat(each: &mut Each<'_>, output: Output, address: u64, len: u64) -> Result<(), Why> {
    if len == 0 {
        return Ok(());
    }
    each(output, Range::new(address, len).ok_or(Why::Wraps)?)
}

/// An address of two words of a descriptor.
fn address(low: u32, high: u32) -> u64 {
    u64::from(low) | (u64::from(high) << 32)
}

/// The words of an entry, which has to be of so many.
fn sqe_words<const WORDS: usize>(sqe: &[u8]) -> Result<[u32; WORDS], Why> {
    if sqe.len() != 4 * WORDS {
        return Err(Why::SqeSize);
    }
    Ok(words::from_bytes(sqe))
}

/// Tells `each` of every byte that the engine may write for the entry `sqe`, but for the entry
/// itself, which it writes back.
///
/// An error is one of `each`, which ends it, or says why it is not known what is written. Then it
/// may be anything, whatever `each` was told before.
///
/// Ranges may overlap. There are [`RANGES_MAX`] at most, and [`READS_MAX`] calls of `memory`.
pub fn outputs<M: Memory>(
    engine: Engine,
    sqe: &[u8],
    memory: &M,
    each: &mut dyn FnMut(Output, Range) -> Result<(), Why>,
) -> Result<(), Why> {
    match engine {
        Engine::Zip => zip::outputs(&sqe_words(sqe)?, memory, each),
        Engine::Sec => sec::outputs(&sqe_words(sqe)?, memory, each),
        Engine::Hpre => hpre::outputs(&sqe_words(sqe)?, each),
    }
}

/// How many bytes of the [`Output::Data`] of a request were written at most, from its entry as the
/// engine wrote it back. `None`: all may have been.
pub fn produced(engine: Engine, sqe: &[u8]) -> Option<u64> {
    match engine {
        Engine::Zip => zip::produced(&sqe_words(sqe).ok()?),
        // What they write is as long as what they read, or as the key.
        Engine::Sec | Engine::Hpre => None,
    }
}

/// What a request is, as a number: of all that its entry tells an engine, so that an entry which the
/// engine has written back can be told from one that has been put in its place. `None` for engines of
/// which [`produced()`] says nothing, and, where `fresh`, for an entry in which what the engine writes
/// is not 0: then it could not be told whether the engine has written it.
pub fn identity(engine: Engine, sqe: &[u8], fresh: bool) -> Option<u64> {
    match engine {
        Engine::Zip => zip::identity(&sqe_words(sqe).ok()?, fresh),
        Engine::Sec | Engine::Hpre => None,
    }
}
