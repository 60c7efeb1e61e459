// SPDX-License-Identifier: GPL-2.0

//! `beside_c.*`: the kernel's C driver and ours migrate a VF from the same state. Their accesses of
//! registers are compared, and the streams. [`sequence::list`] has the differences.
//! `hidden.other_vf`: the save of a VF reaches no other VF.

use crate::{
    sequence::{
        self,
        line::{lines, Line},
        Arc, Count, SetUp, Work,
    },
    support::bench::Bench,
    twin::Twin,
};
use acc_vfio_user::{
    ensure,
    host::{self, Accelerator},
    migrate::{read_all, MATCH, WHOLE},
    qm::Qm,
    vfio::{state, Device},
    work::{self, Workload},
    Driver, Result,
};
use hisi_acc_hw::mailbox::Command;
use std::{collections::BTreeSet, fs::File, io::Write};

/// How many requests are submitted at a time.
const JOBS: usize = 24;

/// A migration by one driver.
struct Run {
    /// The accesses in each arc, in order
    arcs: Vec<(Arc, Vec<Line>)>,
    stream: Vec<u8>,
    /// How many queues each VF has
    queues: usize,
}

/// Two VFs of a driver, the first of which is in the state that is wanted.
struct Ready {
    bench: Bench,
    source: Device,
    target: Device,
    work: Option<(Qm, Workload)>,
}

/// Brings the first VF into a state, which is the same each time: no completion is consumed before
/// all are there, so each queue in use has written one event.
fn set_up(set_up: &SetUp, driver: Driver) -> Result<Ready> {
    let mut bench = Bench::of(set_up.accelerator, &[driver, driver])?;
    let source = bench.open(0)?;
    let target = bench.open(1)?;
    let mut work = None;
    if set_up.work != Work::NoDriver {
        let engine = work::engine(set_up.accelerator);
        let mut qm = Qm::new(&source, &mut bench.memory, engine)?;
        let mut load = Workload::new(engine, &mut bench.memory, 2 * JOBS);
        complete(&bench, &mut qm, &mut load)?;
        load.finish(&mut qm, &bench.memory)?;
        match set_up.work {
            Work::NoDriver | Work::Idle => {}
            Work::Answer => qm.query(Command::SqcVftV2).map(|_| ())?,
            Work::Unread => {
                complete(&bench, &mut qm, &mut load)?;
                break_queue(&bench, &mut qm, &mut load)?;
            }
            Work::Busy => {
                complete(&bench, &mut qm, &mut load)?;
                bench.twin.mark()?;
                // The engine keeps the first one until PAUSE.
                bench.twin.fault("vf1", "hold-jobs 0")?;
                for _ in 0..JOBS {
                    load.submit(&mut qm, &bench.memory)?;
                }
            }
        }
        work = Some((qm, load));
    }
    Ok(Ready {
        bench,
        source,
        target,
        work,
    })
}

/// Submits requests and waits until all are done. Consumes no completion.
fn complete(bench: &Bench, qm: &mut Qm, load: &mut Workload) -> Result<()> {
    bench.twin.mark()?;
    for _ in 0..JOBS {
        load.submit(qm, &bench.memory)?;
    }
    host::wait_for("all requests", || {
        done(&bench.twin).is_ok_and(|n| n == JOBS as u64)
    })
}

fn done(twin: &Twin) -> Result<u64> {
    Ok(twin.counts()?.get("vf1", "jobs_done"))
}

/// Submits a request that the hardware cannot fetch, so that the AEQ gets an event. The target can
/// fetch it.
fn break_queue(bench: &Bench, qm: &mut Qm, load: &mut Workload) -> Result<()> {
    bench.twin.fault("vf1", &qm.hole_of_submissions())?;
    load.submit(qm, &bench.memory)?;
    host::wait_for("the error", || {
        let counts = bench.twin.counts();
        counts.is_ok_and(|counts| counts.get("vf1", "queue_error") == 1)
    })?;
    bench.twin.fault("vf1", "clear")
}

impl Ready {
    /// Runs `f` and keeps the accesses that the driver makes meanwhile.
    fn watched<R>(&self, run: &mut Run, arc: Arc, f: impl FnOnce() -> Result<R>) -> Result<R> {
        let (result, accesses) = self
            .bench
            .twin
            .logged(f)
            .map_err(|e| format!("{}: {e}", arc.name()))?;
        let subject = if arc.is_target() { 2 } else { 1 };
        run.arcs
            .push((arc, lines(&accesses, subject, host::migration()?)));
        Ok(result)
    }

    fn to(&self, run: &mut Run, arc: Arc, state: u32) -> Result<Option<File>> {
        let device = match arc.is_target() {
            true => &self.target,
            false => &self.source,
        };
        self.watched(run, arc, || Ok(device.set_state(state)?))
    }

