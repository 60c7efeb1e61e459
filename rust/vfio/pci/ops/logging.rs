// SPDX-License-Identifier: GPL-2.0

//! `struct vfio_log_ops` of a driver.
//!
//! The VFIO core has checked the ranges so far as all devices agree: they do not overlap, end
//! within the address space, and begin and end at multiples of the page size. This file decides the
//! rest:
//!
//! - `START` after something mediated was mapped: [`EBUSY`];
//! - `START` while logging is on, `STOP` and `REPORT` while it is off: [`EINVAL`];
//! - the page size is a hint: a power of two, at least 4 KiB, else [`EINVAL`]. A hint over 2 MiB
//!   becomes 2 MiB. `REPORT` may use any other page size;
//! - an empty range: [`EINVAL`];
//! - `REPORT` of what is not logged, in whole or in part: [`EINVAL`]. An empty report would claim
//!   that it is clean.
//!
//! # A proposal to the core
//!
//! `struct vfio_device` wants `log_ops` set before the device is registered. A driver then offers
//! logging for good, also where userspace should prefer the dirty bits of the IOMMU: QEMU uses
//! device tracking whenever all devices have it. The layer therefore sets `log_ops` when the device
//! is opened, before userspace reaches it. The core reads it in ioctls only, and in a file in
//! debugfs that compares it with null. A hook would be better: an optional
//! `bool (*log_offered)(struct vfio_device *)` in `struct vfio_log_ops`, which
//! `vfio_ioctl_device_feature_logging_*()` call where they test `log_ops` now.
//!
//! # Memory of userspace
//!
//! If userspace has no memory for a bit of its bitmap, the bit is lost: `iova_bitmap_set()` reports
//! no error.

use crate::{
    bindings, dev_warn_ratelimited,
    dirty::{
        Callbacks,
        DeviceLog,
        Log,
        Logging,
        Tracepoint, //
    },
    pci::{
        device::{
            Device,
            OpenDevice, //
        },
        driver::Driver, //
    },
};
use core::{
    marker::PhantomData,
    ptr, //
};
use dma_log::Span;
use kernel::{
    bindings as kbindings,
    error::from_result,
    prelude::*,
    sizes::{
        SZ_2M,
        SZ_4K, //
    },
    sync::aref::ARef, //
};

/// Returns the page size for a hint, as a shift.
fn page_shift(hint: u64) -> Result<u32> {
    // CAST: Widens.
    if !hint.is_power_of_two() || hint < SZ_4K as u64 {
        return Err(EINVAL);
    }
    Ok(hint.min(SZ_2M as u64).ilog2())
}

/// The ranges that userspace wants logged, in order.
///
/// # Invariants
///
/// `root` is a tree of ranges that does not change while this lives, and `at` null or a node of it.
struct Ranges {
    root: *mut kbindings::rb_root_cached,
    at: *mut c_void,
}

impl Iterator for Ranges {
    /// [`None`] for an empty range.
    type Item = Option<Span>;

    fn next(&mut self) -> Option<Option<Span>> {
        let (mut start, mut last) = (0, 0);
        // INVARIANT: It is a node, or the end.
        // SAFETY: By the type invariant; the places are valid for writing.
        let more =
            unsafe { bindings::vfio_rs_next_range(self.root, &mut self.at, &mut start, &mut last) };
        // The core has the last address of each range. For an empty one, that is the address before
        // the first. No range ends at the end of the address space: the core has checked that.
        more.then(|| last.checked_add(1).and_then(|end| Span::new(start, end)))
    }
}

impl<D: Driver> Callbacks for Device<D> {
    fn reset(&self, log: Option<&mut Log>) {
        D::Logging::reset(self.data(), log);
    }
}

/// Ends logging. Returns whether it was on.
pub(super) fn stop<D: Driver>(dev: &OpenDevice<'_, D>) -> bool {
    dev.tracker().stop(&**dev, |log| D::Logging::stop(dev, log))
}

/// The callbacks, for one driver type.
pub(super) struct Table<D: Driver>(PhantomData<D>);

impl<D: Driver> Table<D> {
    /// The table.
    pub(super) const OPS: bindings::vfio_log_ops = bindings::vfio_log_ops {
        log_start: Some(Self::start),
        log_stop: Some(Self::stop),
        log_read_and_clear: Some(Self::read_and_clear),
    };

