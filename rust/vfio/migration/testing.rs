// SPDX-License-Identifier: GPL-2.0

//! What the tests of this folder share: a lifeline, and migration files as userspace uses them.

use super::lifeline::Lifeline;
use crate::bindings;
use core::ptr::NonNull;
use kernel::{
    bindings as kbindings,
    page::PAGE_SIZE,
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
    types::NotThreadSafe,
    uaccess::{
        UserPtr,
        UserSlice, //
    },
};

/// A lifeline that a test cuts.
pub(super) struct Thread {
    cut: Atomic<bool>,
    over: Atomic<bool>,
}

impl Thread {
    pub(super) fn new() -> Self {
        Self {
            cut: Atomic::new(false),
            over: Atomic::new(false),
        }
    }

    pub(super) fn cut(&self) {
        self.cut.store(true, Relaxed);
    }

    /// Cuts it by something that is over.
    pub(super) fn cut_and_over(&self) {
        self.over.store(true, Relaxed);
        self.cut();
    }
}

impl Lifeline for Thread {
    fn is_cut(&self) -> bool {
        self.cut.load(Relaxed)
    }

    fn is_over(&self) -> bool {
        self.over.load(Relaxed)
    }
}

/// A page of user memory.
///
/// # Invariants
///
/// The page is mapped for the thread of the test.
pub(super) struct Memory(usize, NotThreadSafe);

impl Memory {
    pub(super) fn new() -> Result<Self> {
        // SAFETY: A test calls this.
        match unsafe { bindings::vfio_rs_test_memory(PAGE_SIZE) } {
            0 => Err(ENOMEM),
            // INVARIANT: The helper has mapped it.
            address => Ok(Self(address, NotThreadSafe)),
        }
    }

    pub(super) fn address(&self) -> usize {
        self.0
    }

    fn slice(&self, len: usize) -> UserSlice {
        UserSlice::new(UserPtr::from_addr(self.0), len)
    }

    pub(super) fn set(&self, bytes: &[u8]) -> Result {
        self.slice(bytes.len()).writer().write_slice(bytes)
    }

    pub(super) fn get(&self, bytes: &mut [u8]) -> Result {
        self.slice(bytes.len()).reader().read_slice(bytes)
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: By the invariant, and the value does not leave the thread.
        unsafe { bindings::vfio_rs_test_memory_end(self.0, PAGE_SIZE) };
    }
}

/// A migration file as userspace has it; closed when dropped.
///
/// # Invariants
///
/// Owns a reference of a file of one of the tables of [`super::file`].
pub(super) struct File(NonNull<kbindings::file>);

impl File {
    /// # Safety
    ///
    /// `file` must be a migration file, of which the caller gives a reference away.
    pub(super) unsafe fn new(file: NonNull<kbindings::file>) -> Self {
        // INVARIANT: By the safety requirement.
        Self(file)
    }

    /// Calls `read()` with a buffer of `len` bytes at `address`.
    pub(super) fn read_at(&self, address: usize, len: usize) -> Result<usize> {
        // SAFETY: By the type invariant; a stream has no position.
        let ret = unsafe {
            bindings::vfio_rs_saving_read(self.0.as_ptr(), address as *mut c_char, len, no_pos())
        };
        length(ret)
    }

    /// Calls `read()`. Returns whether it reads `expected` and no more, of at most a page.
    pub(super) fn reads(&self, expected: &[u8]) -> Result<bool> {
        let memory = Memory::new()?;
        let len = self.read_at(memory.0, PAGE_SIZE)?;
        let mut bytes = [0; 64];
        let read = bytes.get_mut(..len).ok_or(ENOSPC)?;
        memory.get(read)?;
        Ok(read == expected)
    }

    /// Calls `write()`.
    pub(super) fn write(&self, bytes: &[u8]) -> Result<usize> {
        let memory = Memory::new()?;
        memory.set(bytes)?;
        self.write_at(memory.0, bytes.len())
    }

    /// Calls `write()` with `len` bytes at `address`.
    pub(super) fn write_at(&self, address: usize, len: usize) -> Result<usize> {
        // SAFETY: By the type invariant; a stream has no position.
        let ret = unsafe {
            bindings::vfio_rs_resuming_write(
                self.0.as_ptr(),
                address as *const c_char,
                len,
                no_pos(),
            )
        };
        length(ret)
    }

    /// Calls `pread()` and `pwrite()`.
    pub(super) fn seeks(&self) -> (Result<usize>, Result<usize>) {
        let (file, mut pos) = (self.0.as_ptr(), 0);
        // SAFETY: By the type invariant; `pos` is valid. The buffer is an address of userspace.
        unsafe {
            (
                length(bindings::vfio_rs_saving_read(
                    file,
                    core::ptr::null_mut(),
                    1,
                    &mut pos,
                )),
                length(bindings::vfio_rs_resuming_write(
                    file,
                    core::ptr::null(),
                    1,
                    &mut pos,
                )),
            )
        }
    }

    /// Calls `poll()`. Returns whether there is something to read.
    pub(super) fn polls(&self) -> bool {
        // SAFETY: By the type invariant; there may be no table.
        (unsafe { bindings::vfio_rs_saving_poll(self.0.as_ptr(), core::ptr::null_mut()) }) != 0
    }

    /// Calls the ioctl `cmd` with `bytes`, which it may change.
    pub(super) fn ioctl(&self, cmd: c_uint, bytes: &mut [u8]) -> Result {
        let memory = Memory::new()?;
        memory.set(bytes)?;
        // SAFETY: By the type invariant.
        let ret = unsafe { bindings::vfio_rs_saving_ioctl(self.0.as_ptr(), cmd, memory.0) };
        memory.get(bytes)?;
        length(ret).map(|_| ())
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // SAFETY: By the type invariant.
        unsafe { bindings::vfio_rs_fput(self.0.as_ptr()) };
    }
}

fn no_pos() -> *mut kbindings::loff_t {
    core::ptr::null_mut()
}

fn length(ret: isize) -> Result<usize> {
    // CAST: An error number if it is negative.
    usize::try_from(ret).map_err(|_| Error::from_errno(ret as c_int))
}
