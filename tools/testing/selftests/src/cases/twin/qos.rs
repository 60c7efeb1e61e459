// SPDX-License-Identifier: GPL-2.0

//! `twin.qos`, `twin.dfx`: what the in-tree drivers show in debugfs, and PF<->VF messages.

use crate::{
    support::{bare::Bare, bench::at_once, crypto},
    twin::{Counts, Twin},
};
use acc_vfio_user::{
    ensure,
    host::{self, Accelerator, Debugfs},
    Result,
};

case!(qos);
/// The QoS of a VF and of the PF, set by the PF's driver: the PF reads its own in the VFT, the VF's
/// driver asks the PF for it by a message (`QM_VF_GET_QOS`, `QM_PF_SET_QOS`).
fn qos() -> Result<()> {
    at_once(|accelerator| {
        let vfs = accelerator.vfs(2)?;
        let pf = accelerator.bound_pf()?;
        let (of_pf, of_vf) = (
            Debugfs::of(accelerator, &pf),
            Debugfs::of(accelerator, &vfs[1]),
        );
        vfs[1].bind(accelerator.module)?;
        let set = |function: &host::Function, qos: u64| {
            of_pf.write("alg_qos", &format!("{} {qos}", function.address))
        };
        for (qos, pf_qos) in [(500, 300), (1000, 1000)] {
            set(&vfs[1], qos)?;
            set(&vfs[0], 1)?;
            set(&pf, pf_qos)?;
            let is = of_pf.number("alg_qos")?;
            ensure!(is == pf_qos, "the PF's QoS is {is}, not {pf_qos}");
            let is = of_vf.number("alg_qos")?;
            ensure!(is == qos, "the VF's QoS is {is}, not {qos}");
        }
        crypto::tested(accelerator)?;
        vfs[1].unbind()
    })
}

/// How many doorbells of a function were rung.
fn doorbells(counts: &Counts, function: &str) -> u64 {
    ["sq", "cq", "eq", "aeq"]
        .iter()
        .map(|ring| counts.get(function, &format!("doorbell.{ring}")))
        .sum()
}

/// A counter that the PF's driver shows.
fn counter(debugfs: &Debugfs, name: &str) -> Result<u64> {
    let name = format!("QM_DFX_{name}");
    let value = debugfs.register("qm/regs", &name)?;
    Ok(value.ok_or_else(|| format!("qm/regs has no {name}"))?)
}

/// A PF under its driver from its probe on, which clears the counters: they, and what the driver
/// itself has counted, are the ledger's.
fn dfx_of_pf(accelerator: Accelerator) -> Result<()> {
    let twin = Twin::open_device(accelerator.name)?;
    crypto::unbind(accelerator)?;
    twin.mark()?;
    let pf = accelerator.bound_pf()?;
    let debugfs = Debugfs::of(accelerator, &pf);
    crypto::tested(accelerator)?;
    let counts = twin.counts()?;
    let jobs = counts.get("pf", "jobs_done");
    ensure!(jobs != 0, "{}: no jobs", accelerator.name);
    for file in ["send_cnt", "recv_cnt"] {
        let n = debugfs.number(&format!("{}_dfx/{file}", accelerator.name))?;
        ensure!(
            n == jobs,
            "{}: {file} is {n}, jobs: {jobs}",
            accelerator.name
        );
    }
    let commands = counts.with_prefix("pf", "mailbox.");
    for (name, n) in [
        ("MB_CNT", commands),
        ("DB_CNT", doorbells(&counts, "pf")),
        ("SEND_SQE_TO_ACC_CNT", jobs),
        ("WB_SQE_FROM_ACC_CNT", jobs),
        ("ACC_FINISH_CNT", jobs),
        ("CQE_ERR_CNT", 0),
    ] {
        let is = counter(&debugfs, name)?;
        ensure!(
            is == n,
            "{}: QM_DFX_{name} is {is}, not {n}",
            accelerator.name
        );
    }
    Ok(())
}

/// The counters of one queue of a VF, chosen by the PF's driver.
fn dfx_of_vf() -> Result<()> {
    const QUEUE: u16 = 1;
    const JOBS: u64 = 5;
    let mut bare = Bare::new()?;
    let debugfs = Debugfs::of(host::ZIP, &host::ZIP.bound_pf()?);
    debugfs.write("current_qm", "1")?;
    debugfs.write("qm/current_q", "1")?;
    ensure!(
        (
            debugfs.number("current_qm")?,
            debugfs.number("qm/current_q")?
        ) == (1, 1),
        "not VF 1, queue {QUEUE}"
    );
    // What is read is cleared; a first time, to begin with nothing.
    debugfs.write("qm/clear_enable", "1")?;
    debugfs.read("qm/regs")?;
    bare.bench.twin.mark()?;
    for _ in 0..JOBS {
        bare.submit(QUEUE);
        bare.complete(1)?;
    }
    // Another queue's
    bare.submit(0);
    bare.complete(1)?;
    bare.qm.query(hisi_acc_hw::mailbox::Command::SqcBt)?;
    let counts = bare.counts()?;
    let text = debugfs.read("qm/regs")?;
    let after = debugfs.read("qm/regs")?;
    debugfs.write("qm/clear_enable", "0")?;
    debugfs.write("current_qm", "0")?;
    debugfs.write("qm/current_q", "0")?;
    for (name, n) in [
        ("MB_CNT", 1),
        ("DB_CNT", doorbells(&counts, "vf1")),
        ("SQE_CNT", JOBS),
        ("CQE_CNT", JOBS),
        ("ACC_FINISH_CNT", JOBS + 1),
    ] {
        let name = format!("QM_DFX_{name}");
        let is = Debugfs::find(&text, &name)?;
        ensure!(is == Some(n), "{name} is {is:?}, not {n}");
        let is = Debugfs::find(&after, &name)?;
        ensure!(is == Some(0), "{name} is {is:?} after it was read");
    }
    Ok(())
}

case!(dfx);
fn dfx() -> Result<()> {
    for accelerator in host::ALL {
        dfx_of_pf(accelerator)?;
    }
    dfx_of_vf()
}
