// SPDX-License-Identifier: GPL-2.0

//! `migration.interrupt_pending`, `migration.error_pending`: events that the source has told of and
//! nobody has looked into are told of by the target.

use super::{
    ensure,
    pair::{Pair, JOBS},
};
use crate::{
    host,
    migrate::{save, Quiet},
    Driver, Result,
};

/// H2: all jobs are done, the interrupts of the source are thrown away, no new job comes.
pub fn interrupt_pending(driver: Driver) -> Result<()> {
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

/// The same of the other event queue: a queue whose entries cannot be fetched.
pub fn error_pending(driver: Driver) -> Result<()> {
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
