// SPDX-License-Identifier: GPL-2.0

//! The contexts of a VF's event queues, and where they are reached: its EQC and AEQC are in the
//! migration registers only.

use crate::{
    device::AccVf,
    qm::Qm, //
};
use hisi_acc_hw::regs;
use hisi_acc_link::PfQm;
use kernel::{
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};
use vfio::dev_warn_ratelimited;

/// Where the migration registers of a VF are: its EQC and AEQC, which nothing else shows
/// (`enum hw_drv_mode` of hisi_acc_vfio_pci.h).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Control {
    /// In the upper half of its BAR2 (`HW_ACC_MIG_VF_CTRL`)
    Vf,
    /// In the PF's BAR2; all of the VF's BAR2 is the guest's (`HW_ACC_MIG_PF_CTRL`)
    Pf,
}

impl Control {
    /// Asks the PF, which has them where `QM_MIG_REGION_SEL` says so: [`ENODEV`] if the PF is being
    /// unbound.
    pub(crate) fn of(pf: &PfQm) -> Result<Self> {
        Ok(match pf.has_window()? {
            true => Self::Pf,
            false => Self::Vf,
        })
    }
}

/// The [`Control`] of a VF, decided each time the VF is opened: `hisi_qm` writes `QM_MIG_REGION_SEL`
/// when it binds the PF, and does not after a reset of the PF, which may clear it.
pub(crate) struct Decided(Atomic<bool>);

impl Decided {
    pub(crate) const fn new(control: Control) -> Self {
        Self(Atomic::new(matches!(control, Control::Pf)))
    }

    pub(crate) fn get(&self) -> Control {
        match self.0.load(Relaxed) {
            true => Control::Pf,
            false => Control::Vf,
        }
    }

    /// Decides anew. Nobody has the VF open: what userspace sees of BAR2 depends on it.
    pub(crate) fn set(&self, control: Control) {
        self.0.store(control == Control::Pf, Relaxed);
    }
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
    /// Makes sure that the migration registers are where they were when the VF was opened: [`EIO`] if
    /// they are not. What is read elsewhere then is not the VF's state.
    pub(crate) fn check_control(&self, dev: &vfio::pci::Device<Self>) -> Result {
        if Control::of(self.pf_qm()?)? == self.control.get() {
            return Ok(());
        }
        dev_warn_ratelimited!(
            dev,
            "no migration: the migration registers moved, by a reset of the PF or of its driver\n"
        );
        Err(EIO)
    }

    /// Reads the EQC or AEQC.
    pub(crate) fn read_context(&self, qm: &Qm<'_>, context: Context) -> Result<XqcWords> {
        self.check_control(qm.dev)?;
        match self.control.get() {
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
        self.check_control(qm.dev)?;
        match self.control.get() {
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
