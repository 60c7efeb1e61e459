// SPDX-License-Identifier: GPL-2.0

//! `dirty.kick`, `dirty.loaded`, `dirty.replaced`, `dirty.replaced_before`, `dirty.seems_gone`,
//! `dirty.slept`, `dirty.long_walk`: what a guest can do to contexts, pauses and bus mastering, and
//! how long a doorbell can take.

use crate::{
    cases::dirty::room::Shown,
    support::logged::{covers, Logged, Vf, JOBS, PAGE},
};
use acc_vfio_user::{
    ensure,
    host::{self, seconds},
    qm::{Indices, QUEUE_DEPTH},
    vfio::{power::Sleep, state},
    Result,
};
use hisi_acc_hw::{
    doorbell::{Doorbell, Kind},
    regs,
    sgl::{Sge, SglHead, SGE_SIZE, SGL_HEAD},
    zip::{Format, Sqe, SQE_SIZE},
};
use std::{thread, time::Duration};

/// How many requests a case puts into a ring.
const FEW: u16 = 5;

impl Vf {
    /// Rings an SQ.
    fn sq_doorbell(&self, queue: u16, index: u16, priority: u16) {
        let doorbell = Doorbell {
            queue,
            kind: Kind::Sq,
            index,
            priority,
        };
        self.qm.ring_raw(queue, doorbell);
    }

    /// Puts requests into the first slots of a ring, each with an output of its own.
    fn fill(&mut self, ring: u64, count: u16) {
        let source = self.bench.memory.alloc(4096);
        for n in 0..u64::from(count) {
            let dest = self.bench.memory.alloc(2 * PAGE as usize);
            let sqe = Sqe::request(Format::Zlib, false, source, 4096, dest, PAGE as u32, n);
            let at = ring + n * SQE_SIZE as u64;
            self.bench.memory.write(at, &sqe.to_bytes());
        }
    }

    fn jobs_done(&self) -> Result<u64> {
        Ok(self.bench.twin.counts()?.get("vf1", "jobs_done"))
    }

    /// Waits until the VF has done so many jobs since the mark.
    fn wait_for_jobs(&self, count: u16) -> Result<()> {
        host::wait_for("the jobs", || {
            self.jobs_done().is_ok_and(|done| done >= u64::from(count))
        })
    }

    /// Sets it up anew after a reset. Then what it writes is known precisely.
    fn is_known_anew(&mut self, log: &Logged) -> Result<()> {
        self.device.reset()?;
        self.set_up()?;
        self.is_known(log, "after a reset")
    }
}

case!(kick);
/// In P2P, userspace rings a submission doorbell with priority, as host drivers do to end a pause,
/// and writes something odd. The device gets neither: it does nothing more, also in STOP_COPY.
fn kick() -> Result<()> {
    let mut vf = Vf::new()?;
    let log = Logged::start(&vf.device)?;
    let bar4 = vf.device.region(4)?;
    let at = regs::QM_DOORBELL_SQ_CQ_BASE_V2.into();
    log.report()?;
    vf.bench.twin.hold_jobs(0, 0)?;
    vf.submit(JOBS)?;
    vf.device.set_state(state::RUNNING_P2P)?;
    log.report()?;
    log.report()?;
    vf.bench.twin.mark()?;
    for priority in [1, 2, 8] {
        vf.sq_doorbell(0, 0, priority);
    }
    vf.device.write_at(&bar4, at, &[0xff; 4])?;
    thread::sleep(seconds(1) / 20);
    let rung = vf.bench.twin.counts()?.with_prefix("vf1", "doorbell.");
    ensure!(rung == 0, "{rung} doorbells have reached the device");
    ensure!(vf.jobs_done()? == 0, "the device goes on in P2P");
    let quiet = log.report()?;
    ensure!(quiet.len() < 64, "{} pages of a paused VF", quiet.len());
    vf.device.set_state(state::STOP_COPY)?;
    vf.sq_doorbell(0, 0, 1);
    thread::sleep(seconds(1) / 20);
    ensure!(vf.jobs_done()? == 0, "the device goes on in STOP_COPY");
    covers(&log.report()?, &vf.written()?, "STOP_COPY")?;
    vf.device.set_state(state::RUNNING)?;
    vf.work.finish(&mut vf.qm, &vf.bench.memory)?;
    covers(&log.report()?, &vf.written()?, "it runs on")
}

