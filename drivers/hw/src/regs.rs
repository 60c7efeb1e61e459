// SPDX-License-Identifier: GPL-2.0

//! Registers of the QM in BAR2, and the fields of their values.
//!
//! Those below 0x100000 are a function's own, PF and VF alike. Those from 0x100000 on are the PF's
//! alone. Which generation has which of the migration registers is in
//! [`Layout`](crate::generation::Layout). Sources: the `QM_*` defines at the head of `qm.c` and
//! `hisi_acc_qm.h`, where not said otherwise.

use crate::reg::{
    Function,
    MigrationWindow,
    Pf,
    Reg, //
};

/// The size of a VF's BAR2, in bytes.
pub const VF_BAR2_SIZE: u64 = 0x1_0000;

// --- a function's own ---

/// AEQ interrupt source
pub const QM_VF_AEQ_INT_SOURCE: Reg<Function> = Reg::at(0x0);
/// AEQ interrupt mask: 1 masks
pub const QM_VF_AEQ_INT_MASK: Reg<Function> = Reg::at(0x4);
/// EQ interrupt source
pub const QM_VF_EQ_INT_SOURCE: Reg<Function> = Reg::at(0x8);
/// EQ interrupt mask: 1 masks
pub const QM_VF_EQ_INT_MASK: Reg<Function> = Reg::at(0xc);
/// PF<->VF message interrupt of the function: source, write 1 to clear (`qm_clear_cmd_interrupt`)
pub const QM_IFC_INT_SOURCE_V: Reg<Function> = Reg::at(0x20);
/// PF<->VF message interrupt: mask
pub const QM_IFC_INT_MASK: Reg<Function> = Reg::at(0x24);
/// PF<->VF message interrupt: status
pub const QM_IFC_INT_STATUS: Reg<Function> = Reg::at(0x28);
/// VF to PF: set to raise the PF's interrupt
pub const QM_IFC_INT_SET_V: Reg<Function> = Reg::at(0x2c);
/// Queue isolation configuration (`QM_QUE_ISO_CFG_V`, hisi_acc_vfio_pci.h)
pub const QM_QUE_ISO_CFG_V: Reg<Function> = Reg::at(0x30);
/// Page size of the host: 0, 1, 2 for 4, 16, 64 KiB
pub const QM_PAGE_SIZE: Reg<Function> = Reg::at(0x34);
/// 1 drops the function's doorbells (`QM_FUN_DB_DROP`)
pub const QM_FUN_DB_DROP: Reg<Function> = Reg::at(0x38);
/// `QM_VF_STATE`: the function's driver says that it is ready, `enum qm_vf_state`
pub const QM_VF_STATE: Reg<Function> = Reg::at(0x60);
/// Write 1: write the SQC and CQC caches back to memory
pub const QM_CACHE_WB_START: Reg<Function> = Reg::at(0x204);
/// Bit 0: the write-back is done
pub const QM_CACHE_WB_DONE: Reg<Function> = Reg::at(0x208);
/// The mailbox: 16 bytes, written in one access
pub const QM_MB_CMD_SEND_BASE: Reg<Function> = Reg::at(0x300);
/// VF to PF message, the VF's end (V3: written by the VF)
pub const QM_VF2PF_VF_W: Reg<Function> = Reg::at(0x320);
/// PF to VF message, the VF's end
pub const QM_PF2VF_VF_R: Reg<Function> = Reg::at(0x380);
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
pub const QM_EQC_VF_DW0: Reg<Function> = Reg::at(0x8000);
/// `QM_AEQC_VF_DW0`: seven words of the AEQ context
pub const QM_AEQC_VF_DW0: Reg<Function> = Reg::at(0x8020);
/// `QM_EQC_PF_DW0`: the same where the PF's BAR2 has them (V5)
pub const QM_EQC_PF_DW0: Reg<MigrationWindow> = Reg::at(0x1c00);
/// `QM_AEQC_PF_DW0`
pub const QM_AEQC_PF_DW0: Reg<MigrationWindow> = Reg::at(0x1c20);
/// How many words of each context there are (`QM_REGS_MAX_LEN`)
pub const QM_XQC_DWORDS: usize = 7;

// --- the PF's ---

