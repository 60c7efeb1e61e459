// SPDX-License-Identifier: GPL-2.0

//! `fault.*`: the device model's faults do what they are said to, and a VF survives them. A VF that
//! cannot be saved is stopped, its file fails, and its jobs go on when it runs again.

use crate::{
    support::{
        bench::Bench,
        commands::{query, same, unread},
        logged::{Logged, ARENA},
        mode::Mode,
        pair::{Pair, JOBS, SLOW_NS},
        stops::{no_stop, Fails},
    },
    twin::Twin,
};
use acc_vfio_user::{
    ensure, errno, host,
    migrate::Quiet,
    qm::{Mailbox, Qm},
    vfio::{state, Device},
    work::Zip,
    Driver, Result,
};
use hisi_acc_hw::{
    mailbox::{Command, Message},
    regs,
    zip::{Format, Sqe, STATUS_BUFFER},
};
use std::io::{Read, Write};

/// A VF of ours with work in flight, and one that is to take it over.
fn pair() -> Result<Pair> {
    Pair::new(Driver::Rust, Driver::Rust)
}

/// D7, D8: one way to stop, by PRE_COPY or not, and back. With C the stop has the errno `error`.
fn stops_in_vain(driver: Driver, precopy: bool, fault: &str, error: i32) -> Result<()> {
    let mut pair = Pair::new(driver, driver)?;
    pair.work_in_flight()?;
    let from = if precopy {
        state::PRE_COPY
    } else {
        state::RUNNING
    };
    let begun = pair.source.set_state(from)?;
    let twin = &pair.bench.twin;
    twin.fault("pf", "lose-msi 1000")?;
    twin.fault("vf1", fault)?;
    let stopped = pair.source.set_state(state::STOP_COPY);
    let now = pair.source.state()?;
    let wanted = match driver {
        Driver::Rust => (0, state::STOP_COPY),
        Driver::C => (error, from),
    };
    let read = match (driver, &stopped) {
        (Driver::Rust, Ok(file)) => {
            let mut file = file.as_ref().or(begun.as_ref()).ok_or("no file")?;
            errno(file.read(&mut [0; 8]))
        }
        _ => libc::EIO,
    };
    let stopped = errno(stopped);
    twin.fault("vf1", "clear")?;
    twin.fault("pf", "ras 0")?;
    twin.fault("pf", "clear")?;
    ensure!(
        (stopped, now) == wanted,
        "errno {stopped}, and the state is {}",
        state::name(now)
    );
    ensure!(read == libc::EIO, "read() has errno {read}");
    pair.source.set_state(state::RUNNING)?;
    pair.finish()?;
    pair.migrate(true)?;
    pair.round()
}

case!(plain_stop);
/// A guest is only suspended (`virsh suspend`), with what would prevent a migration: the VF stops,
/// and goes on.
fn plain_stop() -> Result<()> {
    for (fault, gone) in [
        (RAS, "clear"),
        (WRITE_BACK, "clear"),
        ("message-pending on", "message-pending off"),
    ] {
        let mut pair = pair()?;
        pair.work_in_flight()?;
        let twin = &pair.bench.twin;
        twin.fault("pf", "lose-msi 1000")?;
        twin.fault("vf1", fault)?;
        let stop = errno(pair.source.set_state(state::STOP));
        let run = errno(pair.source.set_state(state::RUNNING));
        let now = pair.source.state()?;
        twin.fault("vf1", gone)?;
        twin.fault("pf", "ras 0")?;
        twin.fault("pf", "clear")?;
        ensure!(
            (stop, run, now) == (0, 0, state::RUNNING),
            "{fault}: errno {stop}, then {run}, and it is in {}",
            state::name(now)
        );
        pair.finish().map_err(|e| format!("{fault}: {e}"))?;
        pair.migrate(true)?;
        pair.round()?;
    }
    Ok(())
}

const RAS: &str = "ras-at-pause 0x4";
const WRITE_BACK: &str = "write-back-stuck on";

case!(ras_stops, with: [Rust]);
// The case waits 10 s for jobs that do not come back. `fault.engine_stops:c` shows the same on V5.
case!(ras_stops, with: [C], generations: One(V3));
fn ras_stops(driver: Driver) -> Result<()> {
    stops_in_vain(driver, false, RAS, libc::EBUSY)
}

case!(ras_stops_precopy, with: [Rust]);
// As `ras_stops`.
case!(ras_stops_precopy, with: [C], generations: One(V3));
fn ras_stops_precopy(driver: Driver) -> Result<()> {
    stops_in_vain(driver, true, RAS, libc::EBUSY)
}

case!(write_back_stops, with: [Rust]);
// As `ras_stops`.
case!(write_back_stops, with: [C], generations: One(V3));
fn write_back_stops(driver: Driver) -> Result<()> {
    stops_in_vain(driver, false, WRITE_BACK, libc::ETIMEDOUT)
}

