// SPDX-License-Identifier: GPL-2.0

//! `dirty.odd_before`, `dirty.busy_mailbox`, `dirty.written_command`, `dirty.error_event`,
//! `dirty.reset_and_doorbells`: logging begins, and goes on, while the VF is not as drivers have
//! it.

use crate::support::logged::{covers, Logged, Vf, JOBS};
use acc_vfio_user::{ensure, errno, host, qm::Mailbox, Result};
use hisi_acc_hw::{
    doorbell::{Doorbell, Kind},
    mailbox::{Command, Message},
    regs,
    zip::{Format, Sqe},
};
use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::Duration,
};

case!(odd_before);
/// Something was written beside the doorbells before logging began: until the next reset nobody
/// knows what the VF writes.
fn odd_before() -> Result<()> {
    let mut vf = Vf::new()?;
    let bar4 = vf.device.region(4)?;
    let at = regs::QM_DOORBELL_SQ_CQ_BASE_V2.into();
    for len in [4, 8] {
        vf.device.write_at(&bar4, at, &vec![0xff; len])?;
        let log = Logged::start(&vf.device)?;
        for n in 0..3 {
            ensure!(
                log.report()?.is_all(),
                "{len} odd bytes, report {n}: not all is dirty"
            );
        }
        vf.device.reset()?;
        vf.set_up()?;
        vf.is_known(&log, "after the reset")?;
        drop(log);
        // It does not come back with another log.
        let log = Logged::start(&vf.device)?;
        vf.is_known(&log, "another log")?;
    }
    Ok(())
}

case!(busy_mailbox);
/// Logging begins while a command of the guest's is not done. START does not fail, all is dirty,
/// and the guest gets its answer.
fn busy_mailbox() -> Result<()> {
    let mut vf = Vf::new()?;
    let mailbox = Mailbox::new(&vf.device)?;
    let query = Message::request(Command::SqcVftV2, 0, 0, true);
    mailbox.send(query);
    let answer = mailbox.answer()?;
    // It ends while reports are made.
    vf.bench.twin.fault("vf1", "mailbox-hold SQC_VFT_V2")?;
    mailbox.send(query);
    let log = Logged::start(&vf.device)?;
    ensure!(
        log.report()?.is_all(),
        "not all is dirty while a command is not done"
    );
    vf.bench.twin.fault("vf1", "mailbox-hold off")?;
    ensure!(
        log.report()?.is_all(),
        "what was written meanwhile is not dirty"
    );
    ensure!(mailbox.answer()? == answer, "another answer");
    vf.is_known(&log, "after the answer")?;
    drop(log);
    // It never ends.
    vf.bench.twin.fault("vf1", "mailbox-busy on")?;
    mailbox.send(query);
    vf.bench.twin.mark()?;
    let log = Logged::start(&vf.device)?;
    for n in 0..3 {
        ensure!(log.report()?.is_all(), "report {n}: not all is dirty");
    }
    let given = vf.bench.twin.counts()?.with_prefix("vf1", "mailbox.");
    ensure!(given == 0, "{given} commands to a busy mailbox");
    vf.work.round(&mut vf.qm, &vf.bench.memory, JOBS)?;
    covers(&log.report()?, &vf.written()?, "a busy mailbox")?;
    vf.bench.twin.fault("vf1", "clear")?;
    vf.device.reset()?;
    vf.set_up()?;
    vf.is_known(&log, "after the reset")
}

case!(written_command);
/// A command reaches the mailbox by `write()`, not by the mapping: a context is dumped somewhere.
fn written_command() -> Result<()> {
    let mut vf = Vf::new()?;
    let somewhere = vf.bench.memory.alloc(4096);
    let bar2 = vf.device.region(2)?;
    let log = Logged::start(&vf.device)?;
    for (queue, split) in [(0, 16), (1, 8)] {
        vf.is_known(&log, "before the command")?;
        log.report()?;
        vf.bench.twin.mark()?;
        let dump = Message::request(Command::Sqc, somewhere, queue, true);
        let bytes = dump.into_raw().to_le_bytes();
        let mut at = u64::from(regs::QM_MB_CMD_SEND_BASE);
        for part in bytes.chunks(split) {
            vf.device.write_at(&bar2, at, part)?;
            at += part.len() as u64;
        }
        // Nobody reads the mailbox by the mapping, which the driver would see.
        host::wait_for("the dump", || {
            vf.written().is_ok_and(|written| written.has(somewhere))
        })?;
        let dirty = log.report()?;
        ensure!(dirty.is_all(), "queue {queue}: not all is dirty");
        // Once.
        vf.is_known(&log, "after the command")?;
    }
    Ok(())
}

