// SPDX-License-Identifier: GPL-2.0

//! Resets, cut lifelines, opening and closing.

use kernel::prelude::*;

#[kunit_tests(vfio_rs_migration_resets)]
mod cases {
    use super::super::{
        super::super::{
            testing::Thread,
            Flags,
            State::{
                self,
                *, //
            },
        },
        device::{
            Call::{
                self,
                *, //
            },
            Device, //
        },
    };
    use kernel::{
        prelude::*,
        sync::Arc, //
    };

    const ALL: Flags = Flags::PRE_COPY.and(Flags::P2P);

    const STATES: [State; 7] = [
        Running,
        RunningP2P,
        State::PreCopy,
        PreCopyP2P,
        State::Stop,
        StopCopy,
        Resuming,
    ];

    /// Returns a device with a lifeline, and what cuts it.
    fn with_lifeline() -> Result<(Device, Arc<Thread>)> {
        let thread = Arc::new(Thread::new(), GFP_KERNEL)?;
        let mut device = Device::new(ALL)?;
        device.lifeline = Some(thread.clone());
        Ok((device, thread))
    }

    #[test]
    fn a_reset_ends_each_state() -> Result {
        for state in STATES {
            let device = Device::new(ALL)?;
            let file = device.go(state)?;
            device.machine().reset_done(&device);
            assert!(device.called(&[DmaOn, Reset]));
            assert_eq!(device.state(), Running);
            if let Some(file) = file {
                assert_eq!(file.reads(b"").err(), Some(ENODEV));
            }
            // Nothing is left of it.
            device.go(StopCopy)?;
            assert_eq!(device.state(), StopCopy);
        }
        Ok(())
    }

    #[test]
    fn a_reset_in_a_change_is_handled_after_it() -> Result {
        for call in [Quiesce, Call::Stop, Save] {
            let device = Device::new(ALL)?;
            device.go(Running)?;
            device.reset_in.set(Some(call));
            let file = device.set(StopCopy)?.ok_or(EBADF)?;
            let calls = [Lifeline, Quiesce, DmaOff, Call::Stop, Save, DmaOn, Reset];
            assert!(device.called(&calls));
            assert_eq!(device.state(), Running);
            assert_eq!(file.reads(b"").err(), Some(ENODEV));
        }
        Ok(())
    }

    #[test]
    fn a_reset_in_a_change_that_fails() -> Result {
        let device = Device::new(ALL)?;
        let file = device.go(Resuming)?.ok_or(EBADF)?;
        device.reset_in.set(Some(Load));
        device.fail(&[Load])?;
        assert_eq!(device.set(State::Stop).err(), Some(EACCES));
        assert!(device.called(&[Load, DmaOn, Reset]));
        assert_eq!(device.state(), Running);
        assert_eq!(file.write(b"a"), Err(ENODEV));
        Ok(())
    }

    #[test]
    fn a_reset_in_a_load() -> Result {
        for fails in [&[][..], &[Load]] {
            let device = Device::new(ALL)?;
            let file = device.go(Resuming)?.ok_or(EBADF)?;
            device.reset_in.set(Some(Load));
            device.fail(fails)?;
            let wanted = if fails.is_empty() { Ok(2) } else { Err(EACCES) };
            assert_eq!(file.write(b"a."), wanted);
            assert!(device.called(&[Load, DmaOn, Reset]));
            assert_eq!(device.state(), Running);
            assert_eq!(file.write(b"b"), Err(ENODEV));
        }
        Ok(())
    }

    #[test]
    fn a_cut_lifeline_is_a_reset() -> Result {
        for state in STATES {
            let (device, thread) = with_lifeline()?;
            let file = device.go(state)?;
            thread.cut();
            if state == Running {
                // It was asked for nothing yet.
                assert_eq!(device.state(), Running);
                assert!(device.called(&[]));
                continue;
            }
            assert_eq!(device.state(), Running);
            assert!(device.called(&[DmaOn, Reset, DmaReset]));
            assert_eq!(device.state(), Running);
            assert!(device.called(&[]));
            if let Some(file) = file {
                assert_eq!(file.reads(b"").err(), Some(ENODEV));
            }
        }
        Ok(())
    }

    #[test]
    fn a_change_after_a_cut_fails() -> Result {
        for target in [Running, StopCopy] {
            let (device, thread) = with_lifeline()?;
            device.go(RunningP2P)?;
            thread.cut();
            assert_eq!(device.set(target).err(), Some(EIO));
            assert!(device.called(&[DmaOn, Reset, DmaReset]));
            assert_eq!(device.state(), Running);
        }
        Ok(())
    }

    #[test]
    fn a_lifeline_ends_in_running() -> Result {
        let (device, thread) = with_lifeline()?;
        device.go(StopCopy)?;
        device.go(Running)?;
        thread.cut();
        assert_eq!(device.state(), Running);
        assert!(device.called(&[]));
        // Undone is as good.
        let (device, thread) = with_lifeline()?;
        device.fail(&[Save])?;
        assert!(device.set(StopCopy).is_err());
        device.go(Running)?;
        thread.cut();
        assert_eq!(device.state(), Running);
        assert!(device.called(&[]));
        Ok(())
    }

    #[test]
    fn a_view_sees_a_cut() -> Result {
        let (device, thread) = with_lifeline()?;
        device.go(State::Stop)?;
        thread.cut();
        device.machine().view(&device, |view| {
            let running = view.state == Running;
            running.then_some(()).ok_or(EINVAL)
        })?;
        assert!(device.called(&[DmaOn, Reset, DmaReset]));
        Ok(())
    }

    #[test]
    fn a_device_is_opened_running_and_closed() -> Result {
        for state in STATES {
            let device = Device::new(ALL)?;
            device.open();
            assert!(device.called(&[DmaOn]));
            let file = device.go(state)?;
            device.machine().close(&device);
            assert!(device.called(&[]));
            assert_eq!(device.state(), Running);
            if let Some(file) = file {
                assert_eq!(file.reads(b"").err(), Some(ENODEV));
            }
        }
        Ok(())
    }
}