    /// # Safety
    ///
    /// To be called by the VFIO core for an open device of this driver; `ranges` must be its tree
    /// of them, and `page_size` valid for reading and writing.
    unsafe extern "C" fn start(
        vdev: *mut bindings::vfio_device,
        ranges: *mut kbindings::rb_root_cached,
        count: u32,
        page_size: *mut u64,
    ) -> c_int {
        // SAFETY: By the safety requirement.
        let (dev, hint) = unsafe { (OpenDevice::<D>::from_vfio(vdev), *page_size) };
        // INVARIANT: By the safety requirement; before the first.
        let ranges = || Ranges {
            root: ranges,
            at: ptr::null_mut(),
        };
        from_result(|| {
            let count = usize::try_from(count).map_err(|_| EINVAL)?;
            let shift = page_shift(hint).inspect_err(|_| {
                dev_warn_ratelimited!(dev, "no DMA logging by pages of {:#x} bytes\n", hint);
            })?;
            if ranges().flatten().count() != count {
                dev_warn_ratelimited!(dev, "no DMA logging of an empty range\n");
                return Err(EINVAL);
            }
            let started = dev.tracker().start(&*dev, || {
                let trace = Tracepoint(ARef::from(dev.as_pci()));
                let statistics = dev.statistics();
                let ranges = ranges().flatten();
                let mut log = DeviceLog::new(ranges, count, shift, statistics, trace)?;
                D::Logging::start(&dev, &mut log)?;
                Ok(log)
            });
            started.inspect_err(|e| {
                dev_warn_ratelimited!(dev, "DMA logging does not start ({:?})\n", e);
            })?;
            // SAFETY: By the safety requirement.
            unsafe { *page_size = 1 << shift };
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// To be called by the VFIO core for an open device of this driver.
    unsafe extern "C" fn stop(vdev: *mut bindings::vfio_device) -> c_int {
        // SAFETY: By the safety requirement.
        let dev = unsafe { OpenDevice::<D>::from_vfio(vdev) };
        from_result(|| stop(&dev).then_some(0).ok_or(EINVAL))
    }

    /// # Safety
    ///
    /// To be called by the VFIO core for an open device of this driver, `bitmap` being that of
    /// userspace.
    unsafe extern "C" fn read_and_clear(
        vdev: *mut bindings::vfio_device,
        iova: c_ulong,
        length: c_ulong,
        bitmap: *mut bindings::iova_bitmap,
    ) -> c_int {
        // SAFETY: By the safety requirement.
        let dev = unsafe { OpenDevice::<D>::from_vfio(vdev) };
        from_result(|| {
            dev.tracker().with(&*dev, |slot| {
                let log = slot.as_mut().ok_or(EINVAL)?;
                // CAST: `usize` is no wider than `u64`.
                let span =
                    Span::of_len(iova as u64, length as u64).filter(|span| log.covers(*span));
                let Some(span) = span else {
                    dev_warn_ratelimited!(
                        dev,
                        "no report of {:#x} bytes at {:#x}: they are not logged\n",
                        length,
                        iova
                    );
                    return Err(EINVAL);
                };
                D::Logging::report(&dev, log)?;
                log.report(span, dev.tracker().quiesced_period(), |dirty| {
                    // CAST: Within what userspace gave as `unsigned long`.
                    let (start, len) = (dirty.start() as usize, dirty.len() as usize);
                    // SAFETY: The bitmap is valid, by the safety requirement, and for all of
                    // `span`.
                    unsafe { bindings::vfio_rs_bitmap_set(bitmap, start, len) };
                });
                Ok(0)
            })
        })
    }
}

#[kunit_tests(vfio_rs_dirty_ops)]
mod tests {
    use super::*;

    #[test]
    fn the_page_size_is_a_hint() {
        assert_eq!(page_shift(0x1000).ok(), Some(12));
        assert_eq!(page_shift(0x1_0000).ok(), Some(16));
        assert_eq!(page_shift(1 << 21).ok(), Some(21));
        assert_eq!(page_shift(1 << 22).ok(), Some(21));
        assert_eq!(page_shift(1 << 63).ok(), Some(21));
        for hint in [0, 1, 0x800, 0xfff, 0x1001, 0x3000, u64::MAX] {
            assert!(page_shift(hint).is_err());
        }
    }
}
