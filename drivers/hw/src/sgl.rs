// SPDX-License-Identifier: GPL-2.0

//! The hardware scatter-gather list, of all engines.
//!
//! Source: `struct hisi_acc_hw_sgl`, `struct acc_hw_sge` of `sgl.c`.

/// The size of an SGL's head, in bytes.
pub const SGL_HEAD: usize = 64;
/// The size of an entry, in bytes.
pub const SGE_SIZE: usize = 32;
/// The most entries of one SGL (`HISI_ACC_SGL_SGE_NR_MAX`).
pub const SGE_MAX: u16 = 255;

/// The head of a hardware SGL.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SglHead {
    /// `next_dma`: the next one, 0 where there is none
    pub next: u64,
    /// `entry_sum_in_chain`
    pub in_chain: u16,
    /// `entry_sum_in_sgl`: how many are used
    pub in_sgl: u16,
    /// `entry_length_in_sgl`: how many there is room for
    pub room: u16,
}

impl SglHead {
    /// From its bytes.
    pub fn from_bytes(b: &[u8; SGL_HEAD]) -> Self {
        Self {
            next: u64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]),
            in_chain: u16::from_le_bytes([b[8], b[9]]),
            in_sgl: u16::from_le_bytes([b[10], b[11]]),
            room: u16::from_le_bytes([b[12], b[13]]),
        }
    }

    /// Its bytes.
    pub fn to_bytes(&self) -> [u8; SGL_HEAD] {
        let mut b = [0; SGL_HEAD];
        for (to, from) in b.iter_mut().zip(
            self.next
                .to_le_bytes()
                .into_iter()
                .chain(self.in_chain.to_le_bytes())
                .chain(self.in_sgl.to_le_bytes())
                .chain(self.room.to_le_bytes()),
        ) {
            *to = from;
        }
        b
    }
}

/// An entry: a buffer and its length.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sge {
    /// `buf`
    pub address: u64,
    /// `len`
    pub len: u32,
}

impl Sge {
    /// From its bytes.
    pub fn from_bytes(b: &[u8; SGE_SIZE]) -> Self {
        Self {
            address: u64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]),
            len: u32::from_le_bytes([b[16], b[17], b[18], b[19]]),
        }
    }

    /// Its bytes.
    pub fn to_bytes(&self) -> [u8; SGE_SIZE] {
        let mut b = [0; SGE_SIZE];
        for (to, from) in b.iter_mut().zip(self.address.to_le_bytes()) {
            *to = from;
        }
        for (to, from) in b.iter_mut().skip(16).zip(self.len.to_le_bytes()) {
            *to = from;
        }
        b
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sgl_layout_is_that_of_sgl_c() {
        let sge = Sge {
            address: 0x1234,
            len: 77,
        };
        assert_eq!(Sge::from_bytes(&sge.to_bytes()), sge);
        let head = SglHead {
            next: 5,
            in_chain: 3,
            in_sgl: 2,
            room: 10,
        };
        assert_eq!(SglHead::from_bytes(&head.to_bytes()), head);
        assert_eq!(head.to_bytes()[12], 10);
        let mut bytes = [0; SGE_SIZE];
        bytes[..2].copy_from_slice(&[0x34, 0x12]);
        bytes[16] = 77;
        assert_eq!(sge.to_bytes(), bytes);
        let mut bytes = [0; SGL_HEAD];
        (bytes[0], bytes[8], bytes[10], bytes[12]) = (5, 3, 2, 10);
        assert_eq!(head.to_bytes(), bytes);
    }
}
