// SPDX-License-Identifier: GPL-2.0

//! What tracking costs, and that it costs nothing where it is off.

use crate::support::logged::{bench, Logged};
use acc_vfio_user::{
    ensure,
    host::{self, write},
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
