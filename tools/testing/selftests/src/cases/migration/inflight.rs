// SPDX-License-Identifier: GPL-2.0

//! `migration.all_queues`, `migration.cq_full`, `migration.events_wrapped`: what queues can look
//! like when a VF is stopped.

use crate::support::{bench::Bench, pair::JOBS};
use acc_vfio_user::{
    ensure, host,
    migrate::{load, save, Quiet},
    qm::Qm,
    vfio::Device,
    work::{Engine, Workload, Zip, ZipQueues},
    Driver, Result,
};

/// A VF that works, and one that is to take it over.
struct Rig {
    bench: Bench,
    source: Device,
    target: Device,
    qm: Qm,
    work: Workload,
}

impl Rig {
    /// `set_up` sets the source up for the engine.
    fn new(
        driver: Driver,
        engine: &'static dyn Engine,
        slots: usize,
        set_up: impl FnOnce(&Device, &mut Bench) -> Result<Qm>,
    ) -> Result<Self> {
        let mut bench = Bench::with_memory(host::ZIP, &[driver, driver], 64 << 20)?;
        let source = bench.open(0)?;
        let target = bench.open(1)?;
        let qm = set_up(&source, &mut bench)?;
        let work = Workload::new(engine, &mut bench.memory, slots);
        Ok(Self {
            bench,
            source,
            target,
            qm,
            work,
        })
    }

    fn submit(&mut self, n: usize) -> Result<()> {
        for _ in 0..n {
            self.work.submit(&mut self.qm, &self.bench.memory)?;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        self.work.finish(&mut self.qm, &self.bench.memory)
    }

    fn round(&mut self, n: usize) -> Result<()> {
        self.submit(n)?;
        self.finish()
    }

    /// How many jobs a VF has done since the mark.
    fn done(&self, vf: &str) -> Result<u64> {
        Ok(self.bench.twin.counts()?.get(vf, "jobs_done"))
    }

    fn wait_for_jobs(&self, n: u64) -> Result<()> {
        host::wait_for("jobs to be done", || {
            self.done("vf1").is_ok_and(|done| done >= n)
        })
    }

    fn migrate(&mut self) -> Result<()> {
        let stream = save(&self.source, true, &mut Quiet)?;
        self.qm.move_to(&self.target)?;
        load(&self.target, &stream, &mut Quiet)
    }

    /// All of `n` jobs come back, and `first` of them were done by the source.
    fn goes_on(&mut self, first: u64, n: usize) -> Result<()> {
        self.finish()?;
        let done = (self.done("vf1")?, self.done("vf2")?);
        ensure!(
            done == (first, n as u64 - first),
            "source and target did {done:?} of {n} jobs; {first} were done at the stop"
        );
        Ok(())
    }
}

/// All queues of a VF, the last one too.
const QUEUES: usize = 120;

case!(all_queues, with: [Rust, C]);
/// Each queue of the VF has work in flight.
fn all_queues(driver: Driver) -> Result<()> {
    let engine = &ZipQueues::<QUEUES>;
    let mut rig = Rig::new(driver, engine, QUEUES, |source, bench| {
        Qm::new(source, &mut bench.memory, engine)
    })?;
    let queues = rig.qm.vf_queues;
    ensure!(queues == QUEUES as u32, "the VF has {queues} queues");
    rig.round(QUEUES)?;
    rig.bench.twin.mark()?;
    rig.bench.twin.fault("vf1", "hold-jobs 3")?;
    rig.submit(QUEUES)?;
    rig.wait_for_jobs(3)?;
    rig.migrate()?;
    let first = rig.done("vf1")?;
    // The fourth was in the engine.
    ensure!(first == 4, "{first} jobs were done");
    rig.goes_on(first, QUEUES)?;
    rig.round(QUEUES)
}

/// A CQ of few entries.
const SHORT: u16 = 16;

case!(cq_full, with: [Rust, C]);
/// The CQ is full, one entry being free as always, after an odd number of rounds; the other jobs
/// wait for completions to be taken, which happens on the target.
fn cq_full(driver: Driver) -> Result<()> {
    let engine = &ZipQueues::<1>;
    let mut rig = Rig::new(driver, engine, JOBS, |source, bench| {
        let mut qm = Qm::new(source, &mut bench.memory, engine)?;
        qm.remake_short(&bench.memory, 0, SHORT)?;
        Ok(qm)
    })?;
    let room = u64::from(SHORT) - 1;
    rig.round(usize::from(SHORT) + 3)?;
    rig.bench.twin.mark()?;
    rig.submit(JOBS)?;
    rig.wait_for_jobs(room)?;
    rig.migrate()?;
    ensure!(
        rig.done("vf1")? == room,
        "{} jobs were done at the stop, with a CQ for {room}",
        rig.done("vf1")?
    );
    rig.goes_on(room, JOBS)?;
    rig.round(JOBS)
}

/// An EQ and an AEQ of few entries.
const EVENTS: u32 = 32;

impl Rig {
    /// Breaks queue 0 and makes it anew: an event in the AEQ.
    fn break_queue(&mut self, vf: &str) -> Result<()> {
        let broken =
            |rig: &Self| -> Result<u64> { Ok(rig.bench.twin.counts()?.get(vf, "queue_error")) };
        let before = broken(self)?;
        let (at, len) = self.qm.sq_ring(0);
        self.bench
            .twin
            .fault(vf, &format!("dma-hole {at:#x} {len:#x}"))?;
        let entry = vec![0; Zip.entry_size()];
        self.qm.submit(&self.bench.memory, 0, &entry);
        host::wait_for("the error", || broken(self).is_ok_and(|n| n == before + 1))?;
        self.bench.twin.fault(vf, "clear")?;
        self.qm.remake(&self.bench.memory, 0, None)
    }

