// SPDX-License-Identifier: GPL-2.0

//! The rules of `VFIO_DEVICE_FEATURE_DMA_LOGGING_*`, and when they are offered.

use crate::support::{
    logged::{arena, bench, covers, Logged, Pages, PAGE},
    mode::PARAMETER,
};
use acc_vfio_user::{
    ensure, errno,
    host::{self, write},
    memory::IOVA,
    qm::Qm,
    vfio::state,
    work::{self, Workload},
    Result,
};
use std::{os::unix::fs::MetadataExt, path::Path};

case!(uapi);
/// Whatever is asked in whatever order: the errors that the uAPI has for it, and no more.
// One range is meant, not the numbers in it.
#[allow(clippy::single_range_in_vec_init)]
fn uapi() -> Result<()> {
    let mut bench = bench(host::ZIP, 1)?;
    let device = bench.open(0)?;
    ensure!(device.has_logging(), "DMA logging is not offered");
    let mut bits = vec![0u64; 16];
    let some = IOVA..IOVA + 1024 * PAGE;
    let e = errno(device.report_logging(PAGE, some.clone(), &mut bits));
    ensure!(e == libc::EINVAL, "a report without a log: errno {e}");
    let e = errno(device.stop_logging());
    ensure!(e == libc::EINVAL, "the end of no log: errno {e}");

    // (page size, ranges, errno)
    let wrong = [
        (PAGE, vec![], libc::EINVAL),
        (0, vec![arena()], libc::EINVAL),
        (3 * PAGE, vec![0..3 * PAGE], libc::EINVAL),
        (2048, vec![0..2048], libc::EINVAL),
        (PAGE, vec![IOVA + 1..IOVA + PAGE + 1], libc::EINVAL),
        (PAGE, vec![IOVA..IOVA + 100], libc::EINVAL),
        (
            PAGE,
            vec![IOVA..IOVA + 2 * PAGE, IOVA + PAGE..IOVA + 3 * PAGE],
            libc::EINVAL,
        ),
    ];
    for (page_size, ranges, expected) in wrong {
        let e = errno(device.start_logging(page_size, &ranges));
        ensure!(
            e == expected,
            "page size {page_size}, ranges {ranges:x?}: errno {e}"
        );
    }
    let many: Vec<_> = (0..257).map(|n| n * 2 * PAGE..(n * 2 + 1) * PAGE).collect();
    let e = errno(device.start_logging(PAGE, &many));
    ensure!(e == libc::E2BIG, "257 ranges: errno {e}");
    let e = errno(device.start_logging_at(PAGE, 1, std::ptr::dangling()));
    ensure!(e == libc::EFAULT, "ranges nowhere: errno {e}");

    // As many ranges as there may be, and a page size that is not the report's.
    let mut ranges: Vec<_> = many[..255].to_vec();
    ranges.push(arena());
    device.start_logging(16 * PAGE, &[arena()])?;
    device.stop_logging()?;
    device.start_logging(PAGE, &ranges)?;
    let e = errno(device.start_logging(PAGE, &[arena()]));
    ensure!(e == libc::EINVAL, "a second log: errno {e}");

    let mut qm = Qm::new(&device, &mut bench.memory, &work::Zip)?;
    let mut work = Workload::new(&work::Zip, &mut bench.memory, 8);
    device.report_logging(PAGE, some.clone(), &mut bits)?;
    bench.twin.mark()?;
    work.round(&mut qm, &bench.memory, 8)?;
    // Bits that were set stay set.
    let mut pages = Pages::none();
    let log = Logged::of(&device)?;
    pages.add(&log.report()?);
    let written = Pages::written(&bench.twin, "vf1")?;
    covers(&pages, &written, "the first report")?;
    // What was reported is not reported again; the VF has done nothing since.
    let again = log.report()?;
    ensure!(
        again.len() < 32 && again.len() < pages.len(),
        "{} pages are reported of a VF that does nothing, {} before",
        again.len(),
        pages.len()
    );
    // Pages of another size: a bit for each that has some of it.
    bench.twin.mark()?;
    work.round(&mut qm, &bench.memory, 8)?;
    let written = Pages::written(&bench.twin, "vf1")?;
    let large = 16 * PAGE;
    let mut bits = vec![0u64; crate::support::logged::ARENA.div_ceil(64 * large as usize)];
    device.report_logging(large, arena(), &mut bits)?;
    for page in written.addresses() {
        let n = (page - IOVA) / large;
        ensure!(
            bits[n as usize / 64] & (1 << (n % 64)) != 0,
            "{page:#x} is in no large page that is reported"
        );
    }
    // After the stop, too.
    bench.twin.mark()?;
    // Until the stop.
    bench.twin.hold_jobs(0, 2)?;
    for _ in 0..8 {
        work.submit(&mut qm, &bench.memory)?;
    }
    let file = device.set_state(state::STOP_COPY)?;
    let written = Pages::written(&bench.twin, "vf1")?;
    covers(&log.report()?, &written, "in STOP_COPY")?;
    drop(file);
    device.set_state(state::RUNNING)?;
    work.finish(&mut qm, &bench.memory)?;
    log.report()?;
    drop(log);
    let e = errno(device.report_logging(PAGE, some, &mut [0; 16]));
    ensure!(e == libc::EINVAL, "a report after the end: errno {e}");
    Ok(())
}

