// SPDX-License-Identifier: GPL-2.0

//! Contexts of queues, entries of the queues that the hardware writes, and the VFT.
//!
//! Source: `struct qm_sqc`, `qm_cqc`, `qm_eqc`, `qm_aeqc` of `qm_common.h`; `struct qm_cqe`,
//! `qm_eqe`, `qm_aeqe` of `hisi_acc_qm.h` and `qm.c`; `QM_MK_*` and `QM_*_SHIFT` of `qm.c`.

/// The size of a context, in bytes.
pub const XQC_SIZE: usize = 32;
/// The size of a CQE, in bytes.
pub const CQE_SIZE: usize = 16;
/// The size of an EQE and of an AEQE, in bytes.
pub const EQE_SIZE: usize = 4;

/// Reads 16 bits, little endian; 0 beyond the end, which a caller with a fixed size never meets.
fn get16(raw: &[u8; XQC_SIZE], at: usize) -> u16 {
    match raw.get(at..).and_then(|rest| rest.first_chunk::<2>()) {
        Some(bytes) => u16::from_le_bytes(*bytes),
        None => 0,
    }
}

fn get32(raw: &[u8; XQC_SIZE], at: usize) -> u32 {
    match raw.get(at..).and_then(|rest| rest.first_chunk::<4>()) {
        Some(bytes) => u32::from_le_bytes(*bytes),
        None => 0,
    }
}

fn put(raw: &mut [u8; XQC_SIZE], at: usize, bytes: &[u8]) {
    for (to, from) in raw.iter_mut().skip(at).zip(bytes) {
        *to = *from;
    }
}

/// A context of a queue, as it stands in memory: the layout that SQC and CQC share, and EQC and
/// AEQC up to `dw3`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Xqc(pub [u8; XQC_SIZE]);

impl Xqc {
    /// A context of zeroes.
    pub const fn zeroed() -> Self {
        Self([0; XQC_SIZE])
    }

    /// `head`
    pub fn head(&self) -> u16 {
        get16(&self.0, 0)
    }

    /// Sets `head`.
    pub fn set_head(&mut self, value: u16) {
        put(&mut self.0, 0, &value.to_le_bytes());
    }

    /// `tail`
    pub fn tail(&self) -> u16 {
        get16(&self.0, 2)
    }

    /// Sets `tail`.
    pub fn set_tail(&mut self, value: u16) {
        put(&mut self.0, 2, &value.to_le_bytes());
    }

    /// `base_l`, `base_h`: the DMA address of the queue
    pub fn base(&self) -> u64 {
        u64::from(get32(&self.0, 4)) | (u64::from(get32(&self.0, 8)) << 32)
    }

    /// Sets the DMA address.
    pub fn set_base(&mut self, value: u64) {
        put(&mut self.0, 4, &value.to_le_bytes());
    }

    /// `dw3`: sizes, see [`SqcDw3`]; for EQC and AEQC see [`EqcDw6`] too
    pub fn dw3(&self) -> u32 {
        get32(&self.0, 12)
    }

    /// Sets `dw3`.
    pub fn set_dw3(&mut self, value: u32) {
        put(&mut self.0, 12, &value.to_le_bytes());
    }

    /// `w8`: for an SQC and CQC of V1 and V2 the depth, elsewhere reserved
    pub fn w8(&self) -> u16 {
        get16(&self.0, 16)
    }

    /// Sets `w8`.
    pub fn set_w8(&mut self, value: u16) {
        put(&mut self.0, 16, &value.to_le_bytes());
    }

    /// `w11`: bit 6 is the phase of the tail (`QM_SQ_TAIL_IDX`, `QM_CQ_TAIL_IDX`), and there is
    /// `QM_QC_PASID_ENABLE`
    pub fn w11(&self) -> u16 {
        get16(&self.0, 22)
    }

    /// Sets `w11`.
    pub fn set_w11(&mut self, value: u16) {
        put(&mut self.0, 22, &value.to_le_bytes());
    }

    /// SQC: `cq_num`, where completions go
    pub fn cq_num(&self) -> u16 {
        get16(&self.0, 24)
    }

    /// Sets `cq_num`.
    pub fn set_cq_num(&mut self, value: u16) {
        put(&mut self.0, 24, &value.to_le_bytes());
    }

    /// SQC: `w13`: priority, orders, algorithm type (`QM_MK_SQC_W13`); bit 6 disables the queue
    /// (`QM_SQC_DISABLE_QP`)
    pub fn w13(&self) -> u16 {
        get16(&self.0, 26)
    }

    /// Sets `w13`.
    pub fn set_w13(&mut self, value: u16) {
        put(&mut self.0, 26, &value.to_le_bytes());
    }

    /// CQC: `dw6`: bit 0 the phase, bit 1 whether an event is wanted (`QM_CQ_PHASE_SHIFT`,
    /// `QM_CQ_FLAG_SHIFT`). It stands where an SQC has `cq_num` and `w13`.
    pub fn cqc_dw6(&self) -> u32 {
        get32(&self.0, 24)
    }

    /// Sets a CQC's `dw6`.
    pub fn set_cqc_dw6(&mut self, value: u32) {
        put(&mut self.0, 24, &value.to_le_bytes());
    }

