// SPDX-License-Identifier: GPL-2.0

//! `make run`: what this project is for, to look at.

use crate::{support::bench::Bench, twin::Twin};
use acc_vfio_user::{
    host,
    migrate::{self, Watch},
    qm::Qm,
    vfio::state,
    work::{Engine, Workload, Zip},
    Driver, Result,
};
use std::time::Instant;

const JOBS: usize = 48;
const SLOW_NS: u64 = 10_000_000;

/// Shows each state with what it took.
struct Show<'a> {
    twin: &'a Twin,
    source: String,
    target: String,
    begin: Instant,
    /// Jobs that the target has done, as of the last mark.
    by_target: u64,
}

impl Watch for Show<'_> {
    fn entered(&mut self, who: &str, state: u32, bytes: usize) -> Result<()> {
        let (vf, address) = match who {
            "source" => ("vf1", &self.source),
            _ => ("vf2", &self.target),
        };
        let counts = self.twin.counts()?;
        println!(
            "  {:6.1} ms  {who}  {address}  {:<9}  {bytes:>4} bytes  {:>3} register accesses",
            self.begin.elapsed().as_secs_f64() * 1e3,
            state::name(state),
            counts.accesses(vf),
        );
        self.by_target += counts.get("vf2", "jobs_done");
        self.twin.mark()
    }
}

/// The demonstration.
pub fn run(driver: Driver) -> Result<()> {
    let mut bench = Bench::new(&[driver, driver])?;
    let pf = host::pf()?;
    println!(
        "PF   {}  19e5:a250  driver {}",
        pf.address,
        pf.driver().unwrap_or_default()
    );
    for (name, vf) in ["source", "target"].iter().zip(&bench.vfs) {
        println!(
            "VF   {}  19e5:a251  driver {}  IOMMU group {}  ({name})",
            vf.address,
            vf.driver().unwrap_or_default(),
            vf.iommu_group()?,
        );
    }
    let source = bench.open(0)?;
    let target = bench.open(1)?;
    let mut qm = Qm::new(&source, &mut bench.memory, &Zip)?;
    let mut work = Workload::new(&Zip, &mut bench.memory, JOBS);
    println!(
        "\nA user-space driver has set up {} of the source's {} queues.",
        Zip.queues().len(),
        qm.vf_queues
    );
    for _ in 0..4 {
        work.round(&mut qm, &bench.memory, JOBS)?;
    }
    println!(
        "Jobs done and checked: {} ({} KiB of text)",
        work.done,
        work.bytes >> 10
    );

    bench.twin.job_delay(0, SLOW_NS)?;
    bench.twin.mark()?;
    for _ in 0..JOBS {
        work.submit(&mut qm, &bench.memory)?;
    }
    host::wait_for("the first jobs", || {
        bench
            .twin
            .counts()
            .is_ok_and(|c| c.get("vf1", "jobs_done") >= 5)
    })?;
    let done = bench.twin.counts()?.get("vf1", "jobs_done");
    println!(
        "\n{JOBS} more are on their way; the engine has done {done}, nobody has looked at them."
    );
    println!("The VF migrates:\n");
    bench.twin.mark()?;
    let mut show = Show {
        twin: &bench.twin,
        source: bench.vfs[0].address.clone(),
        target: bench.vfs[1].address.clone(),
        begin: Instant::now(),
        by_target: 0,
    };
    let stream = migrate::save(&source, true, &mut show)?;
    qm.move_to(&target)?;
    bench.twin.mark()?;
    migrate::load(&target, &stream, &mut show)?;
    drop(source);
    let before = work.done;
    work.finish(&mut qm, &bench.memory)?;
    let by_target = show.by_target + bench.twin.counts()?.get("vf2", "jobs_done");
    println!(
        "\n{} jobs came back over {}, {by_target} of them done by it; each output inflates to its input.",
        work.done - before,
        bench.vfs[1].address
    );
    for _ in 0..4 {
        work.round(&mut qm, &bench.memory, JOBS)?;
    }
    println!(
        "\nMIGRATED  {} -> {}  {} bytes of state  {} jobs handed out, {} came back right",
        bench.vfs[0].address,
        bench.vfs[1].address,
        stream.len(),
        work.submitted,
        work.done
    );
    if work.submitted != work.done {
        return Err("jobs were lost".into());
    }
    Ok(())
}