case!(pause_refused);
/// Gives PAUSE again and again, for a second. Userspace then resets the VF.
fn pause_refused() -> Result<()> {
    no_stop(
        &mut pair()?,
        "vf1",
        "mailbox-error PAUSE_QM",
        "mailbox-error off",
        [Fails::Arc(libc::EIO); 2],
    )
}

case!(mailbox_precopy);
/// PRE_COPY tries the mailbox, which PAUSE will need. The guest driver has its answer after it.
fn mailbox_precopy() -> Result<()> {
    let bench = Bench::with_memory(host::ZIP, &[Driver::Rust; 2], ARENA)?;
    let (source, target) = (bench.open(0)?, bench.open(1)?);
    let mut pair = Pair::over(host::ZIP, bench, source, target)?;
    refused_at_precopy(&pair)?;
    {
        let log = Logged::start(&pair.source)?;
        pair.round()?;
        log.report()?;
        pair.round()?;
        ensure!(!log.report()?.is_all(), "all is dirty after a failure");
    }
    tried_unseen(&mut pair)
}

case!(mailbox_untracked);
/// The same of a VF whose doorbells are mapped: nothing tracks it, or the IOMMU does.
fn mailbox_untracked() -> Result<()> {
    let bench = Bench::new(&[Driver::Rust; 2])?;
    let vf = bench.vfs[0].clone();
    let _mode = Mode::new(&vf, "off")?;
    let (source, target) = (bench.open(0)?, bench.open(1)?);
    ensure!(!source.has_logging(), "it is tracked");
    let mut pair = Pair::over(host::ZIP, bench, source, target)?;
    refused_at_precopy(&pair)?;
    pair.round()?;
    tried_unseen(&mut pair)
}

/// A mailbox that does not work is found at PRE_COPY, twice; then it works.
fn refused_at_precopy(pair: &Pair) -> Result<()> {
    let twin = &pair.bench.twin;
    twin.mark()?;
    twin.fault("vf1", "mailbox-error CQC_BT")?;
    let error = errno(pair.source.set_state(state::PRE_COPY));
    ensure!(error == libc::EIO, "errno {error}");
    let now = pair.source.state()?;
    ensure!(now == state::RUNNING, "it is in {}", state::name(now));
    // The failure of a command of the driver's own is nothing that the guest waits for.
    twin.fault("vf1", "mailbox-error all")?;
    let error = errno(pair.source.set_state(state::PRE_COPY));
    ensure!(error == libc::EIO, "errno {error}");
    twin.fault("vf1", "mailbox-error off")
}

/// The trial leaves an answer that the guest has not read, and the VF migrates.
fn tried_unseen(pair: &mut Pair) -> Result<()> {
    let tried = || -> Result<[u64; 2]> {
        let counts = pair.bench.twin.counts()?;
        let count = |name| counts.get("vf1", name);
        Ok([count("mailbox.SQC_VFT_V2"), count("mailbox.CQC_BT")])
    };
    let before = tried()?;
    let mailbox = Mailbox::new(&pair.source)?;
    let answer = unread(&mailbox, query(Command::SqcVftV2))?;
    pair.source.set_state(state::PRE_COPY)?;
    same(&mailbox, answer, "PRE_COPY")?;
    // That of the guest, and again; and the trial.
    let after = tried()?;
    let given = [after[0] - before[0], after[1] - before[1]];
    ensure!(given == [2, 1], "{given:?} commands");
    pair.source.set_state(state::RUNNING)?;
    pair.migrate(true)?;
    pair.round()
}

case!(save_refused);
fn save_refused() -> Result<()> {
    no_stop(
        &mut pair()?,
        "vf1",
        "mailbox-error SQC_BT",
        "mailbox-error off",
        [Fails::File(libc::EIO); 2],
    )
}

case!(write_back_stuck);
fn write_back_stuck() -> Result<()> {
    no_stop(
        &mut pair()?,
        "vf1",
        "write-back-stuck on",
        "write-back-stuck off",
        [Fails::File(libc::EIO); 2],
    )
}

case!(message_pending);
fn message_pending() -> Result<()> {
    no_stop(
        &mut pair()?,
        "vf1",
        "message-pending on",
        "message-pending off",
        [Fails::File(libc::EIO); 2],
    )
}

/// Returns how often a function's mailbox was read, and how many commands it was given.
fn mailbox(twin: &Twin, function: &str) -> Result<(u64, u64)> {
    let at = u64::from(regs::QM_MB_CMD_SEND_BASE);
    let reads = twin.register(function, false, 2, at)?;
    Ok((reads, twin.counts()?.with_prefix(function, "mailbox.")))
}

