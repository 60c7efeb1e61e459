// SPDX-License-Identifier: GPL-2.0

//! `migration.*`: a VF goes on as another one.

use crate::{
    differences::{BAD_STATE, NOT_MATCHING, TOO_LONG},
    support::{
        bench::{Bench, VFS},
        moves::{self, busy},
        pair::{Pair, JOBS},
    },
};
use acc_vfio_user::{
    ensure, errno,
    host::{self},
    migrate::{self, offer, Quiet, MATCH, WHOLE},
    qm::Qm,
    vfio::{precopy_info, state},
    work::{Workload, Zip},
    Driver, Result,
};
use std::{
    io::{Read, Write},
    sync::mpsc,
    thread,
};

case!(busy_queue, with: [Rust, C]);
fn busy_queue(driver: Driver) -> Result<()> {
    busy(host::ZIP, driver, driver, true)
}

case!(sec, with: [Rust, C]);
fn sec(driver: Driver) -> Result<()> {
    busy(host::SEC, driver, driver, true)
}

case!(hpre, with: [Rust, C]);
fn hpre(driver: Driver) -> Result<()> {
    busy(host::HPRE, driver, driver, true)
}

case!(without_precopy, with: [Rust, C]);
fn without_precopy(driver: Driver) -> Result<()> {
    busy(host::ZIP, driver, driver, false)
}

case!(cross_c_to_rust);
fn cross_c_to_rust() -> Result<()> {
    busy(host::ZIP, Driver::C, Driver::Rust, true)
}

case!(cross_rust_to_c);
fn cross_rust_to_c() -> Result<()> {
    busy(host::ZIP, Driver::Rust, Driver::C, true)
}

