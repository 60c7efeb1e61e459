// SPDX-License-Identifier: GPL-2.0

//! The pointer to a PF's `struct hisi_qm`, and what can be done with it.

use crate::bindings;
use core::ptr::NonNull;
use hisi_acc_hw::reg::{
    Pf,
    Reg, //
};
use kernel::{
    bindings as kbindings,
    prelude::*, //
};

/// A PF's queue manager.
///
/// # Invariants
///
/// `qm` is the driver data of a PF that is bound to its in-tree driver, whose registers are mapped
/// for `len` bytes; both stay so while this lives.
pub(crate) struct RawQm {
    qm: NonNull<bindings::hisi_qm>,
    len: u32,
}

// SAFETY: The functions used take the locks of `struct hisi_qm` themselves; registers belong to no
// thread.
unsafe impl Send for RawQm {}

impl RawQm {
    /// # Safety
    ///
    /// `qm` and `pdev` must belong together and stay as the type's invariants want them while the
    /// result lives.
    pub(crate) unsafe fn new(
        qm: NonNull<bindings::hisi_qm>,
        pdev: NonNull<kbindings::pci_dev>,
    ) -> Self {
        // The QM's registers are BAR2 (`hisi_qm_pci_init()`: `PCI_BAR_2`).
        // SAFETY: `pdev` is valid by the safety requirement.
        let len = unsafe { kbindings::pci_resource_len(pdev.as_ptr(), 2) };
        // INVARIANT: By the safety requirement. A BAR of 4 GiB and more is not needed.
        Self {
            qm,
            len: u32::try_from(len).unwrap_or(u32::MAX),
        }
    }

    /// The hardware version (`enum qm_hw_ver`).
    pub(crate) fn version(&self) -> u32 {
        // SAFETY: By the type invariant.
        unsafe { bindings::acc_link_qm_version(self.qm.as_ptr().cast()) }
    }

    /// Returns the offset of a register: [`EINVAL`] if it is not an aligned word of the BAR.
    fn offset(&self, reg: Reg<Pf>) -> Result<u32> {
        reg.is_in(self.len).then_some(reg.offset()).ok_or(EINVAL)
    }

    /// Reads a register.
    pub(crate) fn read(&self, reg: Reg<Pf>) -> Result<u32> {
        let offset = self.offset(reg)?;
        // SAFETY: Mapped by the type invariant, as just checked.
        Ok(unsafe { bindings::acc_link_qm_readl(self.qm.as_ptr().cast(), offset) })
    }

    /// Writes a register.
    pub(crate) fn write(&self, reg: Reg<Pf>, value: u32) -> Result {
        let offset = self.offset(reg)?;
        // SAFETY: Mapped by the type invariant, as just checked.
        unsafe { bindings::acc_link_qm_writel(self.qm.as_ptr().cast(), offset, value) };
        Ok(())
    }

    /// Whether it works: not while the PF is being reset.
    pub(crate) fn works(&self) -> bool {
        // SAFETY: By the type invariant.
        unsafe { bindings::acc_link_qm_works(self.qm.as_ptr().cast()) }
    }

    /// Returns whether somebody holds the reset interlock.
    pub(crate) fn is_resetting(&self) -> bool {
        // SAFETY: By the type invariant.
        unsafe { bindings::acc_link_qm_is_resetting(self.qm.as_ptr().cast()) }
    }

    /// Whether the reset interlock was free, and is ours now.
    pub(crate) fn reset_trylock(&self) -> bool {
        // SAFETY: By the type invariant.
        unsafe { bindings::acc_link_qm_reset_trylock(self.qm.as_ptr().cast()) }
    }

    /// Gives the interlock back. To be called by who has it.
    pub(crate) fn reset_unlock(&self) {
        // SAFETY: By the type invariant.
        unsafe { bindings::acc_link_qm_reset_unlock(self.qm.as_ptr().cast()) };
    }
}
