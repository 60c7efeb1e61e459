// SPDX-License-Identifier: GPL-2.0

//! The files that migration data are read from and written to.
//!
//! A migration file is an anonymous inode whose private data is an [`Arc`] of
//! [`Shared`], the state machine holding the other reference. Userspace can keep the file longer
//! than the device lives, so it reaches the device through the [`Gate`] only.
//!
//! C header: [`include/linux/anon_inodes.h`](srctree/include/linux/anon_inodes.h)

mod fops;
#[cfg(CONFIG_KUNIT = "y")]
mod tests;
mod wait;

use self::wait::WaitQueue;
use super::{
    gate::{
        FileId,
        Gate, //
    },
    lifeline::Lifeline,
    stream::{
        Check,
        Progress,
        Stream, //
    },
};
use crate::bindings;
use core::ptr::NonNull;
use kernel::{
    bindings as kbindings,
    error::{
        from_err_ptr,
        Error, //
    },
    new_mutex,
    prelude::*,
    sync::{
        Arc,
        ArcBorrow,
        Mutex, //
    },
    types::ForeignOwnable,
    uaccess::{
        UserPtr,
        UserSlice, //
    },
};

/// Which way the data go.
enum Direction {
    /// Userspace reads. `pre_copy` says that more data follow.
    Saving {
        position: usize,
        pre_copy: bool,
        gate: Arc<Gate>,
    },
    /// Userspace writes. `loaded` says that the device has the stream, `refused` that the last
    /// `write()` failed.
    Resuming {
        check: KBox<dyn Check>,
        gate: Arc<Gate>,
        loaded: bool,
        refused: bool,
    },
}

/// What a file carries until it is ended.
struct Content {
    stream: Stream,
    direction: Direction,
    lifeline: Option<Arc<dyn Lifeline>>,
    /// The transfer has failed with this error. The state of the device does not say so.
    failed: Option<Error>,
}

impl Content {
    /// Returns the content. [`ENODEV`] if the file is ended, or its lifeline is cut. If the
    /// transfer has failed, its error.
    fn of(content: Option<&mut Self>) -> Result<&mut Self> {
        let content = content.ok_or(ENODEV)?;
        if let Some(e) = content.failed {
            return Err(e);
        }
        if content.lifeline.as_ref().is_some_and(|l| l.is_cut()) {
            return Err(ENODEV);
        }
        Ok(content)
    }
}

/// What the file and the state machine share.
///
/// The lock order is `io`, then user memory, then `content`: see [`super`].
#[pin_data]
pub(crate) struct Shared {
    /// Held over a whole read or write, also while user memory is accessed.
    #[pin]
    io: Mutex<()>,
    /// `None` once the file is ended.
    #[pin]
    content: Mutex<Option<Content>>,
    /// There may be something to read that was not there before, or an error.
    #[pin]
    changed: WaitQueue,
}

/// A migration file as the state machine holds it. Ends the file when dropped.
///
/// # Invariants
///
/// `file` is a file of one of the tables `vfio_rs_{saving,resuming}_fops`, of which this owns a
/// reference, and `shared` is what its private data refers to.
pub(crate) struct MigrationFile {
    file: NonNull<kbindings::file>,
    shared: Arc<Shared>,
}

// SAFETY: `struct file` may be released from any thread; `Shared` is `Send` and `Sync`.
unsafe impl Send for MigrationFile {}

impl MigrationFile {
    fn new(
        name: &CStr,
        fops: *const kbindings::file_operations,
        flags: u32,
        content: Content,
    ) -> Result<Self> {
        let shared = Arc::pin_init(
            pin_init!(Shared {
                io <- new_mutex!((), "vfio_migration_file::io"),
                content <- new_mutex!(Some(content), "vfio_migration_file::content"),
                changed <- WaitQueue::new(),
            }),
            GFP_KERNEL_ACCOUNT,
        )?;
        let private = shared.clone().into_foreign();
        // CAST: Open flags are few and positive.
        // SAFETY: `name` and `fops` are valid; the private data is what `fops` expect.
        let file = from_err_ptr(unsafe {
            bindings::anon_inode_getfile(name.as_char_ptr(), fops, private, flags as c_int)
        });
        match file {
            Ok(file) => {
                // SAFETY: `file` is a new file with an inode.
                unsafe { kbindings::stream_open((*file).f_inode, file) };
                Ok(Self {
                    // INVARIANT: The new file's reference is ours; its private data is a clone of
                    // `shared`.
                    file: NonNull::new(file).ok_or(ENOMEM)?,
                    shared,
                })
            }
            Err(e) => {
                // SAFETY: `private` comes from `into_foreign` above and nobody else has it.
                drop(unsafe { Arc::<Shared>::from_foreign(private) });
                Err(e)
            }
        }
    }

    /// Makes a file that userspace reads.
    pub(crate) fn saving(
        stream: Stream,
        pre_copy: bool,
        gate: Arc<Gate>,
        lifeline: Option<Arc<dyn Lifeline>>,
    ) -> Result<Self> {
        Self::new(
            c"vfio-migration-saving",
            &raw const bindings::vfio_rs_saving_fops,
            kbindings::O_RDONLY,
            Content {
                stream,
                direction: Direction::Saving {
                    position: 0,
                    pre_copy,
                    gate,
                },
                lifeline,
                failed: None,
            },
        )
    }