case!(error_event);
/// An error is an event in the AEQ, which the hardware writes by itself.
fn error_event() -> Result<()> {
    let mut vf = Vf::new()?;
    let log = Logged::start(&vf.device)?;
    vf.is_known(&log, "before")?;
    let source = vf.bench.memory.alloc(64);
    let dest = vf.bench.memory.alloc(4096);
    let sqe = Sqe::request(Format::Zlib, false, source, 64, dest, 4096, 0);
    // The driver can read the entry, the engine cannot.
    let (at, len) = vf.qm.sq_ring(0);
    let hole = format!("dma-hole {at:#x} {len:#x}");
    vf.bench.twin.fault("vf1", &hole)?;
    vf.bench.twin.mark()?;
    vf.qm.submit(&vf.bench.memory, 0, &sqe.to_bytes());
    let twin = &vf.bench.twin;
    host::wait_for("the error", || {
        twin.counts()
            .is_ok_and(|counts| counts.get("vf1", "queue_error") == 1)
    })?;
    let errors = vf.qm.errors(&vf.bench.memory);
    ensure!(errors == 1, "{errors} events in the AEQ");
    let written = vf.written()?;
    ensure!(
        written.has(vf.qm.aeq()),
        "the AEQ is not among what was written"
    );
    let dirty = log.report()?;
    ensure!(!dirty.is_all(), "an error: all is dirty");
    covers(&dirty, &written, "an error")?;
    vf.bench.twin.fault("vf1", "clear")?;
    vf.device.reset()?;
    vf.set_up()?;
    vf.is_known(&log, "after the reset")
}

case!(reset_and_doorbells);
/// The VF is reset again and again while doorbells are rung and reports made: a doorbell that is
/// under way is shown to the driver once more.
fn reset_and_doorbells() -> Result<()> {
    const RESETS: u64 = 10;
    let mut vf = Vf::new()?;
    let log = Logged::start(&vf.device)?;
    let bar4 = vf.device.region(4)?;
    let at = regs::QM_DOORBELL_SQ_CQ_BASE_V2.into();
    let (rung, end) = (AtomicU64::new(0), AtomicBool::new(false));
    thread::scope(|scope| -> Result<()> {
        let bells = scope.spawn(|| {
            let ring = || -> Result<()> {
                for n in 0.. {
                    if end.load(Ordering::Relaxed) {
                        break;
                    }
                    let doorbell = Doorbell {
                        queue: 0,
                        kind: [Kind::Sq, Kind::Cq][n % 2],
                        index: n as u16 & 0x3ff,
                        priority: 0,
                    };
                    let bytes = doorbell.into_raw().to_ne_bytes();
                    // While it is reset it takes no accesses.
                    let e = errno(vf.device.write_at(&bar4, at, &bytes));
                    ensure!(e == 0 || e == libc::EIO, "a doorbell: errno {e}");
                    rung.fetch_add(1, Ordering::Relaxed);
                }
                Ok(())
            };
            ring().map_err(|e| e.to_string())
        });
        let reports = scope.spawn(|| {
            while !end.load(Ordering::Relaxed) {
                log.report().map_err(|e| e.to_string())?;
            }
            Ok::<_, String>(())
        });
        // Two doorbells for each reset at least: no thread has waited for the other one only.
        let mut resets = 0;
        let mut reset = Ok(());
        let enough = host::wait_long_for("doorbells", Duration::from_secs(60), || {
            reset = vf.device.reset();
            resets += 1;
            let over = reset.is_err() || bells.is_finished() || reports.is_finished();
            over || (resets >= RESETS && rung.load(Ordering::Relaxed) > 2 * resets)
        });
        end.store(true, Ordering::Relaxed);
        bells.join().map_err(|_| "panicked")??;
        reports.join().map_err(|_| "panicked")??;
        reset?;
        enough.map_err(|e| format!("{e}: {rung:?} for {resets} resets").into())
    })?;
    // Whatever was rung last is gone with one more.
    vf.device.reset()?;
    vf.set_up()?;
    vf.is_known(&log, "after the resets")
}
