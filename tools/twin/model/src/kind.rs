// SPDX-License-Identifier: GPL-2.0

//! Which accelerator a device is, and of which generation.

use hisi_acc_hw::{hpre, ids, sec, zip};

/// The accelerators.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Accelerator {
    Zip,
    Sec,
    Hpre,
}

/// The QM's version, which is the PCI revision.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Generation {
    /// `QM_HW_V2`: no migration registers, no capability registers
    V2,
    /// `QM_HW_V3`: a VF's migration registers are in the upper half of its BAR2
    V3,
    /// `QM_HW_V5`: they are in the PF's BAR2
    V5,
}

/// A kind of device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Kind {
    pub accelerator: Accelerator,
    pub generation: Generation,
}

/// The registers of an engine's errors.
pub struct EngineErrors {
    /// Write 1 to clear
    pub source: u32,
    pub mask: u32,
    /// What the mask lets through
    pub status: u32,
    /// Write 1 to set, `None` where no driver shows one
    pub set: Option<u32>,
    /// Whether a bit of the mask lets its error through (SEC2) or holds it back
    pub mask_enables: bool,
}

impl Kind {
    /// ZIP, V3
    pub const ZIP: Self = Self {
        accelerator: Accelerator::Zip,
        generation: Generation::V3,
    };

    /// The PCI device ID of a function.
    pub const fn device_id(self, f: usize) -> u16 {
        match (self.accelerator, f) {
            (Accelerator::Zip, 0) => ids::ZIP_PF,
            (Accelerator::Zip, _) => ids::ZIP_VF,
            (Accelerator::Sec, 0) => ids::SEC_PF,
            (Accelerator::Sec, _) => ids::SEC_VF,
            (Accelerator::Hpre, 0) => ids::HPRE_PF,
            (Accelerator::Hpre, _) => ids::HPRE_VF,
        }
    }

    /// By the PF's device ID and the revision.
    pub fn from_ids(pf: u16, revision: u8) -> Option<Self> {
        let accelerator = match pf {
            ids::ZIP_PF => Accelerator::Zip,
            ids::SEC_PF => Accelerator::Sec,
            ids::HPRE_PF => Accelerator::Hpre,
            _ => return None,
        };
        let generation = match u32::from(revision) {
            ids::QM_HW_V2 => Generation::V2,
            ids::QM_HW_V3 => Generation::V3,
            ids::QM_HW_V5 => Generation::V5,
            _ => return None,
        };
        Some(Self {
            accelerator,
            generation,
        })
    }

    /// The size of a submission queue entry, in bytes.
    pub const fn sqe_size(self) -> usize {
        match self.accelerator {
            Accelerator::Zip => zip::SQE_SIZE,
            Accelerator::Sec => sec::SQE_SIZE,
            Accelerator::Hpre => hpre::SQE_SIZE,
        }
    }

    /// `HZIP_CORE_INT_*` of zip/zip_main.c, `SEC_CORE_INT_*` of sec2/sec_main.c, `HPRE_INT_*` and
    /// `HPRE_HAC_*` of hpre/hpre_main.c
    pub const fn engine_errors(self) -> EngineErrors {
        match self.accelerator {
            Accelerator::Zip => EngineErrors {
                source: 0x30_10a0,
                mask: 0x30_10a4,
                status: 0x30_10ac,
                set: Some(0x30_10a8),
                mask_enables: false,
            },
            Accelerator::Sec => EngineErrors {
                source: 0x30_1010,
                mask: 0x30_1000,
                status: 0x30_1008,
                set: None,
                mask_enables: true,
            },
            Accelerator::Hpre => EngineErrors {
                source: 0x30_1600,
                mask: 0x30_1400,
                status: 0x30_1800,
                set: Some(0x30_1500),
                mask_enables: false,
            },
        }
    }

    /// Registers of the engine that say that it is ready, and what is read of them.
    pub fn ready(self, offset: u32) -> Option<u32> {
        match self.accelerator {
            Accelerator::Zip => None,
            // SEC_MEM_INIT_DONE_REG
            Accelerator::Sec => (offset == 0x30_1104).then_some(1),
            Accelerator::Hpre => match offset {
                // HPRE_RDCHN_INI_ST
                0x30_1a00 => Some(1),
                // HPRE_CORE_INI_STATUS of clusters: all cores are up
                0x30_2080 | 0x30_3080 | 0x30_4080 | 0x30_5080 => Some(0x3ff),
                _ => None,
            },
        }
    }
}
