// SPDX-License-Identifier: GPL-2.0

//! Where a device stands: which PF a VF belongs to, whether other devices can reach it, and whether it
//! can reach anything.

use crate::bindings;
use core::ptr;
use kernel::{
    bindings as kbindings,
    device::DeviceContext,
    pci, //
};

fn as_raw<Ctx: DeviceContext>(pdev: &pci::Device<Ctx>) -> *mut kbindings::pci_dev {
    // `pci::Device` is transparent.
    ptr::from_ref(pdev).cast_mut().cast()
}

/// A device seen as a virtual function.
pub struct VirtualFunction<'a> {
    /// Its physical function, which is there as long as the VF is.
    pub pf: &'a pci::Device,
    /// Its number among the VFs of that PF, from 0.
    pub index: u32,
}

impl<'a> VirtualFunction<'a> {
    /// `None` where `pdev` is no VF.
    pub fn of<Ctx: DeviceContext>(pdev: &'a pci::Device<Ctx>) -> Option<Self> {
        // SAFETY: `pdev` is valid.
        let pf = unsafe { bindings::vfio_rs_physfn(as_raw(pdev)) };
        if pf.is_null() {
            return None;
        }
        // SAFETY: `pdev` is a VF.
        let index = unsafe { bindings::vfio_rs_vf_index(as_raw(pdev)) };
        Some(Self {
            // SAFETY: A VF holds a reference of its PF; `pci::Device` is transparent.
            pf: unsafe { &*pf.cast() },
            index: u32::try_from(index).ok()?,
        })
    }
}

/// Whether `pdev` is a root-complex integrated endpoint: there is no switch or port above it through
/// which another device could reach it but by way of the IOMMU.
pub fn is_integrated_endpoint<Ctx: DeviceContext>(pdev: &pci::Device<Ctx>) -> bool {
    // SAFETY: `pdev` is valid.
    unsafe { bindings::vfio_rs_is_rciep(as_raw(pdev)) }
}

/// Whether the IOMMU before `pdev` can tell which pages it has written (`IOMMU_CAP_DIRTY_TRACKING`).
pub fn iommu_tracks_dirty_pages<Ctx: DeviceContext>(pdev: &pci::Device<Ctx>) -> bool {
    // SAFETY: `pdev` is valid.
    unsafe { bindings::vfio_rs_iommu_tracks(as_raw(pdev)) }
}

/// Whether `pdev` can start DMA (`PCI_COMMAND_MASTER`); `true` where that cannot be read.
pub fn masters_bus<Ctx: DeviceContext>(pdev: &pci::Device<Ctx>) -> bool {
    // SAFETY: `pdev` is valid.
    unsafe { bindings::vfio_rs_masters_bus(as_raw(pdev)) }
}
