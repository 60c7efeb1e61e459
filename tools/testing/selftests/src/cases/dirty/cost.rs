// SPDX-License-Identifier: GPL-2.0

//! `dirty.off_is_free`, `dirty.exits`: what tracking costs, and that it costs nothing where it is
//! off.

use crate::support::logged::{bench, Logged};
use acc_vfio_user::{
    ensure,
    host::{self, write, Accelerator},
    qm::Qm,
    work::{self, Workload},
    Driver, Result,
};
use std::time::{Duration, Instant};

const ROUNDS: usize = 20;
const JOBS: usize = 24;

/// What a run came to.
struct Run {
    time: Duration,
    /// Doorbells by `write()`
    writes: u64,
    /// Accesses of registers, by the device model's ledger
    accesses: u64,
    doorbells: u64,
}

fn run(mode: &str, logged: bool) -> Result<Run> {
    let mut bench = bench(host::ZIP, 1)?;
    let attribute = bench.vfs[0].path().join("dirty_tracking");
    write(&attribute, mode)?;
    let result = (|| {
        let device = bench.open(0)?;
        let mut qm = Qm::new(&device, &mut bench.memory, &work::Zip)?;
        let mut work = Workload::new(&work::Zip, &mut bench.memory, JOBS);
        work.round(&mut qm, &bench.memory, JOBS)?;
        let log = match logged {
            true => Some(Logged::start(&device)?),
            false => None,
        };
        let before = qm.writes();
        bench.twin.mark()?;
        let begin = Instant::now();
        for _ in 0..ROUNDS {
            work.round(&mut qm, &bench.memory, JOBS)?;
        }
        let time = begin.elapsed();
        let counts = bench.twin.counts()?;
        drop(log);
        Ok(Run {
            time,
            writes: qm.writes() - before,
            accesses: counts.accesses("vf1"),
            doorbells: counts.with_prefix("vf1", "doorbell."),
        })
    })();
    write(&attribute, "auto")?;
    result
}

case!(off_is_free, with: [Rust], generations: One(V3));
/// With tracking off each doorbell is mapped: none is a system call. With it on each is one, and
/// the device sees the same.
fn off_is_free(_driver: Driver) -> Result<String> {
    let off = run("off", false)?;
    let idle = run("on", false)?;
    let logged = run("on", true)?;
    ensure!(
        off.writes == 0,
        "{} doorbells were system calls",
        off.writes
    );
    ensure!(
        off.accesses == off.doorbells,
        "{} accesses of registers beside {} doorbells",
        off.accesses - off.doorbells,
        off.doorbells
    );
    for (what, run) in [("without a log", &idle), ("with a log", &logged)] {
        ensure!(
            run.writes == run.doorbells,
            "{what}: {} of {} doorbells were system calls",
            run.writes,
            run.doorbells
        );
    }
    let per_job = |run: &Run| run.time.as_micros() as f64 / (ROUNDS * JOBS) as f64;
    let ratio = |run: &Run| per_job(run) / per_job(&off);
    Ok(format!(
        "{:.1} doorbells a job; time of a job: mapped 1, mediated {:.2}, logged {:.2}",
        off.doorbells as f64 / (ROUNDS * JOBS) as f64,
        ratio(&idle),
        ratio(&logged),
    ))
}

/// Doorbells of some requests: of the SQ, of the CQ, of the EQ
struct Exits {
    jobs: u64,
    rung: [u64; 3],
    /// Those that were system calls, and so exits from a guest
    writes: u64,
}

impl Exits {
    fn all(&self) -> u64 {
        self.rung.iter().sum()
    }

    fn row(&self, what: &str) -> String {
        let each = |n: u64| n as f64 / self.jobs as f64;
        let [sq, cq, eq] = self.rung.map(each);
        let all = each(self.all());
        format!("{what}: SQ {sq:.2} + CQ {cq:.2} + EQ {eq:.2} = {all:.2} a request")
    }
}

/// The doorbells of `rounds` times `at_once` requests of an engine, of all its operations and
/// sizes, rung as `qm.c` rings them (`hisi_qp_send()`, `qm_poll_req_cb()`,
/// `qm_get_complete_eqe_num()`).
fn doorbells(accelerator: Accelerator, at_once: usize, rounds: usize) -> Result<Exits> {
    let mut bench = bench(accelerator, 1)?;
    let attribute = bench.vfs[0].path().join("dirty_tracking");
    write(&attribute, "on")?;
    let result = (|| {
        let device = bench.open(0)?;
        let engine = work::engine(accelerator);
        let mut qm = Qm::new(&device, &mut bench.memory, engine)?;
        let mut work = Workload::new(engine, &mut bench.memory, at_once);
        work.round(&mut qm, &bench.memory, at_once)?;
        let writes = qm.writes();
        bench.twin.mark()?;
        for _ in 0..rounds {
            // They complete together, as those of a busy device do for a processor.
            bench.twin.hold_jobs(0, 0)?;
            for _ in 0..at_once {
                work.submit(&mut qm, &bench.memory)?;
            }
            bench.twin.release_jobs(0)?;
            // `Workload::finish` would look once more, and ring the EQ for that.
            let mut result = Ok(0);
            host::wait_for("the requests", || {
                result = work.collect(&mut qm, &bench.memory);
                result.is_err() || work.on_their_way() == 0
            })?;
            result?;
        }
        let counts = bench.twin.counts()?;
        Ok(Exits {
            jobs: (rounds * at_once) as u64,
            rung: ["doorbell.sq", "doorbell.cq", "doorbell.eq"].map(|name| counts.get("vf1", name)),
            writes: qm.writes() - writes,
        })
    })();
    write(&attribute, "auto")?;
    result
}

case!(exits, with: [Rust], generations: One(V3), slow: true);
/// How many exits a request costs where doorbells are mediated: by engine, and by how many requests
/// are at work at a time. An operation, or the size of what it works on, changes nothing: each
/// request is a doorbell, and so is each completion.
fn exits(_driver: Driver) -> Result<String> {
    let mut rows = Vec::new();
    for accelerator in [host::ZIP, host::SEC, host::HPRE] {
        for (at_once, rounds) in [(1, 32), (8, 8), (24, 4)] {
            let what = format!("{}, {at_once} at a time", accelerator.name);
            let exits = doorbells(accelerator, at_once, rounds)?;
            let [sq, cq, eq] = exits.rung;
            ensure!(
                exits.writes == exits.all(),
                "{what}: {} of {} doorbells were system calls",
                exits.writes,
                exits.all()
            );
            // One more of the CQ, and one of the EQ, whenever a queue has no more.
            ensure!(
                sq == exits.jobs && cq > exits.jobs && cq <= 2 * exits.jobs && eq <= exits.jobs,
                "{what}: {sq} of the SQ, {cq} of the CQ, {eq} of the EQ for {} requests",
                exits.jobs
            );
            rows.push(exits.row(&what));
        }
    }
    Ok(rows.join("; "))
}
