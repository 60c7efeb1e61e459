// SPDX-License-Identifier: GPL-2.0

//! Which accelerator a device is, and of which generation.

use hisi_acc_hw::{Engine, Generation};

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
        let generation = Generation::of_revision(revision)?;
        Some(Self {
            accelerator,
            generation,
        })
    }
}
