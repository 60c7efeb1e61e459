// SPDX-License-Identifier: GPL-2.0

//! DMA memory: one arena of this process, seen by the devices at [`IOVA`].

use std::{
    io, ptr,
    sync::atomic::{AtomicU16, AtomicU32, Ordering},
};

/// What devices see memory of this process in.
pub trait AddressSpace {
    /// Maps memory at an IOVA for reading and writing.
    fn map(&self, iova: u64, memory: *mut u8, len: usize) -> io::Result<()>;
}

/// Where devices see the arena: not where the process does, so that a mix-up shows.
pub const IOVA: u64 = 0x1_0000_0000;

/// The arena.
pub struct Memory {
    base: *mut u8,
    len: usize,
    used: usize,
}

impl Memory {
    /// Maps `len` bytes for the devices of an address space.
    pub fn new(space: &dyn AddressSpace, len: usize) -> io::Result<Self> {
        // SAFETY: A new anonymous mapping.
        let base = unsafe {
            libc::mmap(
                ptr::null_mut(),
                len,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_ANONYMOUS | libc::MAP_POPULATE,
                -1,
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let memory = Self {
            base: base.cast(),
            len,
            used: 0,
        };
        memory.map_into(space)?;
        Ok(memory)
    }

    /// Maps all of it for the devices of another address space too.
    pub fn map_into(&self, space: &dyn AddressSpace) -> io::Result<()> {
        space.map(IOVA, self.base, self.len)
    }

    /// A piece of `len` bytes, aligned to 4 KiB, zeroed: its IOVA.
    pub fn alloc(&mut self, len: usize) -> u64 {
        let at = self.used;
        self.used += len.next_multiple_of(4096);
        assert!(self.used <= self.len, "the DMA arena is too small");
        IOVA + at as u64
    }

    /// How many bytes have been handed out.
    pub fn used(&self) -> usize {
        self.used
    }

    /// Takes back all pieces beyond the first `used` bytes, which no device uses any more.
    pub fn take_back(&mut self, used: usize) {
        self.write(IOVA + used as u64, &vec![0; self.used - used]);
        self.used = used;
    }

    /// Where this process has what devices have there.
    pub fn address(&self, iova: u64) -> *mut u8 {
        self.at(iova, 1)
    }

    fn at(&self, iova: u64, len: usize) -> *mut u8 {
        let offset = (iova - IOVA) as usize;
        assert!(offset + len <= self.len, "outside the DMA arena");
        // SAFETY: Inside the mapping, as just checked.
        unsafe { self.base.add(offset) }
    }

    /// Loads a word that a device may write at this moment: all of it at once, and before whatever
    /// is read afterwards.
    pub fn load32(&self, iova: u64) -> u32 {
        // SAFETY: Valid and aligned, by the check; devices write words as a whole.
        let word = unsafe { AtomicU32::from_ptr(self.word(iova)) };
        u32::from_le(word.load(Ordering::Acquire))
    }

    /// The same, of 16 bits.
    pub fn load16(&self, iova: u64) -> u16 {
        // SAFETY: As for 32 bits.
        let word = unsafe { AtomicU16::from_ptr(self.word(iova)) };
        u16::from_le(word.load(Ordering::Acquire))
    }

    /// Where an aligned word is.
    fn word<T>(&self, iova: u64) -> *mut T {
        let at = self.at(iova, size_of::<T>()).cast::<T>();
        assert!(at.is_aligned(), "a word at {iova:#x}");
        at
    }

    /// Copies out, byte for byte: what a device writes meanwhile comes in part.
    pub fn read(&self, iova: u64, to: &mut [u8]) {
        let at = self.at(iova, to.len());
        for (n, byte) in to.iter_mut().enumerate() {
            // SAFETY: `at` is valid for the length.
            *byte = unsafe { at.add(n).read_volatile() };
        }
    }

    /// Copies in.
    pub fn write(&self, iova: u64, from: &[u8]) {
        let at = self.at(iova, from.len());
        // SAFETY: `at` is valid for the length; devices do not write what is not handed to them.
        unsafe { ptr::copy_nonoverlapping(from.as_ptr(), at, from.len()) };
    }

    pub fn read_vec(&self, iova: u64, len: usize) -> Vec<u8> {
        let mut data = vec![0; len];
        let at = self.at(iova, len);
        // SAFETY: `at` is valid for the length.
        unsafe { ptr::copy_nonoverlapping(at, data.as_mut_ptr(), len) };
        data
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: Mapped in `new`; whoever maps it for devices holds its pages itself.
        unsafe { libc::munmap(self.base.cast(), self.len) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{sync::atomic::AtomicBool, thread::scope};

    /// Devices see nothing of the arena.
    struct Nowhere;

    impl AddressSpace for Nowhere {
        fn map(&self, _iova: u64, _memory: *mut u8, _len: usize) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_word_comes_at_once() {
        const ENTRY: u32 = 0x1_0203;
        let mut memory = Memory::new(&Nowhere, 4096).expect("memory");
        let at = memory.alloc(4);
        // SAFETY: Aligned memory of the arena, which is written by atomics alone.
        let device = unsafe { AtomicU32::from_ptr(memory.address(at).cast()) };
        let is_over = AtomicBool::new(false);
        scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    for word in [ENTRY, 0] {
                        device.store(word.to_le(), Ordering::Release);
                    }
                }
            });
            let mut last = 0;
            let mut changes = 0;
            while changes < 100_000 && [0, ENTRY].contains(&last) {
                let now = memory.load32(at);
                changes += u32::from(now != last);
                last = now;
            }
            is_over.store(true, Ordering::Relaxed);
            assert!([0, ENTRY].contains(&last), "a part of an entry: {last:#x}");
        });
    }
}
