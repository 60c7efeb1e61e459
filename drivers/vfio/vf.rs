// SPDX-License-Identifier: GPL-2.0

//! The data of one VF.

use crate::{
    context::MigRegs,
    lifeline::Reserve,
    mailbox::Mailbox,
    policy::{
        self,
        Mode,
        Policy, //
    },
    qm::{
        Observer,
        Qm,
        BAR2, //
    },
    refusal::Refusal,
    state::EventHeads, //
};
use hisi_acc_hw::{
    regs,
    stream::Match, //
};
use hisi_acc_track::{
    Last,
    Left,
    Queues, //
};
use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Mutex, //
    }, //
};
use vfio::{
    dev_warn_ratelimited,
    pci::{
        Device,
        OpenDevice, //
    },
    region, //
};

/// A VF that userspace has open.
pub(crate) type Vf<'a> = OpenDevice<'a, AccVf>;

/// What is known of a VF while it is used.
#[derive(Default)]
pub(crate) struct Known {
    /// The guest driver had set the VF up when it was quiesced or stopped, or the stream says so.
    pub(crate) ready: bool,
    /// The VF was paused: it must be restarted explicitly.
    pub(crate) paused: bool,
    /// The VF was loaded, and did not run since: the event queues are to be rung when it does.
    pub(crate) unrung: Option<EventHeads>,
    /// Why the state of the stopped VF cannot be saved.
    pub(crate) unsaved: Option<Error>,
    /// `QM_IFC_INT_SET_V` has read 0 when the VF was stopped, and the VF was not loaded since.
    pub(crate) is_idle: bool,
    /// The match data of the VF when its migration file was made, for what is written into it.
    pub(crate) target: Option<Match>,
    /// A reset of the VF holds the PF's interlock.
    pub(crate) resetting: bool,
}

impl Known {
    /// The VF got another state, with event queues if a guest driver has set it up.
    pub(crate) fn loaded(&mut self, events: Option<EventHeads>) {
        self.ready = events.is_some();
        self.unrung = events;
        self.unsaved = None;
        self.is_idle = false;
    }

    /// The VF was reset.
    pub(crate) fn reset(&mut self) {
        self.loaded(None);
        self.paused = false;
    }
}

/// A VF.
#[pin_data]
pub(crate) struct AccVf {
    /// Its PCI device ID, which says which engine it is of.
    pub(crate) device_id: u16,
    /// Its migration registers, or why it does not migrate.
    mig: Result<MigRegs, Refusal>,
    #[pin]
    pub(crate) known: Mutex<Known>,
    #[pin]
    pub(crate) lifeline: Reserve,
    /// What is known of the VF's mailbox. Held over each series of commands that it gives.
    #[pin]
    pub(crate) mailbox: Mutex<Last>,
    /// The guest had reached the page of the mailbox before the last series of commands, and dirty
    /// tracking has not looked since.
    pub(crate) was_touched: Atomic<bool>,
    /// Leaf.
    #[pin]
    pub(crate) policy: Mutex<Policy>,
    /// Held over reads of guest memory.
    #[pin]
    pub(crate) queues: Mutex<Queues>,
    /// The VF was reset, and `queues` does not have it yet.
    pub(crate) queues_lost: Atomic<bool>,
}

