// SPDX-License-Identifier: GPL-2.0

//! A machine for tests of the model, and what fuzzers do with it.
//!
//! - [`requests`]: descriptors of the engines, right and nearly right;
//! - [`named`]: what memory a descriptor names, and so all that an engine may touch;
//! - [`outputs`]: whether what is known of descriptors covers what engines write;
//! - [`registers`]: operations on a whole device.
//!
//! A fuzzer's input is taken for [`Wishes`], so that tests can have random bytes instead.

pub mod named;
pub mod outputs;
pub mod registers;
pub mod requests;

pub use named::fuzz_engine;
pub use outputs::fuzz_outputs;
pub use registers::fuzz;

use crate::{guess::Guesses, Bus, Fault, Kind, Twin, BAR2};
use hisi_acc_hw::regs;
use std::ops::Range;

/// Where memory is, for all functions. Not below 4 GiB: an address that was cut to 32 bits is none.
pub const MEMORY: u64 = 0x1_0010_0000;
/// How much there is.
pub const MEMORY_SIZE: usize = 0x2_0000;

/// A machine of plain memory. What the device does is kept.
#[derive(Default)]
pub struct Machine {
    pub memory: Vec<u8>,
    /// The function that memory is mapped for, `None`: all
    pub only: Option<usize>,
    /// Function and vector
    pub interrupts: Vec<(usize, u32)>,
    /// Whether it was a write, and where: only what was carried out
    pub accesses: Vec<(bool, Range<u64>)>,
    /// Memory whose address no driver knows. DMA to there is carried out.
    pub trap: Range<u64>,
    /// Such DMA: whether it was a write, and where
    pub trapped: Vec<(bool, Range<u64>)>,
    /// What an engine on this bus does instead of what is guessed
    pub guesses: Guesses,
}

impl Machine {
    pub fn new() -> Self {
        Self {
            memory: vec![0; MEMORY_SIZE],
            ..Self::default()
        }
    }

    fn at(&self, address: u64, len: usize) -> Result<usize, Fault> {
        let at = usize::try_from(address.checked_sub(MEMORY).ok_or(Fault)?).map_err(|_| Fault)?;
        match at.checked_add(len) {
            Some(end) if end <= self.memory.len() => Ok(at),
            _ => Err(Fault),
        }
    }

    /// Memory at an address, `None` where not all of it is there.
    pub fn look(&self, address: u64, len: usize) -> Option<&[u8]> {
        let at = self.at(address, len).ok()?;
        self.memory.get(at..at + len)
    }

    /// Memory at an address.
    pub fn get(&self, address: u64, len: usize) -> &[u8] {
        self.look(address, len).unwrap()
    }

    /// Puts something there.
    pub fn put(&mut self, address: u64, data: &[u8]) {
        let at = self.at(address, data.len()).unwrap();
        self.memory[at..at + data.len()].copy_from_slice(data);
    }

    fn check(&self, function: usize) -> Result<(), Fault> {
        match self.only {
            Some(only) if only != function => Err(Fault),
            _ => Ok(()),
        }
    }

    fn traps(&mut self, write: bool, address: u64, len: usize) -> bool {
        let traps = self.trap.contains(&address);
        if traps {
            let end = address.saturating_add(len as u64);
            self.trapped.push((write, address..end));
        }
        traps
    }
}

impl Bus for Machine {
    fn guesses(&self) -> Guesses {
        self.guesses
    }

    fn read(&mut self, function: usize, address: u64, to: &mut [u8]) -> Result<(), Fault> {
        self.check(function)?;
        if self.traps(false, address, to.len()) {
            return Ok(());
        }
        let at = self.at(address, to.len())?;
        to.copy_from_slice(&self.memory[at..at + to.len()]);
        self.accesses
            .push((false, address..address + to.len() as u64));
        Ok(())
    }

    fn write(&mut self, function: usize, address: u64, from: &[u8]) -> Result<(), Fault> {
        self.check(function)?;
        if self.traps(true, address, from.len()) {
            return Ok(());
        }
        let at = self.at(address, from.len())?;
        self.memory[at..at + from.len()].copy_from_slice(from);
        self.accesses
            .push((true, address..address + from.len() as u64));
        Ok(())
    }

    fn msi(&mut self, function: usize, vector: u32) {
        self.interrupts.push((function, vector));
    }
}

/// A device whose VFs have 16 queues each.
pub fn device(machine: &mut Machine, kind: Kind, vfs: usize) -> Twin {
    let mut twin = Twin::new(kind, vfs);
    give_queues(machine, &mut twin, vfs);
    twin
}

/// Gives 16 queues to each VF.
pub fn give_queues(machine: &mut Machine, twin: &mut Twin, vfs: usize) {
    for vf in 1..=vfs as u64 {
        let entry = ((16 * vf) << 28) | (1 << 44) | (15 << 45);
        for (reg, value) in [
            (regs::QM_VFT_CFG_OP_WR, 0),
            (regs::QM_VFT_CFG_TYPE, 0),
            (regs::QM_VFT_CFG, vf as u32),
            (regs::QM_VFT_CFG_DATA_L, entry as u32),
            (regs::QM_VFT_CFG_DATA_H, (entry >> 32) as u32),
            (regs::QM_VFT_CFG_OP_ENABLE, 1),
        ] {
            twin.write(machine, 0, BAR2, reg.into(), value.into(), 4);
        }
    }
}

/// Bytes that say what a fuzzer wants; `None` when they are at an end.
pub struct Wishes<'a>(pub &'a [u8]);

impl Wishes<'_> {
    pub fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// A big-endian number of so many bytes.
    pub fn number(&mut self, bytes: usize) -> Option<u64> {
        (0..bytes).try_fold(0, |n, _| Some((n << 8) | u64::from(self.byte()?)))
    }

    /// An address in memory, most times.
    pub fn address(&mut self) -> Option<u64> {
        let n = self.number(3)?;
        Some(match n % 16 {
            0 => n.wrapping_mul(0x1_0001_0001_0001),
            _ => MEMORY + (n & 0x1_fff0),
        })
    }

    /// One of a list.
    pub fn one_of<T: Copy>(&mut self, list: &[T]) -> Option<T> {
        list.get(usize::from(self.byte()?) % list.len()).copied()
    }

    /// Whether something that is to happen seldom does: once in `n` times.
    pub fn seldom(&mut self, n: u8) -> Option<bool> {
        Some(self.byte()? % n == n - 1)
    }

    /// Bytes without an order, made of one wish.
    pub fn noise(&mut self, len: usize) -> Option<Vec<u8>> {
        let mut noise = Noise::new(self.number(2)?);
        Some((0..len).map(|_| noise.next() as u8).collect())
    }
}

/// Numbers without an order, the same for the same seed (xorshift64).
pub struct Noise(u64);

impl Noise {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(2).wrapping_add(1) ^ 0x9e37_79b9_7f4a_7c14)
    }

    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    /// So many bytes.
    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }
}
