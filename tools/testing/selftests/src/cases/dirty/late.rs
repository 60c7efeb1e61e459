// SPDX-License-Identifier: GPL-2.0

//! Users who do things late, or otherwise than drivers do.

use crate::support::{
    bench::Bench,
    logged::{bench, covers, Logged, Pages, ARENA, PAGE},
    pair::Pair,
};
use acc_vfio_user::{
    ensure, host,
    memory::Memory,
    migrate::{self, Quiet},
    qm::{Qm, QUEUE_DEPTH},
    work, Result,
};
use hisi_acc_hw::{
    doorbell::{Doorbell, Kind},
    zip::{Format, Sqe},
};

/// The queue that compresses.
const QUEUE: u16 = 0;
/// No job ends while this counts.
const NEVER_NS: u64 = 3_000_000_000;
/// Some are in flight, and a VF can be paused.
const SLOW_NS: u64 = 200_000_000;

/// Small jobs, whose output is a page of its own each.
struct Jobs {
    source: u64,
    dest: u64,
    next: u64,
}

impl Jobs {
    const SOURCE: u32 = 64;

    fn new(memory: &mut Memory, jobs: usize) -> Self {
        Self {
            source: memory.alloc(Self::SOURCE as usize),
            dest: memory.alloc(jobs * PAGE as usize),
            next: 0,
        }
    }

    /// Puts `n` into the queue and rings for them.
    fn submit(&mut self, qm: &mut Qm, memory: &Memory, n: u16) {
        for _ in 0..n {
            let dest = self.dest + self.next * PAGE;
            let (len, room) = (Self::SOURCE, PAGE as u32);
            let (from, tag) = (self.source, self.next);
            let sqe = Sqe::request(Format::Zlib, false, from, len, dest, room, tag);
            qm.place(memory, QUEUE, &sqe.to_bytes());
            self.next += 1;
        }
        qm.ring(QUEUE, QUEUE);
    }
}

fn acknowledge(qm: &Qm, head: u16) {
    qm.ring_raw(
        QUEUE,
        Doorbell {
            queue: QUEUE,
            kind: Kind::Cq,
            index: head,
            priority: 0,
        },
    );
}

case!(late_completions);
/// A guest puts a new entry into a slot once it has seen the completion of the old one, and
/// acknowledges the old one only then: of two entries of one index it is not the new one that is
/// done.
fn late_completions() -> Result<()> {
    for logged_before in [true, false] {
        late_completion(logged_before).map_err(|e| format!("logged {logged_before}: {e}"))?;
    }
    Ok(())
}

fn late_completion(logged_before: bool) -> Result<()> {
    let mut bench = bench(host::ZIP, 1)?;
    let device = bench.open(0)?;
    let mut qm = Qm::new(&device, &mut bench.memory, &work::Zip)?;
    let Bench { memory, twin, .. } = &mut bench;
    let mut jobs = Jobs::new(memory, 2 * usize::from(QUEUE_DEPTH));
    let start = || Logged::start(&device);
    let before = if logged_before { Some(start()?) } else { None };
    // All of the ring but one, which it keeps free. None is acknowledged.
    let last = QUEUE_DEPTH - 2;
    jobs.submit(&mut qm, memory, QUEUE_DEPTH - 1);
    host::wait_for("a round of the ring", || qm.phase(memory, QUEUE, last))?;
    let log = match before {
        Some(log) => log,
        None => start()?,
    };
    // The last slot, and the first anew.
    twin.job_delay(0, NEVER_NS)?;
    jobs.submit(&mut qm, memory, 2);
    ensure!(qm.phase(memory, QUEUE, 0), "the job is done already");
    acknowledge(&qm, 1);
    log.report()?;
    log.report()?;
    ensure!(qm.phase(memory, QUEUE, 0), "the job is done too soon");
    twin.mark()?;
    twin.job_delay(0, 0)?;
    acknowledge(&qm, QUEUE_DEPTH / 2);
    host::wait_for("the last job", || !qm.phase(memory, QUEUE, 0))?;
    let written = Pages::written(twin, "vf1")?;
    ensure!(
        written.has(jobs.dest + (jobs.next - 1) * PAGE),
        "the last job's output was not written after it was marked"
    );
    covers(&log.report()?, &written, "the job in a slot anew")?;
    // When all is acknowledged nothing is in flight.
    acknowledge(&qm, 1);
    log.report()?;
    let quiet = log.report()?;
    ensure!(quiet.len() < 64, "{} pages of a quiet VF", quiet.len());
    Ok(())
}

case!(not_understood);
/// A queue that the driver does not understand, and that came with a migration, at work: nobody has
/// seen a doorbell of it, and all is dirty nevertheless.
fn not_understood() -> Result<()> {
    let bench = bench(host::ZIP, 2)?;
    let (source, target) = (bench.open(0)?, bench.open(1)?);
    let mut pair = Pair::over(host::ZIP, bench, source, target)?;
    let all = ARENA as u64 / PAGE;
    for queue in 0..3 {
        pair.qm.remake_uneven(&pair.bench.memory, queue)?;
    }
    // It works, and when it does not it is known to be at rest.
    pair.round()?;
    pair.migrate(true)?;
    std::mem::swap(&mut pair.source, &mut pair.target);
    let log = Logged::start(&pair.source)?;
    ensure!(
        log.report()?.len() == all,
        "rings of two depths are compared"
    );
    drop(log);
    pair.bench.twin.job_delay(1, SLOW_NS)?;
    pair.submit(8)?;
    let stream = migrate::save(&pair.source, true, &mut Quiet)?;
    pair.bench.twin.job_delay(0, SLOW_NS)?;
    pair.arrive(&stream)?;
    let log = Logged::start(&pair.target)?;
    log.report()?;
    pair.bench.twin.mark()?;
    ensure!(
        log.report()?.len() == all,
        "jobs came along that nobody knows"
    );
    pair.bench.twin.job_delay(0, 0)?;
    pair.finish()?;
    covers(
        &log.report()?,
        &Pages::written(&pair.bench.twin, "vf1")?,
        "what came along",
    )
}
