// SPDX-License-Identifier: GPL-2.0

//! Numbers that look random and are the same in each run.

/// A small generator of numbers, so that runs repeat.
pub struct Random(u64);

impl Default for Random {
    fn default() -> Self {
        Self(0x1234_5678_9abc_def1)
    }
}

impl Random {
    /// Other numbers for another seed.
    pub fn new(seed: u64) -> Self {
        Self(Self::default().0 ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self, below: usize) -> usize {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % below
    }

    /// So many of them, as bytes.
    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next(256) as u8).collect()
    }
}
