// SPDX-License-Identifier: GPL-2.0

//! Capability registers: the values that the in-tree drivers assume of V3 hardware that has none
//! (`v3_val` of `qm_cap_query_info`, `qm_basic_info` of qm.c and `zip_cap_query_info` of
//! zip/zip_main.c), shown as registers.

/// Queues of the whole device (`QM_TOTAL_QP_NUM_CAP`).
pub const TOTAL_QUEUES: u32 = 0x400;

/// The MSI vectors of the events: low halves of 0x310c, 0x3110, 0x3118.
pub const VECTOR_EQ: u32 = 0;
/// AEQ
pub const VECTOR_AEQ: u32 = 1;
/// PF<->VF messages
pub const VECTOR_MESSAGE: u32 = 2;

/// A capability register, `None` where `offset` is none.
pub fn read(offset: u32, is_pf: bool) -> Option<u32> {
    Some(match offset {
        // QM_CAP_VF: version 1, and what is supported; but for runtime power management (bit 13):
        // hisi_qm_pre_init() follows the ACPI companion then without asking whether there is one,
        // and the machine that the model is plugged into boots with a device tree.
        0x3100 => 0x6f01 & !(1 << 13),
        // QM_AEQE_NUM: depth of EQ and AEQ
        0x3104 => 0x0400_0800,
        // QM_SCQE_NUM: depth of SQ and CQ
        0x3108 => 0x0400_0400,
        // QM_EQ_IRQ, QM_AEQ_IRQ, QM_ABNORMAL_IRQ, QM_MB_IRQ: vector, and 1 << 16: there is one
        0x310c => 0x1_0000,
        0x3110 => 0x1_0001,
        // On a VF this one is reserved (`qm_register_abnormal_irq()`).
        0x3114 => 0x1_0003,
        0x3118 => 0x1_0002,
        // MAX_IRQ_NUM: PF in the high half, VF in the low
        0x311c => 0x4_0003,
        // EXT_BAR_INDEX
        0x3120 => 0x14,
        // ZIP: error types and what resets
        0x3124 => 0x7c77,
        0x3128 => 0x6c77,
        0x312c => 0x8,
        0x3130 => 0x1ffe,
        0x3134 => 0x7fe,
        0x3138 => 0x1,
        // ZIP_CORE_INFO, ZIP_CORE_EN
        0x313c => 0x1205_0203,
        0x3140 => 0x1c_0003,
        // ZIP_DRV_ALG_BITMAP: deflate (HZIP_ALG_DEFLATE), no lz4
        0x3144 => 0x30,
        // ZIP_ALG_BITMAP, ZIP_CORE1..5_BITMAP
        0x3148 => 0x3f,
        0x314c | 0x3150 => 0xd5,
        0x3154 | 0x3158 | 0x315c => 0x2a,
        // QM_TOTAL_QP_NUM_CAP and QM_FUNC_MAX_QP_CAP, eleven bits each; the PF's
        0x10_0158 if is_pf => TOTAL_QUEUES | (TOTAL_QUEUES << 11),
        _ => return None,
    })
}
