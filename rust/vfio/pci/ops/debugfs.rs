// SPDX-License-Identifier: GPL-2.0

//! The files of a driver in debugfs.

use crate::{
    bindings,
    debug::{
        self,
        Entry,
        File,
        View, //
    },
    pci::{
        access::Awake,
        device::{
            Device,
            OpenDevice, //
        },
        driver::Driver, //
    },
};
use kernel::{
    prelude::*,
    seq_file::SeqFile, //
};

/// Shows the file of an entry.
///
/// # Safety
///
/// `entry` must be one of [`entries::<D>`](entries), and its device be registered.
unsafe fn show<D: Driver>(entry: &Entry, seq: &SeqFile) -> Result {
    // SAFETY: By the safety requirement.
    let (device, file) = unsafe {
        (
            &*entry.dev().cast::<Device<D>>(),
            &*entry.file().cast::<File<D>>(),
        )
    };
    device.machine().view(device, |view| {
        // SAFETY: It is open, and stays so until this returns: `close_device` takes the state lock,
        // which is held here, before the device is closed.
        let open = view.open.then(|| unsafe { OpenDevice::new(device) });
        // The core holds the device awake over ioctls only.
        let _awake = match &open {
            Some(open) => Some(Awake::new(open)?),
            None => None,
        };
        let view = View {
            device,
            open,
            state: view.state,
            last: view.last,
        };
        (file.show)(&view, seq)
    })
}

/// Makes the entries of the driver `D` for its device at `dev`.
pub(in crate::pci) fn entries<D: Driver>(dev: *const Device<D>) -> Result<KVec<Entry>> {
    let mut entries = KVec::new();
    for file in D::DEBUG.map_or(&[][..], |directory| directory.files) {
        // SAFETY: Device, file and `show` are of the driver `D`. The dentries are made when the
        // device is registered, and the core removes them before it frees the device.
        let entry = unsafe {
            Entry::new(
                dev.cast(),
                core::ptr::from_ref::<File<D>>(file).cast(),
                show::<D>,
            )
        };
        entries.push(entry, GFP_KERNEL)?;
    }
    Ok(entries)
}

/// Makes the dentries.
///
/// # Safety
///
/// `vdev` must be a registered device of the driver `D`. `entries` must be [`entries`](entries())
/// of it, and stay where they are while it is registered.
pub(in crate::pci) unsafe fn create<D: Driver>(
    vdev: *mut bindings::vfio_device,
    entries: &[Entry],
) {
    if let Some(directory) = D::DEBUG {
        // SAFETY: By the safety requirement.
        unsafe { debug::create(vdev, &directory, entries) };
    }
}
