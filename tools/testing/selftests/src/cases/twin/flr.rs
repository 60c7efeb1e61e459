// SPDX-License-Identifier: GPL-2.0

//! `twin.*flr*`: function-level resets.

use crate::support::{bare::Bare, bench::at_once, crypto};
use acc_vfio_user::{
    ensure,
    host::{self, Accelerator, Debugfs, Function},
    work::{Workload, Zip},
    Result,
};
use hisi_acc_hw::regs;

const JOBS: usize = 24;
/// Jobs that are done before the reset. The next one is in the engine.
const FIRST: usize = 3;

case!(flr_busy);
/// FLR of a VF with jobs in flight: they are forgotten, there is no DMA any more, and the VF can be
/// set up again.
fn flr_busy() -> Result<()> {
    let mut bare = Bare::new()?;
    let vf = bare.bench.vfs[0].clone();
    // By VFIO, and by sysfs as an administrator does it.
    for by_vfio in [true, false] {
        let mut work = Workload::new(&Zip, &mut bare.bench.memory, JOBS);
        work.round(&mut bare.qm, &bare.bench.memory, JOBS)?;
        bare.bench.twin.mark()?;
        bare.bench.twin.hold_jobs(0, FIRST)?;
        for _ in 0..JOBS {
            work.submit(&mut bare.qm, &bare.bench.memory)?;
        }
        bare.wait_count("jobs_done", FIRST as u64)?;
        if by_vfio {
            bare.device.reset()?;
        } else {
            vf.set_attribute("reset", "1")?;
        }
        let counts = bare.counts()?;
        let done = counts.get("vf1", "jobs_done");
        ensure!(counts.get("vf1", "flr") >= 1, "there was no reset");
        ensure!(done == FIRST as u64, "{done} jobs were done");
        bare.bench.twin.mark()?;
        // A job that the reset has not dropped would be done before the next answer.
        bare.bench.twin.release_jobs(0)?;
        let counts = bare.counts()?;
        for key in [
            "dma_reads",
            "dma_writes",
            "dma_fault",
            "jobs_done",
            "msi",
            "pages_written",
        ] {
            let n = counts.get("vf1", key);
            ensure!(n == 0, "{key}: {n} after the reset");
        }
        let state = bare.qm.read(regs::QM_VF_STATE);
        ensure!(
            state == regs::QM_NOT_READY,
            "after the reset the VF's state is {state}"
        );
        bare.set_up()?;
        let mut work = Workload::new(&Zip, &mut bare.bench.memory, JOBS);
        work.round(&mut bare.qm, &bare.bench.memory, JOBS)?;
    }
    Ok(())
}

/// A driver's own words on a reset, and none on a failure.
fn log_has(mark: &str, lines: &[String]) -> Result<()> {
    let log = host::log_after(mark)?;
    for line in lines {
        ensure!(log.contains(line), "the log has no '{line}':\n{log}");
    }
    let failed = log.lines().find(|line| {
        let line = line.to_lowercase();
        ["fail", "timeout", "not ready", "error", "not ping"]
            .iter()
            .any(|word| line.contains(word))
    });
    ensure!(failed.is_none(), "{failed:?} in:\n{log}");
    Ok(())
}

/// A function's driver is at work, and the function answers it.
fn works(accelerator: Accelerator, function: &Function) -> Result<()> {
    let debugfs = Debugfs::of(accelerator, function);
    let status = debugfs.read("qm/status")?;
    ensure!(status == "work", "{}: {status}", function.address);
    // A mailbox command, with DMA to the answer
    debugfs.write("qm/cmd", "eqc")
}

case!(vf_flr);
/// FLR of a VF under its in-tree driver.
fn vf_flr() -> Result<()> {
    at_once(|accelerator| {
        let vf = accelerator.vfs(2)?.remove(0);
        vf.bind(accelerator.module)?;
        let mark = format!("acc-selftest: reset of {}", vf.address);
        host::say(&mark)?;
        vf.set_attribute("reset", "1")?;
        let line = |text: &str| format!("{} {}: {text}", accelerator.module, vf.address);
        let log = host::log_after(&mark)?;
        for text in ["FLR resetting...", "FLR reset complete"] {
            ensure!(log.contains(&line(text)), "no '{text}' in:\n{log}");
        }
        works(accelerator, &vf)?;
        crypto::tested(accelerator)?;
        vf.unbind()
    })
}

case!(pf_flr);
/// FLR of the PF with its VFs under the in-tree driver: it has them stop by messages, and start
/// again when it is back.
fn pf_flr() -> Result<()> {
    let mark = "acc-selftest: reset of the PFs";
    host::say(mark)?;
    at_once(|accelerator| {
        let vfs = accelerator.vfs(2)?;
        for vf in &vfs {
            vf.bind(accelerator.module)?;
        }
        crypto::tested(accelerator)?;
        let pf = accelerator.bound_pf()?;
        pf.set_attribute("reset", "1")?;
        // The VFs' drivers end in work of their own.
        host::wait_for("the VFs' drivers", || {
            let done = |vf: &Function| format!("{}: device reset done.", vf.address);
            host::log_after(mark).is_ok_and(|log| vfs.iter().all(|vf| log.contains(&done(vf))))
        })?;
        works(accelerator, &pf)?;
        for vf in &vfs {
            works(accelerator, vf)?;
        }
        // Messages still go.
        let qos = Debugfs::of(accelerator, &vfs[1]).number("alg_qos")?;
        ensure!(qos == 1000, "the VF's QoS is {qos}");
        let line =
            |f: &Function, text: &str| format!("{} {}: {text}", accelerator.module, f.address);
        log_has(
            mark,
            &[
                line(&pf, "FLR resetting..."),
                line(&pf, "FLR reset complete"),
                line(&vfs[0], "device reset start..."),
                line(&vfs[0], "device reset done."),
                line(&vfs[1], "device reset done."),
            ],
        )?;
        for vf in &vfs {
            vf.unbind()?;
        }
        Ok(())
    })?;
    // The engine works for who comes after.
    crypto::selftest(host::ZIP)?;
    let mut bare = Bare::new()?;
    bare.submit(0);
    bare.complete(1).map(|_| ())
}