    /// Makes a file to which userspace writes at most `max` bytes.
    pub(crate) fn resuming(
        max: usize,
        check: KBox<dyn Check>,
        gate: Arc<Gate>,
        lifeline: Option<Arc<dyn Lifeline>>,
    ) -> Result<Self> {
        Self::new(
            c"vfio-migration-resuming",
            &raw const bindings::vfio_rs_resuming_fops,
            kbindings::O_WRONLY,
            Content {
                stream: Stream::new(max),
                direction: Direction::Resuming {
                    check,
                    gate,
                    loaded: false,
                    refused: false,
                },
                lifeline,
                failed: None,
            },
        )
    }

    /// Returns a reference of the file for userspace.
    pub(crate) fn get(&self) -> NonNull<kbindings::file> {
        // SAFETY: By the type invariant the file lives.
        unsafe { bindings::vfio_rs_get_file(self.file.as_ptr()) };
        self.file
    }

    /// Returns whether this is the file that `id` names.
    pub(crate) fn is(&self, id: FileId) -> bool {
        FileId::of(&*self.shared) == id
    }

    /// Returns whether the device has the stream.
    pub(crate) fn is_loaded(&self) -> bool {
        let guard = self.shared.content.lock();
        guard.as_ref().is_some_and(|content| {
            matches!(content.direction, Direction::Resuming { loaded: true, .. })
        })
    }

    /// Returns whether the last `write()` failed before the stream was loaded. What was written
    /// before is no whole stream then, even if it looks like one.
    pub(crate) fn is_refused(&self) -> bool {
        let guard = self.shared.content.lock();
        guard.as_ref().is_some_and(|content| {
            let Direction::Resuming {
                refused, loaded, ..
            } = &content.direction
            else {
                return false;
            };
            *refused && !*loaded
        })
    }

    /// Notes that the device has the stream: the file takes no more bytes.
    pub(crate) fn set_loaded(&self) {
        let mut guard = self.shared.content.lock();
        if let Some(Content {
            direction: Direction::Resuming { loaded, .. },
            ..
        }) = (*guard).as_mut()
        {
            *loaded = true;
        }
    }

    /// Returns a copy of the stream so far.
    pub(crate) fn snapshot(&self) -> Result<Stream> {
        let guard = self.shared.content.lock();
        guard.as_ref().ok_or(ENODEV)?.stream.try_clone()
    }

    /// Replaces the part that PRE_COPY has saved by the whole stream. The part must be its
    /// beginning.
    pub(crate) fn complete(&self, whole: Stream) -> Result {
        let mut guard = self.shared.content.lock();
        let content = (*guard).as_mut().ok_or(ENODEV)?;
        let Direction::Saving { pre_copy, .. } = &mut content.direction else {
            return Err(EINVAL);
        };
        if !whole.as_bytes().starts_with(content.stream.as_bytes()) {
            return Err(EINVAL);
        }
        *pre_copy = false;
        content.stream = whole;
        drop(guard);
        self.shared.changed.wake();
        Ok(())
    }

    /// Fails the transfer: whatever userspace does with the file, it gets this error.
    pub(crate) fn fail(&self, error: Error) {
        if let Some(content) = (*self.shared.content.lock()).as_mut() {
            content.failed = Some(error);
        }
        self.shared.changed.wake();
    }

    /// Returns whether the transfer has failed.
    pub(crate) fn has_failed(&self) -> bool {
        let guard = self.shared.content.lock();
        guard
            .as_ref()
            .is_none_or(|content| content.failed.is_some())
    }
}

impl Drop for MigrationFile {
    fn drop(&mut self) {
        // Drops the content here, with the driver's `Check`: an open file keeps nothing of the
        // driver.
        let content = self.shared.content.lock().take();
        drop(content);
        self.shared.changed.wake();
        // SAFETY: By the type invariant we own a reference.
        unsafe { bindings::vfio_rs_fput(self.file.as_ptr()) };
    }
}

impl Shared {
    /// Returns what the file's private data refers to.
    ///
    /// # Safety
    ///
    /// `file` must be a file of one of this module's tables, open for `'a`.
    unsafe fn of<'a>(file: *mut kbindings::file) -> ArcBorrow<'a, Self> {
        // SAFETY: Such a file's private data comes from `into_foreign`, and it is released with the
        // file only.
        unsafe { Arc::<Self>::borrow((*file).private_data) }
    }

