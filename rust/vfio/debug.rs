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
//! - `vfio_rs_stream`: a stream was begun, saved or loaded, and how long it is;
//! - `vfio_rs_command`: what a driver tells of by [`pci::Device::trace_command`];
//! - `vfio_rs_dirty`: DMA logging, with an address, a number of bytes and the driver's reason where
//!   there are such: `start` (each range that is logged), `stop`, `report` (where it begins, and how
//!   many bytes were dirty), `in flight` and `dirty` (a range each), and what makes all that is logged
//!   dirty: `all`, once; `unknown` and `lost`, till it has `landed`. For want of room or memory the
//!   reason is 4294967295.
//!
//! C headers: [`include/linux/debugfs.h`](srctree/include/linux/debugfs.h),
//! [`include/linux/seq_file.h`](srctree/include/linux/seq_file.h)
//!
//! [`pci::Driver::DEBUG`]: crate::pci::Driver::DEBUG
//! [`pci::Device::trace_command`]: crate::pci::Device::trace_command

use crate::{
    bindings,
    migration::State,
    pci::{
        Device,
        Driver,
        OpenDevice, //
    },
};
use kernel::{
    bindings as kbindings,
    error::from_result,
    prelude::*,
    seq_file::SeqFile, //
};

/// The files of a driver.
pub struct Directory<D: Driver> {
    /// The name of their folder
    pub name: &'static CStr,
    /// Which there are
    pub files: &'static [File<D>],
}

/// A file.
pub struct File<D: Driver> {
    /// Its name
    pub name: &'static CStr,
    /// Shows it. On error the reader gets the error and nothing of what was shown.
    pub show: fn(&View<'_, D>, &SeqFile) -> Result,
}

/// A device as a file shows it.
pub struct View<'a, D: Driver> {
    dev: &'a Device<D>,
    state: State,
    open: bool,
    last: Option<&'a [u8]>,
}

impl<'a, D: Driver> View<'a, D> {
    /// # Safety
    ///
    /// Where `open` says so, the device must stay open for `'a`.
    pub(crate) unsafe fn new(
        dev: &'a Device<D>,
        state: State,
        open: bool,
        last: Option<&'a [u8]>,
    ) -> Self {
        Self {
            dev,
            state,
            open,
            last,
        }
    }

    /// The device.
    pub fn device(&self) -> &Device<D> {
        self.dev
    }

    /// The same, where a user has it open.
    pub fn open(&self) -> Option<OpenDevice<'_, D>> {
        // SAFETY: It is open, and stays so, by the safety requirement of `new`.
        self.open.then(|| unsafe { OpenDevice::new(self.dev) })
    }

    /// Its state.
    pub fn state(&self) -> State {
        self.state
    }

    /// The stream that was last saved or loaded whole.
    pub fn last_stream(&self) -> Option<&[u8]> {
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
/// `dev` and `file` are a `Device<D>` and a `File<D>` of the driver that `show` is of; both outlive
/// the dentry.
pub(crate) struct Entry {
    dev: *const c_void,
    file: *const c_void,
    show: unsafe fn(&Entry, &SeqFile) -> Result,
}

// SAFETY: The two pointers are of types which are `Send` and `Sync`.
unsafe impl Send for Entry {}
// SAFETY: As above; nothing in it changes.
unsafe impl Sync for Entry {}

impl Entry {
    /// # Safety
    ///
    /// `entry` must have been made for the driver `D`, and its device's tail be initialised.
    unsafe fn show<D: Driver>(entry: &Entry, seq: &SeqFile) -> Result {
        // SAFETY: By the safety requirement and the type invariant.
        let (dev, file) = unsafe {
            (
                &*entry.dev.cast::<Device<D>>(),
                &*entry.file.cast::<File<D>>(),
            )
        };
        dev.machine().view(dev, |view| (file.show)(view, seq))
    }

    /// The files of the driver `D` for its device at `dev`.
    pub(crate) fn all<D: Driver>(dev: *const Device<D>) -> Result<KVec<Self>> {
        let mut entries = KVec::new();
        for file in D::DEBUG.map_or(&[][..], |directory| directory.files) {
            // INVARIANT: Of the driver `D` all three. `Device::create_debug_files` makes the
            // dentries when the device is registered; the core takes them away before it lets the
            // device go.
            entries.push(
                Self {
                    dev: dev.cast(),
                    file: core::ptr::from_ref(file).cast(),
                    show: Self::show::<D>,
                },
                GFP_KERNEL,
            )?;
        }
        Ok(entries)
    }
}

/// Makes the dentries.
///
/// # Safety
///
/// `vdev` must be a registered device of the driver `D`, and `entries` be [`Entry::all`] of it, which
/// stays where it is while it is registered.
pub(crate) unsafe fn create<D: Driver>(vdev: *mut bindings::vfio_device, entries: &[Entry]) {
    let Some(directory) = D::DEBUG else {
        return;
    };
    // SAFETY: By the safety requirement. Errors of debugfs are not looked at, as everywhere.
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
        // SAFETY: The entry is of the driver that its `show` is of, by its invariant; it has a
        // dentry, so its device is registered.
        unsafe { (entry.show)(entry, seq) }?;
        Ok(0)
    })
}
