// SPDX-License-Identifier: GPL-2.0

//! `migration.*`: a VF goes on as another one.

use super::{
    ensure, errno,
    pair::{Pair, JOBS, SLOW_NS},
    Bench,
};
use crate::{
    host::{self, Accelerator},
    migrate::{self, offer, Quiet, MATCH, WHOLE},
    qm::Qm,
    vfio::{precopy_info, state},
    work::{Workload, Zip},
    Driver, Result,
};
use std::io::{Read, Write};

/// With jobs queued, one on its way, completions unread.
fn busy(accelerator: Accelerator, from: Driver, to: Driver, precopy: bool) -> Result<()> {
    let mut pair = Pair::of(accelerator, from, to)?;
    // Some have been done by now, and nobody has looked.
    pair.work_in_flight()?;
    let stream = migrate::save(&pair.source, precopy, &mut Quiet)?;
    ensure!(
        stream.len() == WHOLE,
        "the stream has {} bytes",
        stream.len()
    );
    let before = pair.bench.twin.counts()?;
    let done = before.get("vf1", "jobs_done");
    ensure!(done < JOBS as u64, "all jobs were done before the stop");
    let hidden = before.get("vf1", "reg_read_migration");
    ensure!(hidden >= 14, "{hidden} reads of the migration registers");

    pair.arrive(&stream)?;
    pair.go_on_after(done)
}

pub fn busy_queue(driver: Driver) -> Result<()> {
    busy(host::ZIP, driver, driver, true)
}

pub fn sec(driver: Driver) -> Result<()> {
    busy(host::SEC, driver, driver, true)
}

pub fn hpre(driver: Driver) -> Result<()> {
    busy(host::HPRE, driver, driver, true)
}

pub fn without_precopy(driver: Driver) -> Result<()> {
    busy(host::ZIP, driver, driver, false)
}

pub fn cross_c_to_rust() -> Result<()> {
    busy(host::ZIP, Driver::C, Driver::Rust, true)
}

pub fn cross_rust_to_c() -> Result<()> {
    busy(host::ZIP, Driver::Rust, Driver::C, true)
}

pub fn idle(driver: Driver) -> Result<()> {
    let mut pair = Pair::new(driver, driver)?;
    let flags = pair.source.migration_flags()?;
    ensure!(
        flags & 1 != 0 && flags & 4 != 0,
        "migration flags {flags:#x}"
    );
    let size = pair.source.migration_data_size()?;
    ensure!(size == WHOLE as u64, "data size {size}");
    let stream = pair.migrate(true)?;
    ensure!(
        stream.len() == WHOLE,
        "the stream has {} bytes",
        stream.len()
    );
    pair.round()
}

/// No driver has set the VF up: the match data are all there is, and the target works afterwards.
pub fn no_guest_driver(driver: Driver) -> Result<()> {
    let mut bench = Bench::new(&[driver, driver])?;
    let source = bench.open(0)?;
    let target = bench.open(1)?;
    let stream = migrate::save(&source, true, &mut Quiet)?;
    migrate::load(&target, &stream, &mut Quiet)?;
    ensure!(
        stream.len() == MATCH,
        "the stream has {} bytes",
        stream.len()
    );
    let mut qm = Qm::new(&target, &mut bench.memory, &Zip)?;
    let mut work = Workload::new(&Zip, &mut bench.memory, JOBS);
    work.round(&mut qm, &bench.memory, JOBS)
}

/// Twenty times, the VFs reused, work in flight each time.
pub fn back_and_forth(driver: Driver) -> Result<()> {
    let mut pair = Pair::new(driver, driver)?;
    for n in 0..20 {
        pair.submit(JOBS)?;
        let stream = pair
            .migrate(n % 2 == 0)
            .map_err(|e| format!("migration {n}: {e}"))?;
        ensure!(
            stream.len() == WHOLE,
            "the stream has {} bytes",
            stream.len()
        );
        pair.finish()
            .map_err(|e| format!("after migration {n}: {e}"))?;
        std::mem::swap(&mut pair.source, &mut pair.target);
    }
    ensure!(
        pair.work.done == 21 * JOBS as u64,
        "{} jobs done",
        pair.work.done
    );
    Ok(())
}

