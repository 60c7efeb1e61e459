// SPDX-License-Identifier: GPL-2.0

//! What a VF writes to its guest's memory, seen by its doorbells.
//!
//! The logic is the crate [`hisi_acc_track`]. Here it meets the VF and the VFIO layer.

use crate::{
    context::{
        Context,
        MigRegs, //
    },
    mailbox::Mailbox,
    qm::{
        Qm,
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
        Unreadable,
        Why, //
    },
    mailbox::{
        Command,
        Message, //
    },
};
use hisi_acc_track::{
    counted,
    Contexts,
    Doorbells,
    Guest,
    Left,
    Queues,
    Reason,
    Registers,
    Write,
    XqcWords, //
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Acquire,
            Relaxed,
            Release, //
        },
        lock::{
            mutex::MutexBackend,
            Guard, //
        },
    },
    time::{
        delay::fsleep,
        Delta, //
    },
};
use vfio::{
    dev_warn_ratelimited,
    dirty::{
        is_dying,
        Log,
        Logging,
        Pass, //
    },
    pci::masters_bus,
    region::{
        self,
        Access, //
    },
};

/// How long the engine may take for the requests that it has fetched. A guess: the largest request
/// of an in-tree driver takes some milliseconds.
const FETCHED: Delta = Delta::from_millis(20);

/// The [`Logging`] of a VF.
pub(crate) struct Tracking;

/// The [`Guest`] of an open VF.
struct VfGuest<'a, 'b>(&'a Vf<'b>);

impl VfGuest<'_, '_> {
    /// Returns whether the guest may have given a command since dirty tracking has looked. It has
    /// not if it has not reached the page, or if by `also` the mailbox is as this driver left it.
    fn touched_unless(&self, also: impl FnOnce(&Left) -> bool) -> bool {
        let dev = self.0;
        let page = region::Index::from_raw(BAR2);
        let reached = dev.touched(page) || dev.data().was_touched.load(Relaxed);
        reached && !AccVf::is_as_left(dev, also)
    }
}

impl Memory for VfGuest<'_, '_> {
    fn read(&self, address: u64, to: &mut [u8]) -> Result<(), Unreadable> {
        self.0.read_dma(address, to).map_err(|_| Unreadable)
    }
}

impl Guest for VfGuest<'_, '_> {
    fn engine(&self) -> Option<Engine> {
        Engine::of_device(self.0.data().device_id)
    }

    fn can_read(&self) -> bool {
        self.0.can_read_dma()
    }

    fn touched(&self) -> bool {
        self.touched_unless(|_| true)
    }

    fn touched_unseen(&self) -> bool {
        let count = || {
            let [count] = self.0.data().mig().ok()?.count_commands().ok()?;
            Some(count)
        };
        self.touched_unless(|left| left.is_counted(count))
    }

    /// [`EBUSY`] if the guest could not be given back what it has in the mailbox.
    fn contexts(&self) -> Result<Option<Contexts>> {
        let dev = self.0;
        let data = dev.data();
        let mig = data.mig()?;
        let num = mig.vft()?.num;
        AccVf::borrow_mailbox(dev, |qm, mailbox| {
            let before = mig.count_commands();
            let mut asked = Asked {
                dev,
                mig,
                qm,
                mailbox,
            };
            let contexts = Contexts::ask(&mut asked, num)?;
            let counts = before.and_then(|before| Ok((before, mig.count_commands()?)));
            let given = mailbox.given();
            mailbox.seen(
                counts
                    .ok()
                    .and_then(|(before, after)| counted(before, after, given)),
            );
            Ok(contexts)
        })
    }

    fn refresh(&self) -> Result {
        AccVf::qm(self.0)?.write_back()
    }

    fn let_finish(&self) {
        fsleep(FETCHED);
    }

    fn is_dying(&self) -> bool {
        is_dying()
    }

    fn understands_nothing(&self, queue: u16, why: Why) {
        dev_warn_ratelimited!(
            self.0,
            "dirty tracking: no queue is understood (queue {}: {}): all memory is dirty\n",
            queue,
            Reason::Why(why)
        );
    }
}

/// The [`Registers`] of an open VF, while the guest cannot reach them.
struct Asked<'a, 'b, 'm> {
    dev: &'a Vf<'b>,
    mig: &'a MigRegs,
    qm: &'a Qm<'a>,
    mailbox: &'a mut Mailbox<'m>,
}

impl Registers for Asked<'_, '_, '_> {
    fn masters_bus(&mut self) -> bool {
        masters_bus(self.dev.as_bound())
    }

    fn is_there(&mut self) -> Result<bool> {
        self.qm.is_there()
    }

    fn is_ready(&mut self) -> Result<bool> {
        self.qm.is_ready()
    }

    fn wait(&mut self) -> Result<Message> {
        self.mailbox.wait()
    }

    fn query(&mut self, command: Command) -> Result<u64> {
        self.mailbox.query(command)
    }

    fn put_back(&mut self) -> Result {
        self.mailbox.put_back();
        Ok(())
    }

    fn write_back(&mut self) -> Result {
        self.qm.write_back()
    }

    fn event_contexts(&mut self) -> Result<[XqcWords; 2]> {
        let eqc = self.mig.read(self.qm, Context::Eq)?;
        Ok([eqc, self.mig.read(self.qm, Context::Aeq)?])
    }
}

/// Begins to track the VF's queues, when the VF is opened.
pub(crate) fn open(data: &AccVf) -> Result {
    let num = data.mig()?.vft()?.num;
    data.queues.lock().open(num)
}

/// Handles a write of userspace to a mediated part, before the hardware gets it. There is no log
/// while logging is off. Returns whether the hardware may get it.
pub(crate) fn written(
    dev: &Vf<'_>,
    index: region::Index,
    access: &Access,
    log: Option<&mut Log>,
) -> Pass {
    let of = |doorbells| Write::of(doorbells, access.offset, access.size, access.value);
    let write = match index.as_bar() {
        Some(BAR2) => of(Doorbells::Shared),
        Some(BAR4) => of(Doorbells::Isolated),
        _ => Write::Unknown,
    };
    let data = dev.data();
    let mut queues = data.known_queues();
    match queues.written(&VfGuest(dev), &write, dev.is_quiesced(), log) {
        true => Pass::Yes,
        false => {
            dev_warn_ratelimited!(
                dev,
                "a write to the doorbells is dropped: it could end a pause\n"
            );
            Pass::No
        }
    }
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
