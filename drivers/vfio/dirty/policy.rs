// SPDX-License-Identifier: GPL-2.0

//! Whether the writes of a VF are tracked: the module's parameter `dirty_tracking`, and the attribute
//! of the same name that each VF has.

use crate::{
    device::AccVf,
    param, //
};
use hisi_acc_hw::regs::QM_DOORBELL_SQ_CQ_BASE_V2;
use kernel::{
    fmt::Write,
    page::PAGE_SIZE,
    prelude::*, //
};
use vfio::{
    pci::Device,
    sysfs::{
        Attribute,
        Text, //
    },
};

/// When tracking is wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Where the IOMMU cannot do it
    Auto,
    /// Wherever it can be done
    On,
    /// Never
    Off,
}

impl Mode {
    const ALL: [(Self, &'static str); 3] =
        [(Self::Auto, "auto"), (Self::On, "on"), (Self::Off, "off")];

    /// What the module's parameter says.
    pub(crate) fn of_module() -> Self {
        match param::dirty_tracking() {
            0 => Self::Auto,
            1 => Self::On,
            _ => Self::Off,
        }
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let word = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let found = Self::ALL.iter().find(|(_, name)| name.as_bytes() == word);
        found.map(|(mode, _)| *mode)
    }

    fn name(self) -> &'static str {
        let found = Self::ALL.iter().find(|(mode, _)| *mode == self);
        found.map_or("", |(_, name)| name)
    }
}

/// Whether tracking can be done at all: the mailbox, which must be mapped, and the doorbells, which must
/// not, are 4 KiB apart.
// CAST: Widens.
pub(crate) const POSSIBLE: bool = PAGE_SIZE as u64 <= QM_DOORBELL_SQ_CQ_BASE_V2 as u64;

/// The policy of a VF.
pub(crate) struct Policy {
    pub(crate) mode: Mode,
    /// While it is open, its doorbells are either mapped or not: nothing can be changed.
    open: bool,
    /// Whether they are mediated.
    pub(crate) mediates: bool,
}

impl Policy {
    pub(crate) fn new(mode: Mode) -> Self {
        Self {
            mode,
            open: false,
            mediates: false,
        }
    }

    /// The VF was opened.
    pub(crate) fn open(&mut self, mediates: bool) {
        self.open = true;
        self.mediates = mediates;
    }

    /// It was closed.
    pub(crate) fn close(&mut self) {
        self.open = false;
        self.mediates = false;
    }
}

pub(crate) const ATTRIBUTE: Attribute<AccVf> = Attribute {
    name: c"dirty_tracking",
    show,
    store: Some(store),
};

fn show(dev: &Device<AccVf>, text: &mut Text<'_>) -> Result {
    let mode = dev.data().policy.lock().mode;
    writeln!(text, "{}", mode.name()).map_err(|_| EIO)
}

/// [`EINVAL`] for another word, [`EBUSY`] while the VF is open.
fn store(dev: &Device<AccVf>, bytes: &[u8]) -> Result {
    let mode = Mode::parse(bytes).ok_or(EINVAL)?;
    let data = dev.data();
    let mut policy = data.policy.lock();
    if policy.open {
        return Err(EBUSY);
    }
    policy.mode = mode;
    Ok(())
}
