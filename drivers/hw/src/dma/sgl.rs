// SPDX-License-Identifier: GPL-2.0

//! Buffers that are chains of hardware scatter-gather lists.
//!
//! Sources: `sgl.c`; what a chain can be at most, and how a list is aligned, `qm_hw_sgl_info()` of
//! UADK's `v1/drv/hisi_qm_udrv.c`: 256 lists, 1 to 255 entries each, 64 bytes.

use super::{
    limits::{
        CHUNK,
        LISTS_MAX,
        SGES_MAX, //
    },
    types::{
        flat,
        Each,
        Memory,
        Output, //
    },
    why::Why, //
};
use crate::sgl::{
    Sge,
    SglHead,
    SGE_MAX,
    SGE_SIZE,
    SGL_HEAD, //
};

/// How a list is aligned (`HISI_ACC_SGL_ALIGN_SIZE`), in bytes.
const ALIGN: u64 = 64;

/// Tells of the bytes `skip..skip + len` of a chain as [`Output::Data`] where `data` says so, and
/// of all that stands before as [`Output::Other`]: that the engine passes over it is what the
/// offset of a descriptor asks for, but not worth to be relied on.
///
/// A chain that is shorter than that is no error: the engine has no other memory to write to.
pub(crate) fn chain(
    memory: &dyn Memory,
    address: u64,
    skip: u32,
    len: u32,
    data: bool,
    each: &mut Each<'_>,
) -> Result<(), Why> {
    if len == 0 {
        return Ok(());
    }
    let skip = u64::from(skip);
    let end = skip + u64::from(len);
    let middle = if data { skip } else { end };
    // Bytes of the chain before the entry
    let mut position = 0u64;
    let mut list = address;
    let mut budget = SGES_MAX;
    for _ in 0..LISTS_MAX {
        if list == 0 || list % ALIGN != 0 {
            return Err(Why::SglAddress);
        }
        let mut head = [0; SGL_HEAD];
        memory.read(list, &mut head).map_err(|_| Why::Unreadable)?;
        let head = SglHead::from_bytes(&head);
        if head.in_sgl == 0 || head.in_sgl > SGE_MAX || head.in_sgl > head.room {
            return Err(Why::SglEntries);
        }

        let mut at = list.checked_add(SGL_HEAD as u64).ok_or(Why::SglAddress)?;
        let mut left = usize::from(head.in_sgl);
        budget = budget.checked_sub(left).ok_or(Why::SglChain)?;
        while left != 0 {
            let mut chunk = [0; CHUNK * SGE_SIZE];
            let n = left.min(CHUNK);
            let chunk = chunk.get_mut(..n * SGE_SIZE).ok_or(Why::SglEntries)?;
            memory.read(at, chunk).map_err(|_| Why::Unreadable)?;
            for raw in chunk.chunks_exact(SGE_SIZE) {
                let Some(raw) = raw.first_chunk() else {
                    continue;
                };
                let sge = Sge::from_bytes(raw);
                // It never gets so far: all are of 32 bits, and there are `SGES_MAX` of them.
                let next = position.saturating_add(sge.len.into());
                let mut piece = |output, from: u64, to: u64| {
                    let first = from.max(position);
                    let last = to.min(next);
                    if first >= last {
                        return Ok(());
                    }
                    let at = sge.address.checked_add(first - position);
                    flat(each, output, at.ok_or(Why::Wraps)?, last - first)
                };
                piece(Output::Other, 0, middle)?;
                piece(Output::Data, middle, end)?;
                position = next;
                if position >= end {
                    return Ok(());
                }
            }
            let read = chunk.len() as u64;
            at = at.checked_add(read).ok_or(Why::SglAddress)?;
            left -= n;
        }
        // The request goes on. The engine may count entries by another field of the head, and so
        // find some in the rest of this list (guess SGL of the model).
        if head.in_sgl < head.room {
            return Err(Why::SglEntries);
        }
        if head.next == 0 {
            return Ok(());
        }
        list = head.next;
    }
    Err(Why::SglChain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dma::{
        limits::SGL_READS_MAX as READS_MAX,
        ram::{
            Ram,
            BASE, //
        },
        types::Unreadable, //
    };
    use core::cell::Cell;

    type Pieces = Vec<(Output, u64, u64)>;

    fn walk(ram: &impl Memory, at: u64, skip: u32, len: u32) -> Result<Pieces, Why> {
        let mut pieces = Vec::new();
        chain(ram, at, skip, len, true, &mut |output, range| {
            pieces.push((output, range.address, range.len));
            Ok(())
        })?;
        Ok(pieces)
    }

    fn ram() -> Ram {
        Ram::new(vec![0; 0x20_0000])
    }

    /// `n` entries of `len` bytes each, from `at` on.
    fn sges(at: u64, n: usize, len: u32) -> Vec<(u64, u32)> {
        (0..n as u64).map(|n| (at + 0x1000 * n, len)).collect()
    }

    #[test]
    fn all_entries_of_all_lists() {
        for n in [1, 31, 32, 33, 64, 65, 254, 255] {
            let mut ram = ram();
            ram.put_list(BASE, &sges(0x100_0000, n, 16), BASE + 0x4000);
            ram.put_list(BASE + 0x4000, &sges(0x200_0000, n, 16), 0);
            let all: Pieces = sges(0x100_0000, n, 16)
                .into_iter()
                .chain(sges(0x200_0000, n, 16))
                .map(|(at, len)| (Output::Data, at, len.into()))
                .collect();
            assert_eq!(walk(&ram, BASE, 0, 32 * n as u32).as_ref(), Ok(&all));
            assert_eq!(ram.reads(), 2 * (1 + n.div_ceil(32)));
            assert!(!ram.read_twice());
            // What is shorter than the request is all that there is.
            let ram = ram;
            assert_eq!(walk(&ram, BASE, 0, u32::MAX), Ok(all));
        }
    }

    /// Engines may go by how many entries a list has room for, or by how many the chain has. All
    /// agree on a list that is full, and on one that ends the request.
    #[test]
    fn a_list_that_is_not_full_ends_the_request() {
        for (room, in_chain) in [(3, 2), (3, 3), (2, 3), (2, 2)] {
            let mut ram = ram();
            ram.put_list(BASE, &sges(0x100_0000, 2, 16), 0);
            let head = SglHead {
                next: 0,
                in_chain,
                in_sgl: 2,
                room,
            };
            ram.put(BASE, &head.to_bytes());
            assert_eq!(walk(&ram, BASE, 0, 32).unwrap().len(), 2);
            let more = walk(&ram, BASE, 0, 33);
            match room {
                2 => assert_eq!(more.unwrap().len(), 2),
                _ => assert_eq!(more, Err(Why::SglEntries)),
            }
        }
    }

    #[test]
    fn no_more_is_read_than_it_takes() {
        let mut ram = ram();
        ram.put_list(BASE, &sges(0x100_0000, 100, 16), 0xdead_0000);
        let pieces = walk(&ram, BASE, 0, 33 * 16).unwrap();
        assert_eq!((pieces.len(), ram.reads()), (33, 3));
        // The next list is not there, nor is it asked for.
        assert!(walk(&ram, BASE, 0, 1600).is_ok());
        assert_eq!(walk(&ram, BASE, 0, 1601), Err(Why::Unreadable));
        assert_eq!(walk(&ram, 0, 5, 0), Ok(vec![]), "nothing to write");
    }

    #[test]
    fn empty_entries_are_passed_over() {
        let mut ram = ram();
        ram.put_list(BASE, &[(u64::MAX, 0), (0x5000, 3), (0, 0), (0x6000, 5)], 0);
        let pieces = vec![(Output::Data, 0x5000, 3), (Output::Data, 0x6000, 4)];
        assert_eq!(walk(&ram, BASE, 0, 7), Ok(pieces));
    }

    #[test]
    fn lists_that_are_none() {
        let mut memory = ram();
        memory.put_list(BASE, &[(0x5000, 4)], 0);
        for at in [1, 8, 32, 63] {
            assert_eq!(walk(&memory, BASE + at, 0, 4), Err(Why::SglAddress));
        }
        assert_eq!(walk(&memory, 0, 0, 4), Err(Why::SglAddress));
        assert_eq!(walk(&memory, BASE - 64, 0, 4), Err(Why::Unreadable));
        assert_eq!(walk(&memory, u64::MAX - 63, 0, 4), Err(Why::Unreadable));
        // None; more than there is room for; more than there can be
        for (in_sgl, room) in [(0, 0), (0, 4), (5, 4), (256, 256), (u16::MAX, u16::MAX)] {
            let head = SglHead {
                next: 0,
                in_chain: in_sgl,
                in_sgl,
                room,
            };
            memory.put(BASE, &head.to_bytes());
            assert_eq!(walk(&memory, BASE, 0, 4), Err(Why::SglEntries));
        }
        // The head is there, its entries are not.
        let end = BASE + 0x20_0000;
        let head = SglHead {
            next: 0,
            in_chain: 2,
            in_sgl: 2,
            room: 2,
        };
        memory.put(end - 96, &[0; 96]);
        memory.put(end - 128, &head.to_bytes());
        assert_eq!(walk(&memory, end - 128, 0, 4), Ok(vec![]));
        memory.put(end - 64, &head.to_bytes());
        assert_eq!(walk(&memory, end - 64, 0, 4), Err(Why::Unreadable));
    }

    #[test]
    fn no_piece_wraps() {
        let mut ram = ram();
        ram.put_list(BASE, &[(u64::MAX - 8, 8), (u64::MAX - 7, 8)], 0);
        let last = (Output::Data, u64::MAX - 8, 8);
        assert_eq!(walk(&ram, BASE, 0, 8), Ok(vec![last]));
        assert_eq!(walk(&ram, BASE, 0, 16), Err(Why::Wraps));
        // What wraps is not reached.
        let pieces = vec![last, (Output::Data, u64::MAX - 7, 7)];
        assert_eq!(walk(&ram, BASE, 0, 15), Ok(pieces));
        ram.put_list(BASE, &[(u64::MAX - 8, u32::MAX)], 0);
        assert_eq!(walk(&ram, BASE, 100, 1), Err(Why::Wraps));
        // The longest that there is
        ram.put_list(BASE, &sges(0, 255, u32::MAX), 0);
        let pieces = walk(&ram, BASE, 0xff_ffff, u32::MAX).unwrap();
        let len: u64 = pieces.iter().map(|(_, _, len)| len).sum();
        assert_eq!(len, 0xff_ffff + u64::from(u32::MAX));
    }

    #[test]
    fn chains_end() {
        // Back to itself, with entries that are empty: nothing is ever complete.
        let mut memory = ram();
        memory.put_list(BASE, &[(0x5000, 0)], BASE);
        assert_eq!(walk(&memory, BASE, 0, 4), Err(Why::SglChain));
        assert_eq!(memory.reads(), 2 * LISTS_MAX);
        let mut memory = ram();
        memory.put_list(BASE, &sges(0, 255, 0), BASE);
        assert_eq!(walk(&memory, BASE, 0, 4), Err(Why::SglChain));
        assert!(memory.reads() <= READS_MAX);
        // Back and forth, a byte at a time: the engine would go on as well.
        let mut memory = ram();
        memory.put_list(BASE, &[(0x5000, 1)], BASE + 0x400);
        memory.put_list(BASE + 0x400, &[(0x6000, 1)], BASE);
        assert_eq!(walk(&memory, BASE, 0, 256).unwrap().len(), 256);
        assert_eq!(walk(&memory, BASE, 0, 257), Err(Why::SglChain));
        // As many lists as there can be, and one more
        let mut memory = ram();
        for n in 0..=256 {
            let at = BASE + 0x100 * n;
            memory.put_list(at, &[(0x5000, 1)], at + 0x100);
        }
        assert!(walk(&memory, BASE, 0, 256).is_ok());
        assert_eq!(walk(&memory, BASE, 0, 257), Err(Why::SglChain));
        // As many entries as are looked at, and a list more
        let mut memory = ram();
        for n in 0..=17 {
            let at = BASE + 0x4000 * n;
            memory.put_list(at, &sges(0, 255, 1), at + 0x4000);
        }
        assert!(walk(&memory, BASE, 0, 16 * 255).is_ok());
        assert_eq!(walk(&memory, BASE, 0, 16 * 255 + 1), Err(Why::SglChain));
    }

    /// Memory in which whatever is read is another thing the next time.
    struct Changes {
        ram: Ram,
        reads: Cell<u64>,
    }

    impl Memory for Changes {
        fn read(&self, address: u64, to: &mut [u8]) -> Result<(), Unreadable> {
            self.ram.read(address, to)?;
            let n = self.reads.get();
            self.reads.set(n + 1);
            if to.len() == SGL_HEAD {
                // One entry, or two, and no room for more
                to[10] = 1 + (n & 1) as u8;
                to[12] = to[10];
            } else {
                for byte in to.chunks_exact_mut(SGE_SIZE).map(|sge| &mut sge[1]) {
                    *byte = n as u8;
                }
            }
            Ok(())
        }
    }

    /// What a list says is what it said when it was read, the only time.
    #[test]
    fn one_look_is_all() {
        let mut ram = ram();
        ram.put_list(BASE, &[(0x5000, 4), (0x5000, 4)], BASE + 0x400);
        ram.put_list(BASE + 0x400, &[(0x5000, 4), (0x5000, 4)], 0);
        let memory = Changes {
            ram,
            reads: Cell::new(0),
        };
        let pieces = vec![(Output::Data, 0x0100, 4), (Output::Data, 0x0300, 4)];
        assert_eq!(walk(&memory, BASE, 0, 100), Ok(pieces));
        assert!(!memory.ram.read_twice());
    }
}
