// SPDX-License-Identifier: GPL-2.0

//! Tests of the migration files, by the functions that the VFS calls and with user memory.

use kernel::prelude::*;

#[kunit_tests(vfio_rs_migration_file)]
mod cases {
    use super::super::{
        super::{
            gate::Receiver,
            testing::{
                File,
                Memory,
                Thread, //
            },
        },
        fops::PRECOPY_INFO,
        *, //
    };

    const MAX: usize = 16;

    /// A device whose user wants v2 of `VFIO_MIG_GET_PRECOPY_INFO`.
    struct WantsV2;

    impl Receiver for WantsV2 {
        fn precopy_info_v2(&self) -> bool {
            true
        }

        unsafe fn receive(&self, _file: FileId) -> Result {
            Err(ERANGE)
        }
    }

    fn open(gate: &Gate) {
        // SAFETY: The device is static.
        unsafe { gate.open(&WantsV2) };
    }

    fn gate() -> Result<Arc<Gate>> {
        Arc::pin_init(Gate::new(), GFP_KERNEL)
    }

    /// A file that userspace reads: the machine's hold of it, and userspace's.
    fn saving(
        data: &[u8],
        pre_copy: bool,
        lifeline: Option<Arc<dyn Lifeline>>,
    ) -> Result<(MigrationFile, File)> {
        let mut stream = Stream::new(MAX);
        stream.append(data)?;
        let gate = gate()?;
        open(&gate);
        let file = MigrationFile::saving(stream, pre_copy, gate, lifeline)?;
        // SAFETY: `get` takes a reference.
        let user = unsafe { File::new(file.get()) };
        Ok((file, user))
    }

    /// Refuses streams that do not begin with an `a`.
    struct BeginsWithA;

    impl Check for BeginsWithA {
        fn check(&self, received: &[u8]) -> Result<Progress> {
            let good = received.starts_with(b"a").then_some(Progress::Part);
            good.ok_or(EDOM)
        }
    }

    /// A file that userspace writes.
    fn resuming(lifeline: Option<Arc<dyn Lifeline>>) -> Result<(MigrationFile, File)> {
        let check: KBox<dyn Check> = KBox::new(BeginsWithA, GFP_KERNEL)?;
        let gate = gate()?;
        open(&gate);
        let file = MigrationFile::resuming(MAX, check, gate, lifeline)?;
        // SAFETY: `get` takes a reference.
        let user = unsafe { File::new(file.get()) };
        Ok((file, user))
    }

    /// `struct vfio_precopy_info` with `argsz`, and ones in all that the kernel answers.
    fn info(argsz: u32) -> [u8; 24] {
        let mut info = [0xff; 24];
        info[..4].copy_from_slice(&argsz.to_ne_bytes());
        info
    }

    /// The answer: flags and `initial_bytes`; `dirty_bytes` is always 0.
    fn answer(file: &File) -> Result<(u32, u64)> {
        let mut raw = info(24);
        file.ioctl(PRECOPY_INFO, &mut raw)?;
        let [_, _, _, _, f0, f1, f2, f3, initial @ .., _, _, _, _, _, _, _, _] = raw;
        if raw[16..] != [0; 8] {
            return Err(ERANGE);
        }
        let flags = u32::from_ne_bytes([f0, f1, f2, f3]);
        Ok((flags, u64::from_ne_bytes(initial)))
    }

    #[test]
    fn a_stream_has_a_limit() -> Result {
        let mut stream = Stream::new(4);
        assert!(stream.is_empty());
        stream.append(b"abc")?;
        assert_eq!(stream.append(b"de"), Err(ENOSPC));
        assert_eq!(stream.as_bytes(), b"abc");
        assert_eq!(stream.room(), 1);
        stream.append(b"d")?;
        assert_eq!(stream.append(b"e"), Err(ENOSPC));
        stream.append(b"")?;
        assert_eq!(stream.try_clone()?.as_bytes(), b"abcd");
        stream.truncate(2);
        assert_eq!(stream.as_bytes(), b"ab");
        assert_eq!(stream.len(), 2);
        Ok(())
    }

