// SPDX-License-Identifier: GPL-2.0

//! What an engine's jobs are made of: where each has its memory, and how it is checked.

use crate::{memory::Memory, work::random::Random, Result};
use hisi_acc_hw::sgl::{Sge, SglHead, SGE_SIZE, SGL_HEAD};

/// What stands behind each destination and must stay there.
pub(super) const CANARY: u8 = 0xa5;
pub(super) const CANARY_LEN: usize = 64;

/// What an engine is asked to do.
pub trait Engine {
    /// The queues that it wants, by their algorithm types.
    fn queues(&self) -> &'static [u8];

    /// The size of a submission queue entry, in bytes.
    fn entry_size(&self) -> usize;

    /// A job: the queue, the entry, and how to check it.
    fn make(&self, desk: &mut Desk<'_>) -> Result<(u16, Vec<u8>, Box<dyn Job>)>;

    /// The tag of an entry that came back.
    fn tag(&self, entry: &[u8]) -> Result<u64>;
}

/// A job that is on its way.
pub trait Job {
    /// Whether it was done rightly; the bytes that went through.
    fn check(&self, memory: &Memory, entry: &[u8]) -> Result<u64>;
}

/// Room for one job: source, destination, SGLs and what else it needs.
pub(super) const SLOT: usize = 128 << 10;
const HALF: u64 = 48 << 10;
/// SGLs of the source, of the destination, and what is left
const LISTS: u64 = 2 * HALF;
pub(super) const MORE: u64 = LISTS + 8192;

/// Where a job is made: its slot of memory, its tag.
pub struct Desk<'a> {
    pub random: &'a mut Random,
    pub memory: &'a Memory,
    pub tag: u64,
    pub(super) base: u64,
    pub(super) more: u64,
    pub(super) guarded: Vec<u64>,
}

impl Desk<'_> {
    /// Puts the input there: its address, or that of its SGL; and where its pieces are.
    pub fn source(&mut self, data: &[u8], sgl: bool) -> (u64, Vec<(u64, usize)>) {
        self.memory.write(self.base, data);
        self.buffer(self.base, self.base + LISTS, data.len(), sgl)
    }

    /// Room for the output, guarded: its address, or that of its SGL; and where its pieces are.
    pub fn dest(&mut self, len: usize, sgl: bool) -> (u64, Vec<(u64, usize)>) {
        let at = self.base + HALF;
        self.memory.write(at, &vec![CANARY; len + CANARY_LEN]);
        self.guarded.push(at + len as u64);
        self.buffer(at, self.base + LISTS + 4096, len, sgl)
    }

    /// Puts something small elsewhere: a key, an initial value.
    pub fn put(&mut self, data: &[u8]) -> u64 {
        let at = self.base + self.more;
        self.more += data.len().next_multiple_of(64) as u64;
        assert!(self.more <= SLOT as u64, "the slot is too small");
        self.memory.write(at, data);
        at
    }

    fn buffer(&mut self, at: u64, lists: u64, len: usize, sgl: bool) -> (u64, Vec<(u64, usize)>) {
        if sgl {
            (lists, self.scatter(lists, at, len))
        } else {
            (at, vec![(at, len)])
        }
    }

    /// Splits a buffer into pieces by a hardware SGL at `at`; where each piece lies.
    fn scatter(&mut self, at: u64, buffer: u64, len: usize) -> Vec<(u64, usize)> {
        let memory = self.memory;
        let mut pieces = Vec::new();
        let mut left = len;
        let mut from = buffer;
        while left != 0 {
            let n = if pieces.len() == 7 {
                left
            } else {
                (1 + self.random.next(len)).min(left)
            };
            pieces.push((from, n));
            from += n as u64;
            left -= n;
        }
        // Two SGLs where there is enough for both, so that the chain is walked.
        let first = pieces.len().div_ceil(2);
        let second = at + 1024;
        for (sgl, part, next) in [
            (
                at,
                &pieces[..first],
                if pieces.len() > first { second } else { 0 },
            ),
            (second, &pieces[first..], 0),
        ] {
            let head = SglHead {
                next,
                in_chain: pieces.len() as u16,
                in_sgl: part.len() as u16,
                // No list but the last has room for more, or an engine that goes by the room or by
                // the sum of the chain would read another list than one that goes by `in_sgl`.
                room: part.len() as u16,
            };
            memory.write(sgl, &head.to_bytes());
            for (n, (address, len)) in part.iter().enumerate() {
                let sge = Sge {
                    address: *address,
                    len: *len as u32,
                };
                memory.write(sgl + (SGL_HEAD + n * SGE_SIZE) as u64, &sge.to_bytes());
            }
        }
        pieces
    }
}
