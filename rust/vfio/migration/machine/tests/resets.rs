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
        let device = Device::new(ALL)?;
        *device.lifeline.borrow_mut() = Some(thread.clone());
        Ok((device, thread))
    }

    #[test]
    fn a_reset_ends_each_state() -> Result {
        for state in STATES {
            let device = Device::new(ALL)?;
            let file = device.go(state)?;
            device.machine().reset_done(&device);
            assert!(device.called(&[DmaReset, DmaOn, Reset]));
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
            let mut calls = KVec::new();
            for made in [Lifeline, Quiesce, DmaOff, Call::Stop, Save, DmaOn, Reset] {
                calls.push(made, GFP_KERNEL)?;
                if made == call {
                    calls.push(DmaReset, GFP_KERNEL)?;
                }
            }
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
        assert!(device.called(&[Load, DmaReset, DmaOn, Reset]));
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
            assert!(device.called(&[Load, DmaReset, DmaOn, Reset]));
            assert_eq!(device.state(), Running);
            assert_eq!(file.write(b"b"), Err(ENODEV));
        }
        Ok(())
    }

    /// A sysfs reset has begun, and userspace writes on.
    #[test]
    fn nothing_is_loaded_during_a_reset() -> Result {
        let device = Device::new(ALL)?;
        let file = device.go(Resuming)?.ok_or(EBADF)?;
        device.machine().reset_begins();
        assert_eq!(file.write(b"a."), Err(ENODEV));
        assert!(device.called(&[]));
        device.machine().reset_done(&device);
        assert!(device.called(&[DmaReset, DmaOn, Reset]));
        assert_eq!(device.state(), Running);
        let file = device.go(Resuming)?.ok_or(EBADF)?;
        assert_eq!(file.write(b"a."), Ok(2));
        assert!(device.called(&[Load]));
        Ok(())
    }

    #[test]
    fn a_reset_that_was_not_made_is_an_error() -> Result {
        for state in STATES {
            let device = Device::new(ALL)?;
            device.open();
            let file = device.go(state)?;
            device.reset_fails.set(true);
            device.machine().reset_done(&device);
            // What is in flight stays so.
            assert!(device.called(&[DmaOn]));
            assert_eq!(device.state(), State::Error);
            assert_eq!(device.set(Running).err(), Some(EINVAL));
            if let Some(file) = file {
                assert_eq!(file.reads(b"").err(), Some(ENODEV));
            }
            device.reset_fails.set(false);
            device.machine().reset_done(&device);
            assert!(device.called(&[DmaReset, DmaOn, Reset]));
            assert_eq!(device.state(), Running);
        }
        Ok(())
    }

    /// The registers of some device may not show a reset. The result of the reset counts then.
    #[test]
    fn a_reset_that_succeeds_is_believed() -> Result {
        let device = Device::new(ALL)?;
        device.open();
        device.go(StopCopy)?;
        device.machine().reset_succeeded(&device);
        assert!(device.called(&[]));
        assert_eq!(device.state(), StopCopy);
        device.reset_fails.set(true);
        device.machine().reset_done(&device);
        assert_eq!(device.state(), State::Error);
        device.called(&[DmaOn]);
        device.machine().reset_succeeded(&device);
        // What is in flight stays so.
        assert!(device.called(&[DmaOn, Reset]));
        assert_eq!(device.state(), Running);
        // It is believed once.
        device.go(StopCopy)?;
        device.machine().reset_succeeded(&device);
        assert_eq!(device.state(), StopCopy);
        Ok(())
    }

    #[test]
    fn a_reset_of_the_bus_loses_what_is_stopped() -> Result {
        for state in STATES {
            let device = Device::new(ALL)?;
            device.open();
            let file = device.go(state)?;
            // Without a reset: somebody else on the bus wants one.
            device.machine().bus_error(false);
            device.machine().slot_reset(&device);
            assert!(device.called(&[]));
            device.machine().bus_error(true);
            device.machine().slot_reset(&device);
            let works = matches!(state, Running | State::PreCopy);
            let calls: &[Call] = match works {
                true => &[Reset, DmaReset],
                false => &[DmaOn, Reset, DmaReset],
            };
            assert!(device.called(calls));
            let after = if works { state } else { State::Error };
            assert_eq!(device.state(), after);
            if let Some(file) = file {
                assert_eq!(file.reads(b"").err(), Some(ENODEV));
            }
            device.machine().reset_done(&device);
            assert_eq!(device.state(), Running);
        }
        Ok(())
    }

    #[test]
    fn a_reset_of_a_closed_device_is_not_judged() -> Result {
        let device = Device::new(ALL)?;
        device.reset_fails.set(true);
        device.machine().reset_done(&device);
        assert_eq!(device.state(), Running);
        device.open();
        device.machine().close(&device);
        device.machine().reset_done(&device);
        assert_eq!(device.state(), Running);
        Ok(())
    }

    #[test]
    fn a_reset_in_a_load_fails() -> Result {
        let device = Device::new(ALL)?;
        let file = device.go(Resuming)?.ok_or(EBADF)?;
        device.machine().lose(&device);
        assert!(device.called(&[DmaOn]));
        assert_eq!(device.state(), State::Error);
        assert_eq!(file.write(b"a"), Err(ENODEV));
        Ok(())
    }

    #[test]
    fn a_cut_lifeline_is_an_error() -> Result {
        for state in STATES {
            let (device, thread) = with_lifeline()?;
            let file = device.go(state)?;
            thread.cut();
            // In RUNNING it was asked for nothing yet. In PRE_COPY the device works.
            let (end, calls) = match state {
                Running => (Running, &[][..]),
                State::PreCopy => (State::PreCopy, &[Reset, DmaReset][..]),
                _ => (State::Error, &[DmaOn, Reset, DmaReset][..]),
            };
            assert_eq!(device.state(), end);
            assert!(device.called(calls));
            assert_eq!(device.state(), end);
            assert!(device.called(&[]));
            if let Some(file) = file {
                assert_eq!(file.reads(b"").err(), Some(ENODEV));
            }
            device.machine().reset_done(&device);
            assert_eq!(device.state(), Running);
        }
        Ok(())
    }

    #[test]
    fn a_device_that_was_not_reset_survives_a_cut() -> Result {
        for state in STATES {
            if matches!(state, Running | State::PreCopy) {
                continue;
            }
            let (device, thread) = with_lifeline()?;
            device.open();
            let file = device.go(state)?;
            device.reset_fails.set(true);
            thread.cut_and_over();
            assert_eq!(device.state(), state);
            assert!(device.called(&[]));
            // The transfer has failed nevertheless.
            if let Some(file) = file {
                assert_eq!(file.reads(b"").err(), Some(ENODEV));
            }
            // Another transfer has another lifeline.
            if state == State::Stop {
                *device.lifeline.borrow_mut() = None;
                device.set(StopCopy)?;
                assert!(device.called(&[Lifeline, Save]));
            }
            if state != Resuming {
                device.go(Running)?;
            }
            device.machine().close(&device);
        }
        // It was reset, or what cut the lifeline goes on.
        for over in [true, false] {
            let (device, thread) = with_lifeline()?;
            device.open();
            device.go(State::Stop)?;
            if over {
                thread.cut_and_over();
            } else {
                device.reset_fails.set(true);
                thread.cut();
            }
            assert_eq!(device.state(), State::Error);
            device.machine().close(&device);
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
            assert_eq!(device.state(), State::Error);
        }
        Ok(())
    }

    #[test]
    fn a_cut_in_pre_copy_fails_the_transfer_only() -> Result {
        let (device, thread) = with_lifeline()?;
        let file = device.go(State::PreCopy)?.ok_or(EBADF)?;
        thread.cut();
        assert!(device.set(Running)?.is_none());
        assert!(device.called(&[Reset, DmaReset]));
        assert_eq!(file.reads(b"").err(), Some(ENODEV));
        // Or userspace has not noticed it, and goes on: with another lifeline.
        let file = device.go(State::PreCopy)?.ok_or(EBADF)?;
        *device.lifeline.borrow_mut() = None;
        device.set(StopCopy)?;
        let calls = [Reset, DmaReset, Lifeline, Quiesce, DmaOff, Call::Stop];
        assert!(device.called(&calls));
        assert_eq!(device.state(), StopCopy);
        assert_eq!(file.reads(b"").err(), Some(ENODEV));
        device.set(Running)?;
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
        device.fail(&[Resume])?;
        assert!(device.set(Resuming).is_err());
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
            let lost = view.state == State::Error;
            lost.then_some(()).ok_or(EINVAL)
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