case!(policy);
/// `dirty_tracking`: of the module, and of each VF; what is offered and what is mapped follows it.
fn policy() -> Result<()> {
    let bench = bench(host::ZIP, 1)?;
    let attribute = bench.vfs[0].path().join("dirty_tracking");
    let parameter = PARAMETER;
    ensure!(
        host::read(parameter)? == "auto",
        "the module's default is another"
    );
    // No IOMMU here tracks: auto means yes.
    for (mode, tracks) in [("off", false), ("on", true), ("auto", true)] {
        write(&attribute, mode)?;
        ensure!(host::read(&attribute)? == mode, "{mode} is not taken");
        let device = bench.open(0)?;
        ensure!(
            device.has_logging() == tracks,
            "{mode}: logging is offered: {}",
            device.has_logging()
        );
        let bar2 = device.region(2)?;
        let areas = device.mmap_areas(&bar2)?;
        let mapped = areas.iter().any(|area| area.contains(&0x1000));
        ensure!(mapped != tracks, "{mode}: BAR2 is mapped at {areas:x?}");
        ensure!(
            areas
                .first()
                .is_some_and(|area| area.start == 0 && area.end >= 0x1000),
            "{mode}: the mailbox is not mapped: {areas:x?}"
        );
        let bar4 = device.mmap_areas(&device.region(4)?)?;
        ensure!(
            bar4.is_empty() == tracks,
            "{mode}: BAR4 is mapped at {bar4:x?}"
        );
        if tracks {
            // While logging is on they cannot be mapped; once they are mapped logging cannot start.
            device.start_logging(PAGE, &[arena()])?;
            let e = errno(device.mmap(&bar2, 0x1000, 0x1000));
            ensure!(e == libc::EINVAL, "{mode}: mapped while logging: errno {e}");
            device.stop_logging()?;
            drop(device.mmap(&bar2, 0, 0x4000)?);
            let e = errno(device.start_logging(PAGE, &[arena()]));
            ensure!(
                e == libc::EBUSY,
                "{mode}: logging past a mapping: errno {e}"
            );
        }
        // Not while it is open.
        let e = errno(std::fs::write(&attribute, "off"));
        ensure!(e == libc::EBUSY, "{mode}: changed while open: errno {e}");
    }
    // As a shell writes it.
    write(&attribute, "off\n")?;
    ensure!(host::read(&attribute)? == "off", "a newline is not taken");
    write(&attribute, "auto\n")?;
    for file in [attribute.as_path(), Path::new(parameter)] {
        let bits = file.metadata()?.mode() & 0o777;
        ensure!(bits == 0o644, "{}: mode {bits:o}", file.display());
    }
    let e = errno(std::fs::write(&attribute, "perhaps"));
    ensure!(e == libc::EINVAL, "another word: errno {e}");
    let e = errno(std::fs::write(parameter, "perhaps"));
    ensure!(e == libc::EINVAL, "another word for the module: errno {e}");
    Ok(())
}
