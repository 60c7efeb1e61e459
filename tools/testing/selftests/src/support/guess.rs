// SPDX-License-Identifier: GPL-2.0

//! A VF on hardware that differs from what the model guesses, and what must work there.

use crate::{
    support::{
        bench::{Bench, VFS},
        crypto,
        logged::{self, covers, Logged},
        moves,
        pair::{Pair, JOBS},
        pf::answered,
    },
    twin::Twin,
};
use acc_vfio_user::{
    ensure, errno, host,
    migrate::{self, Quiet},
    qm::Qm,
    vfio::{state, Device},
    work::{Workload, Zip},
    Driver, Result,
};
use std::io::{self, Read};

/// The ZIP, as long as this exists, differs from what the model guesses.
pub struct Guessed {
    twin: Twin,
}

impl Guessed {
    /// Chooses alternatives by their names, see `tools/twin/model/src/guess.rs`. The order resets
    /// the model, so nothing drives the PF meanwhile.
    pub fn new(names: &str) -> Result<Self> {
        crypto::unbind(host::ZIP)?;
        let twin = Twin::open_device(host::ZIP.name)?;
        twin.ask(&format!("guess {names}"))?;
        Ok(Self { twin })
    }
}

impl Drop for Guessed {
    fn drop(&mut self) {
        // The next case that needs a PF says what is wrong.
        let _ = crypto::unbind(host::ZIP);
        let _ = self.twin.ask("guess default");
    }
}

/// What is different there for whoever uses a VF.
#[derive(Clone, Copy)]
pub struct Expected {
    /// With this errno a VF cannot be stopped or saved; 0: it migrates.
    pub migration: i32,
    /// With this errno a VF without a guest driver may not be saved.
    pub without_driver: i32,
    /// All pages that the VF writes are reported.
    pub pages: bool,
    /// The target may do a request again that the source has done.
    pub repeats: bool,
}

/// All is as ever.
pub const WORKS: Expected = Expected {
    migration: 0,
    without_driver: 0,
    pages: true,
    repeats: false,
};

/// Stops and saves a VF. Either may be refused.
fn save(device: &Device) -> io::Result<Vec<u8>> {
    let file = device.set_state(state::STOP_COPY)?;
    let mut stream = Vec::new();
    file.ok_or(io::Error::other("no file"))?
        .read_to_end(&mut stream)?;
    device.set_state(state::STOP)?;
    Ok(stream)
}

/// Fails unless a VF cannot be stopped or saved, with an errno. Lets it run again.
pub fn refused(device: &Device, expected: i32) -> Result<()> {
    let error = errno(save(device));
    ensure!(error == expected, "errno {error}, not {expected}");
    device.set_state(state::RUNNING)?;
    Ok(())
}

/// Migrations with and without work in flight; or each is refused, and the VF goes on with the work
/// that it has.
fn migrations(expected: Expected) -> Result<()> {
    if expected.repeats {
        for precopy in [true, false] {
            let mut pair = Pair::new(Driver::Rust, Driver::Rust)?;
            pair.work_in_flight()?;
            pair.migrate(precopy)?;
            pair.finish()?;
            pair.round()?;
        }
        return moves::idle(Driver::Rust);
    }
    if expected.migration == 0 {
        moves::idle(Driver::Rust)?;
        moves::busy(host::ZIP, Driver::Rust, Driver::Rust, true)?;
        return moves::busy(host::ZIP, Driver::Rust, Driver::Rust, false);
    }
    let mut pair = Pair::new(Driver::Rust, Driver::Rust)?;
    pair.work_in_flight()?;
    refused(&pair.source, expected.migration)?;
    pair.finish()?;
    pair.round()
}

/// A VF without a guest driver moves, and the target works; or the source does.
fn without_driver(expected: Expected) -> Result<()> {
    let mut bench = Bench::new(&[Driver::Rust; 2])?;
    let source = bench.open(0)?;
    let target = bench.open(1)?;
    let worker = match save(&source) {
        Ok(stream) => {
            migrate::load(&target, &stream, &mut Quiet)?;
            target
        }
        Err(e) => {
            let allowed = [expected.without_driver, expected.migration];
            let error = e.raw_os_error().unwrap_or(-1);
            ensure!(allowed.contains(&error), "without a guest driver: {e}");
            source.set_state(state::RUNNING)?;
            source
        }
    };
    let mut qm = Qm::new(&worker, &mut bench.memory, &Zip)?;
    let mut work = Workload::new(&Zip, &mut bench.memory, JOBS);
    work.round(&mut qm, &bench.memory, JOBS)
}