case!(loaded);
/// The guest loads contexts that are not at rest: requests that no doorbell announces, completions
/// that go elsewhere.
fn loaded() -> Result<()> {
    let mut vf = Vf::new()?;
    let log = Logged::start(&vf.device)?;
    for (sq_head, cq_tail) in [(0, 0), (0, FEW), (2, 2)] {
        vf.is_known_anew(&log)?;
        let (ring, _) = vf.qm.sq_ring(0);
        vf.fill(ring, FEW);
        let at = Indices {
            sq_head,
            sq_tail: FEW,
            cq_tail,
        };
        vf.qm.remake_at(&vf.bench.memory, 0, None, at)?;
        ensure!(log.report()?.is_all(), "the mailbox was used");
        vf.bench.twin.mark()?;
        // It has the index that the context has.
        vf.sq_doorbell(0, FEW, 0);
        vf.wait_for_jobs(FEW - sq_head)?;
        let dirty = log.report()?;
        let what = format!("head {sq_head}, tail of the CQ {cq_tail}");
        covers(&dirty, &vf.written()?, &what)?;
        // When tails differ, more completions than requests come back.
        let agree = sq_head == cq_tail;
        ensure!(!(agree && dirty.is_all()), "{what}: all is dirty");
    }
    vf.is_known_anew(&log)
}

case!(replaced);
/// The guest makes a queue anew while the engine is at one of its requests: that one is in flight
/// until a request of the new queue is complete.
fn replaced() -> Result<()> {
    let mut vf = Vf::new()?;
    let log = Logged::start(&vf.device)?;
    vf.is_known_anew(&log)?;
    vf.qm.remake(&vf.bench.memory, 0, None)?;
    log.report()?;
    vf.bench.twin.hold_jobs(0, 0)?;
    let (ring, len) = vf.qm.sq_ring(0);
    vf.fill(ring, 1);
    vf.sq_doorbell(0, 1, 0);
    // Before the answer the engine takes the request, which the new context would hide from it.
    vf.bench.twin.counts()?;
    let other = vf.bench.memory.alloc(len);
    vf.qm.remake(&vf.bench.memory, 0, Some(other))?;
    ensure!(log.report()?.is_all(), "the mailbox was used");
    for n in 0..2 {
        ensure!(!log.report()?.is_all(), "report {n}: all is dirty");
    }
    vf.bench.twin.mark()?;
    vf.bench.twin.release_jobs(0)?;
    vf.wait_for_jobs(1)?;
    covers(&log.report()?, &vf.written()?, "a request of the old queue")?;
    vf.is_known_anew(&log)
}

case!(replaced_before);
/// The guest makes a queue anew while the engine is at one of its requests, and then logging
/// begins. Nothing shows that request any more, and it must be complete when START returns.
fn replaced_before() -> Result<()> {
    const TAKES_NS: u64 = 15_000_000;
    let mut vf = Vf::new()?;
    for n in 0..8 {
        vf.qm.remake(&vf.bench.memory, 0, None)?;
        let (ring, len) = vf.qm.sq_ring(0);
        vf.fill(ring, 1);
        let other = vf.bench.memory.alloc(len);
        vf.bench.twin.job_delay(0, TAKES_NS)?;
        vf.sq_doorbell(0, 1, 0);
        vf.qm.remake(&vf.bench.memory, 0, Some(other))?;
        let log = Logged::start(&vf.device)?;
        vf.bench.twin.mark()?;
        thread::sleep(2 * Duration::from_nanos(TAKES_NS));
        let dirty = log.report()?;
        let what = format!("a request of the old queue, time {n}");
        covers(&dirty, &vf.written()?, &what)?;
        vf.bench.twin.job_delay(0, 0)?;
        vf.is_known_anew(&log)?;
    }
    Ok(())
}

