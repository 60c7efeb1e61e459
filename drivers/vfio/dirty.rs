// SPDX-License-Identifier: GPL-2.0

//! What a VF writes to its user's memory, seen by its doorbells: for hosts whose IOMMU has no dirty
//! bits. Why that loses no page is told in `Documentation/dirty-tracking.rst`.
//!
//! - [`policy`]: whether it is wanted;
//! - [`queues`]: what is known of the queues, and what a doorbell means for them;
//! - [`slots`]: which request is where in a ring;
//! - [`tables`]: how their contexts are found;
//! - [`reason`]: why all memory counts as written.

pub(crate) mod policy;
mod queues;
pub(crate) mod reason;
mod slots;
mod tables;

pub(crate) use self::queues::Queues;

use crate::device::{
    AccVf,
    BAR2,
    BAR4, //
};
use hisi_acc_hw::{
    doorbell::{
        Doorbell,
        Kind, //
    },
    regs, //
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
    pci::OpenDevice,
    region::{
        self,
        Access, //
    },
};

/// The [`Logging`] of a VF.
pub(crate) struct Tracking;

type Vf<'a> = OpenDevice<'a, AccVf>;

/// What a write to a mediated part is.
enum Write {
    /// A doorbell that a queue's driver rings
    Doorbell(Doorbell),
    /// Anything else, of which nobody knows what the hardware makes
    Unknown,
}

impl Write {
    /// What `access` to the region `index` is: a doorbell is eight bytes in one access, at the one
    /// place that its kind has (`qm_db_v2()`).
    fn of(index: region::Index, access: &Access) -> Self {
        let (window, offset) = match index.as_bar() {
            Some(BAR2) => (None, access.offset),
            Some(BAR4) => (
                Some(access.offset / regs::QM_QP_DB_INTERVAL),
                access.offset % regs::QM_QP_DB_INTERVAL,
            ),
            _ => return Self::Unknown,
        };
        let Some(doorbell) = Doorbell::from_raw(access.value) else {
            return Self::Unknown;
        };
        let place = match doorbell.kind {
            Kind::Sq | Kind::Cq => regs::QM_DOORBELL_SQ_CQ_BASE_V2,
            Kind::Eq | Kind::Aeq => regs::QM_DOORBELL_EQ_AEQ_BASE_V2,
        };
        // With priority, a submission queue's doorbell is more than its tail: see unquiesce.
        let plain = doorbell.kind != Kind::Sq || doorbell.priority == 0;
        let own = match doorbell.kind {
            Kind::Sq | Kind::Cq => window.is_none_or(|queue| queue == u64::from(doorbell.queue)),
            Kind::Eq | Kind::Aeq => true,
        };
        if access.size == 8 && offset == u64::from(place) && plain && own {
            Self::Doorbell(doorbell)
        } else {
            Self::Unknown
        }
    }
}

/// The user writes to a mediated part: told before the hardware sees it. No log: nobody asks.
pub(crate) fn written(dev: &Vf<'_>, index: region::Index, access: &Access, log: Option<&mut Log>) {
    let data = dev.data();
    let mut queues = data.known_queues();
    let write = Write::of(index, access);
    let Some(log) = log else {
        match write {
            Write::Doorbell(doorbell) => queues.note(&doorbell),
            Write::Unknown => queues.odd(),
        }
        return;
    };
    match write {
        Write::Doorbell(doorbell) => match doorbell.kind {
            Kind::Sq => queues.submitted(dev, log, doorbell.queue, doorbell.index),
            Kind::Cq => queues.consumed(dev, log, doorbell.queue, doorbell.index),
            // Their rings are in each report.
            Kind::Eq | Kind::Aeq => {}
        },
        Write::Unknown => queues.unknown_write(log),
    }
}

impl AccVf {
    /// What is known of its queues: nothing, after a reset.
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
        dev.data().known_queues().start(dev, log)
    }

    fn stop(dev: &Vf<'_>, _log: &mut Log) {
        dev.data().known_queues().stop();
    }

    fn report(dev: &Vf<'_>, log: &mut Log) -> Result {
        dev.data().known_queues().report(dev, log);
        Ok(())
    }

    fn reset(data: Pin<&AccVf>, _log: Option<&mut Log>) {
        // Not the lock of the queues: it is held over accesses of the device and of memory.
        data.queues_lost.store(true, Release);
    }
}
