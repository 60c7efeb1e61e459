// SPDX-License-Identifier: GPL-2.0

//! What a driver must not be able to write without `unsafe`. The file compiles as it is; with each
//! `--cfg` that stands below it must not, for the error named (see rejected.sh).

#![allow(dead_code)]

#[path = "../../drivers/vfio/qm.rs"]
mod qm;

use hisi_acc_hw::regs;
use hisi_acc_link::PfQm;
use kernel::{
    device::Bound,
    pci,
    prelude::*,
    sync::aref::ARef, //
};
use vfio::pci::{
    iommu_tracks_dirty_pages,
    masters_bus,
    Driver,
    Isolation,
    OpenDevice,
    VirtualFunction, //
};

fn bound(pdev: &pci::Device<Bound>) -> u32 {
    let _ = (
        iommu_tracks_dirty_pages(pdev),
        masters_bus(pdev),
        Isolation::of(pdev),
    );
    VirtualFunction::of(pdev).map_or(0, |vf| vf.index)
}

fn kept(pdev: &pci::Device<Bound>) -> ARef<pci::Device> {
    pdev.into()
}

fn open<D: Driver>(dev: &OpenDevice<'_, D>) -> u32 {
    bound(dev.as_bound())
}

// The PF of a VF that is not bound may be freed.
#[cfg(vf_of_unbound)] // E0308
fn vf_of_unbound(pdev: &ARef<pci::Device>) -> bool {
    VirtualFunction::of(pdev).is_some()
}

// The same of what is kept of a bound one.
#[cfg(pf_outlives_vf)] // E0515
fn pf_outlives_vf(
    pdev: ARef<pci::Device>,
    with: fn(&pci::Device) -> &pci::Device<Bound>,
) -> Option<&'static pci::Device> {
    VirtualFunction::of(with(&pdev)).map(|vf| vf.pf)
}

// The IOMMU driver's data of a device that is not bound may be freed.
#[cfg(iommu_of_unbound)] // E0308
fn iommu_of_unbound(pdev: &ARef<pci::Device>) -> bool {
    iommu_tracks_dirty_pages(pdev)
}

#[cfg(group_of_unbound)] // E0308
fn group_of_unbound(pdev: &ARef<pci::Device>) -> Isolation {
    Isolation::of(pdev)
}

#[cfg(config_of_unbound)] // E0308
fn config_of_unbound(pdev: &ARef<pci::Device>) -> bool {
    masters_bus(pdev)
}

// That a device is bound cannot be kept.
#[cfg(bound_is_kept)] // E0277
fn bound_is_kept(pdev: &pci::Device<Bound>) -> ARef<pci::Device<Bound>> {
    pdev.into()
}

// Nor that it is open.
#[cfg(open_outlives_callback)] // lifetime may not live long enough
fn open_outlives_callback<D: Driver>(dev: &OpenDevice<'_, D>) -> &'static pci::Device<Bound> {
    dev.as_bound()
}

#[cfg(open_is_sent)] // E0277
fn open_is_sent<D: Driver>(dev: OpenDevice<'static, D>) {
    fn send(_: impl Send) {}
    send(dev)
}

fn registers(qm: &qm::Qm<'_>, pf: &PfQm) -> Result {
    qm.write(regs::QM_PAGE_SIZE, qm.read(regs::QM_VF_STATE)?)?;
    pf.read(regs::QM_ABNORMAL_INT_STATUS)?;
    pf.read(regs::QM_QUE_ISO_CFG_V)?;
    let mut words = [0];
    pf.window_read(1, regs::QM_EQC_PF_DW0, &mut words)?;
    pf.window_write(1, regs::QM_EQC_PF_DW0, &words)
}

// A VF does not have the registers of its PF.
#[cfg(pf_register_of_vf)] // E0308
fn pf_register_of_vf(qm: &qm::Qm<'_>) -> Result<u32> {
    qm.read(regs::QM_ABNORMAL_INT_STATUS)
}

// Registers that only the window shows are elsewhere in each BAR.
#[cfg(window_register_of_vf)] // E0308
fn window_register_of_vf(qm: &qm::Qm<'_>) -> Result<u32> {
    qm.read(regs::QM_EQC_PF_DW0)
}

#[cfg(window_register_of_pf)] // E0277
fn window_register_of_pf(pf: &PfQm) -> Result<u32> {
    pf.read(regs::QM_EQC_PF_DW0)
}

// A register and a value cannot be swapped.
#[cfg(value_before_register)] // E0308
fn value_before_register(qm: &qm::Qm<'_>) -> Result {
    qm.write(0, regs::QM_PAGE_SIZE)
}
