// SPDX-License-Identifier: GPL-2.0

//! The contexts of a VF's event queues, and where they are reached: its EQC and AEQC are in the
//! migration registers only.

use crate::{
    device::AccVf,
    qm::Qm, //
};
use hisi_acc_hw::regs;
use kernel::prelude::*;

/// Where the migration registers of a VF are: its EQC and AEQC, which nothing else shows
/// (`enum hw_drv_mode` of hisi_acc_vfio_pci.h).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Control {
    /// In the upper half of its BAR2 (`HW_ACC_MIG_VF_CTRL`)
    Vf,
    /// In the PF's BAR2; all of the VF's BAR2 is the guest's (`HW_ACC_MIG_PF_CTRL`)
    Pf,
}

/// A context that only the migration registers show.
#[derive(Clone, Copy)]
pub(crate) enum Context {
    /// The event queue's
    Eq,
    /// The asynchronous event queue's
    Aeq,
}

/// Its words.
pub(crate) type XqcWords = [u32; regs::QM_XQC_DWORDS];

impl Context {
    const fn in_vf(self) -> u32 {
        match self {
            Self::Eq => regs::QM_EQC_VF_DW0,
            Self::Aeq => regs::QM_AEQC_VF_DW0,
        }
    }

    const fn in_window(self) -> u32 {
        match self {
            Self::Eq => regs::QM_EQC_PF_DW0,
            Self::Aeq => regs::QM_AEQC_PF_DW0,
        }
    }
}

impl AccVf {
    /// Reads the EQC or AEQC.
    pub(crate) fn read_context(&self, qm: &Qm<'_>, context: Context) -> Result<XqcWords> {
        match self.control {
            Control::Vf => qm.read_words(context.in_vf()),
            Control::Pf => {
                let pf = self.pf_qm()?;
                let mut words = [0; regs::QM_XQC_DWORDS];
                for (at, word) in (context.in_window()..).step_by(4).zip(&mut words) {
                    *word = pf.window_read32(self.function, at)?;
                }
                Ok(words)
            }
        }
    }

    /// Writes it.
    pub(crate) fn write_context(&self, qm: &Qm<'_>, context: Context, words: &XqcWords) -> Result {
        match self.control {
            Control::Vf => qm.write_words(context.in_vf(), words),
            Control::Pf => {
                let pf = self.pf_qm()?;
                for (at, word) in (context.in_window()..).step_by(4).zip(words) {
                    pf.window_write32(self.function, *word, at)?;
                }
                Ok(())
            }
        }
    }
}
