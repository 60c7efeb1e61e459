// SPDX-License-Identifier: GPL-2.0

//! Two VFs, and a driver with work on the first.

use crate::support::bench::Bench;
use acc_vfio_user::{
    ensure,
    host::{self, Accelerator},
    migrate::{self, Quiet},
    qm::Qm,
    vfio::{state, Device},
    work::{self, Engine, Workload},
    Driver, Result,
};

/// Jobs in flight at a time.
pub const JOBS: usize = 24;
/// Jobs that are done before the VF is stopped.
const FIRST: usize = 3;
/// How long a job takes, so that there are some in flight when the VF is stopped.
pub const SLOW_NS: u64 = 20_000_000;

/// Two VFs open, and a driver with work on the first.
pub struct Pair {
    pub bench: Bench,
    pub source: Device,
    pub target: Device,
    pub qm: Qm,
    pub work: Workload,
    engine: &'static dyn Engine,
}

impl Pair {
    /// Of the ZIP.
    pub fn new(from: Driver, to: Driver) -> Result<Self> {
        Self::of(host::ZIP, from, to)
    }

    pub fn of(accelerator: Accelerator, from: Driver, to: Driver) -> Result<Self> {
        let bench = Bench::of(accelerator, &[from, to])?;
        let source = bench.open(0)?;
        let target = bench.open(1)?;
        Self::over(accelerator, bench, source, target)
    }

    /// Of VFs 0 and 1 of a bench, which came open in whatever way and see its memory.
    pub fn over(
        accelerator: Accelerator,
        mut bench: Bench,
        source: Device,
        target: Device,
    ) -> Result<Self> {
        let engine = work::engine(accelerator);
        let mut qm = Qm::new(&source, &mut bench.memory, engine)?;
        let mut work = Workload::new(engine, &mut bench.memory, JOBS);
        work.round(&mut qm, &bench.memory, JOBS)?;
        Ok(Self {
            bench,
            source,
            target,
            qm,
            work,
            engine,
        })
    }

    pub fn submit(&mut self, n: usize) -> Result<()> {
        for _ in 0..n {
            self.work.submit(&mut self.qm, &self.bench.memory)?;
        }
        Ok(())
    }

    /// Submits jobs to VF 0 and waits for the first ones. The next one stays in the engine until
    /// the VF is stopped or [`Pair::finish`] is called, however late that is.
    pub fn work_in_flight(&mut self) -> Result<()> {
        self.bench.twin.job_delay(0, SLOW_NS)?;
        self.work_at(0, FIRST)
    }

    /// The same of a VF that may be the other one, after `first` jobs.
    pub fn work_at(&mut self, vf: usize, first: usize) -> Result<()> {
        let twin = &self.bench.twin;
        twin.mark()?;
        twin.hold_jobs(vf, first)?;
        self.submit(JOBS)?;
        let twin = &self.bench.twin;
        let name = format!("vf{}", vf + 1);
        host::wait_for("the first jobs", || {
            twin.counts()
                .is_ok_and(|counts| counts.get(&name, "jobs_done") == first as u64)
        })
    }

    /// Sets the source up anew, as after a reset. What was in flight is forgotten.
    pub fn set_up(&mut self) -> Result<()> {
        self.qm = Qm::new(&self.source, &mut self.bench.memory, self.engine)?;
        self.work.forget();
        Ok(())
    }

    /// Migrates to the target; the stream. Work in flight is not waited for.
    pub fn migrate(&mut self, precopy: bool) -> Result<Vec<u8>> {
        let stream = migrate::save(&self.source, precopy, &mut Quiet)?;
        self.arrive(&stream)?;
        Ok(stream)
    }

    /// The target is made ready for its interrupts before it is loaded.
    pub fn arrive(&mut self, stream: &[u8]) -> Result<()> {
        self.qm.move_to(&self.target)?;
        migrate::load(&self.target, stream, &mut Quiet)
    }

    /// The target is made ready for its interrupts after the stream is loaded, as QEMU does it:
    /// what it has of the configuration follows the state in its stream.
    pub fn arrive_as_in_qemu(&mut self, stream: &[u8]) -> Result<()> {
        let (qm, target) = (&mut self.qm, &self.target);
        migrate::load_then(target, stream, &mut Quiet, || qm.move_to(target))
    }

    pub fn finish(&mut self) -> Result<()> {
        self.bench.twin.release_jobs(0)?;
        self.work.finish(&mut self.qm, &self.bench.memory)
    }

    pub fn round(&mut self) -> Result<()> {
        self.work.round(&mut self.qm, &self.bench.memory, JOBS)
    }

    /// After a migration with work in flight: the source, which had done `done` jobs, has done no
    /// more; the target does the rest, tells of it, and takes new work.
    pub fn go_on_after(&mut self, done: u64) -> Result<()> {
        self.work.finish(&mut self.qm, &self.bench.memory)?;
        // All may have come back on an interrupt of the source that was still to be looked into.
        let qm = &mut self.qm;
        host::wait_for("an interrupt of the target", || {
            qm.see_interrupts();
            qm.interrupts > 0
        })?;
        let counts = self.bench.twin.counts()?;
        let (first, second) = (
            counts.get("vf1", "jobs_done"),
            counts.get("vf2", "jobs_done"),
        );
        ensure!(
            first == done,
            "the source worked on: {done} jobs, then {first}"
        );
        ensure!(
            first + second == JOBS as u64,
            "{first} jobs by the source and {second} by the target, of {JOBS}"
        );
        let state = self.target.state()?;
        ensure!(state == state::RUNNING, "the target's state is {state}");
        // It takes new work.
        self.round()
    }
}
