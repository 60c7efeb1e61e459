// SPDX-License-Identifier: GPL-2.0

//! DMA logging: which pages of userspace's memory a device has written
//! (`VFIO_DEVICE_FEATURE_DMA_LOGGING_START`, `_STOP`, `_REPORT`), for devices that do not record it
//! themselves.
//!
//! A driver that sees the requests to its device implements [`Logging`]. While logging is on, there
//! is a [`Log`], in which the driver enters what the device may write:
//!
//! - *in flight* ([`Log::submit`]): the device got a request to write there and may do so at any
//!   time. Such pages are dirty in each report;
//! - *dirty* ([`Log::mark`]): may have been written since the last report. Such pages are dirty in
//!   the next report. What was in flight becomes dirty when it completes ([`Log::complete`]);
//! - *unknown* ([`Entry::unknown`], [`Log::lose`], [`Log::mark_all`]): all logged memory is dirty,
//!   for one report or as long as the unknown request is in flight.
//!
//! # What the layer guarantees
//!
//! If the driver enters each request before the device gets it, no entry is lost:
//!
//! - One lock, the tracker's, is held over each callback of [`Logging`] and over a whole report. It
//!   is also held over a write to a mediated part, from [`Driver::write_mediated`] until the device
//!   has received the write. So the device received each request of before `START` before
//!   [`Logging::start`], and it has not received what is not in flight in a report.
//! - What is in flight is in each report, and dirty when it completes: what the device wrote after
//!   the last report that had it in flight is in the next one. While the device is quiesced
//!   ([`Operations::quiesce`](crate::migration::Operations::quiesce)) it does not write: the first
//!   report then has what is in flight, the others need not, unless the driver says that the device
//!   may run ([`Log::may_run`]) or that nobody knows what it does ([`Log::lose`]).
//! - A report clears only the range that it covers. Pages dirtied between two `REPORT`s of
//!   different ranges may appear in the next round.
//! - The log is bounded, and memory may be short. Then it reports more, up to all logged memory,
//!   and never less.
//! - A reset does not wait for the lock. It is handled when the lock is released. If a reset
//!   intervenes in a mediated write, the driver is told about the write again, because the device
//!   may have received it after the reset.
//! - Logging continues over resets and state changes, and ends with `STOP` or when the device is
//!   closed.
//!
//! The memory of the log is charged to the process that causes it: at most 64 MiB of chunks of the
//! map of pages (4 KiB for 32768 pages each), 27 MiB for what is in flight, and a few KiB. What the
//! driver keeps comes on top. The time follows the memory. Large ranges are kept as ranges.
//!
//! C headers: [`include/linux/vfio.h`](srctree/include/linux/vfio.h),
//! [`include/linux/iova_bitmap.h`](srctree/include/linux/iova_bitmap.h),
//! [`include/uapi/linux/vfio.h`](srctree/include/uapi/linux/vfio.h)
//!
//! [`crate::pci`] has the ioctls and their rules (`pci/ops/logging.rs`), [`crate::migration`] the
//! lock order.
//!
//! [`Driver::write_mediated`]: crate::pci::Driver::write_mediated
//! [`Driver::open`]: crate::pci::Driver::open

mod trace;
mod tracker;

pub use dma_log::{
    Entry,
    Log,
    Statistics, //
};

pub(crate) use self::trace::{
    DeviceLog,
    Tracepoint, //
};
pub use self::tracker::Pass;
pub(crate) use self::tracker::{
    Callbacks,
    Tracker, //
};

use crate::bindings;
use crate::handle::Handles;
use kernel::prelude::*;

/// Returns whether the calling process is being killed. A driver that walks through much of its
/// memory ends then.
pub fn is_dying() -> bool {
    // SAFETY: There always is a current task.
    unsafe { bindings::vfio_rs_is_dying() }
}

/// What a driver implements for DMA logging.
///
/// All callbacks run in process context under the tracker's lock. They may sleep, except
/// [`Logging::reset`].
pub trait Logging<D: Handles> {
    /// Returns whether the device offers logging. Called when the device is opened, after
    /// [`Driver::open`]. The answer holds until the device is closed.
    ///
    /// [`Driver::open`]: crate::pci::Driver::open
    fn offered(data: Pin<&D>) -> bool;

    /// Userspace starts logging. `log` is new: nothing is in flight, nothing is dirty. The driver
    /// enters the requests that the device has got already. On error logging stays off.
    fn start(dev: &D::Open<'_>, log: &mut Log) -> Result;

    /// Userspace stops logging, or closes the device. User memory may be gone, and cannot be read.
    fn stop(_dev: &D::Open<'_>, _log: &mut Log) {}

    /// Userspace asks what is dirty in part of the logged ranges: the driver enters what it learns
    /// only now. Called once for each `REPORT` ioctl, of which userspace may issue several in a
    /// row, one for each range. What lies elsewhere is kept for those. On error the ioctl fails,
    /// and nothing is lost.
    fn report(dev: &D::Open<'_>, log: &mut Log) -> Result;

    /// The device was reset. What was in flight is dirty now, and nothing is in flight any more.
    /// The device may be closed, and the core may hold its `memory_lock`: the driver must reach
    /// neither the device nor user memory here, and must not wait for a lock that is held over
    /// either.
    fn reset(_data: Pin<&D>, _log: Option<&mut Log>) {}
}

/// The [`Logging`] of a device that has none.
pub struct NotLogging;

impl<D: Handles> Logging<D> for NotLogging {
    fn offered(_data: Pin<&D>) -> bool {
        false
    }

    fn start(_dev: &D::Open<'_>, _log: &mut Log) -> Result {
        Err(ENOTTY)
    }

    fn report(_dev: &D::Open<'_>, _log: &mut Log) -> Result {
        Err(ENOTTY)
    }
}
