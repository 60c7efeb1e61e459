// SPDX-License-Identifier: GPL-2.0

//! Typed registers: a register knows which functions have it.

use core::{
    fmt,
    marker::PhantomData, //
};

/// The registers that each function has, PF and VF alike, in its own BAR2.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Function {}

/// The registers that only the PF has, in its BAR2.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pf {}

/// The registers of a function that only the migration window in the PF's BAR2 shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MigrationWindow {}

/// A register of 32 bits of the functions that `S` stands for.
#[derive(PartialEq, Eq)]
pub struct Reg<S> {
    offset: u32,
    space: PhantomData<S>,
}

impl<S> Reg<S> {
    /// Returns the register at `offset`.
    pub const fn at(offset: u32) -> Self {
        Self {
            offset,
            space: PhantomData,
        }
    }

    /// Returns its offset, in bytes.
    pub const fn offset(self) -> u32 {
        self.offset
    }

    /// Returns whether it is an aligned word of a BAR of `len` bytes.
    pub const fn is_in(self, len: u32) -> bool {
        match self.offset.checked_add(4) {
            Some(end) => self.offset % 4 == 0 && end <= len,
            None => false,
        }
    }

    /// Returns the register `n` words after this one. It stays at `u32::MAX` instead of wrapping:
    /// no BAR has a whole register there.
    pub const fn word(self, n: u32) -> Self {
        Self::at(self.offset.saturating_add(n.saturating_mul(4)))
    }
}

impl<S> Clone for Reg<S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for Reg<S> {}

/// The PF is a function, too.
impl From<Reg<Function>> for Reg<Pf> {
    fn from(reg: Reg<Function>) -> Self {
        Self::at(reg.offset)
    }
}

impl<S> From<Reg<S>> for u32 {
    fn from(reg: Reg<S>) -> Self {
        reg.offset
    }
}

impl<S> From<Reg<S>> for u64 {
    fn from(reg: Reg<S>) -> Self {
        reg.offset.into()
    }
}

impl<S> fmt::Debug for Reg<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.offset)
    }
}

impl<S> fmt::LowerHex for Reg<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::LowerHex::fmt(&self.offset, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_register_is_an_aligned_word_of_its_bar() {
        let is_in = |offset, len| Reg::<Pf>::at(offset).is_in(len);
        assert!(is_in(0, 4));
        assert!(is_in(0x1ffc, 0x2000));
        for offset in [1, 2, 3, 0x1ffd, 0x2000, u32::MAX - 3, u32::MAX] {
            assert!(!is_in(offset, 0x2000), "{offset:#x}");
        }
        assert!(!is_in(0, 0));
        assert!(!is_in(u32::MAX - 3, u32::MAX));
    }

    #[test]
    fn words_follow_each_other() {
        let reg = Reg::<Pf>::at(0x100);
        assert_eq!(reg.word(0), reg);
        assert_eq!(reg.word(6).offset(), 0x118);
        assert_eq!(reg.word(u32::MAX).offset(), u32::MAX);
        assert_eq!((u32::from(reg), u64::from(reg)), (0x100, 0x100));
        assert_eq!(format!("{reg:?} {reg:#x}"), "0x100 0x100");
    }
}
