// SPDX-License-Identifier: GPL-2.0

//! What a driver implements to migrate its devices.

use super::{
    Check,
    Flags,
    Lifeline,
    Stream, //
};
use crate::handle::Handles;
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// The callbacks of the state machine.
///
/// All of them but [`Self::flags`] and [`Self::data_size`] run in process context under the
/// machine's state lock and may sleep. A callback that fails must leave the device as it was
/// before.
///
/// Userspace answers an error of [`Self::quiesce`] or [`Self::stop`] with a reset of the device,
/// under a guest that goes on. So a driver should detect in [`Self::pre_copy`] what would prevent a
/// migration, and let [`Self::save`] fail rather than [`Self::stop`].
pub trait Operations<D: Handles> {
    /// The longest stream in bytes. Userspace cannot write more.
    const STREAM_MAX: usize;

    /// Returns an estimate of the data that `STOP_COPY` would save now, in bytes
    /// (`VFIO_DEVICE_FEATURE_MIG_DATA_SIZE`). Userspace asks in any state, also while a state
    /// change is under way: this does not run under the state lock.
    fn data_size(_dev: &D::Open<'_>) -> Result<usize> {
        Ok(Self::STREAM_MAX)
    }

    /// Returns what the device offers, or `None` if it cannot migrate. Called before the device is
    /// registered. The answer must not change.
    fn flags(data: Pin<&D>) -> Option<Flags>;

    /// `RUNNING -> RUNNING_P2P` and `PRE_COPY -> PRE_COPY_P2P`: quiesces the device. When this
    /// returns, the DMA that the device has started is done and it starts none. The device still
    /// answers accesses to its registers. For a device without [`Flags::P2P`], the layer calls this
    /// right before [`Self::stop`].
    fn quiesce(_dev: &D::Open<'_>) -> Result {
        Ok(())
    }

    /// `RUNNING_P2P -> STOP`, and the first half of `PRE_COPY_P2P -> STOP_COPY`: stops the device.
    /// From now on its state does not change, whatever is done to it.
    fn stop(dev: &D::Open<'_>) -> Result;

    /// `STOP -> RUNNING_P2P`, and undoes [`Self::stop`].
    fn start(dev: &D::Open<'_>) -> Result;

    /// `RUNNING_P2P -> RUNNING` and `PRE_COPY_P2P -> PRE_COPY`, and undoes [`Self::quiesce`]: the
    /// device works again.
    fn unquiesce(_dev: &D::Open<'_>) -> Result {
        Ok(())
    }

    /// `RUNNING -> PRE_COPY`, with P2P or without: appends what can be saved of a running device,
    /// at least one byte. All of it counts as `initial_bytes`, which the uAPI wants not to be 0.
    /// For devices with [`Flags::PRE_COPY`].
    fn pre_copy(_dev: &D::Open<'_>, _stream: &mut Stream) -> Result {
        Err(ENOTTY)
    }

    /// `STOP -> STOP_COPY`, and the second half of `PRE_COPY_P2P -> STOP_COPY`: appends the state
    /// of the stopped device. If [`Self::pre_copy`] was called, its data are in the stream already.
    /// If this fails, the arc succeeds nevertheless: `read()` of the file returns [`EIO`], so the
    /// driver should log the reason.
    fn save(dev: &D::Open<'_>, stream: &mut Stream) -> Result;

    /// `STOP -> RESUMING`: returns what checks incoming data early. The check gets no device, so it
    /// carries what it compares with. A driver should try here what [`Self::load`] will need of the
    /// device: an error now ends the migration before the source stops.
    fn resume(dev: &D::Open<'_>) -> Result<KBox<dyn Check>>;

    /// Loads a whole stream. The driver must validate all of it before it touches the device. A
    /// load that fails later leaves a device that cannot work: the driver then resets it
    /// ([`OpenDevice::reset`](crate::pci::OpenDevice::reset)).
    ///
    /// Called by the `write()` of the last byte, in `RESUMING`, if [`Check`] knows which one that
    /// is; else by `RESUMING -> STOP`, also with too few bytes.
    fn load(dev: &D::Open<'_>, stream: &[u8]) -> Result;

    /// Returns what can end a transfer from outside, by default nothing. Called when the device
    /// leaves `RUNNING`; on error it stays there.
    fn lifeline(_dev: &D::Open<'_>) -> Result<Option<Arc<dyn Lifeline>>> {
        Ok(None)
    }

    /// The device was reset: the driver drops what it knew of the device's state. By default there
    /// is nothing to drop. The device may be closed.
    ///
    /// The core may hold its `memory_lock` for writing. So a lock that the driver takes here must
    /// not be held over an access to user memory or to a register, or over a fault in a BAR.
    fn reset(_data: Pin<&D>) {}
}

/// The [`Operations`] of a device that does not migrate.
pub struct NotMigratable;

impl<D: Handles> Operations<D> for NotMigratable {
    const STREAM_MAX: usize = 0;

    fn flags(_data: Pin<&D>) -> Option<Flags> {
        None
    }

    fn stop(_dev: &D::Open<'_>) -> Result {
        Err(ENOTTY)
    }

    fn start(_dev: &D::Open<'_>) -> Result {
        Err(ENOTTY)
    }

    fn save(_dev: &D::Open<'_>, _stream: &mut Stream) -> Result {
        Err(ENOTTY)
    }

    fn resume(_dev: &D::Open<'_>) -> Result<KBox<dyn Check>> {
        Err(ENOTTY)
    }

    fn load(_dev: &D::Open<'_>, _stream: &[u8]) -> Result {
        Err(ENOTTY)
    }
}
