// SPDX-License-Identifier: GPL-2.0

//! The lock under which a device's log lives, and all that must not happen at the same time as a
//! change of it.

use super::{
    trace::DeviceLog,
    Log,
    Logging, //
};
use crate::{
    pci::{
        Device,
        Driver,
        OpenDevice, //
    },
    region, //
};
use kernel::{
    new_mutex, new_spinlock,
    prelude::*,
    sync::{
        lock::{
            mutex::MutexBackend,
            Guard, //
        },
        Mutex,
        SpinLock, //
    },
};

/// Whether what is mediated is reached by mappings: then nobody can say what the device is told. Either
/// that or logging, while the device is open.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Passage {
    /// Neither
    Free,
    /// Logging is on, or being started: nothing that is mediated can be mapped
    Logging,
    /// Something that is mediated was mapped: no logging
    Mapped,
}

/// Whether the device writes.
#[derive(Clone, Copy)]
struct Activity {
    rests: bool,
    /// How often it has come to rest
    times: u32,
}

/// The tracker of a device. The lock order is in [`crate::migration`].
///
/// # Invariants
///
/// `reset_pending` is set only while somebody holds `log`, who works it off before he lets go, or by
/// somebody who then takes `log`.
#[pin_data]
pub(crate) struct Tracker {
    /// `None` while logging is off.
    #[pin]
    log: Mutex<Option<DeviceLog>>,
    #[pin]
    reset_pending: SpinLock<bool>,
    /// Not under `log`, which is held over accesses of user memory: `mmap_lock` is held where a user
    /// maps something.
    #[pin]
    passage: SpinLock<Passage>,
    #[pin]
    activity: SpinLock<Activity>,
}

type Locked<'a> = Guard<'a, Option<DeviceLog>, MutexBackend>;

/// Lends the log to the driver.
fn lent(log: &mut Option<DeviceLog>) -> Option<&mut Log> {
    log.as_mut().map(|log| log as &mut Log)
}

