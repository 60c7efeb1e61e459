// SPDX-License-Identifier: GPL-2.0

//! Asks the driver for the parts of the BARs, when the device is opened.

use super::{
    bars::BARS,
    device::OpenDevice,
    driver::Driver, //
};
use crate::{
    bindings,
    region::{
        Index,
        Part,
        Parts,
        Position, //
    },
};
use core::ops::Range;

/// Returns what the driver answers for a BAR.
fn ask<D: Driver>(dev: &OpenDevice<'_, D>, index: Index) -> Parts {
    let bar = index.as_raw();
    let len = dev.bar_len(bar);
    let part = |range: Option<Range<u64>>| {
        range.map_or_else(Part::default, |range| Part::around(range, len))
    };
    // SAFETY: The device is open: the core has looked for its MSI-X table.
    let (msix_bar, start, msix_len) = unsafe {
        let core = dev.as_core();
        ((*core).msix_bar, (*core).msix_offset, (*core).msix_size)
    };
    let start = u64::from(start);
    Parts {
        mediated: part(D::mediated(dev.data(), index, len)),
        watched: part(D::watched(dev.data(), index, len)),
        hole: if u32::from(msix_bar) == bar {
            start..start + u64::from(msix_len)
        } else {
            0..0
        },
    }
}

/// Asks the driver for the parts of all BARs, and begins to watch those that it wants watched.
///
/// # Safety
///
/// The device is being opened, and VFIO has not given it to userspace yet.
pub(super) unsafe fn set<D: Driver>(dev: &OpenDevice<'_, D>) {
    let mut all: [Parts; BARS] = Default::default();
    for (index, parts) in (0..).map_while(Index::bar).zip(&mut all) {
        *parts = ask(dev, index);
        let bar = index.as_raw();
        let file = Position::file_offset(bar, parts.watched.start());
        // SAFETY: By the safety requirement nobody has mapped the device.
        unsafe {
            bindings::vfio_rs_watch_bar(dev.as_core(), bar, file, parts.watched.len());
        }
    }
    // SAFETY: By the safety requirement.
    unsafe { dev.bars().set(all) };
}
