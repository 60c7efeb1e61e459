// SPDX-License-Identifier: GPL-2.0

//! The lock of a device's log, and what must not happen while the log changes.

#[cfg(CONFIG_KUNIT = "y")]
mod tests;

use super::trace::DeviceLog;
use dma_log::Log;
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

/// What the tracker needs of a device, open or not.
pub(crate) trait Callbacks {
    /// Calls [`Logging::reset`](super::Logging::reset), with the log if logging is on.
    fn reset(&self, log: Option<&mut Log>);
}

/// Whether userspace reaches mediated parts through mappings, which bypass the driver. While the
/// device is open, that and logging exclude each other.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Passage {
    /// Neither.
    Free,
    /// Logging is on, or being started: nothing mediated can be mapped.
    Logging,
    /// Something mediated was mapped, if `done`, or is being mapped so many times: logging cannot
    /// be started.
    Mapped { done: bool, trying: u32 },
}

/// Whether the device receives a write to a mediated part.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pass {
    /// The device receives it.
    Yes,
    /// It is dropped, as by a device that ignores it.
    No,
}

/// Whether the device can write.
#[derive(Clone, Copy, Default)]
struct Activity {
    quiesced: bool,
    /// The number of quiesced periods so far.
    periods: u32,
}

/// The tracker of a device. The lock order is in [`crate::migration`].
///
/// # Invariants
///
/// Whoever sets `reset_pending` either takes `log` or knows that it is held. The holder handles a
/// pending reset before it unlocks.
#[pin_data]
pub(crate) struct Tracker {
    /// `None` while logging is off.
    #[pin]
    log: Mutex<Option<DeviceLog>>,
    #[pin]
    reset_pending: SpinLock<bool>,
    /// Not under `log`: that lock is held over accesses to user memory, and `mmap_lock` is held
    /// when userspace maps something.
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
            activity <- new_spinlock!(Activity::default(), "vfio_dirty::activity"),
        })
    }

    /// Userspace opens the device. Nothing of it is mapped.
    pub(crate) fn open(&self) {
        *self.passage.lock() = Passage::Free;
    }

    /// Userspace wants to map something mediated, for example because it ignores
    /// `VFIO_REGION_INFO_CAP_SPARSE_MMAP`. If logging is on, this fails with [`EINVAL`]. Otherwise
    /// `START` fails until the device is closed, or until [`Tracker::mediated_unmapped`] if nothing
    /// was mapped in the end.
    pub(crate) fn map_mediated(&self) -> Result {
        let mut passage = self.passage.lock();
        let (done, trying) = match *passage {
            Passage::Logging => return Err(EINVAL),
            Passage::Free => (false, 0),
            Passage::Mapped { done, trying } => (done, trying),
        };
        *passage = Passage::Mapped {
            done,
            trying: trying.saturating_add(1),
        };
        Ok(())
    }

    /// What [`Tracker::map_mediated`] allowed was mapped. Returns whether this is the first such
    /// mapping.
    pub(crate) fn mediated_mapped(&self) -> bool {
        let mut passage = self.passage.lock();
        let Passage::Mapped { done, trying } = *passage else {
            return false;
        };
        *passage = Passage::Mapped {
            done: true,
            trying: trying.saturating_sub(1),
        };
        !done
    }

    /// What [`Tracker::map_mediated`] allowed was not mapped.
    pub(crate) fn mediated_unmapped(&self) {
        let mut passage = self.passage.lock();
        if let Passage::Mapped { done, trying } = *passage {
            *passage = match (done, trying.saturating_sub(1)) {
                (false, 0) => Passage::Free,
                (done, trying) => Passage::Mapped { done, trying },
            };
        }
    }

    /// Logging is about to start. [`EBUSY`] if something mediated was mapped.
    fn close_passage(&self) -> Result {
        let mut passage = self.passage.lock();
        if matches!(*passage, Passage::Mapped { .. }) {
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

    /// The device was quiesced: it does not write until [`Tracker::dma_possible`].
    pub(crate) fn dma_quiesced(&self) {
        let mut activity = self.activity.lock();
        if !activity.quiesced {
            activity.quiesced = true;
            activity.periods = activity.periods.wrapping_add(1);
        }
    }

    /// The device may write from now on. Waits for nothing.
    pub(crate) fn dma_possible(&self) {
        self.activity.lock().quiesced = false;
    }

    /// Returns the number of the current quiesced period, `None` while the device may write.
    pub(crate) fn quiesced_period(&self) -> Option<u32> {
        let activity = *self.activity.lock();
        activity.quiesced.then_some(activity.periods)
    }

    /// Handles a reset that is pending.
    fn after_reset(&self, dev: &impl Callbacks, log: &mut Locked<'_>) {
        *self.reset_pending.lock() = false;
        if let Some(log) = (**log).as_mut() {
            log.abandon_all();
        }
        dev.reset(lent(log));
    }

    /// Handles a pending reset, then unlocks.
    fn unlock(&self, dev: &impl Callbacks, log: Locked<'_>) {
        self.unlock_with(dev, log, |_| ());
    }

    /// The same, and calls `again` after each reset that was pending.
    ///
    /// Releases the mutex while it holds the spinlock: a reset that comes now either finds the
    /// mutex free or is handled here.
    fn unlock_with(
        &self,
        dev: &impl Callbacks,
        mut log: Locked<'_>,
        mut again: impl FnMut(Option<&mut Log>),
    ) {
        loop {
            let pending = self.reset_pending.lock();
            if !*pending {
                drop(log);
                return;
            }
            drop(pending);
            self.after_reset(dev, &mut log);
            again(lent(&mut log));
        }
    }

    /// Handles a reset of the device: nothing is in flight any more.
    ///
    /// The core may hold its `memory_lock` here, which comes below the tracker's lock. So this does
    /// not wait: if the tracker's lock is held, its holder handles the reset.
    pub(crate) fn reset_done(&self, dev: &impl Callbacks) {
        self.dma_possible();
        *self.reset_pending.lock() = true;
        if let Some(log) = self.log.try_lock() {
            self.unlock(dev, log);
        }
    }

    /// Runs `f` under the lock.
    pub(crate) fn with<T>(
        &self,
        dev: &impl Callbacks,
        f: impl FnOnce(&mut Option<DeviceLog>) -> T,
    ) -> T {
        let mut log = self.log.lock();
        let result = f(&mut log);
        self.unlock(dev, log);
        result
    }

    /// Runs `f` under the lock, with the log if logging is on.
    pub(crate) fn with_log<T>(
        &self,
        dev: &impl Callbacks,
        f: impl FnOnce(Option<&mut Log>) -> T,
    ) -> T {
        self.with(dev, |log| f(lent(log)))
    }

    /// Starts logging with the log that `start` makes. [`EINVAL`] if logging is on.
    pub(crate) fn start(
        &self,
        dev: &impl Callbacks,
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

    /// Ends logging: calls `stop`, then drops the log. Returns whether logging was on.
    pub(crate) fn stop(&self, dev: &impl Callbacks, stop: impl FnOnce(&mut Log)) -> bool {
        self.with(dev, |slot| match slot.as_mut() {
            Some(log) => {
                stop(log);
                *slot = None;
                self.open_passage();
                true
            }
            None => false,
        })
    }

    /// Tells the driver about a write to a mediated part (`tell`), then performs it (`write`) if
    /// the driver lets it pass, under one lock.
    ///
    /// If a reset intervenes, tells the driver again: the driver may have dropped the request
    /// although the device received the write after the reset.
    pub(crate) fn mediate(
        &self,
        dev: &impl Callbacks,
        mut tell: impl FnMut(Option<&mut Log>) -> Pass,
        write: impl FnOnce() -> Result,
    ) -> Result {
        let mut log = self.log.lock();
        let result = match tell(lent(&mut log)) {
            Pass::Yes => write(),
            Pass::No => Ok(()),
        };
        self.unlock_with(dev, log, |log| {
            tell(log);
        });
        result
    }
}
