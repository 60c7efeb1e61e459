// SPDX-License-Identifier: GPL-2.0

//! Which accelerator a device is, and of which generation.

use hisi_acc_hw::{ids, Engine};

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
    pub accelerator: Engine,
    pub generation: Generation,
}

impl Kind {
    /// ZIP, V3
    pub const ZIP: Self = Self {
        accelerator: Engine::Zip,
        generation: Generation::V3,
    };

    /// The PCI device ID of a function.
    pub const fn device_id(self, f: usize) -> u16 {
        let engine = self.accelerator.descriptor();
        match f {
            0 => engine.pf,
            _ => engine.vf,
        }
    }

    /// By the PF's device ID and the revision.
    pub fn from_ids(pf: u16, revision: u8) -> Option<Self> {
        let accelerator = Engine::of_device(pf).filter(|engine| engine.descriptor().pf == pf)?;
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
}