    #[test]
    fn a_read_goes_on_where_the_last_one_ended() -> Result {
        let (_file, user) = saving(b"abcdef", false, None)?;
        let memory = Memory::new()?;
        let mut bytes = [0; 4];
        assert_eq!(user.read_at(memory.address(), 4), Ok(4));
        memory.get(&mut bytes)?;
        assert_eq!(&bytes, b"abcd");
        assert_eq!(user.read_at(memory.address(), 0), Ok(0));
        assert!(user.reads(b"ef")?);
        assert!(user.reads(b"")?);
        assert!(user.reads(b"")?);
        Ok(())
    }

    #[test]
    fn a_read_that_faults_loses_nothing() -> Result {
        let (_file, user) = saving(b"abcdef", false, None)?;
        // A test has no other user memory, but needs some at all.
        let _memory = Memory::new()?;
        assert_eq!(user.read_at(0, 4), Err(EFAULT));
        assert!(user.reads(b"abcdef")?);
        Ok(())
    }

    #[test]
    fn pre_copy_ends_with_enomsg_and_goes_on() -> Result {
        let (file, user) = saving(b"abc", true, None)?;
        assert!(user.reads(b"abc")?);
        assert_eq!(user.reads(b"").err(), Some(no_message()));
        assert_eq!(user.read_at(Memory::new()?.address(), 0), Ok(0));
        let mut whole = file.snapshot()?;
        whole.append(b"def")?;
        file.complete(whole)?;
        assert!(user.reads(b"def")?);
        assert!(user.reads(b"")?);
        Ok(())
    }

    #[test]
    fn the_whole_begins_with_what_pre_copy_had() -> Result {
        let (file, user) = saving(b"abc", true, None)?;
        let mut other = Stream::new(MAX);
        other.append(b"xbcdef")?;
        assert_eq!(file.complete(other), Err(EINVAL));
        assert_eq!(file.complete(Stream::new(MAX)), Err(EINVAL));
        assert_eq!(answer(&user), Ok((0, 3)));
        assert!(user.reads(b"abc")?);
        Ok(())
    }

    #[test]
    fn precopy_info_is_what_is_left_to_read() -> Result {
        let (file, user) = saving(b"abc", true, None)?;
        assert_eq!(answer(&user), Ok((0, 3)));
        user.read_at(Memory::new()?.address(), 2)?;
        assert_eq!(answer(&user), Ok((0, 1)));
        // What follows belongs to STOP_COPY.
        file.complete(file.snapshot()?)?;
        assert_eq!(answer(&user), Err(EINVAL));
        Ok(())
    }

    #[test]
    fn precopy_info_is_checked() -> Result {
        let (_file, user) = saving(b"abc", true, None)?;
        let mut small = info(23);
        assert_eq!(user.ioctl(PRECOPY_INFO, &mut small), Err(EINVAL));
        assert_eq!(small, info(23));
        user.ioctl(PRECOPY_INFO, &mut info(25))?;
        assert_eq!(user.ioctl(PRECOPY_INFO + 1, &mut info(24)), Err(ENOTTY));
        let (_file, user) = resuming(None)?;
        assert_eq!(user.ioctl(PRECOPY_INFO, &mut info(24)), Err(EINVAL));
        Ok(())
    }

    #[test]
    fn v1_of_precopy_info_has_no_flags() -> Result {
        let gate = gate()?;
        let file = MigrationFile::saving(Stream::new(MAX), true, gate.clone(), None)?;
        // SAFETY: `get` takes a reference.
        let user = unsafe { File::new(file.get()) };
        assert_eq!(answer(&user), Ok((u32::MAX, 0)));
        // Userspace may opt in later.
        open(&gate);
        assert_eq!(answer(&user), Ok((0, 0)));
        Ok(())
    }

    #[test]
    fn a_failed_file_says_so() -> Result {
        let (file, user) = saving(b"abc", true, None)?;
        assert!(!file.has_failed());
        file.fail(ERANGE);
        assert!(file.has_failed());
        assert_eq!(user.reads(b"abc").err(), Some(ERANGE));
        assert_eq!(answer(&user), Err(ERANGE));
        assert!(user.polls());
        // Nothing mends it.
        assert_eq!(file.complete(Stream::new(MAX)), Err(EINVAL));
        assert_eq!(user.reads(b"abc").err(), Some(ERANGE));
        Ok(())
    }