/// Another queue number, another device: refused, and the VF works.
pub fn wrong_device(driver: Driver) -> Result<()> {
    let mut pair = Pair::new(driver, driver)?;
    let good = migrate::save(&pair.source, true, &mut Quiet)?;
    for vf in &pair.bench.vfs[2..4] {
        host::bind(vf, driver)?;
    }
    // The C driver says EFAULT for all that does not match.
    let refused = match driver {
        Driver::Rust => libc::EINVAL,
        Driver::C => libc::EFAULT,
    };
    for (what, at) in [
        ("magic", 0),
        ("queue number", 8),
        ("device id", 12),
        ("isolation", 16),
    ] {
        let mut stream = good.clone();
        stream[at] ^= 1;
        let target = pair.bench.open(2 + usize::from(at == 8))?;
        let mut file = target
            .set_state(state::RESUMING)?
            .ok_or("RESUMING gave no file")?;
        let write = errno(file.write_all(&stream[..MATCH]));
        ensure!(
            write == refused,
            "another {what}: errno {write}, not {refused}"
        );
        drop(file);
        target
            .reset()
            .map_err(|e| format!("reset after another {what}: {e}"))?;
        let now = target.state()?;
        ensure!(
            now == state::RUNNING,
            "the state after a reset is {}",
            state::name(now)
        );
        drop(target);
    }
    // A target that was offered the wrong stream works when a driver sets it up.
    let mut stream = good;
    stream[8] ^= 1;
    let (write, _) = offer(&pair.target, &stream[..MATCH])?;
    ensure!(write == refused, "errno {write}");
    pair.target.reset()?;
    let mut qm = Qm::new(&pair.target, &mut pair.bench.memory, &Zip)?;
    let mut work = Workload::new(&Zip, &mut pair.bench.memory, JOBS);
    work.round(&mut qm, &pair.bench.memory, JOBS)
}

/// A stream of the C driver's old format, with its wrong addresses (H1).
pub fn v1_stream() -> Result<()> {
    let mut pair = Pair::new(Driver::Rust, Driver::Rust)?;
    pair.submit(JOBS)?;
    let mut stream = migrate::save(&pair.source, false, &mut Quiet)?;
    stream[..8].copy_from_slice(&0xcdcd_cdcd_feed_aacc_u64.to_le_bytes());
    // No version, and EQE and AEQE addresses composed from the wrong words.
    stream[28..32].fill(0);
    stream[144..160].fill(0x5a);
    pair.arrive(&stream)?;
    pair.finish()?;
    pair.round()
}

/// D2, D9: a stream that no hardware gives is refused when it is loaded, and no register is written.
pub fn bad_stream() -> Result<()> {
    let mut pair = Pair::new(Driver::Rust, Driver::Rust)?;
    let good = migrate::save(&pair.source, false, &mut Quiet)?;
    pair.source.set_state(state::RUNNING)?;
    // What is wrong, where, with what; whether write() sees it.
    let cases: &[(&str, usize, &[u8], bool)] = &[
        ("major version", 28, &[9, 0], true),
        ("queue number", 8, &[0xff; 4], true),
        ("VF state", 24, &[7], true),
        ("page size", 60, &[9], false),
        ("EQE address", 144, &[1], false),
        ("SQC address", 160, &[3], false),
        ("EQ context", 68, &[0xee; 8], false),
        ("message to the PF", 56, &[1], false),
    ];
    for (what, at, bytes, early) in cases {
        let mut stream = good.clone();
        stream[*at..*at + bytes.len()].copy_from_slice(bytes);
        pair.bench.twin.mark()?;
        let (write, stop) = offer(&pair.target, &stream)?;
        let expected = if *early { libc::EINVAL } else { 0 };
        ensure!(
            write == expected,
            "{what}: write() has errno {write}, not {expected}"
        );
        ensure!(
            stop == libc::EINVAL,
            "{what}: RESUMING -> STOP has errno {stop}"
        );
        let writes = pair.bench.twin.counts()?.get("vf2", "reg_write_migration");
        ensure!(writes == 0, "{what}: {writes} registers were written");
        pair.target.reset()?;
    }
    // Too short, too long.
    let (_, stop) = offer(&pair.target, &good[..WHOLE - 1])?;
    ensure!(stop == libc::EINVAL, "a short stream: errno {stop}");
    pair.target.reset()?;
    let (write, _) = offer(&pair.target, &[&good[..], &[0]].concat())?;
    ensure!(write == libc::ENOSPC, "a long stream: errno {write}");
    pair.target.reset()?;
    // The good one still goes.
    let stream = migrate::save(&pair.source, false, &mut Quiet)?;
    pair.arrive(&stream)?;
    pair.finish()?;
    pair.round()
}

