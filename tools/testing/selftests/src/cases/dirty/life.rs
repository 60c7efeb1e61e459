// SPDX-License-Identifier: GPL-2.0

//! Logging begins, goes on and ends while other things happen to the VF.

use crate::support::{
    logged::{bench, covers, Logged, Pages, Vf, JOBS},
    pair::Pair,
};
use acc_vfio_user::{
    ensure, host,
    migrate::{self, Quiet},
    qm::Qm,
    vfio::{state, Container, Device, Group},
    work::{self},
    Result,
};

/// A job takes so long that it is in flight for sure.
const SLOW_NS: u64 = 20_000_000;

case!(before_start);
/// Jobs that were submitted before logging began: nobody has decoded them, so all is dirty until
/// they are done, and no longer.
fn before_start() -> Result<()> {
    let mut vf = Vf::new()?;
    vf.bench.twin.hold_jobs(0, 0)?;
    vf.submit(JOBS)?;
    let log = Logged::start(&vf.device)?;
    vf.bench.twin.mark()?;
    ensure!(
        log.report()?.is_all(),
        "jobs are in flight that nobody knows"
    );
    ensure!(log.report()?.is_all(), "they still are");
    vf.bench.twin.release_jobs(0)?;
    vf.work.finish(&mut vf.qm, &vf.bench.memory)?;
    covers(&log.report()?, &vf.written()?, "after they were done")?;
    // A VF that has done nothing since.
    let quiet = log.report()?;
    ensure!(quiet.len() < 64, "{} pages of a quiet VF", quiet.len());
    // And one that works: known from now on.
    vf.bench.twin.mark()?;
    vf.round()?;
    let dirty = log.report()?;
    ensure!(!dirty.is_all(), "all is dirty still");
    covers(&dirty, &vf.written()?, "a round")
}

case!(untaken);
/// Jobs that are complete when logging begins, but nobody has taken their completions: nothing is
/// in flight, be it the first log of the VF or another one.
fn untaken() -> Result<()> {
    const FEW: usize = JOBS / 2;
    let mut vf = Vf::new()?;
    for _ in 0..2 {
        vf.bench.twin.mark()?;
        vf.submit(FEW)?;
        let twin = &vf.bench.twin;
        host::wait_for("all jobs", || {
            twin.counts()
                .is_ok_and(|counts| counts.get("vf1", "jobs_done") == FEW as u64)
        })?;
        let log = Logged::start(&vf.device)?;
        ensure!(!log.report()?.is_all(), "all is dirty of a VF that is idle");
        vf.bench.twin.mark()?;
        vf.submit(FEW)?;
        covers(&log.report()?, &vf.written()?, "behind them")?;
        vf.work.finish(&mut vf.qm, &vf.bench.memory)?;
        let dirty = log.report()?;
        ensure!(!dirty.is_all(), "all is dirty");
        covers(&dirty, &vf.written()?, "when all were taken")?;
        let quiet = log.report()?;
        ensure!(quiet.len() < 64, "{} pages of a quiet VF", quiet.len());
    }
    Ok(())
}

case!(target_is_source);
/// A target that becomes a source: of what came with the migration nobody has seen the doorbells,
/// but the contexts say what is in flight.
fn target_is_source() -> Result<()> {
    let bench = bench(host::ZIP, 2)?;
    let (source, target) = (bench.open(0)?, bench.open(1)?);
    let mut pair = Pair::over(host::ZIP, bench, source, target)?;
    pair.bench.twin.job_delay(1, SLOW_NS)?;
    pair.work_in_flight()?;
    let stream = migrate::save(&pair.source, true, &mut Quiet)?;
    pair.arrive(&stream)?;
    let log = Logged::start(&pair.target)?;
    pair.bench.twin.mark()?;
    pair.bench.twin.job_delay(1, 0)?;
    pair.finish()?;
    let dirty = log.report()?;
    covers(
        &dirty,
        &Pages::written(&pair.bench.twin, "vf2")?,
        "what came along",
    )?;
    ensure!(!dirty.is_all(), "what came along: all is dirty");
    drop(log);
    // With nothing in flight all is known at once.
    std::mem::swap(&mut pair.source, &mut pair.target);
    pair.bench.twin.job_delay(0, 0)?;
    pair.migrate(true)?;
    let log = Logged::start(&pair.target)?;
    let quiet = log.report()?;
    ensure!(!quiet.is_all(), "all is dirty of a VF that came idle");
    pair.bench.twin.mark()?;
    pair.round()?;
    let dirty = log.report()?;
    ensure!(!dirty.is_all(), "all is dirty");
    covers(&dirty, &Pages::written(&pair.bench.twin, "vf1")?, "a round")
}

