// SPDX-License-Identifier: GPL-2.0

//! `httu.capable`, `httu.precise_*`: the pages that iommufd reports as dirty are those that the
//! device model wrote, no more and no fewer.

use crate::support::{
    bench::Bench,
    dirty_bits::{bind, equal, DirtyBits},
    logged::{Pages, ARENA},
    pair::Pair,
};
use acc_case::Httu;
use acc_vfio_user::{
    ensure, errno,
    host::{self, Accelerator},
    migrate::{save, Quiet},
    qm::Qm,
    work::{self, Random, Workload},
    Driver, Result,
};

fn bench(accelerator: Accelerator, driver: Driver, vfs: usize) -> Result<Bench> {
    Bench::with_memory(accelerator, &vec![driver; vfs], ARENA)
}

case!(capable, with: [Rust, C]);
/// The driver of the IOMMU says so of each engine's VFs, and makes such a page table.
fn capable(driver: Driver) -> Result<()> {
    for accelerator in host::ALL {
        let bench = bench(accelerator, driver, 1)?;
        let device = bind(&bench, 0)?;
        ensure!(
            bench.iommufd.has_dirty_bits(device.id())?,
            "{}: no IOMMU_HW_CAP_DIRTY_TRACKING",
            accelerator.name
        );
        let bits = DirtyBits::new(&bench.iommufd, &device)?;
        let dirty = bits.take(&bench.iommufd)?.len();
        ensure!(dirty == 0, "{dirty} pages are dirty, and nothing worked");
    }
    Ok(())
}

case!(incapable, with: [Rust], generations: One(V3), httu: Httu::Off);
/// The IOMMU of all other cases has no dirty bits, and its driver says so.
fn incapable(driver: Driver) -> Result<()> {
    let bench = bench(host::ZIP, driver, 1)?;
    let device = bind(&bench, 0)?;
    ensure!(
        !bench.iommufd.has_dirty_bits(device.id())?,
        "IOMMU_HW_CAP_DIRTY_TRACKING"
    );
    let e = errno(bench.iommufd.dirty_hwpt(device.id()));
    ensure!(e == libc::EOPNOTSUPP, "a page table with them: errno {e}");
    Ok(())
}

/// Rounds of random jobs. Pages are taken at random moments, also while jobs are in flight. Over a
/// round all that were taken are those that were written.
fn random_jobs(accelerator: Accelerator, driver: Driver, rounds: usize) -> Result<String> {
    const SLOTS: usize = 64;
    /// Submissions and looks for completions before pages are taken, at most
    const OFTEN: usize = 128;
    let mut bench = bench(accelerator, driver, 1)?;
    let device = bind(&bench, 0)?;
    let bits = DirtyBits::new(&bench.iommufd, &device)?;
    let engine = work::engine(accelerator);
    let mut qm = Qm::new(&device, &mut bench.memory, engine)?;
    let mut work = Workload::new(engine, &mut bench.memory, SLOTS);
    work.round(&mut qm, &bench.memory, SLOTS)?;
    let mut random = Random::new(0);
    let mut sum = 0;
    for round in 0..rounds {
        let delay = [0, 0, 50_000, 1_000_000][random.next(4)];
        bench.twin.job_delay(0, delay)?;
        bits.mark(&bench)?;
        let mut dirty = Pages::none();
        for _ in 0..4 {
            work.by_chance(&mut random, OFTEN, &mut qm, &bench.memory)?;
            dirty.add(&bits.take(&bench.iommufd)?);
        }
        work.finish(&mut qm, &bench.memory)?;
        let written = Pages::written(&bench.twin, "vf1")?;
        // What is only looked at stays dirty.
        let last = bits.look(&bench.iommufd)?;
        equal(&bits.take(&bench.iommufd)?, &last, "looked at before")?;
        dirty.add(&last);
        equal(&dirty, &written, &format!("round {round}"))?;
        let none = bits.look(&bench.iommufd)?.len();
        ensure!(none == 0, "round {round}: {none} pages are dirty again");
        sum += written.len();
    }
    bench.twin.job_delay(0, 0)?;
    ensure!(sum != 0, "nothing was written");
    Ok(format!(
        "{sum} pages written in {rounds} rounds, no other is dirty"
    ))
}

case!(precise_zip, with: [Rust, C]);
fn precise_zip(driver: Driver) -> Result<String> {
    random_jobs(host::ZIP, driver, 20)
}

case!(precise_sec, with: [Rust, C], generations: One(V3));
fn precise_sec(driver: Driver) -> Result<String> {
    random_jobs(host::SEC, driver, 20)
}

case!(precise_hpre, with: [Rust, C], generations: One(V3));
fn precise_hpre(driver: Driver) -> Result<String> {
    random_jobs(host::HPRE, driver, 10)
}

case!(migration, with: [Rust, C]);
/// Over a migration with work in flight, of source and target, which share the page table.
fn migration(driver: Driver) -> Result<String> {
    let bench = bench(host::ZIP, driver, 2)?;
    let source = bind(&bench, 0)?;
    let target = bind(&bench, 1)?;
    let bits = DirtyBits::new(&bench.iommufd, &source)?;
    bits.attach(&target)?;
    let mut pair = Pair::over(host::ZIP, bench, source, target)?;
    bits.mark(&pair.bench)?;
    pair.work_in_flight()?;
    let stream = save(&pair.source, true, &mut Quiet)?;
    let done = pair.bench.twin.counts()?.get("vf1", "jobs_done");
    let mut dirty = bits.take(&pair.bench.iommufd)?;
    equal(&dirty, &Pages::written(&pair.bench.twin, "vf1")?, "saved")?;
    pair.arrive(&stream)?;
    pair.go_on_after(done)?;
    dirty.add(&bits.take(&pair.bench.iommufd)?);
    let mut written = Pages::written(&pair.bench.twin, "vf1")?;
    written.add(&Pages::written(&pair.bench.twin, "vf2")?);
    equal(&dirty, &written, "loaded")?;
    Ok(format!("{} pages", written.len()))
}