/// D3: the second stream of one open is judged like the first.
pub fn second_resume() -> Result<()> {
    let mut pair = Pair::new(Driver::Rust, Driver::Rust)?;
    let good = migrate::save(&pair.source, false, &mut Quiet)?;
    pair.arrive(&good)?;
    pair.round()?;
    let mut bad = good.clone();
    bad[8] ^= 1;
    let (write, stop) = offer(&pair.target, &bad)?;
    ensure!(
        write == libc::EINVAL && stop == libc::EINVAL,
        "the second, bad stream: errno {write}, then {stop}"
    );
    Ok(())
}

/// PRE_COPY and back: the VF works all the while, and the file has ended.
pub fn precopy_cancel() -> Result<()> {
    let mut pair = Pair::new(Driver::Rust, Driver::Rust)?;
    for _ in 0..3 {
        let mut file = pair
            .source
            .set_state(state::PRE_COPY)?
            .ok_or("PRE_COPY gave no file")?;
        pair.round()?;
        let mut byte = [0; 1];
        file.read_exact(&mut byte)?;
        let (initial, dirty) = precopy_info(&file)?;
        ensure!(
            (initial, dirty) == (MATCH as u64 - 1, 0),
            "{initial} initial, {dirty} dirty bytes"
        );
        pair.source.set_state(state::RUNNING)?;
        let e = errno(file.read(&mut byte));
        ensure!(e == libc::ENODEV, "read() after the end: errno {e}");
        let e = errno(precopy_info(&file));
        ensure!(e == libc::ENODEV, "precopy info after the end: errno {e}");
        pair.round()?;
    }
    let stream = pair.migrate(true)?;
    ensure!(
        stream.len() == WHOLE,
        "the stream has {} bytes",
        stream.len()
    );
    pair.round()
}

/// D4: the file is kept, the device closed and unbound.
pub fn fd_outlives_device() -> Result<()> {
    let Pair {
        bench,
        source,
        target,
        qm,
        ..
    } = Pair::new(Driver::Rust, Driver::Rust)?;
    let mut saving = source.set_state(state::PRE_COPY)?.ok_or("no file")?;
    let mut resuming = target.set_state(state::RESUMING)?.ok_or("no file")?;
    drop((source, target, qm));
    for vf in &bench.vfs[..2] {
        vf.unbind()?;
    }
    let e = errno(precopy_info(&saving));
    ensure!(e == libc::ENODEV, "precopy info: errno {e}");
    let e = errno(saving.read(&mut [0; 8]));
    ensure!(e == libc::ENODEV, "read: errno {e}");
    let e = errno(resuming.write(&[0; 8]));
    ensure!(e == libc::ENODEV, "write: errno {e}");
    Ok(())
}

/// A reset ends the transfer: the file has an error, the state is RUNNING, the next one works.
pub fn reset_in_precopy() -> Result<()> {
    let mut pair = Pair::new(Driver::Rust, Driver::Rust)?;
    let mut file = pair.source.set_state(state::PRE_COPY)?.ok_or("no file")?;
    pair.source.reset()?;
    let e = errno(file.read(&mut [0; 8]));
    ensure!(e == libc::ENODEV, "read after the reset: errno {e}");
    let now = pair.source.state()?;
    ensure!(now == state::RUNNING, "the state is {}", state::name(now));
    let mut qm = Qm::new(&pair.source, &mut pair.bench.memory, &Zip)?;
    let mut work = Workload::new(&Zip, &mut pair.bench.memory, JOBS);
    work.round(&mut qm, &pair.bench.memory, JOBS)?;
    let stream = migrate::save(&pair.source, true, &mut Quiet)?;
    qm.move_to(&pair.target)?;
    migrate::load(&pair.target, &stream, &mut Quiet)?;
    work.round(&mut qm, &pair.bench.memory, JOBS)
}

/// A source whose migration came to nothing works on, by way of PRE_COPY or not. Not with the C
/// driver: it rings as many doorbells as the stream said that it has last loaded, of which a source
/// has none (`vf_qm_fun_reset()`), so a stopped one stays stopped.
pub fn source_goes_on() -> Result<()> {
    let mut pair = Pair::new(Driver::Rust, Driver::Rust)?;
    for precopy in [true, false] {
        pair.bench.twin.job_delay(0, SLOW_NS / 10)?;
        pair.submit(JOBS)?;
        migrate::save(&pair.source, precopy, &mut Quiet)?;
        pair.source.set_state(state::RUNNING)?;
        pair.finish()?;
    }
    // STOP alone, too.
    pair.submit(JOBS)?;
    pair.source.set_state(state::STOP)?;
    pair.source.set_state(state::RUNNING)?;
    pair.finish()
}