    fn read(&self, buf: UserPtr, len: usize) -> Result<usize> {
        let _io = self.io.lock();
        // The bytes are copied out under the lock, and to userspace without it: user memory may be
        // the mapped device, and a fault there takes locks above this one.
        let mut bounce = KVVec::new();
        {
            let mut guard = self.content.lock();
            let content = Content::of((*guard).as_mut())?;
            let Direction::Saving {
                position, pre_copy, ..
            } = &content.direction
            else {
                return Err(EBADF);
            };
            let rest = content.stream.as_bytes().get(*position..).ok_or(EINVAL)?;
            if rest.is_empty() && *pre_copy && len != 0 {
                return Err(no_message());
            }
            let n = len.min(rest.len());
            bounce.extend_from_slice(rest.get(..n).ok_or(EINVAL)?, GFP_KERNEL_ACCOUNT)?;
        }
        UserSlice::new(buf, bounce.len())
            .writer()
            .write_slice(&bounce)?;
        // The bytes count as read only now: a fault loses nothing. `io` kept other readers out.
        let mut guard = self.content.lock();
        if let Some(Content {
            direction: Direction::Saving { position, .. },
            ..
        }) = (*guard).as_mut()
        {
            *position += bounce.len();
        }
        Ok(bounce.len())
    }

    fn write(&self, buf: UserPtr, len: usize) -> Result<usize> {
        let _io = self.io.lock();
        let result = self.take_in(buf, len);
        if let (
            true,
            Some(Content {
                direction: Direction::Resuming { refused, .. },
                ..
            }),
        ) = (len != 0, (*self.content.lock()).as_mut())
        {
            *refused = result.is_err();
        }
        result
    }

    /// Takes what userspace writes. The caller holds `io`.
    fn take_in(&self, buf: UserPtr, len: usize) -> Result<usize> {
        {
            let mut guard = self.content.lock();
            let stream = &Content::of((*guard).as_mut())?.stream;
            if len > stream.room() {
                return Err(ENOSPC);
            }
        }
        let mut bounce = KVVec::new();
        UserSlice::new(buf, len).read_all(&mut bounce, GFP_KERNEL_ACCOUNT)?;
        let (before, gate) = {
            let mut guard = self.content.lock();
            let content = Content::of((*guard).as_mut())?;
            let Direction::Resuming {
                check,
                gate,
                loaded,
                ..
            } = &content.direction
            else {
                return Err(EBADF);
            };
            if bounce.is_empty() {
                return Ok(0);
            }
            if *loaded {
                return Err(ENOSPC);
            }
            let before = content.stream.len();
            content.stream.append(&bounce)?;
            match check.check(content.stream.as_bytes()) {
                Ok(Progress::Part) => return Ok(len),
                Ok(Progress::Whole) => (before, gate.clone()),
                Err(e) => {
                    content.stream.truncate(before);
                    return Err(e);
                }
            }
        };
        // Without the lock of the content, which the state lock comes above. `io` keeps other
        // writers out.
        gate.receive(FileId::of(self)).inspect_err(|_| {
            if let Some(content) = (*self.content.lock()).as_mut() {
                content.stream.truncate(before);
            }
        })?;
        Ok(len)
    }

    /// Answers `VFIO_MIG_GET_PRECOPY_INFO`.
    fn precopy_info(&self, arg: usize) -> Result {
        const MINSZ: usize = core::mem::size_of::<bindings::vfio_precopy_info>();
        let mut raw = [0u8; MINSZ];
        let user = || UserSlice::new(UserPtr::from_addr(arg), MINSZ);
        user().reader().read_slice(&mut raw)?;
        let argsz = u32::from_ne_bytes([raw[0], raw[1], raw[2], raw[3]]);
        // CAST: 24.
        if argsz < MINSZ as u32 {
            return Err(EINVAL);
        }
        let (initial, gate) = {
            let mut guard = self.content.lock();
            // The uAPI wants EINVAL in any state but PRE_COPY.
            let ended = (*guard).is_none();
            let content = Content::of((*guard).as_mut());
            let content = content.map_err(|e| if ended { EINVAL } else { e })?;
            let Direction::Saving {
                position,
                pre_copy: true,
                gate,
            } = &content.direction
            else {
                return Err(EINVAL);
            };
            // CAST: `usize` is no wider than `u64`.
            let initial = content.stream.len().saturating_sub(*position) as u64;
            (initial, gate.clone())
        };
        // Without the lock of the content, which the gate's comes above.
        if gate.precopy_info_v2() {
            // Without the opt-in the field is not written, as before v2.
            raw[4..8].fill(0);
        }
        raw[8..16].copy_from_slice(&initial.to_ne_bytes());
        // dirty_bytes: what PRE_COPY saves of a running device does not change.
        raw[16..24].copy_from_slice(&0u64.to_ne_bytes());
        user().writer().write_slice(&raw)
    }

    /// Returns whether `read()` has an answer other than `ENOMSG`: data, the end or an error.
    fn is_readable(&self) -> bool {
        let mut guard = self.content.lock();
        match Content::of((*guard).as_mut()) {
            Ok(Content {
                stream,
                direction:
                    Direction::Saving {
                        position, pre_copy, ..
                    },
                ..
            }) => !*pre_copy || stream.len() > *position,
            _ => true,
        }
    }
}

/// `ENOMSG`, which the kernel crate has no name for: the end of the data so far.
fn no_message() -> Error {
    // CAST: Error numbers are small.
    Error::from_errno(-(kbindings::ENOMSG as c_int))
}