// The mailbox is the VF's own on both generations, and the case waits for timeouts.
case!(mailbox_busy, generations: One(V3));
/// Gives up on a command that is never carried out: the driver gives it once and polls. A reset of
/// the VF helps.
fn mailbox_busy() -> Result<()> {
    let mut pair = pair()?;
    pair.bench.twin.mark()?;
    pair.bench.twin.fault("vf1", "mailbox-busy on")?;
    let error = errno(pair.source.set_state(state::STOP_COPY));
    ensure!(error == libc::ETIMEDOUT, "errno {error}");
    let (reads, commands) = mailbox(&pair.bench.twin, "vf1")?;
    ensure!(
        commands == 1 && reads > 2,
        "{commands} commands, {reads} reads of the mailbox"
    );
    // What needs no mailbox goes on.
    pair.round()?;
    pair.bench.twin.fault("vf1", "clear")?;
    pair.source.reset()?;
    pair.qm = Qm::new(&pair.source, &mut pair.bench.memory, &Zip)?;
    pair.round()?;
    pair.migrate(true)?;
    pair.round()?;
    waits_for_the_guest(&mut pair)
}

/// PAUSE comes while a command of the guest is in progress: what is written meanwhile is lost, so
/// the driver waits.
fn waits_for_the_guest(pair: &mut Pair) -> Result<()> {
    let dump = pair.bench.memory.alloc(4096);
    let mailbox = Mailbox::new(&pair.target)?;
    pair.bench.twin.fault("vf2", "mailbox-late 20000000")?;
    mailbox.send(Message::request(Command::Cqc, dump, 0, true));
    pair.target.set_state(state::RUNNING_P2P)?;
    let found = mailbox.answer()?;
    let command = Command::from_raw(found.command_raw());
    ensure!(
        command == Some(Command::PauseQm),
        "the last command is {command:?}"
    );
    pair.bench.twin.fault("vf2", "clear")?;
    pair.target.set_state(state::RUNNING)?;
    pair.round()
}

case!(mailbox_late);
/// Polls until each command is answered, however late that is.
fn mailbox_late() -> Result<()> {
    /// Reads of the mailbox that find it busy after each command.
    const POLLS: u64 = 50;
    let mut pair = pair()?;
    for vf in ["vf1", "vf2"] {
        pair.bench
            .twin
            .fault(vf, &format!("mailbox-polls {POLLS}"))?;
    }
    pair.work_in_flight()?;
    pair.migrate(true)?;
    // CQC_BT or SQC_VFT_V2 as a trial; PAUSE_QM, SQC_BT, CQC_BT.
    for (vf, wanted) in [("vf1", 4), ("vf2", 4)] {
        let (reads, commands) = mailbox(&pair.bench.twin, vf)?;
        ensure!(commands == wanted, "{vf}: {commands} commands");
        ensure!(
            reads > POLLS * commands,
            "{vf}: {reads} reads of the mailbox for {commands} commands"
        );
    }
    for vf in ["vf1", "vf2"] {
        pair.bench.twin.fault(vf, "mailbox-polls 0")?;
    }
    pair.finish()
}

case!(interrupts);
/// Lost once: what was done is found with the next interrupt. Doubled: nothing is done twice.
fn interrupts() -> Result<()> {
    let mut pair = pair()?;
    pair.bench.twin.mark()?;
    pair.bench.twin.fault("vf1", "lose-msi 1")?;
    pair.submit(1)?;
    let lost = || -> Result<u64> { Ok(pair.bench.twin.counts()?.get("vf1", "msi_lost")) };
    host::wait_for("an interrupt to be lost", || lost().is_ok_and(|n| n == 1))?;
    pair.qm.see_interrupts();
    let before = pair.qm.interrupts;
    ensure!(
        pair.bench.twin.counts()?.get("vf1", "msi") == 0,
        "an interrupt came"
    );
    // The event was reported and the queue's doorbell is not rung, so the next job raises none
    // either on a queue that has one unread: the driver has to look, as one with a time-out does.
    pair.qm.look();
    pair.finish()?;
    ensure!(pair.qm.interrupts >= before, "interrupts went away");

    pair.bench.twin.mark()?;
    pair.bench.twin.fault("vf1", "double-msi 1")?;
    pair.submit(1)?;
    let told = || -> Result<u64> { Ok(pair.bench.twin.counts()?.get("vf1", "msi")) };
    host::wait_for("an interrupt twice", || told().is_ok_and(|n| n >= 2))?;
    pair.finish()?;
    pair.round()
}

