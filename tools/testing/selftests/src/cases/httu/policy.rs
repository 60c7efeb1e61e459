// SPDX-License-Identifier: GPL-2.0

//! `httu.policy`, `httu.container`, `httu.software`, `httu.stale`: what the driver makes of such an
//! IOMMU.

use crate::support::{
    bench::Bench,
    dirty_bits::{bind, equal, DirtyBits},
    logged::{bench, covers, Logged, Pages, Vf},
    mode::Mode,
};
use acc_case::Httu;
use acc_vfio_user::{
    ensure, host,
    vfio::{Container, Device, Group},
    Result,
};
use hisi_acc_hw::regs::QM_DOORBELL_SQ_CQ_BASE_V2;

/// Whether the driver offers to track, and mediates the doorbells for it: both, or neither.
fn tracks(device: &Device, wanted: bool, when: &str) -> Result<()> {
    let offers = device.has_logging();
    ensure!(offers == wanted, "{when}: logging is offered: {offers}");
    let areas = device.mmap_areas(&device.region(2)?)?;
    let doorbells = u64::from(QM_DOORBELL_SQ_CQ_BASE_V2);
    let mapped = areas.iter().any(|area| area.contains(&doorbells));
    ensure!(
        mapped != wanted,
        "{when}: the doorbells of BAR2 are mapped: {mapped}"
    );
    let bar4 = device.mmap_areas(&device.region(4)?)?;
    ensure!(
        bar4.is_empty() == wanted,
        "{when}: BAR4 is mapped at {bar4:x?}"
    );
    Ok(())
}

/// Opens VF 0 by a container.
fn by_container(bench: &Bench) -> Result<(Container, Group, Device)> {
    let container = Container::new()?;
    let group = Group::open(&bench.vfs[0].iommu_group()?)?;
    group.set_container(&container)?;
    container.set_type1()?;
    bench.memory.map_into(&container)?;
    let device = group.device(&bench.vfs[0].address)?;
    Ok((container, group, device))
}

case!(policy);
/// By an iommufd the driver leaves tracking to the IOMMU, unless it is told to track.
fn policy() -> Result<()> {
    let bench = bench(host::ZIP, 1)?;
    for (mode, wanted) in [("auto", false), ("on", true), ("off", false)] {
        let _mode = Mode::new(&bench.vfs[0], mode)?;
        tracks(&bench.open(0)?, wanted, &format!("{mode}, by an iommufd"))?;
        let (_container, _group, device) = by_container(&bench)?;
        // A container has no use for the dirty bits.
        let wanted = mode != "off";
        tracks(&device, wanted, &format!("{mode}, by a container"))?;
    }
    Ok(())
}

case!(container);
/// By a container the driver tracks, and its reports contain all that was written.
fn container() -> Result<()> {
    let bench = bench(host::ZIP, 1)?;
    let (_container, _group, device) = by_container(&bench)?;
    let mut vf = Vf::over(bench, device)?;
    let log = Logged::start(&vf.device)?;
    vf.round()?;
    vf.is_known(&log, "by a container")
}

/// What was written while IOMMU and driver track, in pages: all, what the IOMMU has missed, and
/// what the driver reports.
struct Both {
    written: u64,
    missed: u64,
    reported: u64,
}

/// Rounds of jobs while IOMMU and driver track. The driver reports all that was written, and the
/// IOMMU nothing else.
fn both() -> Result<Both> {
    let bench = bench(host::ZIP, 1)?;
    let function = bench.vfs[0].clone();
    let _mode = Mode::new(&function, "on")?;
    let device = bind(&bench, 0)?;
    let bits = DirtyBits::new(&bench.iommufd, &device)?;
    let mut vf = Vf::over(bench, device)?;
    let log = Logged::start(&vf.device)?;
    vf.round()?;
    let mut sum = Both {
        written: 0,
        missed: 0,
        reported: 0,
    };
    for round in 0..20 {
        log.report()?;
        bits.mark(&vf.bench)?;
        vf.round()?;
        let written = Pages::written(&vf.bench.twin, "vf1")?;
        let (reported, noted) = (log.report()?, bits.take(&vf.bench.iommufd)?);
        covers(&reported, &written, &format!("round {round}"))?;
        let missed = written.without(&noted);
        equal(&noted, &written.without(&missed), &format!("round {round}"))?;
        sum.written += written.len();
        sum.missed += missed.len();
        sum.reported += reported.len();
    }
    ensure!(sum.written != 0, "nothing was written");
    Ok(sum)
}

case!(software);
/// Nothing is missed.
fn software() -> Result<String> {
    let Both {
        written,
        missed,
        reported,
    } = both()?;
    ensure!(
        missed == 0,
        "{written} pages written, {missed} of them missed by the IOMMU"
    );
    Ok(format!(
        "{written} pages written, all noted by the IOMMU, {reported} reported by the driver"
    ))
}

case!(stale, httu: Httu::Cached);
/// A defect of the kernel, 7.2 and 7.3: `arm_smmu_iotlb_sync()` does nothing after dirty bits were
/// cleared, since `iommu_dirty_bitmap_record()` gathers a range without a page size. An IOMMU that
/// caches the dirty state misses what is written then. The driver does not. If this case fails, the
/// kernel may have been corrected: then the documentation has to change.
fn stale() -> Result<String> {
    let Both {
        written,
        missed,
        reported,
    } = both()?;
    ensure!(
        missed != 0,
        "the kernel invalidates translations when it clears dirty bits"
    );
    Ok(format!(
        "{written} pages written, {missed} of them missed by the IOMMU, {reported} reported by the \
         driver"
    ))
}
