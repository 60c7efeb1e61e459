// SPDX-License-Identifier: GPL-2.0

//! Callbacks that fail, and undoing that fails.

use kernel::prelude::*;

#[kunit_tests(vfio_rs_migration_failures)]
mod cases {
    use super::super::{
        super::super::{
            testing::File,
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
            Device,
            BEGIN, //
        },
    };
    use kernel::prelude::*;

    const NO_P2P: Flags = Flags::PRE_COPY;
    const ALL: Flags = Flags::PRE_COPY.and(Flags::P2P);

    /// A change of state that fails.
    struct Failure<'a> {
        flags: Flags,
        from: State,
        to: State,
        /// The calls that fail. The first that is made gives the error, unless `error` is another.
        fails: &'a [Call],
        error: Call,
        /// All calls that are made.
        calls: &'a [Call],
        /// The state afterwards.
        end: State,
    }

    impl Failure<'_> {
        fn is_as_expected(&self) -> Result<bool> {
            let device = Device::new(self.flags)?;
            let _file = device.go(self.from)?;
            device.fail(self.fails)?;
            let error = device.set(self.to).err();
            let called = device.called(self.calls);
            let end = device.state();
            let good = called && error == Some(Device::error(self.error)) && end == self.end;
            if !good {
                let (from, to) = (self.from.name(), self.to.name());
                pr_err!("{} -> {}: {:?}, {}\n", from, to, error, end.name());
            }
            Ok(good)
        }
    }

    /// One call fails, and the device ends in `end`.
    fn fails(
        flags: Flags,
        from: State,
        to: State,
        fail: Call,
        calls: &[Call],
        end: State,
    ) -> Result<bool> {
        let failure = Failure {
            flags,
            from,
            to,
            fails: &[fail],
            error: fail,
            calls,
            end,
        };
        failure.is_as_expected()
    }

    #[test]
    fn a_call_fails() -> Result {
        use Call::PreCopy as Begin;
        let (stop, begin) = (State::Stop, State::PreCopy);

        let calls = [Lifeline];
        assert!(fails(ALL, Running, RunningP2P, Lifeline, &calls, Running)?);
        let calls = [Lifeline, Quiesce];
        assert!(fails(ALL, Running, RunningP2P, Quiesce, &calls, Running)?);
        let calls = [Lifeline, Begin];
        assert!(fails(ALL, Running, begin, Begin, &calls, Running)?);
        let calls = [DmaOn, Unquiesce];
        assert!(fails(
            ALL, RunningP2P, Running, Unquiesce, &calls, RunningP2P
        )?);
        let calls = [Call::Stop];
        assert!(fails(
            ALL,
            RunningP2P,
            stop,
            Call::Stop,
            &calls,
            RunningP2P
        )?);
        assert!(fails(
            ALL,
            PreCopyP2P,
            StopCopy,
            Call::Stop,
            &calls,
            PreCopyP2P
        )?);
        let calls = [Begin];
        assert!(fails(
            ALL, RunningP2P, PreCopyP2P, Begin, &calls, RunningP2P
        )?);
        let calls = [Start];
        assert!(fails(ALL, stop, RunningP2P, Start, &calls, stop)?);
        let calls = [Resume];
        assert!(fails(ALL, stop, Resuming, Resume, &calls, stop)?);
        let calls = [Load];
        assert!(fails(ALL, Resuming, stop, Load, &calls, Resuming)?);
        let calls = [Quiesce];
        assert!(fails(ALL, begin, PreCopyP2P, Quiesce, &calls, begin)?);
        let calls = [DmaOn, Unquiesce];
        assert!(fails(
            ALL, PreCopyP2P, begin, Unquiesce, &calls, PreCopyP2P
        )?);
        Ok(())
    }

    #[test]
    fn a_call_fails_without_p2p() -> Result {
        let (stop, begin) = (State::Stop, State::PreCopy);

        let calls = [Lifeline, Quiesce];
        assert!(fails(NO_P2P, Running, stop, Quiesce, &calls, Running)?);
        let calls = [Lifeline, Quiesce, DmaOff, Call::Stop, DmaOn, Unquiesce];
        assert!(fails(NO_P2P, Running, stop, Call::Stop, &calls, Running)?);
        let calls = [Start];
        assert!(fails(NO_P2P, stop, Running, Start, &calls, stop)?);
        // The device is started by then, and stopped again.
        let calls = [Start, DmaOn, Unquiesce, Call::Stop];
        assert!(fails(NO_P2P, stop, Running, Unquiesce, &calls, stop)?);
        let calls = [Quiesce];
        assert!(fails(NO_P2P, begin, StopCopy, Quiesce, &calls, begin)?);
        let calls = [Quiesce, DmaOff, Call::Stop, DmaOn, Unquiesce];
        assert!(fails(NO_P2P, begin, StopCopy, Call::Stop, &calls, begin)?);
        Ok(())
    }

    #[test]
    fn a_way_that_fails_is_undone() -> Result {
        let (stop, begin) = (State::Stop, State::PreCopy);
        let calls = [Lifeline, Quiesce, DmaOff, Call::Stop, DmaOn, Unquiesce];
        assert!(fails(ALL, Running, stop, Call::Stop, &calls, Running)?);
        let calls = [
            Lifeline,
            Quiesce,
            DmaOff,
            Call::Stop,
            Resume,
            Start,
            DmaOn,
            Unquiesce,
        ];
        for flags in [Flags::STOP_COPY, NO_P2P, Flags::P2P, ALL] {
            assert!(fails(flags, Running, Resuming, Resume, &calls, Running)?);
        }
        let calls = [Call::Stop, Resume, Start];
        assert!(fails(
            ALL, RunningP2P, Resuming, Resume, &calls, RunningP2P
        )?);
        let calls = [Quiesce, DmaOff, Call::Stop, DmaOn, Unquiesce];
        assert!(fails(ALL, begin, StopCopy, Call::Stop, &calls, begin)?);
        // By way of RUNNING.
        assert!(fails(ALL, begin, stop, Call::Stop, &calls, Running)?);
        Ok(())
    }

    #[test]
    fn a_way_from_elsewhere_stays_where_it_is() -> Result {
        let stop = State::Stop;
        let calls = [Start, DmaOn, Unquiesce];
        assert!(fails(ALL, stop, Running, Unquiesce, &calls, RunningP2P)?);
        let calls = [Load, Start];
        assert!(fails(ALL, Resuming, Running, Start, &calls, stop)?);
        Ok(())
    }

    /// The first of `fail` fails, and so does what undoes it.
    fn fails_twice(
        flags: Flags,
        from: State,
        to: State,
        fail: [Call; 2],
        error: Call,
        calls: &[Call],
        end: State,
    ) -> Result<bool> {
        let failure = Failure {
            flags,
            from,
            to,
            fails: &fail,
            error,
            calls,
            end,
        };
        failure.is_as_expected()
    }

    #[test]
    fn undoing_fails() -> Result {
        let (stop, begin) = (State::Stop, State::PreCopy);
        let off = [Lifeline, Quiesce, DmaOff, Call::Stop, DmaOn, Unquiesce];
        let fail = [Call::Stop, Unquiesce];
        let end = State::Error;
        for flags in [NO_P2P, ALL] {
            assert!(fails_twice(flags, Running, stop, fail, fail[0], &off, end)?);
            assert!(fails_twice(
                flags,
                begin,
                StopCopy,
                fail,
                fail[0],
                &off[1..],
                end
            )?);
            let calls = [
                Lifeline,
                Quiesce,
                DmaOff,
                Call::Stop,
                Resume,
                Start,
                DmaOn,
                Unquiesce,
            ];
            let fail = [Resume, Unquiesce];
            assert!(fails_twice(
                flags, Running, Resuming, fail, Resume, &calls, end
            )?);
            let fail = [Resume, Start];
            assert!(fails_twice(
                flags,
                Running,
                Resuming,
                fail,
                Resume,
                &calls[..6],
                end
            )?);
        }
        // Started, not unquiesced, and not stopped again.
        let calls = [Start, DmaOn, Unquiesce, Call::Stop];
        let fail = [Unquiesce, Call::Stop];
        assert!(fails_twice(
            NO_P2P, stop, Running, fail, Unquiesce, &calls, end
        )?);
        Ok(())
    }

    #[test]
    fn a_reset_leads_out_of_error() -> Result {
        let device = Device::new(ALL)?;
        device.fail(&[Call::Stop, Unquiesce])?;
        assert_eq!(device.set(State::Stop).err(), Some(EBUSY));
        device.fail(&[])?;
        for state in [Running, State::Stop, Resuming] {
            assert_eq!(device.set(state).err(), Some(EINVAL));
            assert_eq!(device.state(), State::Error);
        }
        device.machine().reset_done(&device);
        assert_eq!(device.state(), Running);
        device.go(StopCopy)?;
        Ok(())
    }

    /// Opens the file of a change to `state`.
    fn opened(device: &Device, state: State) -> Result<File> {
        device.go(state)?.ok_or(EBADF)
    }

    #[test]
    fn a_failed_save_fails_the_file() -> Result {
        for flags in [NO_P2P, ALL] {
            for by in [State::PreCopy, State::Stop, Running] {
                let device = Device::new(flags)?;
                let begun = device.go(by)?;
                device.fail(&[Save])?;
                let file = device.set(StopCopy)?.or(begun).ok_or(EBADF)?;
                assert_eq!(device.state(), StopCopy);
                assert_eq!(file.reads(BEGIN).err(), Some(EIO));
                assert_eq!(file.reads(b"").err(), Some(EIO));
                // The device works again, and the next transfer does.
                device.go(StopCopy)?;
                device.set(Running)?;
                assert!(device.called(&[Start, DmaOn, Unquiesce]));
                assert_eq!(file.reads(b"").err(), Some(ENODEV));
                let file = opened(&device, StopCopy)?;
                assert!(file.reads(b"begin rest")?);
            }
        }
        Ok(())
    }

    #[test]
    fn pre_copy_begins_with_some_bytes() -> Result {
        let device = Device::new(ALL)?;
        device.silent.set(true);
        assert_eq!(device.set(State::PreCopy).err(), Some(EINVAL));
        assert_eq!(device.state(), Running);
        Ok(())
    }

    #[test]
    fn a_write_fails_whose_load_fails() -> Result {
        let device = Device::new(ALL)?;
        let file = opened(&device, Resuming)?;
        file.write(b"ab")?;
        device.fail(&[Load])?;
        assert_eq!(file.write(b"c."), Err(EACCES));
        assert_eq!(device.state(), Resuming);
        // What is there is not taken for a whole stream.
        assert_eq!(device.set(State::Stop).err(), Some(EINVAL));
        // The bytes were not taken.
        device.fail(&[])?;
        assert_eq!(file.write(b"d."), Ok(2));
        assert_eq!(device.loaded.borrow().as_slice(), b"abd.");
        Ok(())
    }

    #[test]
    fn a_failed_load_leaves_the_file() -> Result {
        let device = Device::new(ALL)?;
        let file = opened(&device, Resuming)?;
        file.write(b"ab")?;
        device.fail(&[Load])?;
        assert!(device.set(State::Stop).is_err());
        assert_eq!(file.write(b"c"), Ok(1));
        device.go(State::Stop)?;
        assert_eq!(device.loaded.borrow().as_slice(), b"abc");
        Ok(())
    }
}
