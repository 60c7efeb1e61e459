// SPDX-License-Identifier: GPL-2.0

//! What an engine may write for a request. (Signatures; the decoders follow.)

use crate::{
    hpre,
    ids,
    sec,
    zip, //
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

    /// The size of a submission queue entry, in bytes: a power of two.
    pub const fn sqe_size(self) -> usize {
        match self {
            Self::Zip => zip::SQE_SIZE,
            Self::Sec => sec::SQE_SIZE,
            Self::Hpre => hpre::SQE_SIZE,
        }
    }
}

/// The largest [`Engine::sqe_size`].
pub const SQE_MAX: usize = 128;

/// What an output is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Output {
    /// A piece of the output stream, in the stream's order: [`produced`] says how much of all pieces
    /// together was written
    Data,
    /// All of it may have been written
    Other,
}

/// A range of DMA addresses: never empty, and never beyond the end of the address space.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Range {
    /// The first byte
    pub address: u64,
    /// Bytes: at least 1, and `address + (len - 1)` does not wrap
    pub len: u64,
}

/// Why it is not known what is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Why {
    /// The entry is not of the engine's size
    SqeSize,
    /// The entry's type is unknown
    SqeType,
    /// What is asked for is unknown
    Request,
}

impl Why {
    /// How many there are: `why as u32` is less
    pub const COUNT: usize = 3;
}

impl core::fmt::Display for Why {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("unknown")
    }
}

/// Tells `each` of every byte that the engine may write for the entry `sqe`, but for the entry
/// itself, which it writes back.
///
/// An error is of `each`, which ends it, or says why what is written is not known: then anything may
/// be, whatever `each` was told before.
pub fn outputs<M: Memory>(
    _engine: Engine,
    _sqe: &[u8],
    _memory: &M,
    _each: &mut dyn FnMut(Output, Range) -> Result<(), Why>,
) -> Result<(), Why> {
    Err(Why::Request)
}

/// How many bytes of the [`Output::Data`] of a request were written, from its entry as the engine
/// wrote it back; `None`: all may have been.
pub fn produced(_engine: Engine, _sqe: &[u8]) -> Option<u64> {
    None
}