/// Resets of a VF with work in flight, that runs and that is stopped.
fn resets(expected: Expected) -> Result<()> {
    let mut pair = Pair::new(Driver::Rust, Driver::Rust)?;
    let states = [state::RUNNING, state::PRE_COPY_P2P, state::STOP];
    let n = if expected.migration == 0 { 3 } else { 1 };
    for state in &states[..n] {
        pair.submit(JOBS)?;
        pair.source.set_state(*state)?;
        pair.source.reset()?;
        let now = pair.source.state()?;
        ensure!(
            now == state::RUNNING,
            "after a reset in {}: the state is {}",
            state::name(*state),
            state::name(now)
        );
        pair.set_up()?;
        pair.round()?;
    }
    Ok(())
}

/// What a VF writes is reported: while it runs, and of what is in flight when it is quiesced.
fn dirty(expected: Expected) -> Result<()> {
    let check = |dirty: &logged::Pages, written: &logged::Pages, when: &str| match expected.pages {
        true => covers(dirty, written, when),
        false => Ok(()),
    };
    let mut vf = logged::Vf::new()?;
    vf.bench.twin.mark()?;
    let log = Logged::start(&vf.device)?;
    let mut all = logged::Pages::none();
    for round in 0..3 {
        vf.round()?;
        all.add(&log.report()?);
        check(&all, &vf.written()?, &format!("round {round}"))?;
    }
    vf.bench.twin.hold_jobs(0, 3)?;
    vf.submit(JOBS)?;
    if expected.migration == 0 {
        vf.device.set_state(state::PRE_COPY_P2P)?;
        let written = vf.written()?;
        all.add(&log.report()?);
        check(&all, &written, "quiesced")?;
        let later = vf.written()?.without(&written);
        ensure!(
            later.len() == 0,
            "{} pages are written while the VF is quiesced",
            later.len()
        );
        vf.device.set_state(state::RUNNING)?;
    }
    vf.bench.twin.release_jobs(0)?;
    vf.work.finish(&mut vf.qm, &vf.bench.memory)?;
    all.add(&log.report()?);
    check(&all, &vf.written()?, "at the end")
}

/// One of the things that must work.
type Step = fn(Expected) -> Result<()>;

/// Migration, reset and dirty tracking.
pub fn basics(expected: Expected) -> Result<()> {
    let steps: [(&str, Step); 4] = [
        ("migration", migrations),
        ("no guest driver", without_driver),
        ("reset", resets),
        ("dirty", dirty),
    ];
    for (name, step) in steps {
        step(expected).map_err(|e| format!("{name}: {e}"))?;
    }
    Ok(())
}

/// A VF is migrated with events that the guest has not looked into. The target has MSI only after
/// its state is loaded: an interrupt before that is lost.
pub fn interrupts_late() -> Result<()> {
    let mut pair = Pair::new(Driver::Rust, Driver::Rust)?;
    pair.bench.twin.mark()?;
    pair.submit(JOBS)?;
    let twin = &pair.bench.twin;
    host::wait_for("all jobs", || {
        twin.counts()
            .is_ok_and(|counts| counts.get("vf1", "jobs_done") == JOBS as u64)
    })?;
    let stream = migrate::save(&pair.source, true, &mut Quiet)?;
    pair.arrive_as_in_qemu(&stream)?;
    pair.finish()?;
    pair.round()
}

/// The PF is reset while one VF works and another one is stopped: both can be set up again, and
/// migrate. One that was stopped has lost its state, unless it `keeps` all.
pub fn pf_reset(keeps: bool) -> Result<()> {
    let bench = Bench::new(&[Driver::Rust; VFS])?;
    // All of them, since all are to answer.
    let all = bench.open_all()?;
    let (source, target) = (all[0].try_clone()?, all[1].try_clone()?);
    let mut pair = Pair::over(host::ZIP, bench, source, target)?;
    for stopped in [false, true] {
        if stopped {
            pair.source.set_state(state::STOP)?;
        }
        answered(&all, || host::pf()?.set_attribute("reset", "1"))?;
        let now = pair.source.state()?;
        let wanted = match (stopped, keeps) {
            (false, _) => state::RUNNING,
            (true, false) => state::ERROR,
            (true, true) => state::STOP,
        };
        ensure!(now == wanted, "the state is {}", state::name(now));
        pair.source.reset()?;
        pair.target.reset()?;
        pair.set_up()?;
        pair.round()?;
    }
    pair.migrate(true)?;
    pair.round()
}
