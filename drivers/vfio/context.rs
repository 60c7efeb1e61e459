// SPDX-License-Identifier: GPL-2.0

//! The migration registers of a VF, which alone show its EQC and AEQC.

use crate::qm::{
    Observer,
    Qm, //
};
use hisi_acc_hw::{
    generation::{
        Migration,
        Window, //
    },
    reg::{
        Function,
        MigrationWindow,
        Reg, //
    },
    regs, //
};
use hisi_acc_link::{
    PfQm,
    Vft, //
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    }, //
};

/// Why a VF does not migrate.
pub(crate) const STOPPED: &str = "its PF is stopped, or being reset";
pub(crate) const UNBOUND: &str = "its PF is being unbound";
const MOVED: &str =
    "its migration registers moved since it was opened: close it, and open it again";

/// Where the migration registers of a VF are (`enum hw_drv_mode` of hisi_acc_vfio_pci.h).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Control {
    /// In the upper half of its BAR2 (`HW_ACC_MIG_VF_CTRL`).
    Vf,
    /// In the PF's BAR2; all of the VF's BAR2 is the guest's (`HW_ACC_MIG_PF_CTRL`).
    Pf,
}

impl Control {
    /// Asks the PF, whose `QM_MIG_REGION_SEL` says where they are: [`ENODEV`] if the PF is being
    /// unbound.
    fn of(pf: &PfQm) -> Result<Self> {
        Ok(match pf.has_window()? {
            true => Self::Pf,
            false => Self::Vf,
        })
    }
}

/// The words of a context.
pub(crate) type XqcWords = [u32; regs::QM_XQC_DWORDS];

/// A context that only the migration registers show.
#[derive(Clone, Copy)]
pub(crate) enum Context {
    /// The event queue's.
    Eq,
    /// The asynchronous event queue's.
    Aeq,
}

impl Context {
    /// Returns its first register in the VF's BAR2.
    const fn in_vf(self, layout: &Migration) -> Reg<Function> {
        match self {
            Self::Eq => layout.eqc,
            Self::Aeq => layout.aeqc,
        }
    }

    /// Returns its first register in the window.
    const fn in_window(self, window: &Window) -> Reg<MigrationWindow> {
        match self {
            Self::Eq => window.eqc,
            Self::Aeq => window.aeqc,
        }
    }
}

/// Where one context of a VF is.
enum Place {
    /// In its BAR2, from this register on.
    Bar(Reg<Function>),
    /// In the window, from this register on.
    Window(Reg<MigrationWindow>),
}

/// The migration registers of a VF, and its PF's QM.
pub(crate) struct MigRegs {
    /// The QM of its PF.
    pub(crate) pf: Arc<PfQm>,
    /// Its number as the PF's QM counts functions: the PF is 0.
    function: u32,
    /// Where its generation has them.
    layout: &'static Migration,
    /// Whether they are in the PF's BAR2 ([`Control::Pf`]). Decided each time the VF is opened:
    /// `hisi_qm` writes `QM_MIG_REGION_SEL` when it binds the PF, but not after a reset of the PF,
    /// which may clear it.
    in_pf: Atomic<bool>,
    /// How many queues the VF had when its PF was last asked; 0: not known. It keeps them when the
    /// PF's driver is being unbound, which waits until userspace has closed the VF.
    queues: Atomic<u32>,
}

impl MigRegs {
    /// Returns those of a function of `pf`: [`ENODEV`] if the PF is being unbound.
    pub(crate) fn new(pf: Arc<PfQm>, function: u32, layout: &'static Migration) -> Result<Self> {
        let control = Control::of(&pf)?;
        Ok(Self {
            pf,
            function,
            layout,
            in_pf: Atomic::new(control == Control::Pf),
            queues: Atomic::new(0),
        })
    }

    /// Returns where they were when the VF was opened.
    fn control(&self) -> Control {
        match self.in_pf.load(Relaxed) {
            true => Control::Pf,
            false => Control::Vf,
        }
    }

