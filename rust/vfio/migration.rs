// SPDX-License-Identifier: GPL-2.0

//! Live migration by the v2 protocol of `VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE`.
//!
//! A driver implements [`Operations`]: one method for each thing that its device must do. The
//! driver never sees a pair of states, so it cannot implement an arc that the protocol does not
//! have. An arc is done, or on error not done: [`Machine`] undoes the first half of a combined arc
//! when the second half fails.
//!
//! [`Machine`] does not know the device types of [`crate::pci`]. It talks to a device through
//! callbacks ([`callbacks`]), so that its tests run it on a device of their own.
//!
//! The data pass through [`Stream`]s, which the migration files own. A file can outlive its device:
//! it reaches the device through a [`gate`], which closes before the device does. The file ends
//! when the state machine leaves the transfer, when the device is reset and when it is closed.
//!
//! # Errors where userspace can act on them
//!
//! Userspace (QEMU, cloud-hypervisor) answers a failed arc on the way to `STOP_COPY` with a reset
//! of the device, under a guest that goes on. A failed `read()` of the migration file fails the
//! migration only. On the target an error of `RESUMING -> STOP` comes after the source was told
//! that all is well. Therefore:
//!
//! - a state that cannot be saved fails the file: the arc to `STOP_COPY` succeeds, `read()` returns
//!   `EIO`, and the way back to `RUNNING` starts the device;
//! - a stream is loaded by the `write()` of its last byte, if [`Check`] knows which one that is.
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
//! 3. the [`gate`]'s lock: held while the `write()` of a file loads the stream, and for a moment
//!    when the device is opened and closed;
//! 4. [`Machine`]'s state lock: held over all that a state change does to the device, also over a
//!    reset of it by its driver; never over an access to user memory. A driver may wait for the
//!    tracker's lock below it;
//! 5. the tracker's lock: held over all that changes the log. That includes a mediated doorbell and
//!    the access to the device that goes with it. Also held while user memory is read
//!    ([`OpenDevice::read_dma`]) or written (a report). Locks of the driver for what it knows of
//!    its device's requests come below it;
//! 6. those of type1 and iommufd over what userspace has mapped, and `mmap_lock` or that of a VMA;
//! 7. the semaphore of the watch: held for reading over a fault in a watched part and over an
//!    access to it on behalf of userspace, for writing over an exclusion ([`OpenDevice::exclude`]).
//!    So an exclusion takes nothing of 1 to 6;
//! 8. the core's `memory_lock`: held when the PCI core reports a reset. So handling a reset waits
//!    neither for the state lock, see [`Machine::reset_done`], nor for the tracker's;
//! 9. a file's `content` lock: short. Below it is only what a [`Lifeline`] takes to say whether it
//!    is cut;
//! 10. the pending-reset spinlocks of the machine and of the tracker, and the tracker's others:
//!     leaves.
//!
//! [`OpenDevice::read_dma`]: crate::pci::OpenDevice::read_dma
//! [`OpenDevice::exclude`]: crate::pci::OpenDevice::exclude

mod callbacks;
mod file;
mod gate;
mod lifeline;
mod machine;
mod operations;
mod state;
mod stream;

#[cfg(CONFIG_KUNIT = "y")]
mod testing;

pub use self::lifeline::Lifeline;
pub use self::operations::{
    NotMigratable,
    Operations, //
};
pub use self::state::{
    Arc,
    Flags,
    State, //
};
pub use self::stream::{
    Check,
    Progress,
    Stream, //
};

pub(crate) use self::callbacks::{
    Open,
    Registered, //
};
pub(crate) use self::gate::{
    FileId,
    Receiver, //
};
pub(crate) use self::machine::Machine;
