// SPDX-License-Identifier: GPL-2.0

//! Memory for tests of the decoders.

use super::{
    limits::{
        RANGES_MAX,
        READS_MAX, //
    },
    types::{
        Decoder,
        Memory,
        Output,
        Unreadable, //
    },
    why::Why, //
};
use crate::sgl::{
    Sge,
    SglHead,
    SGE_SIZE,
    SGL_HEAD, //
};
use core::cell::RefCell;

/// Where memory is. Not below 4 GiB: an address that was cut to 32 bits is none.
pub const BASE: u64 = 0x1_2340_0000;

/// Plain memory. Keeps what is read of it.
pub struct Ram {
    bytes: Vec<u8>,
    reads: RefCell<Vec<(u64, u64)>>,
}

impl Ram {
    pub fn new(bytes: Vec<u8>) -> Self {
        Self {
            bytes,
            reads: RefCell::new(Vec::new()),
        }
    }

    pub fn put(&mut self, at: u64, data: &[u8]) {
        let at = (at - BASE) as usize;
        self.bytes[at..at + data.len()].copy_from_slice(data);
    }

    /// A list at `at`, with room for just its entries.
    pub fn put_list(&mut self, at: u64, sges: &[(u64, u32)], next: u64) {
        let n = sges.len() as u16;
        let head = SglHead {
            next,
            in_chain: n,
            in_sgl: n,
            room: n,
        };
        self.put(at, &head.to_bytes());
        for (n, &(address, len)) in sges.iter().enumerate() {
            let at = at + (SGL_HEAD + n * SGE_SIZE) as u64;
            self.put(at, &Sge { address, len }.to_bytes());
        }
    }

    /// How many reads there were, those that failed included.
    pub fn reads(&self) -> usize {
        self.reads.borrow().len()
    }

    /// Whether a byte was read twice: the second time it could have been another one.
    pub fn read_twice(&self) -> bool {
        let mut reads = self.reads.borrow().clone();
        reads.sort_unstable();
        reads.windows(2).any(|two| two[0].0 + two[0].1 > two[1].0)
    }
}

impl Memory for Ram {
    fn read(&self, address: u64, to: &mut [u8]) -> Result<(), Unreadable> {
        let len = to.len() as u64;
        self.reads.borrow_mut().push((address, len));
        let at = address.checked_sub(BASE).ok_or(Unreadable)?;
        let from = usize::try_from(at)
            .ok()
            .and_then(|at| self.bytes.get(at..)?.get(..to.len()))
            .ok_or(Unreadable)?;
        to.copy_from_slice(from);
        Ok(())
    }
}

pub type Told = Vec<(Output, u64, u64)>;

/// Returns the outputs of an entry. Checks what is true of the entries of all engines.
pub fn told(decoder: &Decoder, sqe: &[u8], ram: &Ram) -> Result<Told, Why> {
    ram.reads.borrow_mut().clear();
    let mut told = Vec::new();
    let result = (decoder.outputs)(sqe, ram, &mut |output, range| {
        assert!(range.len != 0);
        assert!(range.address.checked_add(range.len).is_some());
        told.push((output, range.address, range.len));
        Ok(())
    });
    assert!(ram.reads() <= READS_MAX, "{} reads", ram.reads());
    assert!(told.len() <= RANGES_MAX, "{} ranges", told.len());
    result.map(|()| told)
}

/// Bytes of words.
pub fn bytes(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// The halves of an address into two words.
pub fn put_address(words: &mut [u32], at: usize, address: u64) {
    words[at] = address as u32;
    words[at + 1] = (address >> 32) as u32;
}