impl Tracker {
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            log <- new_mutex!(None, "vfio_dirty::log"),
            reset_pending <- new_spinlock!(false, "vfio_dirty::reset_pending"),
            passage <- new_spinlock!(Passage::Free, "vfio_dirty::passage"),
            activity <- new_spinlock!(Activity { rests: false, times: 0 }, "vfio_dirty::activity"),
        })
    }

    /// A user opens the device: he has nothing of it mapped.
    pub(crate) fn open(&self) {
        *self.passage.lock() = Passage::Free;
    }

    /// The user wants to map something that is mediated, as one does who does not know of
    /// `VFIO_REGION_INFO_CAP_SPARSE_MMAP`. He may, and has no logging then (`START` fails) till he has
    /// closed the device: [`EINVAL`] where he has it on. Says whether this is the first such mapping.
    pub(crate) fn map_mediated(&self) -> Result<bool> {
        let mut passage = self.passage.lock();
        let was = *passage;
        if was == Passage::Logging {
            return Err(EINVAL);
        }
        *passage = Passage::Mapped;
        Ok(was != Passage::Mapped)
    }

    /// Logging is about to start: [`EBUSY`] where something that is mediated was mapped.
    fn close_passage(&self) -> Result {
        let mut passage = self.passage.lock();
        if *passage == Passage::Mapped {
            return Err(EBUSY);
        }
        *passage = Passage::Logging;
        Ok(())
    }

    /// Logging is off.
    fn open_passage(&self) {
        let mut passage = self.passage.lock();
        if *passage == Passage::Logging {
            *passage = Passage::Free;
        }
    }

    /// The device has been quiesced: it writes nothing till [`Tracker::runs`].
    pub(crate) fn rests(&self) {
        let mut activity = self.activity.lock();
        if !activity.rests {
            activity.rests = true;
            activity.times = activity.times.wrapping_add(1);
        }
    }

    /// The device may write from here on. Waits for nothing.
    pub(crate) fn runs(&self) {
        self.activity.lock().rests = false;
    }

    /// Where the device writes nothing: how often that has been so.
    pub(super) fn rest(&self) -> Option<u32> {
        let activity = *self.activity.lock();
        activity.rests.then_some(activity.times)
    }

    /// Works off a reset that came meanwhile; says whether one did.
    fn after_reset<D: Driver>(&self, dev: &Device<D>, log: &mut Locked<'_>) -> bool {
        let pending = core::mem::take(&mut *self.reset_pending.lock());
        if pending {
            if let Some(log) = (**log).as_mut() {
                log.abandon_all();
            }
            D::Logging::reset(dev.data(), lent(log));
        }
        pending
    }

    /// Works off a reset that came meanwhile, then unlocks.
    ///
    /// The mutex is let go under the spinlock: a reset that comes later finds it free.
    fn unlock<D: Driver>(&self, dev: &Device<D>, mut log: Locked<'_>) {
        loop {
            self.after_reset(dev, &mut log);
            let pending = self.reset_pending.lock();
            if !*pending {
                drop(log);
                return;
            }
        }
    }

    /// The device has been reset: nothing is in flight any more.
    ///
    /// The core may hold its `memory_lock` here, which comes below the tracker's lock. So this does
    /// not wait: whoever holds the lock does the work.
    pub(crate) fn reset_done<D: Driver>(&self, dev: &Device<D>) {
        self.runs();
        *self.reset_pending.lock() = true;
        if let Some(log) = self.log.try_lock() {
            self.unlock(dev, log);
        }
    }

    /// Runs `f` under the lock.
    pub(super) fn with<D: Driver, T>(
        &self,
        dev: &OpenDevice<'_, D>,
        f: impl FnOnce(&mut Option<DeviceLog>) -> T,
    ) -> T {
        let mut log = self.log.lock();
        let result = f(&mut log);
        self.unlock(dev, log);
        result
    }

    /// Runs `f` under the lock, with the log where logging is on.
    pub(crate) fn with_log<D: Driver, T>(
        &self,
        dev: &OpenDevice<'_, D>,
        f: impl FnOnce(Option<&mut Log>) -> T,
    ) -> T {
        self.with(dev, |log| f(lent(log)))
    }

    /// Starts logging, with what `start` makes, where it is off.
    pub(super) fn start<D: Driver>(
        &self,
        dev: &OpenDevice<'_, D>,
        start: impl FnOnce() -> Result<DeviceLog>,
    ) -> Result {
        self.with(dev, |slot| {
            if slot.is_some() {
                return Err(EINVAL);
            }
            self.close_passage()?;
            *slot = Some(start().inspect_err(|_| self.open_passage())?);
            Ok(())
        })
    }

    /// Ends logging; says whether it was on.
    pub(crate) fn stop<D: Driver>(&self, dev: &OpenDevice<'_, D>) -> bool {
        self.with(dev, |slot| match slot.as_mut() {
            Some(log) => {
                D::Logging::stop(dev, log);
                *slot = None;
                self.open_passage();
                true
            }
            None => false,
        })
    }

    /// A write to a mediated part: the driver sees it, then the device by `write`, and nothing comes
    /// between the two but a reset. After one the driver sees it again: it may have taken what it
    /// entered for the access to be gone, where the device has got it after the reset.
    pub(crate) fn mediate<D: Driver>(
        &self,
        dev: &OpenDevice<'_, D>,
        index: region::Index,
        access: region::Access,
        write: impl FnOnce() -> Result,
    ) -> Result {
        let mut log = self.log.lock();
        D::write_mediated(dev, index, access, lent(&mut log));
        let result = write();
        while self.after_reset(dev, &mut log) {
            D::write_mediated(dev, index, access, lent(&mut log));
        }
        self.unlock(dev, log);
        result
    }
}