    /// Returns where the part of the VF's BAR2 begins that only the host may reach; `None` if there
    /// is no such part.
    pub(crate) fn hidden_from(&self) -> Option<u64> {
        match self.control() {
            Control::Vf => Some(self.layout.hidden_from.into()),
            Control::Pf => None,
        }
    }

    /// Returns why the VF cannot migrate now.
    pub(crate) fn blocker(&self, is_open: bool) -> Option<&'static str> {
        match self.pf.available().and_then(|()| Control::of(&self.pf)) {
            // Decided when it is opened.
            Ok(_) if !is_open => None,
            Ok(control) if control == self.control() => None,
            Ok(_) => Some(MOVED),
            Err(e) if e == ENODEV => Some(UNBOUND),
            Err(_) => Some(STOPPED),
        }
    }

    /// Decides anew where they are, and how many queues the VF has. The VF must not be open yet,
    /// since what userspace sees of BAR2 depends on it.
    pub(crate) fn decide(&self) {
        // If the PF is being unbound, the VF is removed too, and stays as it is until then.
        if let Ok(control) = Control::of(&self.pf) {
            self.in_pf.store(control == Control::Pf, Relaxed);
        }
        self.pf.forget_vft(self.function);
        // If that fails, whoever needs it asks again.
        let _ = self.vft();
    }

    /// Returns the queues of the VF, of which the PF was asked when the VF was opened.
    pub(crate) fn vft(&self) -> Result<Vft> {
        let vft = self.pf.vft(self.function)?;
        self.queues.store(vft.num, Relaxed);
        Ok(vft)
    }

    /// Returns how many queues the VF has, also if the PF is being unbound.
    pub(crate) fn queues(&self) -> Result<u32> {
        match self.vft() {
            Ok(vft) => Ok(vft.num),
            Err(e) => match self.queues.load(Relaxed) {
                known @ 1.. if e == ENODEV => Ok(known),
                _ => Err(e),
            },
        }
    }

    /// Returns how many mailbox commands the PF has counted for the VF, read `N` times in a row.
    pub(crate) fn count_commands<const N: usize>(&self) -> Result<[u32; N]> {
        self.pf.count_commands(self.function)
    }

    /// Checks that they are where they were when the VF was opened: [`EIO`] if not. What is read
    /// elsewhere then is not the VF's state.
    pub(crate) fn check(&self, observer: &dyn Observer) -> Result {
        if Control::of(&self.pf)? == self.control() {
            return Ok(());
        }
        observer.warn(fmt!(
            "no migration: the migration registers moved, by a reset of the PF or of its driver"
        ));
        Err(EIO)
    }

    /// Returns where a context is: [`EINVAL`] if it is in the window of a generation that has none.
    fn place(&self, context: Context) -> Result<Place> {
        Ok(match self.control() {
            Control::Vf => Place::Bar(context.in_vf(self.layout)),
            Control::Pf => {
                let window = self.layout.window.as_ref().ok_or(EINVAL)?;
                Place::Window(context.in_window(window))
            }
        })
    }

    /// Reads the EQC or AEQC.
    pub(crate) fn read(&self, qm: &Qm<'_>, context: Context) -> Result<XqcWords> {
        self.check(qm.observer)?;
        let place = self.place(context)?;
        let mut words = [0; regs::QM_XQC_DWORDS];
        match place {
            Place::Bar(first) => {
                for (n, word) in (0..).zip(&mut words) {
                    *word = qm.read(first.word(n))?;
                }
            }
            Place::Window(first) => self.pf.window_read(self.function, first, &mut words)?,
        }
        Ok(words)
    }

    /// Writes the EQC or AEQC.
    pub(crate) fn write(&self, qm: &Qm<'_>, context: Context, words: &XqcWords) -> Result {
        self.check(qm.observer)?;
        let place = self.place(context)?;
        match place {
            Place::Bar(first) => {
                for (n, word) in (0..).zip(words) {
                    qm.write(first.word(n), *word)?;
                }
                Ok(())
            }
            Place::Window(first) => self.pf.window_write(self.function, first, words),
        }
    }
}
