// SPDX-License-Identifier: GPL-2.0

//! Why a VF does not migrate.

use crate::context::{
    STOPPED,
    UNBOUND, //
};
use kernel::{
    pci,
    prelude::*, //
};
use vfio::pci::Others;

/// Why a VF does not migrate, as it is found when the VF is bound.
pub(crate) enum Refusal {
    NotVirtual,
    UnknownId,
    NoGroup,
    SharedGroup(Others),
    NoLink,
    LinkLost,
    Stopped,
    Version(u32),
    /// Userspace may see so many bytes of BAR2.
    PageSize(u64),
}

impl kernel::fmt::Display for Refusal {
    fn fmt(&self, f: &mut kernel::fmt::Formatter<'_>) -> kernel::fmt::Result {
        match self {
            Self::NotVirtual => f.write_str("it is no virtual function"),
            Self::UnknownId => f.write_str("its ID is not that of an accelerator's VF"),
            Self::NoGroup => f.write_str("it has no IOMMU group, nothing limits its DMA"),
            Self::SharedGroup(others) => {
                f.write_str("it shares its IOMMU group with ")?;
                kernel::fmt::Display::fmt(others, f)?;
                f.write_str(", whose DMA may reach it past the IOMMU (no ACS above them?); ")?;
                f.write_str("it cannot be opened while a host driver uses one of them")
            }
            Self::NoLink => f.write_str("hisi_acc_link publishes no queue manager of its PF"),
            Self::LinkLost => f.write_str(UNBOUND),
            Self::Stopped => f.write_str(STOPPED),
            Self::Version(v) => write!(f, "hardware version {v:#x} has no migration registers"),
            Self::PageSize(shown) => write!(
                f,
                "pages are larger than the {} KiB of BAR2 that may be shown",
                shown >> 10
            ),
        }
    }
}

impl Refusal {
    /// Logs it in one line: a warning if a change of the host could make the VF migrate.
    pub(crate) fn report(&self, pdev: &pci::Device) {
        match self {
            Self::NoGroup | Self::SharedGroup(_) => {
                dev_warn!(pdev, "no migration, plain vfio-pci: {}\n", self);
            }
            _ => dev_info!(pdev, "no migration, plain vfio-pci: {}\n", self),
        }
    }
}