case!(slow_engine);
/// Checks that each job is in the engine for as long as was ordered.
fn slow_engine() -> Result<()> {
    let mut pair = pair()?;
    pair.bench.twin.mark()?;
    pair.bench.twin.job_delay(0, SLOW_NS)?;
    pair.round()?;
    pair.bench.twin.job_delay(0, 0)?;
    let took = pair.bench.twin.counts()?.get("vf1", "engine_ns");
    ensure!(
        took >= JOBS as u64 * SLOW_NS,
        "{JOBS} jobs were in the engine for {took} ns"
    );
    pair.round()
}

// The device goes where nothing is mapped, as the case wants it to.
case!(dma_unmapped, allowed: &[UNMAPPED]);
/// DMA to what is not mapped, by the model's order and by the IOMMU: the job fails, the VF goes on.
fn dma_unmapped() -> Result<()> {
    let mut pair = pair()?;
    let source = pair.bench.memory.alloc(4096);
    let hole = pair.bench.memory.alloc(4096);
    pair.bench
        .twin
        .fault("vf1", &format!("dma-hole {hole:#x} 0x1000"))?;
    // No memory of ours is there.
    let unmapped = 0x7f_0000_0000;
    pair.bench.twin.mark()?;
    for dest in [hole, unmapped] {
        let sqe = Sqe::request(Format::Zlib, false, source, 4096, dest, 4096, u64::MAX);
        pair.qm.submit(&pair.bench.memory, 0, &sqe.to_bytes());
        let mut status = None;
        host::wait_for("the job", || {
            let done = pair.qm.poll(&pair.bench.memory);
            status = done.first().and_then(|c| {
                let raw = c.entry.as_slice().try_into().ok()?;
                Some(Sqe::from_bytes(raw).status())
            });
            status.is_some()
        })?;
        ensure!(
            status == Some(STATUS_BUFFER),
            "DMA to {dest:#x}: status {status:?}"
        );
    }
    let counts = pair.bench.twin.counts()?;
    ensure!(counts.get("vf1", "dma_fault") == 2, "not two faults");
    let pages = pair.bench.twin.pages("vf1")?;
    for dest in [hole, unmapped] {
        let page = dest >> 12;
        ensure!(
            !pages
                .iter()
                .any(|(first, n)| (*first..first + n).contains(&page)),
            "the ledger has {dest:#x} among the pages written"
        );
    }
    ensure!(!pages.is_empty(), "the ledger has no page written");
    pair.bench.twin.fault("vf1", "clear")?;
    pair.round()
}

case!(gone);
/// Registers read all ones, as of a device that has gone from the bus.
fn gone() -> Result<()> {
    let mut pair = pair()?;
    pair.bench.twin.mark()?;
    pair.bench.twin.fault("vf1", "gone on")?;
    let bar2 = pair.source.region(2)?;
    let mut word = [0; 4];
    let at = u64::from(regs::QM_PAGE_SIZE);
    pair.source.read_at(&bar2, at, &mut word)?;
    ensure!(word == [0xff; 4], "a register reads {word:x?}");
    let reads = pair.bench.twin.register("vf1", false, 2, at)?;
    ensure!(reads == 1, "the ledger has {reads} reads of it");
    let error = errno(pair.source.set_state(state::STOP_COPY));
    ensure!(error == libc::EIO, "errno {error}");
    ensure!(
        pair.source.state()? == state::RUNNING,
        "the state is {}",
        pair.source.state()?
    );
    pair.bench.twin.fault("vf1", "gone off")?;
    pair.source.reset()?;
    pair.qm = Qm::new(&pair.source, &mut pair.bench.memory, &Zip)?;
    pair.round()?;
    pair.migrate(true)?;
    pair.round()
}

case!(load_refused, with: [Rust, C]);
/// D9: a target whose mailbox fails half way through the loading is reset, and usable: no mixture.
fn load_refused(driver: Driver) -> Result<()> {
    let mut pair = Pair::new(driver, driver)?;
    pair.work_in_flight()?;
    let stream = acc_vfio_user::migrate::save(&pair.source, true, &mut Quiet)?;
    let twin = &pair.bench.twin;
    twin.mark()?;
    // The registers are written by then.
    twin.fault("vf2", "mailbox-error CQC_BT")?;
    let error = errno(load(&pair.target, &stream));
    ensure!(error == libc::EIO, "errno {error}");
    let now = pair.target.state()?;
    ensure!(now == state::RUNNING, "the state is {now}");
    let resets = twin.counts()?.get("vf2", "flr");
    ensure!(resets == 1, "{resets} resets of the target");
    twin.fault("vf2", "clear")?;
    // The next try goes well, and nothing was lost.
    pair.arrive(&stream)?;
    pair.finish()?;
    pair.round()
}

fn load(target: &Device, stream: &[u8]) -> std::io::Result<()> {
    let file = target.set_state(state::RESUMING)?;
    if let Some(mut file) = file {
        file.write_all(stream)?;
    }
    target.set_state(state::STOP)?;
    Ok(())
}
