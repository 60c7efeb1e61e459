// SPDX-License-Identifier: GPL-2.0

//! Registers of the QM in BAR2, by offset.
//!
//! Those below 0x100000 are a function's own, PF and VF alike. Those from 0x100000 on are the PF's
//! alone. Sources: the `QM_*` defines at the head of `qm.c` and `hisi_acc_qm.h`, where not said
//! otherwise.

// --- a function's own ---

/// AEQ interrupt source
pub const QM_VF_AEQ_INT_SOURCE: u32 = 0x0;
/// AEQ interrupt mask: 1 masks
pub const QM_VF_AEQ_INT_MASK: u32 = 0x4;
/// EQ interrupt source
pub const QM_VF_EQ_INT_SOURCE: u32 = 0x8;
/// EQ interrupt mask: 1 masks
pub const QM_VF_EQ_INT_MASK: u32 = 0xc;
/// PF<->VF message interrupt of the function: source, write 1 to clear (`qm_clear_cmd_interrupt`)
pub const QM_IFC_INT_SOURCE_V: u32 = 0x20;
/// PF<->VF message interrupt: mask
pub const QM_IFC_INT_MASK: u32 = 0x24;
/// PF<->VF message interrupt: status
pub const QM_IFC_INT_STATUS: u32 = 0x28;
/// VF to PF: set to raise the PF's interrupt
pub const QM_IFC_INT_SET_V: u32 = 0x2c;
/// Queue isolation configuration (`QM_QUE_ISO_CFG_V`, hisi_acc_vfio_pci.h)
pub const QM_QUE_ISO_CFG_V: u32 = 0x30;
/// Page size of the host: 0, 1, 2 for 4, 16, 64 KiB
pub const QM_PAGE_SIZE: u32 = 0x34;
/// 1 drops the function's doorbells (`QM_FUN_DB_DROP`)
pub const QM_FUN_DB_DROP: u32 = 0x38;
/// `QM_VF_STATE`: the function's driver says that it is ready, `enum qm_vf_state`
pub const QM_VF_STATE: u32 = 0x60;
/// Write 1: write the SQC and CQC caches back to memory
pub const QM_CACHE_WB_START: u32 = 0x204;
/// Bit 0: the write-back is done
pub const QM_CACHE_WB_DONE: u32 = 0x208;
/// The mailbox: 16 bytes, written in one access
pub const QM_MB_CMD_SEND_BASE: u32 = 0x300;
/// VF to PF message, the VF's end (V3: written by the VF)
pub const QM_VF2PF_VF_W: u32 = 0x320;
/// PF to VF message, the VF's end
pub const QM_PF2VF_VF_R: u32 = 0x380;
/// SQ and CQ doorbells, where they are not isolated in BAR4
pub const QM_DOORBELL_SQ_CQ_BASE_V2: u32 = 0x1000;
/// EQ and AEQ doorbells
pub const QM_DOORBELL_EQ_AEQ_BASE_V2: u32 = 0x2000;
/// Where the pages of doorbells end: each kind has 4 KiB
pub const QM_DOORBELL_END: u32 = 0x3000;
/// `QM_QP_DB_INTERVAL`: in BAR4, from the doorbells of a queue to those of the next
pub const QM_QP_DB_INTERVAL: u64 = 0x10000;

// --- migration registers: the upper half of a V3 VF's BAR2 (hisi_acc_vfio_pci.h) ---

/// Where the half begins that a guest must not see
pub const QM_MIG_VF_BASE: u32 = 0x8000;
/// `QM_EQC_VF_DW0`: seven words of the EQ context
pub const QM_EQC_VF_DW0: u32 = 0x8000;
/// `QM_AEQC_VF_DW0`: seven words of the AEQ context
pub const QM_AEQC_VF_DW0: u32 = 0x8020;
/// `QM_EQC_PF_DW0`: the same where the PF's BAR2 has them (V5)
pub const QM_EQC_PF_DW0: u32 = 0x1c00;
/// `QM_AEQC_PF_DW0`
pub const QM_AEQC_PF_DW0: u32 = 0x1c20;
/// How many words of each context there are (`QM_REGS_MAX_LEN`)
pub const QM_XQC_DWORDS: usize = 7;

// --- the PF's ---

