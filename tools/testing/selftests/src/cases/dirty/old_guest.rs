// SPDX-License-Identifier: GPL-2.0

//! `dirty.old_guest_*`, `dirty.hidden_command`: guests that reach the page of the mailbox for
//! something else than a command, as drivers before Linux 6.7 do at each interrupt.

use super::precise::{Sums, SMALL_MOST};
use crate::support::{
    commands::query,
    logged::{bench, covers, Logged, Pages},
    pair::{Pair, JOBS},
};
use acc_vfio_user::{
    ensure,
    host::{self, Accelerator, Debugfs},
    qm::Mailbox,
    vfio::state,
    Result,
};
use hisi_acc_hw::{
    mailbox::{Command, Message},
    regs,
};

const ROUNDS: usize = 8;

fn pair(accelerator: Accelerator) -> Result<Pair> {
    let bench = bench(accelerator, 2)?;
    let (source, target) = (bench.open(0)?, bench.open(1)?);
    let mut pair = Pair::over(accelerator, bench, source, target)?;
    pair.qm.reads_interrupt_source = true;
    Ok(pair)
}

/// Rounds of jobs on a VF that is logged: no report is of all memory. The driver gives no command.
fn precise(pair: &mut Pair, log: &Logged, vf: &str) -> Result<()> {
    log.report()?;
    let mut sums = Sums::default();
    for n in 0..ROUNDS {
        pair.bench.twin.mark()?;
        pair.round()?;
        let dirty = log.report()?;
        let counts = pair.bench.twin.counts()?;
        ensure!(
            counts.mailbox(vf).is_empty(),
            "{vf}, round {n}: {:?}",
            counts.mailbox(vf)
        );
        let source = regs::QM_VF_EQ_INT_SOURCE.into();
        let reads = pair.bench.twin.register(vf, false, 2, source)?;
        ensure!(reads != 0, "{vf}, round {n}: the guest reads no source");
        ensure!(!dirty.is_all(), "{vf}, round {n}: all is dirty");
        let pages = Pages::written(&pair.bench.twin, vf)?;
        covers(&dirty, &pages, vf)?;
        sums.add(&pages, &dirty);
    }
    sums.at_most(SMALL_MOST, vf)
}

/// A guest works, is stopped and started, and migrates with work in flight: no report but the first
/// is of all memory. A queue that is made anew costs one report of all memory.
fn old_guest(accelerator: Accelerator) -> Result<()> {
    let mut pair = pair(accelerator)?;
    let log = Logged::start(&pair.source)?;
    precise(&mut pair, &log, "vf1")?;

    pair.qm.remake(&pair.bench.memory, 0, None)?;
    ensure!(log.report()?.is_all(), "a new queue is not noticed");
    precise(&mut pair, &log, "vf1")?;

    for last in [false, true] {
        // PRE_COPY tries the mailbox.
        pair.source.set_state(state::PRE_COPY)?;
        log.report()?;
        pair.work_in_flight()?;
        pair.qm.see_interrupts();
        pair.source.set_state(state::PRE_COPY_P2P)?;
        ensure!(!log.report()?.is_all(), "PRE_COPY_P2P: all is dirty");
        pair.source.set_state(state::STOP_COPY)?;
        ensure!(!log.report()?.is_all(), "STOP_COPY: all is dirty");
        if !last {
            pair.source.set_state(state::STOP)?;
            pair.source.set_state(state::RUNNING)?;
            pair.finish()?;
            precise(&mut pair, &log, "vf1")?;
        }
    }
    drop(log);
    pair.source.set_state(state::STOP)?;
    pair.migrate(false)?;
    pair.finish()?;
    let log = Logged::start(&pair.target)?;
    precise(&mut pair, &log, "vf2")
}

case!(old_guest_zip);
fn old_guest_zip() -> Result<()> {
    old_guest(host::ZIP)
}

case!(old_guest_sec);
fn old_guest_sec() -> Result<()> {
    old_guest(host::SEC)
}

case!(old_guest_hpre);
fn old_guest_hpre() -> Result<()> {
    old_guest(host::HPRE)
}

case!(old_guest_failed_look);
/// A look at the contexts fails behind the driver's commands, whose last one stands in the mailbox
/// then. It is not taken for one of the guest: reports are precise again as soon as a look works.
fn old_guest_failed_look() -> Result<()> {
    let mut pair = pair(host::ZIP)?;
    let log = Logged::start(&pair.source)?;
    precise(&mut pair, &log, "vf1")?;
    pair.qm.remake(&pair.bench.memory, 0, None)?;
    pair.bench.twin.fault("vf1", "write-back-stuck on")?;
    log.report()?;
    // The guest reads its register again before the next look.
    let works = pair.round();
    let stuck = log.report().map(|dirty| dirty.is_all());
    pair.bench.twin.fault("vf1", "clear")?;
    works?;
    ensure!(stuck?, "the look did not fail");
    ensure!(
        log.report()?.is_all(),
        "what was not looked at is not dirty"
    );
    precise(&mut pair, &log, "vf1")
}

case!(hidden_command);
/// The function that the operator has selected in debugfs stays selected when the driver asks the
/// PF for the count of a VF.
fn hidden_command() -> Result<()> {
    let debugfs = Debugfs::of(host::ZIP, &host::ZIP.bound_pf()?);
    let mut pair = pair(host::ZIP)?;
    debugfs.write("current_qm", "2")?;
    let noticed = commands(&mut pair, &[false, true]);
    let selected = debugfs.number("current_qm")?;
    debugfs.write("current_qm", "0")?;
    noticed?;
    ensure!(selected == 2, "debugfs shows function {selected}");
    Ok(())
}

/// The count is of no use: only a guest that hides a command loses a page.
pub fn uncounted() -> Result<()> {
    commands(&mut pair(host::ZIP)?, &[false])
}

/// A guest has a context written to its memory. Where `hides` says so it then gives the command
/// that the driver gave last, so that the mailbox shows what the driver left: the PF counts the
/// commands. The next report is of all memory, also if the driver itself gives a command in
/// between.
fn commands(pair: &mut Pair, hides: &[bool]) -> Result<()> {
    let dump = pair.bench.memory.alloc(4096);
    let log = Logged::start(&pair.source)?;
    precise(pair, &log, "vf1")?;
    let mailbox = Mailbox::new(&pair.source)?;
    let left = mailbox.answer()?;
    ensure!(
        Command::from_raw(left.command_raw()) == Some(Command::CqcBt) && left.is_read(),
        "the driver left {left:x?}"
    );
    for stopped in [false, true] {
        for hides in hides {
            let when = format!("hidden: {hides}, stopped: {stopped}");
            mailbox.send(Message::request(Command::Sqc, dump, 0, true));
            mailbox.answer()?;
            if *hides {
                mailbox.send(query(Command::CqcBt));
                let found = mailbox.answer()?;
                ensure!(found == left, "{found:x?}, not {left:x?}");
            }
            if stopped {
                pair.source.set_state(state::RUNNING_P2P)?;
            }
            let dirty = log.report()?;
            ensure!(dirty.has(dump), "{when}: it is not dirty");
            ensure!(dirty.is_all(), "{when}: not all is dirty");
            if stopped {
                pair.source.set_state(state::RUNNING)?;
            }
            precise(pair, &log, "vf1")?;
        }
    }
    pair.submit(JOBS)?;
    pair.finish()
}
