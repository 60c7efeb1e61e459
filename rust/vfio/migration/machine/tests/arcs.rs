// SPDX-License-Identifier: GPL-2.0

//! Arcs that succeed, and the files that they open, fill and end.

use kernel::prelude::*;

#[kunit_tests(vfio_rs_migration_arcs)]
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
            BEGIN,
            REST, //
        },
    };
    use kernel::prelude::*;

    const NO_P2P: Flags = Flags::PRE_COPY;
    const ALL: Flags = Flags::PRE_COPY.and(Flags::P2P);

    /// Goes from one state to another and compares what the device was told to do.
    fn goes(flags: Flags, from: State, to: State, calls: &[Call]) -> Result<bool> {
        let device = Device::new(flags)?;
        // The file is closed when this returns.
        let _file = device.go(from)?;
        device.set(to)?;
        let called = device.called(calls);
        if !called || device.state() != to {
            pr_err!(
                "{} -> {}: {}\n",
                from.name(),
                to.name(),
                device.state().name()
            );
        }
        Ok(called && device.state() == to)
    }

    #[test]
    fn each_arc_with_p2p() -> Result {
        assert!(goes(
            ALL,
            Running,
            RunningP2P,
            &[Lifeline, Quiesce, DmaOff]
        )?);
        assert!(goes(
            ALL,
            Running,
            State::PreCopy,
            &[Lifeline, Call::PreCopy]
        )?);
        assert!(goes(ALL, RunningP2P, Running, &[DmaOn, Unquiesce])?);
        assert!(goes(ALL, RunningP2P, State::Stop, &[Call::Stop])?);
        assert!(goes(ALL, RunningP2P, PreCopyP2P, &[Call::PreCopy])?);
        assert!(goes(ALL, State::Stop, RunningP2P, &[Start])?);
        assert!(goes(ALL, State::Stop, StopCopy, &[Save])?);
        assert!(goes(ALL, State::Stop, Resuming, &[Resume])?);
        assert!(goes(ALL, StopCopy, State::Stop, &[])?);
        assert!(goes(ALL, Resuming, State::Stop, &[Load])?);
        assert!(goes(ALL, State::PreCopy, Running, &[])?);
        assert!(goes(ALL, State::PreCopy, PreCopyP2P, &[Quiesce, DmaOff])?);
        assert!(goes(ALL, PreCopyP2P, State::PreCopy, &[DmaOn, Unquiesce])?);
        assert!(goes(ALL, PreCopyP2P, RunningP2P, &[])?);
        assert!(goes(ALL, PreCopyP2P, StopCopy, &[Call::Stop, Save])?);
        Ok(())
    }

    #[test]
    fn each_arc_without_p2p() -> Result {
        let stop = [Lifeline, Quiesce, DmaOff, Call::Stop];
        assert!(goes(NO_P2P, Running, State::Stop, &stop)?);
        assert!(goes(
            NO_P2P,
            State::Stop,
            Running,
            &[Start, DmaOn, Unquiesce]
        )?);
        assert!(goes(
            NO_P2P,
            Running,
            State::PreCopy,
            &[Lifeline, Call::PreCopy]
        )?);
        assert!(goes(NO_P2P, State::PreCopy, Running, &[])?);
        let save = [Quiesce, DmaOff, Call::Stop, Save];
        assert!(goes(NO_P2P, State::PreCopy, StopCopy, &save)?);
        assert!(goes(NO_P2P, State::Stop, StopCopy, &[Save])?);
        assert!(goes(NO_P2P, StopCopy, State::Stop, &[])?);
        assert!(goes(NO_P2P, State::Stop, Resuming, &[Resume])?);
        assert!(goes(NO_P2P, Resuming, State::Stop, &[Load])?);
        Ok(())
    }

    #[test]
    fn ways_of_several_arcs() -> Result {
        let save = [Lifeline, Quiesce, DmaOff, Call::Stop, Save];
        let resume = [Lifeline, Quiesce, DmaOff, Call::Stop, Resume];
        for flags in [Flags::STOP_COPY, NO_P2P, Flags::P2P, ALL] {
            assert!(goes(flags, Running, StopCopy, &save)?);
            assert!(goes(flags, Running, Resuming, &resume)?);
            assert!(goes(flags, StopCopy, Running, &[Start, DmaOn, Unquiesce])?);
            assert!(goes(
                flags,
                Resuming,
                Running,
                &[Load, Start, DmaOn, Unquiesce]
            )?);
            assert!(goes(flags, StopCopy, Resuming, &[Resume])?);
            assert!(goes(flags, Resuming, StopCopy, &[Load, Save])?);
            assert!(goes(flags, Running, Running, &[])?);
        }
        for flags in [NO_P2P, ALL] {
            let stop = [Quiesce, DmaOff, Call::Stop];
            assert!(goes(flags, State::PreCopy, State::Stop, &stop)?);
        }
        Ok(())
    }

    #[test]
    fn states_that_are_not_offered_are_refused() -> Result {
        let refused = [
            (Flags::STOP_COPY, Running, State::PreCopy),
            (Flags::STOP_COPY, State::Stop, RunningP2P),
            (NO_P2P, Running, PreCopyP2P),
            (Flags::P2P, RunningP2P, PreCopyP2P),
            // The protocol has no way.
            (ALL, StopCopy, State::PreCopy),
            (ALL, StopCopy, PreCopyP2P),
        ];
        for (flags, from, to) in refused {
            let device = Device::new(flags)?;
            device.go(from)?;
            assert_eq!(device.set(to).err(), Some(EINVAL));
            assert_eq!(device.state(), from);
        }
        Ok(())
    }

    #[test]
    fn only_a_last_arc_opens_a_file() -> Result {
        let device = Device::new(ALL)?;
        assert!(device.set(RunningP2P)?.is_none());
        assert!(device.set(PreCopyP2P)?.is_some());
        assert!(device.set(State::PreCopy)?.is_none());
        assert!(device.set(StopCopy)?.is_none());
        assert!(device.set(Running)?.is_none());
        assert!(device.set(Resuming)?.is_some());
        assert!(device.set(StopCopy)?.is_some());
        assert!(device.set(State::Stop)?.is_none());
        Ok(())
    }

    /// Returns the file of a way that ends with the opening of one.
    fn opened(device: &Device, state: State) -> Result<File> {
        device.set(state)?.ok_or(EBADF)
    }

    #[test]
    fn a_stop_copy_file_has_the_whole_stream() -> Result {
        let device = Device::new(Flags::STOP_COPY)?;
        let file = opened(&device, StopCopy)?;
        assert!(file.reads(b"begin rest")?);
        assert!(file.reads(b"")?);
        device.set(State::Stop)?;
        assert_eq!(file.reads(b"").err(), Some(ENODEV));
        Ok(())
    }

    #[test]
    fn a_pre_copy_file_goes_on_in_stop_copy() -> Result {
        for flags in [NO_P2P, ALL] {
            let device = Device::new(flags)?;
            let file = opened(&device, State::PreCopy)?;
            assert!(file.reads(BEGIN)?);
            // ENOMSG: more may come.
            assert!(file.reads(b"").is_err());
            device.set(StopCopy)?;
            assert!(file.reads(REST)?);
            assert!(file.reads(b"")?);
            device.set(Running)?;
            assert_eq!(file.reads(b"").err(), Some(ENODEV));
        }
        Ok(())
    }

    #[test]
    fn a_canceled_pre_copy_ends_its_file() -> Result {
        for state in [State::PreCopy, PreCopyP2P] {
            let device = Device::new(ALL)?;
            device.set(RunningP2P)?;
            let file = opened(&device, PreCopyP2P)?;
            device.set(state)?;
            device.set(Running)?;
            assert_eq!(file.reads(BEGIN).err(), Some(ENODEV));
        }
        Ok(())
    }

    #[test]
    fn what_was_written_is_loaded() -> Result {
        let device = Device::new(ALL)?;
        let file = opened(&device, Resuming)?;
        assert_eq!(file.write(b"abc"), Ok(3));
        assert_eq!(file.write(b"d"), Ok(1));
        // What is there after a write that failed is no whole stream.
        assert_eq!(file.write(b"exceeds"), Err(ENOSPC));
        assert_eq!(device.set(State::Stop).err(), Some(EINVAL));
        assert_eq!(device.state(), Resuming);
        assert!(device.loaded.borrow().is_empty());
        assert_eq!(file.write(b"e"), Ok(1));
        device.set(State::Stop)?;
        assert_eq!(device.loaded.borrow().as_slice(), b"abcde");
        assert_eq!(file.write(b"f"), Err(ENODEV));
        Ok(())
    }

    #[test]
    fn the_last_byte_loads() -> Result {
        let device = Device::new(ALL)?;
        let file = device.go(Resuming)?.ok_or(EBADF)?;
        assert_eq!(file.write(b"ab"), Ok(2));
        assert!(device.called(&[]));
        assert_eq!(file.write(b"c."), Ok(2));
        assert!(device.called(&[Load]));
        assert_eq!(device.loaded.borrow().as_slice(), b"abc.");
        assert_eq!(device.state(), Resuming);
        // It takes no more, and is not loaded again.
        assert_eq!(file.write(b"d"), Err(ENOSPC));
        assert_eq!(file.write(b""), Ok(0));
        assert!(device.called(&[]));
        device.set(State::Stop)?;
        assert!(device.called(&[]));
        assert_eq!(file.write(b""), Err(ENODEV));
        Ok(())
    }

    #[test]
    fn a_closed_device_is_not_loaded() -> Result {
        let device = Device::new(ALL)?;
        let file = device.go(Resuming)?.ok_or(EBADF)?;
        device.machine().close(&device);
        assert_eq!(file.write(b"abc."), Err(ENODEV));
        assert!(device.called(&[]));
        Ok(())
    }

    #[test]
    fn debugfs_shows_the_last_whole_stream() -> Result {
        if !cfg!(CONFIG_VFIO_DEBUGFS) {
            return Ok(());
        }
        let device = Device::new(ALL)?;
        let last = |expected: Option<&[u8]>, open| {
            device.machine().view(&device, |view| {
                let shown = view.last == expected && view.open == open;
                shown.then_some(()).ok_or(EINVAL)
            })
        };
        last(None, false)?;
        device.open();
        opened(&device, State::PreCopy)?;
        last(None, true)?;
        device.set(StopCopy)?;
        last(Some(b"begin rest"), true)?;
        opened(&device, Resuming)?.write(b"abc")?;
        last(Some(b"begin rest"), true)?;
        device.set(Running)?;
        last(Some(b"abc"), true)?;
        assert_eq!(last(None, true), Err(EINVAL));
        device.machine().close(&device);
        last(None, false)?;
        Ok(())
    }
}