/// RAS: which abnormal interrupts are pending, unmasked (`QM_ABNORMAL_INT_STATUS`)
pub const QM_ABNORMAL_INT_STATUS: u32 = 0x10_0008;
/// Write 1: carry out the VFT access set up in the registers after it
pub const QM_VFT_CFG_OP_ENABLE: u32 = 0x10_0054;
/// Direction of the VFT access
pub const QM_VFT_CFG_OP_WR: u32 = 0x10_0058;
/// Which table
pub const QM_VFT_CFG_TYPE: u32 = 0x10_005c;
/// Which function: 0 is the PF, n its n-th VF
pub const QM_VFT_CFG: u32 = 0x10_0060;
/// The entry, low half
pub const QM_VFT_CFG_DATA_L: u32 = 0x10_0064;
/// The entry, high half
pub const QM_VFT_CFG_DATA_H: u32 = 0x10_0068;
/// Bit 0: the VFT access is done
pub const QM_VFT_CFG_RDY: u32 = 0x10_006c;
/// Bit 0: the migration registers are in the PF's BAR2 (`QM_MIG_REGION_SEL`, `QM_MIG_REGION_EN`)
pub const QM_MIG_REGION_SEL: u32 = 0x10_0198;
/// `QM_MIG_REGION_EN`
pub const QM_MIG_REGION_EN: u32 = 1 << 0;
/// `QM_MIG_REGION_OFFSET`: from V5 on, in the PF's BAR2, the registers of the functions, where
/// [`QM_MIG_REGION_SEL`] selects them
pub const QM_MIG_REGION_OFFSET: u32 = 0x18_0000;
/// `QM_MIG_REGION_SIZE`: of each function there, the PF being the first
pub const QM_MIG_REGION_SIZE: u32 = 0x2000;

/// `QM_VFT_CFG_OP_WR`: read the entry (`pf_qm_get_qp_num`)
pub const QM_VFT_CFG_OP_READ: u32 = 1;
/// `QM_VFT_CFG_TYPE`: the SQC VFT (`enum vft_type` of `qm.c`)
pub const QM_VFT_CFG_TYPE_SQC: u32 = 0;

/// `QM_VF_STATE`: the driver of the function has set it up (`QM_READY`)
pub const QM_READY: u32 = 0;
/// `QM_VF_STATE`: it has not (`QM_NOT_READY`)
pub const QM_NOT_READY: u32 = 1;

/// Returns where the PF's BAR2 has the register at `offset` of function `function` (V5); `None` for an
/// offset that is not in the function's part of it.
pub const fn window(function: u32, offset: u32) -> Option<u32> {
    if offset >= QM_MIG_REGION_SIZE {
        return None;
    }
    let Some(at) = function.checked_mul(QM_MIG_REGION_SIZE) else {
        return None;
    };
    match at.checked_add(QM_MIG_REGION_OFFSET) {
        Some(at) => at.checked_add(offset),
        None => None,
    }
}

/// Returns whether `offset` is that of a whole register in a BAR of `len` bytes.
pub const fn is_register(offset: u32, len: u32) -> bool {
    match offset.checked_add(4) {
        Some(end) => offset % 4 == 0 && end <= len,
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_has_8_kib_for_each_function() {
        assert_eq!(window(0, QM_EQC_PF_DW0), Some(0x18_1c00));
        assert_eq!(window(2, QM_AEQC_PF_DW0), Some(0x18_5c20));
        assert_eq!(window(1, 0x1ffc), Some(0x18_3ffc));
        assert_eq!(window(1, 0x2000), None);
        assert_eq!(window(u32::MAX, 0), None);
        assert_eq!(window(u32::MAX / QM_MIG_REGION_SIZE, 0), None);
    }

    #[test]
    fn a_register_is_an_aligned_word_of_its_bar() {
        assert!(is_register(0, 4));
        assert!(is_register(0x1ffc, 0x2000));
        for offset in [1, 2, 3, 0x1ffd, 0x2000, u32::MAX - 3, u32::MAX] {
            assert!(!is_register(offset, 0x2000), "{offset:#x}");
        }
        assert!(!is_register(0, 0));
        assert!(!is_register(u32::MAX - 3, u32::MAX));
    }
}
