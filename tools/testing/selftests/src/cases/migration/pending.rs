// SPDX-License-Identifier: GPL-2.0

//! `migration.interrupt_pending`, `migration.error_pending`: the target raises interrupts for
//! events that the source has raised them for, and that the guest driver has not handled.
//! `migration.interrupt_carried`: the source raises these interrupts once more while it is saved.

use crate::support::pair::{Pair, JOBS};
use acc_vfio_user::{
    ensure, host,
    migrate::{save, Quiet},
    Driver, Result,
};

case!(interrupt_pending, with: [Rust, C]);
/// H2: all jobs are done, the interrupts of the source are thrown away, no new job comes.
fn interrupt_pending(driver: Driver) -> Result<()> {
    let mut pair = Pair::new(driver, driver)?;
    for precopy in [true, false] {
        pair.bench.twin.mark()?;
        pair.submit(JOBS)?;
        let twin = &pair.bench.twin;
        host::wait_for("all jobs", || {
            twin.counts().is_ok_and(|counts| {
                counts.get("vf1", "jobs_done") + counts.get("vf2", "jobs_done") == JOBS as u64
            })
        })?;
        let stream = save(&pair.source, precopy, &mut Quiet)?;
        pair.qm.throw_interrupts_away();
        pair.arrive(&stream)?;
        let qm = &mut pair.qm;
        host::wait_for("an interrupt of the target", || {
            qm.see_interrupts();
            qm.interrupts > 0
        })?;
        pair.finish()?;
        pair.round()?;
        std::mem::swap(&mut pair.source, &mut pair.target);
    }
    Ok(())
}

case!(error_pending, with: [Rust, C]);
/// The same of the other event queue: a queue whose entries cannot be fetched.
fn error_pending(driver: Driver) -> Result<()> {
    let mut pair = Pair::new(driver, driver)?;
    pair.bench.twin.mark()?;
    let (at, len) = pair.qm.sq_ring(0);
    let hole = format!("dma-hole {at:#x} {len:#x}");
    pair.bench.twin.fault("vf1", &hole)?;
    pair.submit(1)?;
    let twin = &pair.bench.twin;
    host::wait_for("the error", || {
        twin.counts()
            .is_ok_and(|counts| counts.get("vf1", "queue_error") == 1)
    })?;
    let errors = pair.qm.errors(&pair.bench.memory);
    ensure!(errors == 1, "{errors} events in the AEQ");
    pair.bench.twin.fault("vf1", "clear")?;
    let stream = save(&pair.source, true, &mut Quiet)?;
    pair.qm.throw_interrupts_away();
    pair.arrive(&stream)?;
    let qm = &mut pair.qm;
    host::wait_for("an AEQ interrupt of the target", || {
        qm.see_error_interrupts() > 0
    })?;
    let errors = qm.errors(&pair.bench.memory);
    ensure!(errors == 1, "{errors} events in the AEQ afterwards");
    Ok(())
}

case!(interrupt_carried, with: [Rust, C]);
/// D24: the source rings the doorbells of EQ and AEQ with the heads that it has saved
/// (`vf_qm_xeqc_save()`). An interrupt that the guest has not taken yet is raised again and moves
/// with the guest's interrupt controller. A target raises none here by itself (the alternative of
/// guess G9), and C rings no doorbell there. Without these doorbells its guest would wait for ever.
fn interrupt_carried(driver: Driver) -> Result<()> {
    let mut pair = Pair::new(driver, driver)?;
    pair.bench.twin.fault("vf2", "silent-load on")?;
    pair.bench.twin.mark()?;
    pair.submit(JOBS - 1)?;
    let twin = &pair.bench.twin;
    let wait = |key: &str, n: usize| {
        host::wait_for(key, || {
            let counts = twin.counts();
            counts.is_ok_and(|counts| counts.get("vf1", key) == n as u64)
        })
    };
    wait("jobs_done", JOBS - 1)?;
    twin.fault("vf1", &pair.qm.hole_of_submissions())?;
    pair.work.submit(&mut pair.qm, &pair.bench.memory)?;
    wait("queue_error", 1)?;
    twin.fault("vf1", "clear")?;

    // Both interrupts have come, and the guest never sees them.
    let qm = &mut pair.qm;
    let mut errors = 0;
    qm.interrupts = 0;
    host::wait_for("the interrupts of EQ and AEQ", || {
        qm.see_interrupts();
        errors += qm.see_error_interrupts();
        qm.interrupts > 0 && errors > 0
    })?;
    qm.throw_interrupts_away();
    let before = pair.bench.twin.counts()?;
    let stream = save(&pair.source, true, &mut Quiet)?;
    let after = pair.bench.twin.counts()?;
    let of = |key: &str| after.get("vf1", key) - before.get("vf1", key);
    ensure!(
        (of("doorbell.eq"), of("doorbell.aeq"), of("msi")) == (1, 1, 2),
        "{} doorbells of the EQ and {} of the AEQ are rung, and {} interrupts raised, while the \
         source is saved",
        of("doorbell.eq"),
        of("doorbell.aeq"),
        of("msi")
    );
    let qm = &mut pair.qm;
    qm.interrupts = 0;
    host::wait_for("the interrupt of the EQ, once more", || {
        qm.see_interrupts();
        qm.interrupts > 0
    })?;
    pair.arrive(&stream)?;
    pair.finish()?;
    pair.round()
}