case!(mailbox);
/// What the mailbox is used for is not mediated: a context that is dumped somewhere, a queue that
/// is made anew.
fn mailbox() -> Result<()> {
    let mut vf = Vf::new()?;
    let somewhere = vf.bench.memory.alloc(4096);
    let ring = vf.bench.memory.alloc(3 * 0x400 * 128);
    let log = Logged::start(&vf.device)?;
    log.report()?;
    vf.round()?;
    ensure!(!log.report()?.is_all(), "the mailbox is not in use");
    vf.bench.twin.mark()?;
    vf.qm.dump(1, somewhere)?;
    let written = vf.written()?;
    ensure!(written.has(somewhere), "nothing was dumped");
    covers(&log.report()?, &written, "a context dumped")?;
    // Once.
    vf.bench.twin.mark()?;
    vf.round()?;
    let dirty = log.report()?;
    ensure!(!dirty.is_all(), "all is dirty still");
    covers(&dirty, &vf.written()?, "after a dump")?;
    for place in [None, Some(ring)] {
        for queue in 0..3 {
            vf.qm.remake(
                &vf.bench.memory,
                queue,
                place.map(|at| at + 0x400 * 128 * u64::from(queue)),
            )?;
        }
        vf.bench.twin.mark()?;
        vf.submit(8)?;
        let written = vf.written()?;
        covers(&log.report()?, &written, "queues made anew")?;
        vf.work.finish(&mut vf.qm, &vf.bench.memory)?;
        let written = vf.written()?;
        covers(&log.report()?, &written, "their jobs")?;
        log.report()?;
        vf.bench.twin.mark()?;
        vf.round()?;
        let dirty = log.report()?;
        ensure!(!dirty.is_all(), "all is dirty though the queues are known");
        covers(&dirty, &vf.written()?, "the jobs after")?;
    }
    Ok(())
}

case!(reset);
/// A reset with jobs in flight: what they wrote is told; a VF that is set up anew is known again.
fn reset() -> Result<()> {
    let mut vf = Vf::new()?;
    let log = Logged::start(&vf.device)?;
    for guest in [false, true] {
        vf.bench.twin.job_delay(0, SLOW_NS)?;
        vf.bench.twin.mark()?;
        vf.submit(JOBS)?;
        let twin = &vf.bench.twin;
        host::wait_for("the first jobs", || {
            twin.counts().is_ok_and(|c| c.get("vf1", "jobs_done") >= 3)
        })?;
        match guest {
            true => vf.device.guest_reset()?,
            false => vf.device.reset()?,
        }
        covers(&log.report()?, &vf.written()?, "a reset")?;
        vf.bench.twin.job_delay(0, 0)?;
        vf.work.forget();
        vf.bench.twin.mark()?;
        vf.qm = Qm::new(&vf.device, &mut vf.bench.memory, &work::Zip)?;
        vf.round()?;
        covers(&log.report()?, &vf.written()?, "set up anew")?;
        log.report()?;
        vf.bench.twin.mark()?;
        vf.round()?;
        let dirty = log.report()?;
        ensure!(!dirty.is_all(), "all is dirty");
        covers(&dirty, &vf.written()?, "a round")?;
    }
    Ok(())
}