/// RAS: which abnormal interrupts are pending, unmasked (`QM_ABNORMAL_INT_STATUS`)
pub const QM_ABNORMAL_INT_STATUS: Reg<Pf> = Reg::at(0x10_0008);
/// Write 1: carry out the VFT access set up in the registers after it
pub const QM_VFT_CFG_OP_ENABLE: Reg<Pf> = Reg::at(0x10_0054);
/// Direction of the VFT access
pub const QM_VFT_CFG_OP_WR: Reg<Pf> = Reg::at(0x10_0058);
/// Which table
pub const QM_VFT_CFG_TYPE: Reg<Pf> = Reg::at(0x10_005c);
/// Which function: 0 is the PF, n its n-th VF
pub const QM_VFT_CFG: Reg<Pf> = Reg::at(0x10_0060);
/// The entry, low half
pub const QM_VFT_CFG_DATA_L: Reg<Pf> = Reg::at(0x10_0064);
/// The entry, high half
pub const QM_VFT_CFG_DATA_H: Reg<Pf> = Reg::at(0x10_0068);
/// Bit 0: the VFT access is done
pub const QM_VFT_CFG_RDY: Reg<Pf> = Reg::at(0x10_006c);
/// Bit 0: the migration registers are in the PF's BAR2 (`QM_MIG_REGION_SEL`, `QM_MIG_REGION_EN`)
pub const QM_MIG_REGION_SEL: Reg<Pf> = Reg::at(0x10_0198);
/// The function whose mailbox commands [`QM_DFX_MB_CNT`] counts (debugfs.c: `current_qm_write()`)
pub const QM_DFX_MB_CNT_VF: Reg<Pf> = Reg::at(0x10_4010);
/// How many mailbox commands that function has given; a read may clear it (debugfs.c:
/// `qm_dfx_regs`)
pub const QM_DFX_MB_CNT: Reg<Pf> = Reg::at(0x10_4018);
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

/// How often a register is polled: `MB_POLL_PERIOD_US` of hisi_acc_vfio_pci.h.
pub const POLL_PERIOD_US: i64 = 10;
/// How long a register is polled: `MB_POLL_TIMEOUT_US` of hisi_acc_vfio_pci.h.
pub const POLL_TIMEOUT_US: i64 = 1000;

/// `QM_VF_STATE`: the driver of the function has set it up (`QM_READY`)
pub const QM_READY: u32 = 0;
/// `QM_VF_STATE`: it has not (`QM_NOT_READY`)
pub const QM_NOT_READY: u32 = 1;

/// The value of [`QM_VF_STATE`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VfState(pub u32);

impl VfState {
    /// Returns whether the guest driver has set the function up.
    pub const fn is_ready(self) -> bool {
        self.0 & 1 == QM_READY
    }
}

/// The value of [`QM_CACHE_WB_DONE`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CacheWriteBack(pub u32);

impl CacheWriteBack {
    /// Returns whether the caches are in memory.
    pub const fn is_done(self) -> bool {
        self.0 & 1 != 0
    }
}

/// The value of [`QM_VFT_CFG_RDY`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VftReady(pub u32);

impl VftReady {
    /// Returns whether the access of the VFT is done.
    pub const fn is_done(self) -> bool {
        self.0 & 1 != 0
    }
}

/// The value of [`QM_MIG_REGION_SEL`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MigRegionSel(pub u32);

impl MigRegionSel {
    /// Returns whether the migration registers are in the PF's BAR2.
    pub const fn is_window(self) -> bool {
        self.0 & QM_MIG_REGION_EN != 0
    }

    /// Returns the value that differs in nothing but that.
    pub const fn with_window(self, window: bool) -> Self {
        if window {
            Self(self.0 | QM_MIG_REGION_EN)
        } else {
            Self(self.0 & !QM_MIG_REGION_EN)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Only bit 0 counts in each of them.
    #[test]
    fn fields() {
        for rest in [0, 0xffff_fffe] {
            assert!(VfState(rest).is_ready() && !VfState(rest | 1).is_ready());
            assert!(CacheWriteBack(rest | 1).is_done() && !CacheWriteBack(rest).is_done());
            assert!(VftReady(rest | 1).is_done() && !VftReady(rest).is_done());
            let (off, on) = (MigRegionSel(rest), MigRegionSel(rest | 1));
            assert!(on.is_window() && !off.is_window());
            for value in [off, on] {
                assert_eq!(
                    (value.with_window(true), value.with_window(false)),
                    (on, off)
                );
            }
        }
    }
}