    /// Goes on until both event queues are some entries after the end of a round.
    fn wrap(&mut self, vf: &str) -> Result<()> {
        let [eq, aeq] = self.qm.phases();
        while self.qm.phases()[0] == eq {
            self.round(1)?;
        }
        while self.qm.phases()[1] == aeq {
            self.break_queue(vf)?;
            let errors = self.qm.take_errors(&self.bench.memory);
            ensure!(errors == 1, "{errors} events in the AEQ for one error");
        }
        self.break_queue(vf)?;
        self.qm.take_errors(&self.bench.memory);
        self.round(3)
    }
}

case!(events_wrapped, with: [Rust, C]);
/// EQ and AEQ are in their second round: the phase of their next entries is the other one. In each
/// there is something that nobody has looked into. The target tells of it, and writes what comes
/// next with the right phase, in that round and the one after it.
fn events_wrapped(driver: Driver) -> Result<()> {
    let mut rig = Rig::new(driver, &Zip, JOBS, |source, bench| {
        Qm::with_events(source, &mut bench.memory, &Zip, EVENTS, EVENTS)
    })?;
    rig.wrap("vf1")?;
    ensure!(rig.qm.phases() == [false; 2], "{:?}", rig.qm.phases());
    rig.break_queue("vf1")?;
    rig.bench.twin.mark()?;
    rig.submit(JOBS)?;
    rig.wait_for_jobs(JOBS as u64)?;
    rig.qm.throw_interrupts_away();
    rig.migrate()?;
    let qm = &mut rig.qm;
    qm.throw_interrupts_away();
    let errors = qm.take_errors(&rig.bench.memory);
    ensure!(errors == 1, "{errors} events in the AEQ");
    rig.qm.look();
    rig.goes_on(JOBS as u64, JOBS)?;
    rig.wrap("vf2")?;
    ensure!(rig.qm.phases() == [true; 2], "{:?}", rig.qm.phases());
    rig.round(JOBS)
}