case!(ways_in);
/// A page table that the user made: its address space is not known to the driver, so nothing can be
/// read and all is dirty. By a container it can be.
fn ways_in() -> Result<()> {
    let first = bench(host::ZIP, 1)?;
    let device = Device::bind(&first.vfs[0].vfio_path()?, &first.iommufd)?;
    device.attach(first.iommufd.hwpt(device.id())?)?;
    let mut vf = Vf::over(first, device)?;
    {
        let log = Logged::start(&vf.device)?;
        log.report()?;
        vf.bench.twin.mark()?;
        vf.round()?;
        covers(&log.report()?, &vf.written()?, "with a page table")?;
        // Attached to an address space, it is read.
        vf.device.attach(vf.bench.iommufd.ioas())?;
        vf.round()?;
        log.report()?;
        vf.bench.twin.mark()?;
        vf.round()?;
        let dirty = log.report()?;
        ensure!(!dirty.is_all(), "all is dirty, though memory can be read");
        covers(&dirty, &vf.written()?, "with an address space")?;
    }
    drop(vf);

    let second = bench(host::ZIP, 1)?;
    let container = Container::new()?;
    let group = Group::open(&second.vfs[0].iommu_group()?)?;
    group.set_container(&container)?;
    container.set_type1()?;
    second.memory.map_into(&container)?;
    let device = group.device(&second.vfs[0].address)?;
    let mut vf = Vf::over(second, device)?;
    let log = Logged::start(&vf.device)?;
    vf.is_known(&log, "with a container")
}

case!(stopped);
/// A VF that is stopped with jobs in flight, before anybody logs: something may have ended its
/// pause. What is in flight when it stops with a log is dirty once and no more, until it runs on.
fn stopped() -> Result<()> {
    let mut vf = Vf::new()?;
    vf.bench.twin.job_delay(0, SLOW_NS)?;
    // Until the stop.
    vf.bench.twin.hold_jobs(0, 0)?;
    vf.submit(JOBS)?;
    vf.device.set_state(state::STOP)?;
    let log = Logged::start(&vf.device)?;
    ensure!(
        log.report()?.is_all(),
        "jobs are in flight that nobody knows"
    );
    vf.bench.twin.mark()?;
    vf.device.set_state(state::RUNNING)?;
    ensure!(log.report()?.is_all(), "they go on");
    vf.device.set_state(state::STOP)?;
    covers(&log.report()?, &vf.written()?, "stopped again")?;
    let quiet = log.report()?;
    ensure!(quiet.len() < 64, "{} pages, stopped again", quiet.len());
    // Jobs that are known.
    vf.device.set_state(state::RUNNING)?;
    vf.bench.twin.job_delay(0, 0)?;
    vf.work.finish(&mut vf.qm, &vf.bench.memory)?;
    log.report()?;
    for _ in 0..4 {
        vf.bench.twin.job_delay(0, SLOW_NS)?;
        vf.bench.twin.mark()?;
        vf.submit(JOBS)?;
        vf.device.set_state(state::STOP)?;
        covers(&log.report()?, &vf.written()?, "what is known, stopped")?;
        let quiet = log.report()?;
        ensure!(quiet.len() < 64, "{} pages, known", quiet.len());
        vf.bench.twin.mark()?;
        vf.device.set_state(state::RUNNING)?;
        vf.bench.twin.job_delay(0, 0)?;
        let twin = &vf.bench.twin;
        host::wait_for("the jobs", || {
            twin.counts().is_ok_and(|c| c.get("vf1", "jobs_done") > 0)
        })?;
        // Nobody has asked while it ran.
        vf.device.set_state(state::STOP)?;
        covers(&log.report()?, &vf.written()?, "it ran in between")?;
        vf.device.set_state(state::RUNNING)?;
        vf.work.finish(&mut vf.qm, &vf.bench.memory)?;
        log.report()?;
    }
    Ok(())
}

case!(again);
/// Called off in the middle of a migration, and begun again.
fn again() -> Result<()> {
    let mut vf = Vf::new()?;
    for _ in 0..3 {
        let log = Logged::start(&vf.device)?;
        let file = vf.device.set_state(state::PRE_COPY)?;
        vf.bench.twin.mark()?;
        vf.round()?;
        let dirty = log.report()?;
        ensure!(!dirty.is_all(), "PRE_COPY: all is dirty");
        covers(&dirty, &vf.written()?, "PRE_COPY")?;
        vf.device.set_state(state::RUNNING)?;
        drop((file, log));
        vf.round()?;
    }
    Ok(())
}