case!(no_guest_driver, with: [Rust, C], hardware: Some(2));
/// No driver has set the VF up: the match data are all there is, and the target works afterwards.
fn no_guest_driver(driver: Driver) -> Result<()> {
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

case!(back_and_forth, with: [Rust, C]);
/// Twenty times, the VFs reused, work in flight each time: the engine has done one more each time,
/// and is at the next one when the source is stopped.
fn back_and_forth(driver: Driver) -> Result<()> {
    let mut pair = Pair::new(driver, driver)?;
    for n in 0..20 {
        pair.work_at(n % 2, n)?;
        let stream = pair
            .migrate(n % 2 == 0)
            .map_err(|e| format!("migration {n}: {e}"))?;
        ensure!(
            stream.len() == WHOLE,
            "the stream has {} bytes",
            stream.len()
        );
        if let Err(e) = pair.finish() {
            let counts = pair.bench.twin.counts()?;
            let of = |key| counts.get(&format!("vf{}", (n + 1) % 2 + 1), key);
            return Err(format!(
                "after migration {n}: {e}; the target has done {} jobs and raised {} interrupts, {} for \
                 nobody\n{}{}",
                of("jobs_done"),
                of("msi"),
                of("msi_lost"),
                pair.bench.twin.ask("show vf1")?,
                pair.bench.twin.ask("show vf2")?
            )
            .into());
        }
        std::mem::swap(&mut pair.source, &mut pair.target);
    }
    ensure!(
        pair.work.done == 21 * JOBS as u64,
        "{} jobs done",
        pair.work.done
    );
    Ok(())
}

case!(wrong_device, with: [Rust, C]);
/// Another queue number, another device: refused, and the VF works.
fn wrong_device(driver: Driver) -> Result<()> {
    let mut pair = Pair::new(driver, driver)?;
    let good = migrate::save(&pair.source, true, &mut Quiet)?;
    for vf in &pair.bench.vfs[2..4] {
        host::bind(vf, driver)?;
    }
    let refused = NOT_MATCHING.of(driver);
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

case!(v1_stream, with: [Rust, C]);
/// A stream of the C driver's old format, with its wrong addresses (H1).
fn v1_stream(driver: Driver) -> Result<()> {
    let mut pair = Pair::new(driver, driver)?;
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

case!(newer_minor, with: [Rust, C]);
/// A stream of a driver with a newer minor version is taken (H7); of another major one it is not,
/// see [`refused_stream`].
fn newer_minor(driver: Driver) -> Result<()> {
    const MINOR: usize = 30;
    let mut pair = Pair::new(driver, driver)?;
    pair.submit(JOBS)?;
    let mut stream = migrate::save(&pair.source, true, &mut Quiet)?;
    stream[MINOR] += 1;
    pair.arrive(&stream)?;
    pair.finish()?;
    pair.round()
}

/// Offers streams with something wrong in them: what, where, with what. `write()` has `write` for
/// it, then it is refused in STOP, and no register is written.
fn offer_wrong(pair: &Pair, good: &[u8], wrong: &[(&str, usize, &[u8])], write: i32) -> Result<()> {
    for (what, at, bytes) in wrong {
        let mut stream = good.to_vec();
        stream[*at..*at + bytes.len()].copy_from_slice(bytes);
        pair.bench.twin.mark()?;
        let (error, stop) = offer(&pair.target, &stream)?;
        ensure!(
            error == write,
            "{what}: write() has errno {error}, not {write}"
        );
        ensure!(
            stop == libc::EINVAL,
            "{what}: RESUMING -> STOP has errno {stop}"
        );
        let writes = pair.bench.twin.counts()?.get("vf2", "reg_write_migration");
        ensure!(writes == 0, "{what}: {writes} registers were written");
        pair.target.reset()?;
    }
    Ok(())
}

/// Two VFs, and what the first gives.
fn with_stream(driver: Driver) -> Result<(Pair, Vec<u8>)> {
    let pair = Pair::new(driver, driver)?;
    let stream = migrate::save(&pair.source, false, &mut Quiet)?;
    Ok((pair, stream))
}

case!(refused_stream, with: [Rust, C]);
/// D2: a stream that `write()` has refused is refused when it is loaded, for the user may not have
/// looked.
fn refused_stream(driver: Driver) -> Result<()> {
    let (mut pair, good) = with_stream(driver)?;
    let wrong: &[(&str, usize, &[u8])] = &[
        ("major version", 28, &[9, 0]),
        ("queue number", 8, &[0xff; 4]),
    ];
    offer_wrong(&pair, &good, wrong, NOT_MATCHING.of(driver))?;
    // The good one still goes.
    pair.arrive(&good)?;
    pair.round()
}

case!(refused_stream_runs, with: [Rust, C]);
/// D2: and the VF runs on after it.
fn refused_stream_runs(driver: Driver) -> Result<()> {
    let (mut pair, good) = with_stream(driver)?;
    let mut stream = good.clone();
    stream[8..12].fill(0xff);
    let (write, _) = offer(&pair.target, &stream)?;
    let wanted = NOT_MATCHING.of(driver);
    ensure!(write == wanted, "write() has errno {write}, not {wanted}");
    // A thread of its own, which may never come back.
    let device = pair.target.try_clone()?;
    let (sender, end) = mpsc::channel();
    thread::spawn(move || {
        let stop = errno(device.set_state(state::STOP));
        let running = errno(device.set_state(state::RUNNING));
        sender.send((stop, running))
    });
    let (stop, running) = end
        .recv_timeout(host::seconds(10))
        .map_err(|_| "RESUMING -> RUNNING does not end")?;
    ensure!(
        (stop, running) == (libc::EINVAL, libc::EINVAL),
        "RESUMING -> STOP has errno {stop}, -> RUNNING {running}"
    );
    pair.target.reset()?;
    pair.arrive(&good)?;
    pair.round()
}

case!(bad_stream, with: [Rust, C]);
/// D9: a stream that no hardware gives is refused by the `write()` of its last byte.
fn bad_stream(driver: Driver) -> Result<()> {
    let (mut pair, good) = with_stream(driver)?;
    pair.source.set_state(state::RUNNING)?;
    let late: &[(&str, usize, &[u8])] = &[
        ("EQE address", 144, &[1]),
        ("SQC address", 160, &[3]),
        ("EQ context", 68, &[0xee; 8]),
        ("message to the PF", 56, &[1]),
    ];
    offer_wrong(&pair, &good, late, BAD_STATE.of(driver))?;
    offer_wrong(&pair, &good, &[("VF state", 24, &[7])], libc::EINVAL)?;
    // Nobody knows what the register of the page size reads that no driver has written.
    let mut odd = good.clone();
    odd[60] = 9;
    let errors = offer(&pair.target, &odd)?;
    ensure!(errors == (0, 0), "an odd page size: errno {errors:?}");
    pair.target.reset()?;
    // Too short, too long.
    let (_, stop) = offer(&pair.target, &good[..WHOLE - 1])?;
    ensure!(stop == libc::EINVAL, "a short stream: errno {stop}");
    pair.target.reset()?;
    let (write, _) = offer(&pair.target, &[&good[..], &[0]].concat())?;
    let wanted = TOO_LONG.of(driver);
    ensure!(write == wanted, "a long stream: errno {write}");
    pair.target.reset()?;
    // The good one still goes.
    let stream = migrate::save(&pair.source, false, &mut Quiet)?;
    pair.arrive(&stream)?;
    pair.finish()?;
    pair.round()
}

case!(second_resume, with: [Rust, C], hardware: Some(2));
/// D3: the second stream of one open is judged like the first.
fn second_resume(driver: Driver) -> Result<()> {
    let mut pair = Pair::new(driver, driver)?;
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

case!(precopy_cancel, with: [Rust, C], hardware: Some(2));
/// PRE_COPY and back: the VF works all the while, and the file has ended.
fn precopy_cancel(driver: Driver) -> Result<()> {
    let mut pair = Pair::new(driver, driver)?;
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
        ensure!(e == libc::EINVAL, "precopy info after the end: errno {e}");
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

case!(fd_outlives_device, with: [Rust, C]);
/// D4: the file is kept, the device closed and unbound.
fn fd_outlives_device(driver: Driver) -> Result<()> {
    let Pair {
        bench,
        source,
        target,
        qm,
        ..
    } = Pair::new(driver, driver)?;
    let mut saving = source.set_state(state::PRE_COPY)?.ok_or("no file")?;
    let mut resuming = target.set_state(state::RESUMING)?.ok_or("no file")?;
    drop((source, target, qm));
    for vf in &bench.vfs[..2] {
        vf.unbind()?;
    }
    let e = errno(precopy_info(&saving));
    ensure!(
        [libc::EINVAL, libc::ENODEV].contains(&e),
        "precopy info: errno {e}"
    );
    let e = errno(saving.read(&mut [0; 8]));
    ensure!(e == libc::ENODEV, "read: errno {e}");
    let e = errno(resuming.write(&[0; 8]));
    ensure!(e == libc::ENODEV, "write: errno {e}");
    Ok(())
}

case!(reset_in_precopy, with: [Rust, C]);
/// A reset ends the transfer: the file has an error, the state is RUNNING, the next one works.
fn reset_in_precopy(driver: Driver) -> Result<()> {
    let mut pair = Pair::new(driver, driver)?;
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

case!(source_goes_on, with: [Rust, C]);
/// D19: a source whose migration came to nothing works on, by way of PRE_COPY or not. The C driver
/// rings as many doorbells as the stream said that it has last loaded, of which a source has none
/// (`vf_qm_fun_reset()`), so a stopped one stays stopped.
fn source_goes_on(driver: Driver) -> Result<()> {
    // It remembers that number for the next user.
    for vf in &host::vfs(VFS)?[..2] {
        vf.unbind()?;
    }
    let mut pair = Pair::new(driver, driver)?;
    for precopy in [true, false] {
        pair.work_in_flight()?;
        migrate::save(&pair.source, precopy, &mut Quiet)?;
        pair.source.set_state(state::RUNNING)?;
        pair.finish()?;
    }
    // STOP alone, too.
    pair.work_in_flight()?;
    pair.source.set_state(state::STOP)?;
    pair.source.set_state(state::RUNNING)?;
    pair.finish()
}

case!(idle, with: [Rust, C], hardware: Some(2));
fn idle(driver: Driver) -> Result<()> {
    moves::idle(driver)
}
