// SPDX-License-Identifier: GPL-2.0

//! Whether the writes of a VF are tracked. The parameter of the module and the attribute of the VF,
//! both named `dirty_tracking`, say so.

use crate::param;
use hisi_acc_hw::regs::QM_DOORBELL_SQ_CQ_BASE_V2;
use kernel::page::PAGE_SIZE;

/// When tracking is wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Unless iommufd reads dirty bits of the IOMMU.
    Auto,
    /// If it is possible.
    On,
    /// Never.
    Off,
}

impl Mode {
    const ALL: [(Self, &'static str); 3] =
        [(Self::Auto, "auto"), (Self::On, "on"), (Self::Off, "off")];

    /// Returns what the module's parameter says.
    pub(crate) fn of_module() -> Self {
        match param::dirty_tracking() {
            0 => Self::Auto,
            1 => Self::On,
            _ => Self::Off,
        }
    }

    /// Returns the mode that a write to the attribute names, `None` for another word.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let word = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let found = Self::ALL.iter().find(|(_, name)| name.as_bytes() == word);
        found.map(|(mode, _)| *mode)
    }

    /// Returns the word for it.
    pub(crate) fn name(self) -> &'static str {
        let found = Self::ALL.iter().find(|(mode, _)| *mode == self);
        found.map_or("", |(_, name)| name)
    }
}

/// Whether tracking is possible: not with larger pages, since the mailbox must be mapped, and the
/// doorbells, 4 KiB behind it, must not.
// CAST: Widens.
pub(crate) const POSSIBLE: bool = PAGE_SIZE as u64 <= QM_DOORBELL_SQ_CQ_BASE_V2 as u64;

/// The policy of a VF.
pub(crate) struct Policy {
    pub(crate) mode: Mode,
    /// The VF is open: its doorbells are either mapped or not, and the mode cannot change.
    pub(crate) open: bool,
    /// Its doorbells are mediated.
    pub(crate) mediates: bool,
}

impl Policy {
    /// Returns the policy of a VF that is closed.
    pub(crate) fn new(mode: Mode) -> Self {
        Self {
            mode,
            open: false,
            mediates: false,
        }
    }

    /// Notes that the VF is open.
    pub(crate) fn open(&mut self, mediates: bool) {
        self.open = true;
        self.mediates = mediates;
    }

    /// Notes that the VF is closed.
    pub(crate) fn close(&mut self) {
        self.open = false;
        self.mediates = false;
    }
}