impl AccVf {
    /// Returns the data of a VF.
    pub(crate) fn new(device_id: u16, mig: Result<MigRegs, Refusal>) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            device_id,
            mig,
            known <- new_mutex!(Known::default(), "hisi_acc_vfio::known"),
            lifeline <- Reserve::new(),
            mailbox <- new_mutex!(Last::default(), "hisi_acc_vfio::mailbox"),
            policy <- new_mutex!(Policy::new(Mode::of_module()), "hisi_acc_vfio::policy"),
            queues <- new_mutex!(Queues::default(), "hisi_acc_vfio::queues"),
            queues_lost: Atomic::new(false),
            was_touched: Atomic::new(false),
        }? Error)
    }

    /// Returns the QM of an open VF.
    pub(crate) fn qm<'a>(dev: &'a Vf<'_>) -> Result<Qm<'a>> {
        let device: &Device<Self> = dev;
        Ok(Qm::new(
            dev.bar(BAR2)?,
            &device.data().get_ref().mailbox,
            device,
        ))
    }

    /// Gives commands by `f`. `touched`: the guest may have reached the mailbox since this driver
    /// has used it.
    fn with_mailbox<T>(
        dev: &Vf<'_>,
        touched: bool,
        f: impl FnOnce(&Qm<'_>, &mut Mailbox<'_>) -> Result<T>,
    ) -> Result<T> {
        let data = dev.data();
        // Dirty tracking is to look at what the guest has loaded until now.
        let touched_before = touched || data.was_touched.load(Relaxed);
        data.was_touched.store(touched_before, Relaxed);
        let qm = Self::qm(dev)?;
        let mut mailbox = qm.mailbox();
        mailbox.unseen_if(touched_before);
        if !touched {
            mailbox.is_untouched();
        }
        let result = f(&qm, &mut mailbox);
        if mailbox.was_seen() {
            data.was_touched.store(false, Relaxed);
        }
        result
    }

    /// Gives commands by `f` while the guest cannot reach the mailbox: [`EINVAL`] if the page of
    /// the mailbox is not watched.
    pub(crate) fn borrow_mailbox<T>(
        dev: &Vf<'_>,
        f: impl FnOnce(&Qm<'_>, &mut Mailbox<'_>) -> Result<T>,
    ) -> Result<T> {
        dev.exclude(region::Index::from_raw(BAR2), |exclusion| {
            Self::with_mailbox(dev, exclusion.was_touched(), f)
        })
    }

    /// The same in a state change, in which userspace has stopped the vCPUs. So it does no harm if
    /// the page is too large to be watched.
    pub(crate) fn use_mailbox<T>(
        dev: &Vf<'_>,
        f: impl FnOnce(&Qm<'_>, &mut Mailbox<'_>) -> Result<T>,
    ) -> Result<T> {
        match policy::POSSIBLE {
            true => Self::borrow_mailbox(dev, f),
            false => Self::with_mailbox(dev, true, f),
        }
    }

    /// Returns whether what this driver left in the mailbox stands there, and nothing speaks
    /// against it by `also`: then the guest has given no command since.
    pub(crate) fn is_as_left(dev: &Vf<'_>, also: impl FnOnce(&Left) -> bool) -> bool {
        let stands = || -> Result<bool> {
            let qm = Self::qm(dev)?;
            let last = qm.commands.lock();
            match last.left {
                Some(left) => Ok(left.stands(qm.message()?) && also(&left)),
                None => Ok(false),
            }
        };
        stands().unwrap_or(false)
    }

    /// Returns whether the VF can migrate.
    pub(crate) fn migrates(&self) -> bool {
        self.mig.is_ok()
    }

    /// Returns why the VF does not migrate, as it was found when the VF was bound.
    pub(crate) fn refusal(&self) -> Option<&Refusal> {
        self.mig.as_ref().err()
    }

    /// Returns the migration registers: [`ENOTTY`] if the VF does not migrate.
    pub(crate) fn mig(&self) -> Result<&MigRegs> {
        self.mig.as_ref().map_err(|_| ENOTTY)
    }

    /// Returns the match data of the VF as it is now. The PF says how many queues the VF has, since
    /// the guest can change the VF's own registers.
    pub(crate) fn match_data(&self) -> Result<Match> {
        let mig = self.mig()?;
        let vft = mig.vft()?;
        let isolation = mig.pf.read(regs::QM_QUE_ISO_CFG_V)?;
        Ok(Match::current(self.device_id, vft.num, vft.base, isolation))
    }
}

impl Observer for Device<AccVf> {
    fn command(&self, command: u32, base: u64, result: Result) {
        self.trace_command(command, base, result);
    }

    fn warn(&self, text: kernel::fmt::Arguments<'_>) {
        dev_warn_ratelimited!(self, "{}\n", text);
    }
}
