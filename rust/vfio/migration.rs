// SPDX-License-Identifier: GPL-2.0

//! Live migration by the v2 protocol of `VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE`.
//!
//! A driver implements [`Operations`]: one method for each thing that its device must do. It never
//! sees a pair of states, so an arc that the protocol does not have cannot be written, and an arc
//! that it has is either done or, on error, not done: [`Machine`] undoes the first half of a
//! combined arc when the second half fails.
//!
//! The data go through [`Stream`]s, which the migration files own. A file does not know its device:
//! it can outlive it, and is ended when the state machine leaves the transfer, when the device is
//! reset and when it is closed.
//!
//! # Locks
//!
//! Outermost first, those of DMA logging ([`crate::dirty`]) and of the parts of BARs
//! ([`crate::region`]) among them:
//!
//! 1. VFIO's lock of the device set: held when the device is bound, opened, closed, attached and
//!    detached;
//! 2. a file's `io` lock: one read or write at a time; may fault in user memory, so `mmap_lock` and
//!    with it the core's `memory_lock` come below it;
//! 3. [`Machine`]'s state lock: held over all that a state change does to the device, also over a
//!    reset of it by its driver; never over an access to user memory, though a driver may wait for the
//!    tracker's lock below it;
//! 4. the tracker's lock: held over all that changes the log, a doorbell that is mediated and the
//!    access to the device that goes with it among them; also over user memory, which is read
//!    ([`OpenDevice::read_dma`]), and written when a report is made. Locks of the driver's for what it
//!    knows of its device's work come below it;
//! 5. those of type1 and iommufd over what the user has mapped, and `mmap_lock` or that of a VMA;
//! 6. the semaphore of the watch: held for reading over a fault in a watched part and over an access
//!    to it in the user's name, for writing over an exclusion ([`OpenDevice::exclude`]). So nothing of
//!    1 to 5 is taken in an exclusion;
//! 7. the core's `memory_lock`: held when the PCI core tells of a reset, which therefore waits neither
//!    for the state lock, see [`Machine::reset_done`], nor for the tracker's;
//! 8. a file's `content` lock: short; below it is what a [`Lifeline`] takes to say whether it is cut,
//!    and nothing else;
//! 9. the pending-reset spinlocks of the machine and of the tracker, and the tracker's others: leaves.

mod file;
mod machine;
mod state;

pub use self::file::{
    Check,
    Stream, //
};
pub use self::state::{
    Arc,
    Flags,
    State, //
};

pub(crate) use self::machine::{
    vtable,
    Machine, //
};

use crate::pci::{
    Driver,
    OpenDevice, //
};
use kernel::{
    prelude::*,
    sync, //
};

/// What the state machine asks of a device.
///
/// All of these run in process context under the machine's state lock and may sleep. An error
/// means that the device is as it was before.
pub trait Operations<D: Driver> {
    /// The longest stream in bytes, reported by `VFIO_DEVICE_FEATURE_MIG_DATA_SIZE` and the limit
    /// of what user space can write.
    const STREAM_MAX: usize;

    /// What the device offers, `None` where it cannot migrate. Asked once, before the device is
    /// registered.
    fn flags(data: Pin<&D>) -> Option<Flags>;

    /// `RUNNING -> RUNNING_P2P` and `PRE_COPY -> PRE_COPY_P2P`: the device starts no DMA from now on,
    /// and what it had started is done, when this returns. It still takes accesses of its
    /// registers. A device without [`Flags::P2P`] is asked for this right before [`Self::stop`].
    fn quiesce(_dev: &OpenDevice<'_, D>) -> Result {
        Ok(())
    }

    /// `RUNNING_P2P -> STOP`, and the first half of `PRE_COPY_P2P -> STOP_COPY`: from now on the
    /// device's state does not change, whatever is done to it.
    fn stop(dev: &OpenDevice<'_, D>) -> Result;

    /// `STOP -> RUNNING_P2P`, and how [`Self::stop`] is undone.
    fn start(dev: &OpenDevice<'_, D>) -> Result;

    /// `RUNNING_P2P -> RUNNING` and `PRE_COPY_P2P -> PRE_COPY`, and how [`Self::quiesce`] is undone:
    /// the device works again.
    fn unquiesce(_dev: &OpenDevice<'_, D>) -> Result {
        Ok(())
    }

    /// `RUNNING -> PRE_COPY`, with P2P or without: appends what can be said of the running device.
    /// All of it counts as `initial_bytes`. For devices with [`Flags::PRE_COPY`]; nothing, by
    /// default.
    fn pre_copy(_dev: &OpenDevice<'_, D>, _stream: &mut Stream) -> Result {
        Ok(())
    }

    /// `STOP -> STOP_COPY`, and the second half of `PRE_COPY_P2P -> STOP_COPY`: appends the state of
    /// the stopped device to what [`Operations::pre_copy`] has put there, if it was called.
    fn save(dev: &OpenDevice<'_, D>, stream: &mut Stream) -> Result;

    /// `STOP -> RESUMING`: returns what checks incoming data early. It is called with no device at
    /// hand, so it carries what it compares with.
    fn resume(dev: &OpenDevice<'_, D>) -> Result<KBox<dyn Check>>;

    /// `RESUMING -> STOP`: loads a whole stream. All of it must be validated before the device is
    /// touched. A load that fails after that leaves no device that could work: the driver resets it
    /// ([`OpenDevice::reset`]).
    fn load(dev: &OpenDevice<'_, D>, stream: &[u8]) -> Result;

    /// What ends a transfer from outside, where the device has such a thing; nothing, by default.
    /// Asked when the device leaves `RUNNING`; on error it stays there.
    fn lifeline(_dev: &OpenDevice<'_, D>) -> Result<Option<sync::Arc<dyn Lifeline>>> {
        Ok(None)
    }

    /// The device was reset: the driver forgets what it knew of its state; nothing, by default.
    /// May run when the device is not open.
    fn reset(_data: Pin<&D>) {}
}

/// Something that the state of a device hangs on, beside the device: its PF, say, whose reset nobody
/// tells of. Once it is cut, the device counts as reset: its state is `RUNNING` and its files have
/// ended.
pub trait Lifeline: Send + Sync {
    /// Whether it is cut. Once it is, it stays so. Called with locks held, see [`self`](super); may
    /// sleep, but not wait for any of them.
    fn is_cut(&self) -> bool;
}

/// The [`Operations`] of a device that does not migrate.
pub struct NotMigratable;

impl<D: Driver> Operations<D> for NotMigratable {
    const STREAM_MAX: usize = 0;

    fn flags(_data: Pin<&D>) -> Option<Flags> {
        None
    }

    fn stop(_dev: &OpenDevice<'_, D>) -> Result {
        Err(ENOTTY)
    }

    fn start(_dev: &OpenDevice<'_, D>) -> Result {
        Err(ENOTTY)
    }

    fn save(_dev: &OpenDevice<'_, D>, _stream: &mut Stream) -> Result {
        Err(ENOTTY)
    }

    fn resume(_dev: &OpenDevice<'_, D>) -> Result<KBox<dyn Check>> {
        Err(ENOTTY)
    }

    fn load(_dev: &OpenDevice<'_, D>, _stream: &[u8]) -> Result {
        Err(ENOTTY)
    }
}
