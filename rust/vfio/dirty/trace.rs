// SPDX-License-Identifier: GPL-2.0

//! The tracepoint `vfio_rs_dirty`.

use crate::bindings;
use core::ptr;
use dma_log::{
    Log,
    Trace, //
};
use kernel::{
    bindings as kbindings,
    pci,
    prelude::*,
    sync::aref::ARef, //
};

/// The log of a device, whose events the tracepoint shows.
pub(crate) type DeviceLog = Log<Tracepoint>;

/// Shows events with the PCI device that they are of.
pub(crate) struct Tracepoint(pub(crate) ARef<pci::Device>);

impl Trace for Tracepoint {
    fn trace(&self, event: &CStr, why: u32, address: u64, bytes: u64) {
        let pdev = ptr::from_ref::<pci::Device>(&self.0).cast_mut();
        // SAFETY: The device and the string are valid; `pci::Device` is transparent.
        unsafe {
            bindings::vfio_rs_trace_dirty(
                pdev.cast::<kbindings::pci_dev>(),
                event.as_char_ptr(),
                why,
                address,
                bytes,
            );
        }
    }
}
