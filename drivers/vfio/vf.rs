// SPDX-License-Identifier: GPL-2.0

//! The data of one VF.

use crate::{
    context::MigRegs,
    mailbox::Mailbox,
    policy::{
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
use hisi_acc_track::Queues;
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
    /// A reset of the VF holds the PF's interlock.
    pub(crate) resetting: bool,
}

impl Known {
    /// The VF got another state, with event queues if a guest driver has set it up.
    pub(crate) fn loaded(&mut self, events: Option<EventHeads>) {
        self.ready = events.is_some();
        self.unrung = events;
        self.unsaved = None;
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
    /// Held over each series of commands that the driver gives to the VF's mailbox.
    #[pin]
    mailbox: Mutex<()>,
    /// When this driver last used the mailbox, the guest waited for no more than a success. That
    /// holds until the guest has [reached](OpenDevice::touched) it.
    pub(crate) owes_success: Atomic<bool>,
    /// The guest had reached the mailbox before that, and dirty tracking does not know yet.
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
            mailbox <- new_mutex!((), "hisi_acc_vfio::mailbox"),
            policy <- new_mutex!(Policy::new(Mode::of_module()), "hisi_acc_vfio::policy"),
            queues <- new_mutex!(Queues::default(), "hisi_acc_vfio::queues"),
            queues_lost: Atomic::new(false),
            owes_success: Atomic::new(false),
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

    /// Borrows the mailbox of a VF.
    pub(crate) fn mailbox<'a>(dev: &Vf<'_>, qm: &'a Qm<'a>) -> Mailbox<'a> {
        let mut mailbox = qm.mailbox();
        let touched = dev.touched(region::Index::from_raw(BAR2));
        if dev.data().owes_success.load(Relaxed) && !touched {
            mailbox.owes_success();
        }
        mailbox
    }

    /// Gives commands by `f` while the guest runs and cannot reach the mailbox: [`EINVAL`] if the
    /// page of the mailbox is not watched.
    pub(crate) fn borrow_mailbox<T>(
        dev: &Vf<'_>,
        f: impl FnOnce(&Qm<'_>, &mut Mailbox<'_>) -> Result<T>,
    ) -> Result<T> {
        let data = dev.data();
        dev.exclude(region::Index::from_raw(BAR2), |exclusion| {
            if exclusion.was_touched() {
                // Dirty tracking is to look at what the guest has loaded until now.
                data.was_touched.store(true, Relaxed);
                data.owes_success.store(false, Relaxed);
            }
            let qm = Self::qm(dev)?;
            let mut mailbox = Self::mailbox(dev, &qm);
            let result = f(&qm, &mut mailbox);
            if let Some(success) = mailbox.owed_success() {
                data.owes_success.store(success, Relaxed);
            }
            result
        })
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