    fn save(&self, run: &mut Run, precopy: bool) -> Result<()> {
        let mut file = None;
        if precopy {
            let begun = self.to(run, Arc::PreCopy, state::PRE_COPY)?;
            let begun = file.insert(begun.ok_or("PRE_COPY gave no file")?);
            read_all(begun, &mut run.stream)?;
        }
        let whole = self.to(run, Arc::StopCopy, state::STOP_COPY)?;
        let mut file = whole.or(file).ok_or("STOP_COPY gave no file")?;
        read_all(&mut file, &mut run.stream)?;
        self.to(run, Arc::Stop, state::STOP).map(|_| ())
    }

    /// Loads the stream and starts the target. The stream is written in one piece, because C reads
    /// registers when the match data are complete.
    fn load(&self, run: &mut Run) -> Result<()> {
        let file = self.to(run, Arc::Resuming, state::RESUMING)?;
        let mut file = file.ok_or("RESUMING gave no file")?;
        let stream = run.stream.clone();
        // One arc to compare: this driver loads in write(), C in RESUMING -> STOP.
        self.watched(run, Arc::Load, || {
            file.write_all(&stream)?;
            Ok(self.target.set_state(state::STOP)?)
        })?;
        self.to(run, Arc::Run, state::RUNNING).map(|_| ())
    }
}

/// Lets one driver migrate the first VF to the second.
fn try_migrate(set_up_of: &SetUp, driver: Driver) -> Result<Run> {
    let mut ready = set_up(set_up_of, driver)?;
    let mut run = Run {
        arcs: Vec::new(),
        stream: Vec::new(),
        queues: ready
            .work
            .as_ref()
            .map_or(0, |(qm, _)| qm.vf_queues as usize),
    };
    ready.save(&mut run, set_up_of.precopy)?;
    if set_up_of.work == Work::Busy {
        let done = done(&ready.bench.twin)?;
        ensure!(
            done == 1,
            "{done} requests were done when the VF was stopped"
        );
    }
    ready.bench.twin.fault("vf1", "clear")?;
    if let Some((qm, _)) = &mut ready.work {
        qm.move_to(&ready.target)?;
    }
    ready.load(&mut run)?;
    // Proves that the state was worth comparing: the target completes what was in flight.
    if let Some((qm, load)) = &mut ready.work {
        load.finish(qm, &ready.bench.memory)?;
    }
    Ok(run)
}

fn migrated(set_up: &SetUp, driver: Driver) -> Result<Run> {
    try_migrate(set_up, driver).map_err(|e| format!("{}, {driver:?}: {e}", set_up.name()).into())
}

/// Returns the set-ups in which both drivers are compared.
fn set_ups() -> Result<Vec<SetUp>> {
    let has_window = host::has_window()?;
    let of = |accelerator: Accelerator, precopy, work| SetUp {
        accelerator,
        precopy,
        work,
        has_window,
    };
    Ok(vec![
        of(host::ZIP, true, Work::Idle),
        of(host::ZIP, true, Work::Busy),
        of(host::ZIP, true, Work::Unread),
        of(host::ZIP, true, Work::Answer),
        of(host::ZIP, true, Work::NoDriver),
        of(host::ZIP, false, Work::Busy),
        of(host::ZIP, false, Work::NoDriver),
        of(host::SEC, true, Work::Unread),
        of(host::HPRE, true, Work::Unread),
    ])
}

case!(accesses);
/// Compares each access of a register, mailbox command and doorbell in its order, and the stream.
fn accesses() -> Result<()> {
    let mut text = String::new();
    let mut seen = BTreeSet::new();
    for set_up in set_ups()? {
        let c = migrated(&set_up, Driver::C)?;
        let ours = migrated(&set_up, Driver::Rust)?;
        text += &compare(&set_up, &c, &ours, &mut seen)?;
        if set_up.work == Work::Idle && !set_up.has_window {
            text += &count(&c, &ours);
        }
    }
    for id in sequence::to_be_seen(host::has_window()?).difference(&seen) {
        text += &format!("{id} shows nowhere\n");
    }
    ensure!(text.is_empty(), "{text}");
    Ok(())
}

/// Returns what differs between a migration by C and one by ours and is not in the list.
fn compare(
    set_up: &SetUp,
    c: &Run,
    ours: &Run,
    seen: &mut BTreeSet<&'static str>,
) -> Result<String> {
    let mut text = String::new();
    ensure!(
        c.arcs.len() == ours.arcs.len(),
        "{} and {} changes of state",
        c.arcs.len(),
        ours.arcs.len()
    );
    for ((arc, c), (_, ours)) in c.arcs.iter().zip(&ours.arcs) {
        text += &sequence::compare(*arc, set_up, c, ours, seen);
    }
    let len = if set_up.work == Work::NoDriver {
        MATCH
    } else {
        WHOLE
    };
    ensure!(
        c.stream.len() == len,
        "{}: the stream of C has {} bytes",
        set_up.name(),
        c.stream.len()
    );
    text += &bytes(&set_up.name(), &c.stream, &ours.stream, &[]);
    Ok(text)
}

