// SPDX-License-Identifier: GPL-2.0

//! What a driver shows of its devices in debugfs, and tracepoints.
//!
//! The VFIO core has a folder for each device, `vfio/DEVICE/migration` below debugfs, where the
//! kernel has `CONFIG_VFIO_DEBUGFS`. A driver names the files that it adds there
//! ([`pci::Driver::DEBUG`]), each with a function that shows it. The function runs under the state
//! lock: the device is neither opened nor closed meanwhile, and no state change is under way.
//!
//! Tracepoints, in the trace system `vfio_rs`:
//!
//! - `vfio_rs_state`: an arc of the state machine was taken, or failed;
//! - `vfio_rs_stream`: a stream was begun, saved or loaded, with its length;
//! - `vfio_rs_command`: what a driver reports by [`pci::Device::trace_command`];
//! - `vfio_rs_dirty`: DMA logging, with an address, a number of bytes and the driver's reason if
//!   there are such: `start` (each logged range), `stop`, `report` (its beginning, and how many
//!   bytes were dirty), `in flight` and `dirty` (a range each), and what makes all logged memory
//!   dirty: `all`, once; `unknown` and `lost`, until it has `landed`. If room or memory is short,
//!   the reason is 4294967295.
//!
//! C headers: [`include/linux/debugfs.h`](srctree/include/linux/debugfs.h),
//! [`include/linux/seq_file.h`](srctree/include/linux/seq_file.h)
//!
//! [`pci::Driver::DEBUG`]: crate::pci::Driver::DEBUG
//! [`pci::Device::trace_command`]: crate::pci::Device::trace_command

use crate::{
    bindings,
    handle::Handles,
    migration::State, //
};
use kernel::{
    bindings as kbindings,
    error::from_result,
    prelude::*,
    seq_file::SeqFile, //
};

/// The files of a driver.
pub struct Directory<D: Handles> {
    /// The name of their folder.
    pub name: &'static CStr,
    /// The files.
    pub files: &'static [File<D>],
}

/// A file.
pub struct File<D: Handles> {
    /// Its name.
    pub name: &'static CStr,
    /// Shows it. On error the reader gets the error and nothing of what was shown.
    pub show: fn(&View<'_, D>, &SeqFile) -> Result,
}

/// A device as a file shows it.
pub struct View<'a, D: Handles> {
    pub(crate) device: &'a D::Device,
    pub(crate) open: Option<D::Open<'a>>,
    pub(crate) state: State,
    pub(crate) last: Option<&'a [u8]>,
}

impl<'a, D: Handles> View<'a, D> {
    /// Returns the device.
    pub fn device(&self) -> &'a D::Device {
        self.device
    }

    /// Returns the device if userspace has it open.
    pub fn open(&self) -> Option<&D::Open<'a>> {
        self.open.as_ref()
    }

    /// Returns the migration state.
    pub fn state(&self) -> State {
        self.state
    }

    /// Returns the last stream that was saved or loaded completely since userspace opened the
    /// device.
    pub fn last_stream(&self) -> Option<&'a [u8]> {
        self.last
    }
}

/// Shows bytes as lines of 16, with `prefix` and an offset before each.
pub fn hex_dump(seq: &SeqFile, prefix: &CStr, bytes: &[u8]) {
    // SAFETY: `SeqFile` is transparent; the strings and bytes are valid.
    unsafe {
        bindings::vfio_rs_seq_hex_dump(
            core::ptr::from_ref(seq).cast_mut().cast(),
            prefix.as_char_ptr(),
            bytes.as_ptr().cast(),
            bytes.len(),
        );
    }
}

/// A file as C knows it: the private data of its inode.
///
/// # Invariants
///
/// `show` may be called for this entry while its device is registered: see [`Entry::new`].
pub(crate) struct Entry {
    dev: *const c_void,
    file: *const c_void,
    show: Show,
}

/// Shows the file of an entry. The entry's device must be registered.
pub(crate) type Show = unsafe fn(&Entry, &SeqFile) -> Result;

// SAFETY: `dev` and `file` point to types that are `Send` and `Sync`.
unsafe impl Send for Entry {}
// SAFETY: As above; nothing in an entry changes.
unsafe impl Sync for Entry {}

impl Entry {
    /// # Safety
    ///
    /// `dev` must point to what `show` takes for a device, and `file` to what it takes for a file.
    /// Both must outlive the dentry, and must be of types that are `Send` and `Sync`.
    pub(crate) unsafe fn new(dev: *const c_void, file: *const c_void, show: Show) -> Self {
        // INVARIANT: By the safety requirement.
        Self { dev, file, show }
    }

    /// Returns the device that the entry was made with.
    pub(crate) fn dev(&self) -> *const c_void {
        self.dev
    }

    /// Returns the file that the entry was made with.
    pub(crate) fn file(&self) -> *const c_void {
        self.file
    }
}

/// Makes the dentries of a driver's files.
///
/// # Safety
///
/// `vdev` must be registered. `entries` must be those of `directory` for that device, and stay
/// where they are while it is registered.
pub(crate) unsafe fn create<D: Handles>(
    vdev: *mut bindings::vfio_device,
    directory: &Directory<D>,
    entries: &[Entry],
) {
    // SAFETY: By the safety requirement. Errors of debugfs are ignored, as everywhere.
    let dir = unsafe { bindings::vfio_rs_debugfs_dir(vdev, directory.name.as_char_ptr()) };
    if dir.is_null() {
        return;
    }
    for (file, entry) in directory.files.iter().zip(entries) {
        // SAFETY: `dir` is a folder, or an error that is passed on; the entry outlives the dentry.
        unsafe {
            bindings::vfio_rs_debugfs_file(
                dir,
                file.name.as_char_ptr(),
                core::ptr::from_ref(entry).cast_mut().cast(),
            );
        }
    }
}

/// `show` of the files.
///
/// # Safety
///
/// To be called by `single_open()`'s files of helpers.c, `private` being an [`Entry`].
#[no_mangle]
unsafe extern "C" fn vfio_rs_debug_show(
    seq: *mut kbindings::seq_file,
    private: *mut c_void,
) -> c_int {
    // SAFETY: By the safety requirement.
    let (entry, seq) = unsafe { (&*private.cast::<Entry>(), SeqFile::from_raw(seq)) };
    from_result(|| {
        // SAFETY: By the type invariant. The entry has a dentry, so its device is registered.
        unsafe { (entry.show)(entry, seq) }?;
        Ok(0)
    })
}
