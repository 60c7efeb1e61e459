// SPDX-License-Identifier: GPL-2.0

//! The surroundings of a device: the PF of a VF, whether its IOMMU has dirty bits, and whether it
//! can do DMA.
//!
//! All functions take a bound device. The PCI core frees what they look at once a device is
//! unbound.

use crate::bindings;
use core::ptr;
use kernel::{
    bindings as kbindings,
    device::Bound,
    pci, //
};

fn as_raw(pdev: &pci::Device<Bound>) -> *mut kbindings::pci_dev {
    // `pci::Device` is transparent.
    ptr::from_ref(pdev).cast_mut().cast()
}

/// A device seen as a virtual function.
pub struct VirtualFunction<'a> {
    /// Its physical function, which exists as long as the VF is bound.
    pub pf: &'a pci::Device,
    /// Its number among the VFs of that PF, from 0.
    pub index: u32,
}

impl<'a> VirtualFunction<'a> {
    /// Returns `pdev` as a VF, `None` if it is none.
    pub fn of(pdev: &'a pci::Device<Bound>) -> Option<Self> {
        // SAFETY: `pdev` is valid.
        let pf = unsafe { bindings::vfio_rs_physfn(as_raw(pdev)) };
        if pf.is_null() {
            return None;
        }
        // SAFETY: `pdev` is a VF; it is bound, so that its PF is there, with SR-IOV enabled.
        let index = unsafe { bindings::vfio_rs_vf_index(as_raw(pdev)) };
        Some(Self {
            // SAFETY: The PCI core drops a VF's reference of its PF (`pci_iov_remove_virtfn()`)
            // after it has unbound the VF, which is bound for `'a`. `pci::Device` is transparent.
            pf: unsafe { &*pf.cast() },
            index: u32::try_from(index).ok()?,
        })
    }
}

/// Returns whether the IOMMU before `pdev` can tell which pages it has written
/// (`IOMMU_CAP_DIRTY_TRACKING`).
pub fn iommu_tracks_dirty_pages(pdev: &pci::Device<Bound>) -> bool {
    // SAFETY: `pdev` is valid, and bound: `iommu_deinit_device()` frees what the IOMMU driver has
    // of it after it is unbound.
    unsafe { bindings::vfio_rs_iommu_tracks(as_raw(pdev)) }
}

/// Returns whether `pdev` can start DMA (`PCI_COMMAND_MASTER`); `true` if that cannot be read, and
/// `false` in D3hot.
pub fn masters_bus(pdev: &pci::Device<Bound>) -> bool {
    // SAFETY: `pdev` is valid.
    unsafe { bindings::vfio_rs_masters_bus(as_raw(pdev)) }
}