/// Compares the number of accesses with [`sequence::list::SAVE`] and [`sequence::list::RESUME`].
fn count(c: &Run, ours: &Run) -> String {
    let of = |run: &Run, arcs: &[Arc]| {
        let of_arcs = run.arcs.iter().filter(|(arc, _)| arcs.contains(arc));
        let lines: Vec<&Line> = of_arcs.flat_map(|(_, lines)| lines).collect();
        let mut count = Count::of(&lines);
        if arcs.contains(&Arc::Run) {
            // Without the doorbell of each queue.
            count.vf = count.vf.saturating_sub(run.queues);
        }
        count
    };
    let save = [Arc::PreCopy, Arc::StopCopy, Arc::Stop];
    let resume = [Arc::Load, Arc::Run];
    let mut text = String::new();
    for (what, arcs, wanted) in [
        ("to save", &save[..], sequence::list::SAVE),
        ("to resume", &resume[..], sequence::list::RESUME),
    ] {
        let are = [of(c, arcs), of(ours, arcs)];
        if are != wanted {
            text += &format!("accesses {what}, of C and of ours: {are:?}, not {wanted:?}\n");
        }
    }
    text
}

/// Returns where two streams differ outside the fields that are expected to differ, and which of
/// these do not differ.
fn bytes(what: &str, one: &[u8], other: &[u8], but: &[Field]) -> String {
    let is_known = |at: usize| {
        but.iter()
            .any(|field| (field.at..field.at + field.len).contains(&at))
    };
    let mut text = String::new();
    if one.len() != other.len() {
        text += &format!(
            "{what}: streams of {} and {} bytes\n",
            one.len(),
            other.len()
        );
    }
    let differ = one.iter().zip(other).enumerate();
    for (at, (a, b)) in differ.filter(|(at, (a, b))| a != b && !is_known(*at)) {
        text += &format!("{what}: byte {at} of the stream is {a:#x}, then {b:#x}\n");
    }
    for field in but {
        let of = |stream: &[u8]| {
            stream
                .get(field.at..field.at + field.len)
                .map(<[u8]>::to_vec)
        };
        if of(one) == of(other) {
            text += &format!("{what}: {} does not differ\n", field.name);
        }
    }
    text
}

/// A field of the stream that differs once another driver has loaded the VF.
struct Field {
    name: &'static str,
    at: usize,
    len: usize,
}

/// Both drivers let messages of the PF in when they have loaded a VF (`qm_dev_cmd_init()`). The
/// guest's driver here has not done so.
const LOADED: &[Field] = &[Field {
    name: "ifc_int_mask",
    at: 52,
    len: 4,
}];

/// Saves a VF with unread completions and an error. Returns the VFs and their memory, too.
fn save_one(driver: Driver) -> Result<(Ready, Vec<u8>)> {
    let state = SetUp {
        accelerator: host::ZIP,
        precopy: true,
        work: Work::Unread,
        has_window: host::has_window()?,
    };
    let ready = set_up(&state, driver)?;
    let mut run = Run {
        arcs: Vec::new(),
        stream: Vec::new(),
        queues: 0,
    };
    ready.save(&mut run, true)?;
    Ok((ready, run.stream))
}

case!(streams);
/// Loads what one driver saved into the same VF by the other driver, which saves it again: the
/// bytes are equal.
fn streams() -> Result<()> {
    let mut text = String::new();
    for (first, second) in [(Driver::Rust, Driver::C), (Driver::C, Driver::Rust)] {
        let (ready, saved) = save_one(first)?;
        ensure!(saved.len() == WHOLE, "{} bytes", saved.len());
        let Ready {
            bench,
            source,
            target,
            work,
        } = ready;
        drop((source, target, work));
        host::bind(&bench.vfs[0], second)?;
        let device = bench.open(0)?;
        device.set_bus_master(true)?;
        let mut file = device.set_state(state::RESUMING)?.ok_or("no file")?;
        file.write_all(&saved)?;
        device.set_state(state::STOP)?;
        let mut again = Vec::new();
        let mut file = device.set_state(state::STOP_COPY)?.ok_or("no file")?;
        read_all(&mut file, &mut again)?;
        device.set_state(state::STOP)?;
        text += &bytes(
            &format!("{first:?}, then {second:?}"),
            &saved,
            &again,
            LOADED,
        );
    }
    ensure!(text.is_empty(), "{text}");
    Ok(())
}