case!(seems_gone);
/// Logging begins while the VF is neither ready nor bus master, with requests in flight. Then it
/// masters the bus again.
fn seems_gone() -> Result<()> {
    let mut vf = Vf::new()?;
    vf.bench.twin.hold_jobs(0, 0)?;
    vf.submit(JOBS)?;
    vf.qm.write(regs::QM_VF_STATE, regs::QM_NOT_READY);
    vf.device.master(false)?;
    {
        let log = Logged::start(&vf.device)?;
        vf.bench.twin.mark()?;
        vf.device.master(true)?;
        vf.bench.twin.release_jobs(0)?;
        vf.wait_for_jobs(JOBS as u16)?;
        covers(&log.report()?, &vf.written()?, "a driver that seemed gone")?;
    }
    // All of them consumed: nothing is in flight.
    vf.work.finish(&mut vf.qm, &vf.bench.memory)?;
    vf.device.master(false)?;
    let log = Logged::start(&vf.device)?;
    let quiet = log.report()?;
    ensure!(quiet.len() < 64, "{} pages of no driver", quiet.len());
    vf.device.master(true)?;
    vf.qm.write(regs::QM_VF_STATE, regs::QM_READY);
    vf.is_known_anew(&log)
}

case!(slept);
/// A VF that sleeps, with nothing in flight, writes nothing. Awake it is known again.
fn slept() -> Result<()> {
    let mut vf = Vf::new()?;
    vf.device.sleep(Sleep::Config, true)?;
    let log = Logged::start(&vf.device)?;
    for n in 0..3 {
        let quiet = log.report()?;
        ensure!(quiet.len() < 64, "report {n}: {} pages asleep", quiet.len());
    }
    vf.device.sleep(Sleep::Config, false)?;
    log.report()?;
    vf.bench.twin.mark()?;
    vf.round()?;
    let dirty = log.report()?;
    ensure!(!dirty.is_all(), "all is dirty, awake");
    covers(&dirty, &vf.written()?, "awake")
}

case!(long_walk);
/// One doorbell announces requests with chains of lists that are as long as they can be, and of
/// which no entry is of use: the driver does not read them all.
fn long_walk() -> Result<()> {
    const LISTS: u64 = 256;
    const SIZE: u64 = 64;
    let mut vf = Vf::new()?;
    let log = Logged::start(&vf.device)?;
    vf.is_known_anew(&log)?;
    vf.bench.twin.hold_jobs(0, 0)?;
    let size = SIZE.max((SGL_HEAD + SGE_SIZE).next_multiple_of(64) as u64);
    let lists = vf.bench.memory.alloc((LISTS * size) as usize);
    for n in 0..LISTS {
        let head = SglHead {
            next: lists + (n + 1) % LISTS * size,
            in_chain: 1,
            in_sgl: 1,
            room: 1,
        };
        let sge = Sge {
            address: lists,
            len: 0,
        };
        let at = lists + n * size;
        vf.bench.memory.write(at, &head.to_bytes());
        vf.bench.memory.write(at + SGL_HEAD as u64, &sge.to_bytes());
    }
    let (ring, _) = vf.qm.sq_ring(0);
    for n in 0..QUEUE_DEPTH {
        let sqe = Sqe::request(Format::Zlib, true, lists, 64, lists, 64, n.into());
        let at = ring + u64::from(n) * SQE_SIZE as u64;
        vf.bench.memory.write(at, &sqe.to_bytes());
    }
    const REASON: &str = "all memory, a doorbell announces more than is read for one";
    let before = Shown::of(&vf.bench.vfs[0])?.get(REASON);
    let index = (vf.qm.tail(0) + QUEUE_DEPTH - 1) % QUEUE_DEPTH;
    vf.sq_doorbell(0, index, 0);
    let times = Shown::of(&vf.bench.vfs[0])?.get(REASON) - before;
    ensure!(times > 0, "the driver has read all lists");
    ensure!(log.report()?.is_all(), "not all is dirty");
    vf.bench.twin.release_jobs(0)?;
    vf.is_known_anew(&log)
}