    #[test]
    fn poll_says_whether_a_read_has_an_answer() -> Result {
        let (file, user) = saving(b"abc", true, None)?;
        assert!(user.polls());
        assert!(user.reads(b"abc")?);
        assert!(!user.polls());
        file.complete(file.snapshot()?)?;
        // The end.
        assert!(user.polls());
        Ok(())
    }

    #[test]
    fn a_refused_write_spoils_what_came_before() -> Result {
        let (file, user) = resuming(None)?;
        user.write(b"a")?;
        assert!(!file.is_refused());
        assert_eq!(user.write(&[b'a'; MAX]), Err(ENOSPC));
        assert!(file.is_refused());
        user.write(b"")?;
        assert!(file.is_refused());
        user.write(b"b")?;
        assert!(!file.is_refused());
        Ok(())
    }

    #[test]
    fn writes_make_a_stream() -> Result {
        let (file, user) = resuming(None)?;
        assert_eq!(user.write(b"abc"), Ok(3));
        assert_eq!(user.write(b""), Ok(0));
        assert_eq!(user.write(b"def"), Ok(3));
        assert_eq!(file.snapshot()?.as_bytes(), b"abcdef");
        assert_eq!(file.complete(Stream::new(MAX)), Err(EINVAL));
        Ok(())
    }

    #[test]
    fn a_refused_write_is_not_taken() -> Result {
        let (file, user) = resuming(None)?;
        assert_eq!(user.write(b"xyz"), Err(EDOM));
        assert!(file.snapshot()?.is_empty());
        assert_eq!(user.write(b"abc"), Ok(3));
        assert_eq!(user.write_at(0, 3), Err(EFAULT));
        assert_eq!(file.snapshot()?.as_bytes(), b"abc");
        Ok(())
    }

    #[test]
    fn writes_end_at_the_limit() -> Result {
        let (file, user) = resuming(None)?;
        assert_eq!(user.write(&[b'a'; MAX + 1]), Err(ENOSPC));
        assert_eq!(user.write(&[b'a'; MAX]), Ok(MAX));
        assert_eq!(user.write(b"a"), Err(ENOSPC));
        assert_eq!(user.write(b""), Ok(0));
        assert_eq!(file.snapshot()?.len(), MAX);
        Ok(())
    }

    #[test]
    fn a_file_has_one_direction() -> Result {
        let (_file, user) = resuming(None)?;
        assert_eq!(user.reads(b"").err(), Some(EBADF));
        let (_file, user) = saving(b"abc", false, None)?;
        assert_eq!(user.write(b"abc"), Err(EBADF));
        Ok(())
    }

    #[test]
    fn an_ended_file_is_gone() -> Result {
        for pre_copy in [false, true] {
            let (file, user) = saving(b"abc", pre_copy, None)?;
            drop(file);
            assert_eq!(user.reads(b"abc").err(), Some(ENODEV));
            assert_eq!(answer(&user), Err(EINVAL));
            assert!(user.polls());
        }
        let (file, user) = resuming(None)?;
        user.write(b"abc")?;
        drop(file);
        assert_eq!(user.write(b"def"), Err(ENODEV));
        Ok(())
    }

    #[test]
    fn a_file_ends_with_its_lifeline() -> Result {
        let thread = Arc::new(Thread::new(), GFP_KERNEL)?;
        let (_saving, reader) = saving(b"abc", true, Some(thread.clone()))?;
        let (_resuming, writer) = resuming(Some(thread.clone()))?;
        reader.read_at(Memory::new()?.address(), 1)?;
        writer.write(b"abc")?;
        thread.cut();
        assert_eq!(reader.reads(b"bc").err(), Some(ENODEV));
        assert_eq!(answer(&reader), Err(ENODEV));
        assert_eq!(writer.write(b"def"), Err(ENODEV));
        Ok(())
    }

    #[test]
    fn a_file_has_no_position() -> Result {
        let (_file, user) = saving(b"abc", false, None)?;
        assert_eq!(user.seeks(), (Err(ESPIPE), Err(ESPIPE)));
        assert!(user.reads(b"abc")?);
        Ok(())
    }
}
