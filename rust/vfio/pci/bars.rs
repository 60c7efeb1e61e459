// SPDX-License-Identifier: GPL-2.0

//! What is special in the BARs of an open device, as its driver has answered when it was opened.

use super::{
    Driver,
    OpenDevice, //
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
use core::{
    cell::UnsafeCell,
    ops::Range, //
};

/// How many BARs a device can have.
const BARS: usize = bindings::VFIO_PCI_BAR5_REGION_INDEX as usize + 1;

/// What is special in each BAR.
///
/// # Invariants
///
/// It changes only while VFIO opens the device and has not given it to its user; it is read only for
/// a device that is open.
pub(super) struct Bars(UnsafeCell<[Parts; BARS]>);

// SAFETY: By the type invariant nobody reads it while it is written.
unsafe impl Sync for Bars {}

impl Bars {
    pub(super) fn new() -> Self {
        Self(UnsafeCell::default())
    }
}

impl<D: Driver> OpenDevice<'_, D> {
    /// What the driver says is special in a BAR.
    fn ask(&self, index: Index) -> Parts {
        let bar = index.as_raw();
        let len = self.bar_len(bar);
        let part = |range: Option<Range<u64>>| {
            range.map_or_else(Part::default, |range| Part::around(range, len))
        };
        // SAFETY: The device is open: the core has looked for its MSI-X table.
        let (msix_bar, start, msix_len) = unsafe {
            let core = self.as_core();
            ((*core).msix_bar, (*core).msix_offset, (*core).msix_size)
        };
        let start = u64::from(start);
        Parts {
            mediated: part(D::mediated(self.data(), index, len)),
            watched: part(D::watched(self.data(), index, len)),
            hole: if u32::from(msix_bar) == bar {
                start..start + u64::from(msix_len)
            } else {
                0..0
            },
        }
    }

    /// Asks the driver what is special in the BARs.
    ///
    /// # Safety
    ///
    /// Nobody else must use the device meanwhile: VFIO has not given it to its user yet.
    pub(super) unsafe fn set_parts(&self) {
        // SAFETY: By the safety requirement nobody reads it now.
        let all = unsafe { &mut *self.bars().0.get() };
        for (index, parts) in (0..).map_while(Index::bar).zip(all) {
            *parts = self.ask(index);
            let bar = index.as_raw();
            let file = Position::file_offset(bar, parts.watched.start());
            // SAFETY: By the safety requirement nobody has mapped the device.
            unsafe {
                bindings::vfio_rs_watch_bar(self.as_core(), bar, file, parts.watched.len());
            }
        }
    }

    /// What is special in a region, where it is a BAR.
    pub(crate) fn parts(&self, index: Index) -> Option<&Parts> {
        let slot = usize::try_from(index.as_bar()?).ok()?;
        // SAFETY: By the type invariant nobody writes it now.
        unsafe { (*self.bars().0.get()).get(slot) }
    }

    /// Whether anything is special in any BAR.
    pub(super) fn has_parts(&self) -> bool {
        (0..)
            .map_while(Index::bar)
            .filter_map(|index| self.parts(index))
            .any(Parts::any_special)
    }
}