    /// EQC and AEQC: `dw6`, see [`EqcDw6`]
    pub fn eqc_dw6(&self) -> u32 {
        // head, tail: word 0; base: 1, 2; dw3: 3; rsvd: 4, 5; dw6: 6
        get32(&self.0, 24)
    }

    /// Sets an EQC's or AEQC's `dw6`.
    pub fn set_eqc_dw6(&mut self, value: u32) {
        put(&mut self.0, 24, &value.to_le_bytes());
    }

    /// Word `n` of the context, as the migration registers show it.
    pub fn word(&self, n: usize) -> u32 {
        get32(&self.0, n.saturating_mul(4))
    }

    /// Sets word `n`; nothing where there is none.
    pub fn set_word(&mut self, n: usize, value: u32) {
        put(&mut self.0, n.saturating_mul(4), &value.to_le_bytes());
    }
}

/// `dw3` of an SQC or CQC from V2 on: `QM_MK_SQC_DW3_V2`, `QM_MK_CQC_DW3_V2`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SqcDw3 {
    /// Entries in the queue
    pub depth: u16,
    /// The size of an entry, as a power of two of bytes
    pub entry_shift: u8,
}

impl SqcDw3 {
    /// From the word: depth less one in the low 12 bits (`QM_XQ_DEPTH`..), size from bit 12.
    pub const fn from_raw(raw: u32) -> Self {
        // CAST: fields of the word.
        Self {
            depth: (raw & 0xfff) as u16 + 1,
            entry_shift: ((raw >> 12) & 0xf) as u8,
        }
    }

    /// The word.
    pub const fn into_raw(self) -> u32 {
        // CAST: widen.
        (self.depth.wrapping_sub(1) & 0xfff) as u32 | ((self.entry_shift as u32) << 12)
    }
}

/// `dw6` of an EQC or AEQC: depth less one, and the phase at bit 16 (`QM_EQC_PHASE_SHIFT`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EqcDw6 {
    /// Entries in the queue
    pub depth: u32,
    /// The phase of the entry that the hardware writes next
    pub phase: bool,
}

impl EqcDw6 {
    /// From the word.
    pub const fn from_raw(raw: u32) -> Self {
        Self {
            depth: (raw & 0xffff) + 1,
            phase: raw & (1 << 16) != 0,
        }
    }

    /// The word.
    pub const fn into_raw(self) -> u32 {
        // CAST: a bool is a bit.
        (self.depth.wrapping_sub(1) & 0xffff) | ((self.phase as u32) << 16)
    }
}

/// An entry of the SQC VFT: which queues of the device are a function's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VftEntry {
    /// The first queue
    pub base: u32,
    /// How many
    pub num: u32,
}

impl VftEntry {
    /// Returns whether the two words name queues. An entry that is not set looks like one queue.
    pub const fn is_set(raw: u64) -> bool {
        raw & (1 << 44) != 0
    }

    /// From the two words: `QM_SQC_VFT_BASE_SHIFT_V2` and `_MASK_V2`, `QM_SQC_VFT_NUM_SHIFT_V2` and
    /// `_MASK_V2`; the number is stored less one.
    pub const fn from_sqc_vft(raw: u64) -> Self {
        // CAST: masked.
        Self {
            base: ((raw >> 28) & 0xffff) as u32,
            num: ((raw >> 45) & 0x3ff) as u32 + 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vft_as_qm_vft_data_cfg_builds_it() {
        // qm_vft_data_cfg(): base << 28 | valid 1 << 44 | (number - 1) << 45
        let raw = (7u64 << 8) | (5 << 12) | (1 << 16) | (0x80 << 28) | (1 << 44) | ((64 - 1) << 45);
        assert!(VftEntry::is_set(raw) && !VftEntry::is_set(0));
        assert!(!VftEntry::is_set(raw ^ (1 << 44)));
        assert_eq!(
            VftEntry::from_sqc_vft(raw),
            VftEntry {
                base: 0x80,
                num: 64
            }
        );
    }

    #[test]
    fn context_fields_do_not_overlap() {
        let mut c = Xqc::zeroed();
        c.set_head(1);
        c.set_tail(2);
        c.set_base(0x1122_3344_5566_7788);
        c.set_dw3(3);
        c.set_w8(4);
        c.set_w11(5);
        c.set_cq_num(6);
        c.set_w13(7);
        assert_eq!(
            (c.head(), c.tail(), c.base()),
            (1, 2, 0x1122_3344_5566_7788)
        );
        assert_eq!(
            (c.dw3(), c.w8(), c.w11(), c.cq_num(), c.w13()),
            (3, 4, 5, 6, 7)
        );
        assert_eq!(c.word(0), 0x0002_0001);
        c.set_word(6, 0x0009_0008);
        assert_eq!(c.cqc_dw6(), 0x0009_0008);
        c.set_word(99, 1);
    }

    #[test]
    fn sizes() {
        let d = SqcDw3 {
            depth: 1024,
            entry_shift: 7,
        };
        assert_eq!(SqcDw3::from_raw(d.into_raw()), d);
        let e = EqcDw6 {
            depth: 2048,
            phase: true,
        };
        assert_eq!(e.into_raw(), 2047 | (1 << 16));
        assert_eq!(EqcDw6::from_raw(e.into_raw()), e);
    }
}
