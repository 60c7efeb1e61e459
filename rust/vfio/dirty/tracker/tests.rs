// SPDX-License-Identifier: GPL-2.0

//! Tests of the tracker: what a reset does to the log, and that logging and mappings exclude each
//! other. The log itself is tested in `dma_log`.

use kernel::prelude::*;

#[kunit_tests(vfio_rs_dirty_tracker)]
mod cases {
    use super::super::*;
    use core::cell::Cell;

    /// A device that records resets.
    struct Device {
        tracker: Pin<KBox<Tracker>>,
        resets: Cell<u32>,
        /// A second reset comes while the first one is handled.
        again: Cell<bool>,
    }

    impl Device {
        fn new() -> Result<Self> {
            Ok(Self {
                tracker: KBox::pin_init(Tracker::new(), GFP_KERNEL)?,
                resets: Cell::new(0),
                again: Cell::new(false),
            })
        }

        fn resets(&self, expected: u32) -> bool {
            self.resets.replace(0) == expected
        }
    }

    impl Callbacks for Device {
        fn reset(&self, _log: Option<&mut Log>) {
            self.resets.set(self.resets.get() + 1);
            if self.again.take() {
                self.tracker.reset_done(self);
            }
        }
    }

    #[test]
    fn a_reset_is_handled_at_once_if_the_lock_is_free() -> Result {
        let device = Device::new()?;
        device.tracker.reset_done(&device);
        assert!(device.resets(1));
        device.again.set(true);
        device.tracker.reset_done(&device);
        assert!(device.resets(2));
        device.tracker.with(&device, |_| ());
        assert!(device.resets(0));
        Ok(())
    }

    #[test]
    fn a_reset_under_the_lock_is_handled_at_the_end() -> Result {
        let device = Device::new()?;
        let seen = device.tracker.with(&device, |_| {
            device.tracker.reset_done(&device);
            device.resets.get()
        });
        assert_eq!(seen, 0);
        assert!(device.resets(1));
        Ok(())
    }

    #[test]
    fn the_driver_sees_a_write_before_the_device() -> Result {
        let device = Device::new()?;
        let told = Cell::new(0);
        let written = device.tracker.mediate(
            &device,
            |log| {
                told.set(told.get() + if log.is_none() { 1 } else { 100 });
                Pass::Yes
            },
            || (told.get() == 1).then_some(()).ok_or(EINVAL),
        );
        assert_eq!(written, Ok(()));
        assert_eq!(told.get(), 1);
        assert!(device.resets(0));
        Ok(())
    }

    #[test]
    fn the_driver_sees_a_write_again_after_a_reset() -> Result {
        let device = Device::new()?;
        let told = Cell::new(0);
        let written = device.tracker.mediate(
            &device,
            |_| {
                told.set(told.get() + 1);
                // A second reset comes when the driver sees the write again.
                if told.get() == 2 {
                    device.tracker.reset_done(&device);
                }
                Pass::Yes
            },
            || {
                device.tracker.reset_done(&device);
                Err(EIO)
            },
        );
        assert_eq!(written, Err(EIO));
        assert_eq!(told.get(), 3);
        assert!(device.resets(2));
        Ok(())
    }

    #[test]
    fn a_write_that_the_driver_drops_does_not_reach_the_device() -> Result {
        let device = Device::new()?;
        let written = device.tracker.mediate(&device, |_| Pass::No, || Err(EIO));
        assert_eq!(written, Ok(()));
        Ok(())
    }

    #[test]
    fn logging_needs_that_nothing_is_mapped() -> Result {
        let device = Device::new()?;
        let start = || device.tracker.start(&device, || Err(ENOMEM));
        // Nothing is mapped: what makes the log is called.
        assert_eq!(start(), Err(ENOMEM));
        // It has failed: userspace may map.
        assert_eq!(device.tracker.map_mediated(), Ok(()));
        assert_eq!(start(), Err(EBUSY));
        // Nothing was mapped in the end, by either of the two.
        assert_eq!(device.tracker.map_mediated(), Ok(()));
        device.tracker.mediated_unmapped();
        assert_eq!(start(), Err(EBUSY));
        device.tracker.mediated_unmapped();
        assert_eq!(start(), Err(ENOMEM));
        // One of them was.
        assert_eq!(device.tracker.map_mediated(), Ok(()));
        assert_eq!(device.tracker.map_mediated(), Ok(()));
        assert!(device.tracker.mediated_mapped());
        device.tracker.mediated_unmapped();
        assert_eq!(start(), Err(EBUSY));
        assert_eq!(device.tracker.map_mediated(), Ok(()));
        assert!(!device.tracker.mediated_mapped());
        device.tracker.open();
        assert_eq!(start(), Err(ENOMEM));
        Ok(())
    }

    #[test]
    fn nothing_is_mapped_while_logging_starts() -> Result {
        let device = Device::new()?;
        let started = device.tracker.start(&device, || {
            let mapped = device.tracker.map_mediated();
            Err(if mapped == Err(EINVAL) { ENOMEM } else { EIO })
        });
        assert_eq!(started, Err(ENOMEM));
        Ok(())
    }

    #[test]
    fn stopping_needs_a_log() -> Result {
        let device = Device::new()?;
        assert!(!device.tracker.stop(&device, |_| ()));
        Ok(())
    }

    #[test]
    fn quiesced_periods_are_counted() -> Result {
        let device = Device::new()?;
        let tracker = &device.tracker;
        assert_eq!(tracker.quiesced_period(), None);
        tracker.dma_quiesced();
        let first = tracker.quiesced_period();
        assert!(first.is_some());
        tracker.dma_quiesced();
        assert_eq!(tracker.quiesced_period(), first);
        tracker.dma_possible();
        assert_eq!(tracker.quiesced_period(), None);
        tracker.dma_quiesced();
        assert!(tracker.quiesced_period().is_some() && tracker.quiesced_period() != first);
        tracker.reset_done(&device);
        assert_eq!(tracker.quiesced_period(), None);
        Ok(())
    }
}
