// SPDX-License-Identifier: GPL-2.0

//! What a VF writes to its guest's memory, seen by its doorbells.
//!
//! The logic is the crate [`hisi_acc_track`]. Here it meets the VF and the VFIO layer.

use crate::{
    context::Context,
    mailbox::Mailbox,
    qm::{
        BAR2,
        BAR4, //
    },
    vf::{
        AccVf,
        Vf, //
    },
};
use hisi_acc_hw::{
    dma::{
        Engine,
        Memory,
        Unreadable, //
    },
    mailbox::Command, //
};
use hisi_acc_track::{
    Contexts,
    Doorbells,
    Guest,
    Queues,
    Write, //
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Acquire,
            Release, //
        },
        lock::{
            mutex::MutexBackend,
            Guard, //
        },
    }, //
};
use vfio::{
    dirty::{
        Log,
        Logging, //
    },
    pci::masters_bus,
    region::{
        self,
        Access, //
    },
};

/// The [`Logging`] of a VF.
pub(crate) struct Tracking;

/// The [`Guest`] of an open VF.
struct VfGuest<'a, 'b>(&'a Vf<'b>);

impl Memory for VfGuest<'_, '_> {
    fn read(&self, address: u64, to: &mut [u8]) -> Result<(), Unreadable> {
        self.0.read_dma(address, to).map_err(|_| Unreadable)
    }
}

impl Guest for VfGuest<'_, '_> {
    fn engine(&self) -> Option<Engine> {
        Engine::of_device(self.0.data().device_id)
    }

    fn touched(&self) -> bool {
        self.0.touched(region::Index::from_raw(BAR2))
    }

    /// [`EBUSY`] if the guest could not be given back what it has in the mailbox.
    fn contexts(&self) -> Result<Option<Contexts>> {
        let dev = self.0;
        let data = dev.data();
        let mig = data.mig()?;
        let num = mig.vft()?.num;
        dev.exclude(region::Index::from_raw(BAR2), |_| {
            let qm = AccVf::qm(dev)?;
            let mut mailbox = qm.mailbox();
            // After this, a command that the guest gave, which may write to memory, is done.
            let found = mailbox.wait()?;
            // A VF whose driver never sets `QM_VF_STATE` may work as long as it can do DMA.
            if !qm.is_ready()? && !masters_bus(dev.as_bound()) {
                return Ok(None);
            }
            // The guest driver may not have polled it yet.
            if !Mailbox::is_restorable(&found) {
                return Err(EBUSY);
            }
            let sqc = mailbox.query(Command::SqcBt)?;
            let cqc = mailbox.query(Command::CqcBt)?;
            drop(mailbox);
            qm.write_back()?;
            let eqc = mig.read(&qm, Context::Eq)?;
            let aeqc = mig.read(&qm, Context::Aeq)?;
            Ok(Some(Contexts {
                sqc,
                cqc,
                num,
                eqc,
                aeqc,
            }))
        })
    }
}

/// Begins to track the VF's queues, when the VF is opened.
pub(crate) fn open(data: &AccVf) -> Result {
    let num = data.mig()?.vft()?.num;
    data.queues.lock().open(num)
}

/// Handles a write of userspace to a mediated part, before the hardware gets it. There is no log
/// while logging is off.
pub(crate) fn written(dev: &Vf<'_>, index: region::Index, access: &Access, log: Option<&mut Log>) {
    let of = |doorbells| Write::of(doorbells, access.offset, access.size, access.value);
    let write = match index.as_bar() {
        Some(BAR2) => of(Doorbells::Shared),
        Some(BAR4) => of(Doorbells::Isolated),
        _ => Write::Unknown,
    };
    let data = dev.data();
    let mut queues = data.known_queues();
    queues.written(&VfGuest(dev), &write, log);
}

impl AccVf {
    /// Locks what is known of its queues: nothing, after a reset.
    fn known_queues(&self) -> Guard<'_, Queues, MutexBackend> {
        let mut queues = self.queues.lock();
        if self.queues_lost.xchg(false, Acquire) {
            queues.lose();
        }
        queues
    }
}

impl Logging<AccVf> for Tracking {
    fn offered(data: Pin<&AccVf>) -> bool {
        data.policy.lock().mediates
    }

    fn start(dev: &Vf<'_>, log: &mut Log) -> Result {
        dev.data().known_queues().start(&VfGuest(dev), log);
        Ok(())
    }

    fn stop(dev: &Vf<'_>, _log: &mut Log) {
        dev.data().known_queues().stop();
    }

    fn report(dev: &Vf<'_>, log: &mut Log) -> Result {
        dev.data().known_queues().report(&VfGuest(dev), log);
        Ok(())
    }

    fn reset(data: Pin<&AccVf>, _log: Option<&mut Log>) {
        // The lock of the queues is not taken: it is held over accesses of the device and of
        // memory.
        data.queues_lost.store(true, Release);
    }
}
