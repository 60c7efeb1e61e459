// SPDX-License-Identifier: GPL-2.0

//! Types that the decoders of all engines share.

use super::why::Why;
use crate::words;

pub(crate) use crate::words::address;

/// Memory as the function sees it: by DMA address.
pub trait Memory {
    /// Reads all of `to`, or fails as a whole.
    fn read(&self, address: u64, to: &mut [u8]) -> Result<(), Unreadable>;
}

/// Memory could not be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unreadable;

/// Kind of an output.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Output {
    /// A piece of the output stream, in the stream's order. [`produced()`](super::produced())
    /// returns how much of all pieces together was written.
    Data,
    /// A buffer of which all may have been written.
    Other,
}

/// A range of DMA addresses. It is never empty, and its end is an address, too.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Range {
    /// The first byte.
    pub address: u64,
    /// The number of bytes: at least 1, and `address + len` does not wrap.
    pub len: u64,
}

impl Range {
    /// Returns the range, or `None` if it would be empty or wrap.
    pub const fn new(address: u64, len: u64) -> Option<Self> {
        match address.checked_add(len) {
            Some(_) if len != 0 => Some(Self { address, len }),
            _ => None,
        }
    }
}

/// The callback that receives each output of a request.
pub(crate) type Each<'a> = dyn FnMut(Output, Range) -> Result<(), Why> + 'a;

/// The functions that decode the requests of one engine. They take an SQE of the engine's size:
/// another length is [`Why::SqeSize`].
#[derive(Clone, Copy)]
pub(crate) struct Decoder {
    /// See [`outputs()`](super::outputs()).
    pub(crate) outputs: fn(&[u8], &dyn Memory, &mut Each<'_>) -> Result<(), Why>,
    /// See [`produced()`](super::produced()).
    pub(crate) produced: fn(&[u8]) -> Option<u64>,
    /// See [`identity()`](super::identity()).
    pub(crate) identity: fn(&[u8], bool) -> Option<u64>,
}

/// Reports a flat buffer, unless it is empty.
pub(crate) fn flat(each: &mut Each<'_>, output: Output, address: u64, len: u64) -> Result<(), Why> {
    if len == 0 {
        return Ok(());
    }
    each(output, Range::new(address, len).ok_or(Why::Wraps)?)
}

/// Returns the words of an SQE that must have exactly `WORDS` of them.
pub(crate) fn sqe_words<const WORDS: usize>(sqe: &[u8]) -> Result<[u32; WORDS], Why> {
    if sqe.len() != 4 * WORDS {
        return Err(Why::SqeSize);
    }
    Ok(words::from_bytes(sqe))
}
