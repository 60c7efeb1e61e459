// SPDX-License-Identifier: GPL-2.0

//! DMA logging: which pages of the user's memory a device has written
//! (`VFIO_DEVICE_FEATURE_DMA_LOGGING_START`, `_STOP`, `_REPORT`), of a device that does not say so
//! itself.
//!
//! A driver that knows what its device is told to do implements [`Logging`]. While the user has
//! logging on there is a [`Log`], in which the driver enters what the device may write:
//!
//! - *in flight* ([`Log::submit`]): the device has been told to write there and may do so at any
//!   time. Such pages are dirty in each report;
//! - *dirty* ([`Log::mark`]): may have been written since the last report. Such pages are dirty in the
//!   next report. What was in flight becomes dirty when it completes ([`Log::complete`]);
//! - *unknown* ([`Entry::unknown`], [`Log::lose`], [`Log::mark_all`]): all that is logged is dirty, for
//!   one report or for as long as what is unknown is in flight.
//!
//! # What the layer sees to
//!
//! Nothing gets lost that was entered, whatever comes between, so long as the driver enters what the
//! device is told to do before it is told:
//!
//! - One lock, the tracker's, is held over each callback of [`Logging`], over a whole report, and over
//!   a write to a mediated part from where the driver sees it till the device has it
//!   ([`Driver::write_mediated`]). So what the device was told before `START` was told before
//!   [`Logging::start`], and what a report does not have in flight the device has not been told.
//! - What is in flight is in each report, and dirty when it is complete: what the device wrote after
//!   the last report that had it in flight is in the next one. While the device is quiesced
//!   ([`Operations::quiesce`](crate::migration::Operations::quiesce)) it writes nothing: the first
//!   report then has what is in flight, the others need not.
//! - What a report has told of is clean only so far as it was told of. A user who asks for one range
//!   after another may get what comes in between by his next round.
//! - There is room for so many ranges, entries and pages, and memory may be short: then more is dirty,
//!   all that is logged if need be, and never less.
//! - A reset waits for nobody. It is worked off when the lock is let go of; a doorbell that was on its
//!   way is shown to the driver once more after that, for the device may have got it after the reset.
//! - Logging goes on over resets and state changes, and ends with `STOP` or when the device is closed.
//!
//! What it costs is memory for what is dirty and in flight, charged to whoever causes it: at most
//! 64 MiB of chunks of the map of pages (4 KiB for 32768 pages each), 27 MiB for what is in flight, and
//! a few KiB; and time by the same measure. What is big is kept as a range.
//!
//! C headers: [`include/linux/vfio.h`](srctree/include/linux/vfio.h),
//! [`include/linux/iova_bitmap.h`](srctree/include/linux/iova_bitmap.h),
//! [`include/uapi/linux/vfio.h`](srctree/include/uapi/linux/vfio.h)
//!
//! The uAPI's rules are in [`ops`], the lock order in [`crate::migration`].

mod ops;
mod trace;
mod tracker;

pub use dma_log::{
    Entry,
    Log,
    Statistics, //
};

pub(crate) use self::ops::Table;
pub(crate) use self::tracker::Tracker;

use crate::pci::{
    Driver,
    OpenDevice, //
};
use kernel::prelude::*;

/// What DMA logging asks of a driver.
///
/// All of these run in process context under the tracker's lock, and may sleep but where it is said.
pub trait Logging<D: Driver> {
    /// Whether the device offers it. Asked when the device is opened, after [`Driver::open`]; the
    /// answer holds till it is closed.
    fn offered(data: Pin<&D>) -> bool;

    /// The user starts logging. `log` is new: nothing is in flight, nothing is dirty. What the device
    /// has been told to do already is for the driver to enter. On error logging stays off.
    fn start(dev: &OpenDevice<'_, D>, log: &mut Log) -> Result;

    /// The user stops logging, or closes the device; then user memory may be gone, and nothing of it
    /// can be read.
    fn stop(_dev: &OpenDevice<'_, D>, _log: &mut Log) {}

    /// The user is about to be told what is dirty in part of the logged ranges: the driver enters
    /// what it learns only now. Called once for each `REPORT` ioctl, of which a user may issue
    /// several in a row, one for each range; what lies elsewhere is kept for them. On error the
    /// ioctl fails, and nothing is lost.
    fn report(dev: &OpenDevice<'_, D>, log: &mut Log) -> Result;

    /// The device was reset. All that was in flight is dirty by now, and nothing is in flight any
    /// more. May run when the device is not open, and with the core's `memory_lock` held: it reaches
    /// neither the device nor user memory, and waits for no lock that is held over either.
    fn reset(_data: Pin<&D>, _log: Option<&mut Log>) {}
}

/// The [`Logging`] of a device that has none.
pub struct NotLogging;

impl<D: Driver> Logging<D> for NotLogging {
    fn offered(_data: Pin<&D>) -> bool {
        false
    }

    fn start(_dev: &OpenDevice<'_, D>, _log: &mut Log) -> Result {
        Err(ENOTTY)
    }

    fn report(_dev: &OpenDevice<'_, D>, _log: &mut Log) -> Result {
        Err(ENOTTY)
    }
}
