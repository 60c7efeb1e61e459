// SPDX-License-Identifier: GPL-2.0

//! Capability registers: the values that the in-tree drivers assume of V3 hardware that has none
//! (`v3_val` of `qm_cap_query_info`, `qm_basic_info` of qm.c, `zip_cap_query_info` of
//! zip/zip_main.c, `sec_cap_query_info` of sec2/sec_main.c, `hpre_cap_query_info` of
//! hpre/hpre_main.c), shown as registers.

use crate::{engine, kind::Kind};

/// Queues of the whole device (`QM_TOTAL_QP_NUM_CAP`).
pub const TOTAL_QUEUES: u32 = 0x400;

/// The MSI vectors of the events: low halves of 0x310c, 0x3110, 0x3118, 0x3114.
pub const VECTOR_EQ: u32 = 0;
/// AEQ
pub const VECTOR_AEQ: u32 = 1;
/// PF<->VF messages
pub const VECTOR_MESSAGE: u32 = 2;
/// Errors, of the PF only
pub const VECTOR_ABNORMAL: u32 = 3;

/// `QM_CAP_VF`: what is supported
pub const CAP_VF: u32 = 0x3100;
/// `QM_SUPPORT_RPM` of a VF
pub const VF_RUNTIME_PM: u32 = 1 << 12;

/// Where the registers of the engines begin ([`engine::Model::capabilities`]).
const FIRST: u32 = 0x3124;

/// A capability register, `None` where `offset` is none.
pub fn read(kind: Kind, offset: u32, is_pf: bool) -> Option<u32> {
    if !kind.generation.layout().capabilities {
        return None;
    }
    Some(match offset {
        // QM_CAP_VF: version 1, and what is supported; but for runtime power management (bit 13):
        // hisi_qm_pre_init() follows the ACPI companion then without asking whether there is one,
        // and the machine that the model is plugged into boots with a device tree.
        CAP_VF => 0x6f01 & !(1 << 13),
        // QM_AEQE_NUM: depth of EQ and AEQ
        0x3104 => 0x0400_0800,
        // QM_SCQE_NUM: depth of SQ and CQ
        0x3108 => 0x0400_0400,
        // QM_EQ_IRQ, QM_AEQ_IRQ, QM_ABNORMAL_IRQ, QM_MB_IRQ: vector, and 1 << 16: there is one
        0x310c => 0x1_0000 | VECTOR_EQ,
        0x3110 => 0x1_0000 | VECTOR_AEQ,
        // On a VF this one is reserved (`qm_register_abnormal_irq()`).
        0x3114 => 0x1_0000 | VECTOR_ABNORMAL,
        0x3118 => 0x1_0000 | VECTOR_MESSAGE,
        // MAX_IRQ_NUM: PF in the high half, VF in the low
        0x311c => 0x4_0003,
        // EXT_BAR_INDEX
        0x3120 => 0x14,
        // QM_TOTAL_QP_NUM_CAP and QM_FUNC_MAX_QP_CAP, eleven bits each; the PF's
        0x10_0158 if is_pf => TOTAL_QUEUES | (TOTAL_QUEUES << 11),
        FIRST.. => {
            let table = engine::of(kind.accelerator).capabilities;
            *table.get((offset - FIRST) as usize / 4)?
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use hisi_acc_hw::{Engine, Generation};

    #[test]
    fn offsets_of_the_tables() {
        let read = |accelerator, offset| {
            let kind = Kind {
                accelerator,
                generation: Generation::V3,
            };
            super::read(kind, offset, true)
        };
        // zip_cap_query_info, sec_cap_query_info, hpre_cap_query_info
        assert_eq!(read(Engine::Zip, 0x3144), Some(0x30));
        assert_eq!(read(Engine::Zip, 0x3158), Some(0x2a));
        assert_eq!(read(Engine::Zip, 0x3160), None);
        assert_eq!(read(Engine::Sec, 0x3148), Some(0x395c));
        assert_eq!(read(Engine::Sec, 0x3170), Some(0x3fff));
        assert_eq!(read(Engine::Sec, 0x3174), None);
        assert_eq!(read(Engine::Hpre, 0x3144), Some(0x27));
        assert_eq!(read(Engine::Hpre, 0x3170), Some(0x10));
        assert_eq!(read(Engine::Hpre, 0x10_0158), Some(0x20_0400));
        let v2 = Kind {
            accelerator: Engine::Zip,
            generation: Generation::V2,
        };
        assert_eq!(super::read(v2, 0x3100, true), None);
    }
}
