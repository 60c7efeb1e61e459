// SPDX-License-Identifier: GPL-2.0

//! `benchmark.migration`: the C driver and ours save and load a VF in turn.

use super::limits::{self, Limit};
use crate::{
    nested::tell_as,
    support::{bench::Bench, pair::JOBS},
    twin::Twin,
};
use acc_vfio_user::{
    ensure, host,
    migrate::{read_all, WHOLE},
    qm::Qm,
    vfio::{state, Device},
    work::{self, Workload},
    Driver, Result,
};
use hisi_acc_hw::regs;
use serde_json::{json, Map, Value};
use std::{fs, io::Write, time::Instant};

/// How often each driver saves and loads, and opens and closes.
const TRANSFERS: usize = 200;
const OPENS: usize = 20;

/// What an operation cost.
#[derive(Default)]
struct Cost {
    /// Microseconds of each run
    times: Vec<u64>,
    /// Accesses of the last run: of the VF but for doorbells, of the PF, mailbox commands, reads of
    /// the mailbox that found it busy, and doorbells
    vf: u64,
    pf: u64,
    commands: u64,
    doorbells: u64,
    polls: u64,
}

impl Cost {
    /// Runs an operation on a VF.
    fn of<T>(&mut self, twin: &Twin, vf: &str, f: impl FnOnce() -> Result<T>) -> Result<T> {
        twin.mark()?;
        let begin = Instant::now();
        let result = f()?;
        let took = begin.elapsed();
        self.times.push(u64::try_from(took.as_micros())?);
        let counts = twin.counts()?;
        let registers = twin.registers(vf)?;
        let sum = |doorbells: bool| -> u64 {
            let those = registers.iter().filter(|r| r.is_doorbell() == doorbells);
            those.map(|r| r.count).sum()
        };
        (self.vf, self.doorbells) = (sum(false), sum(true));
        self.pf = twin.registers("pf")?.iter().map(|r| r.count).sum();
        self.commands = counts.with_prefix(vf, "mailbox.");
        let at = u64::from(regs::QM_MB_CMD_SEND_BASE);
        let reads = twin.register(vf, false, 2, at)?;
        // A command needs one read before it and one after it.
        self.polls = reads.saturating_sub(2 * self.commands);
        Ok(result)
    }

    fn to_json(&self) -> Value {
        let mut times = self.times.clone();
        times.sort_unstable();
        let at = |percent: usize| times.get((times.len() - 1) * percent / 100).copied();
        json!({
            "runs": times.len(),
            "us": { "median": at(50), "p10": at(10), "p90": at(90) },
            "accesses": { "vf": self.vf, "pf": self.pf, "doorbells": self.doorbells },
            "mailbox": { "commands": self.commands, "polls": self.polls },
        })
    }

    fn is_within(&self, what: &str, limit: Limit) -> Result<()> {
        let vf = self.vf - self.polls;
        ensure!(
            vf <= limit.vf && self.pf <= limit.pf,
            "{what}: {vf} accesses of the VF and {} of the PF, where {} and {} are enough",
            self.pf,
            limit.vf,
            limit.pf
        );
        Ok(())
    }
}

/// A driver, with two VFs of its own.
struct Side {
    driver: Driver,
    /// Of its first VF in the bench
    first: usize,
    source: Device,
    target: Device,
    work: (Qm, Workload),
    save: Cost,
    cancel: Cost,
    resume: Cost,
    open: Cost,
    close: Cost,
}

impl Side {
    fn new(bench: &mut Bench, driver: Driver, first: usize) -> Result<Self> {
        let source = bench.open(first)?;
        let target = bench.open(first + 1)?;
        let engine = work::engine(host::ZIP);
        let mut qm = Qm::new(&source, &mut bench.memory, engine)?;
        let mut load = Workload::new(engine, &mut bench.memory, JOBS);
        load.round(&mut qm, &bench.memory, JOBS)?;
        Ok(Self {
            driver,
            first,
            source,
            target,
            work: (qm, load),
            save: Cost::default(),
            cancel: Cost::default(),
            resume: Cost::default(),
            open: Cost::default(),
            close: Cost::default(),
        })
    }

    /// Saves the source, which goes on, and loads the target.
    fn transfer(&mut self, twin: &Twin) -> Result<()> {
        let (source, target) = (&self.source, &self.target);
        let stream = self.save.of(twin, &format!("vf{}", self.first + 1), || {
            let file = source.set_state(state::STOP_COPY)?;
            let mut stream = Vec::new();
            read_all(&mut file.ok_or("no file")?, &mut stream)?;
            Ok(stream)
        })?;
        ensure!(stream.len() == WHOLE, "{} bytes", stream.len());
        let of_source = format!("vf{}", self.first + 1);
        self.cancel
            .of(twin, &of_source, || Ok(source.set_state(state::RUNNING)?))?;
        let of_target = format!("vf{}", self.first + 2);
        self.resume.of(twin, &of_target, || {
            let file = target.set_state(state::RESUMING)?;
            file.ok_or("no file")?.write_all(&stream)?;
            target.set_state(state::STOP)?;
            Ok(target.set_state(state::RUNNING)?)
        })?;
        // The VF is as it was before the first load.
        Ok(target.reset()?)
    }

    /// Opens and closes a third VF.
    fn open_and_close(&mut self, bench: &Bench, third: usize) -> Result<()> {
        let vf = format!("vf{}", third + 1);
        let device = self.open.of(&bench.twin, &vf, || bench.open(third))?;
        self.close.of(&bench.twin, &vf, || {
            drop(device);
            Ok(())
        })
    }

    fn to_json(&self) -> Result<Value> {
        let mut operations = Map::new();
        for (name, cost) in [
            ("save", &self.save),
            ("cancel", &self.cancel),
            ("resume", &self.resume),
            ("open", &self.open),
            ("close", &self.close),
        ] {
            operations.insert(name.to_owned(), cost.to_json());
        }
        let modules: &[&str] = match self.driver {
            Driver::Rust => &["hisi_acc_vfio_rs", "hisi_acc_link", "vfio_rs"],
            Driver::C => &["hisi_acc_vfio_pci"],
        };
        let mut size = 0u64;
        for module in modules {
            let text = fs::read_to_string(format!("/sys/module/{module}/coresize"))?;
            size += text.trim().parse::<u64>()?;
        }
        Ok(json!({
            "of": self.driver.name(),
            "generation": if host::has_window()? { "V5" } else { "V3" },
            "queues": self.work.0.vf_queues,
            "modules": { "bytes": size },
            "operations": operations,
        }))
    }
}

case!(migration);
/// Accesses are exact, and have limits. Times are for the reader: they are of an emulated machine,
/// and only the ratio of two drivers in one run means something.
fn migration() -> Result<String> {
    use Driver::{Rust, C};
    let mut bench = Bench::new(&[Rust, Rust, C, C, Rust, C])?;
    let mut sides = [
        Side::new(&mut bench, Rust, 0)?,
        Side::new(&mut bench, C, 2)?,
    ];
    for _ in 0..TRANSFERS {
        for side in &mut sides {
            side.transfer(&bench.twin)
                .map_err(|e| format!("{:?}: {e}", side.driver))?;
        }
    }
    for _ in 0..OPENS {
        for (n, side) in sides.iter_mut().enumerate() {
            side.open_and_close(&bench, 4 + n)?;
        }
    }
    for side in &mut sides {
        // The source is as good as new.
        let (qm, load) = &mut side.work;
        if side.driver == Rust {
            load.round(qm, &bench.memory, JOBS)?;
        }
        tell_as("bench", &side.to_json()?)?;
    }
    let [ours, c] = &sides;
    let queues = u64::from(ours.work.0.vf_queues);
    let limits = if host::has_window()? {
        limits::V5
    } else {
        limits::V3
    };
    ours.save.is_within("save", limits.save)?;
    ours.resume.is_within("resume", limits.resume)?;
    // The SQs, the EQ and the AEQ.
    for cost in [&ours.cancel, &ours.resume] {
        ensure!(
            cost.doorbells <= queues + 2,
            "{} doorbells for {queues} queues",
            cost.doorbells
        );
    }
    let sum = |cost: &Cost| cost.vf + cost.pf + cost.doorbells - cost.polls;
    Ok(format!(
        "save {} accesses ({} with C), resume {} ({}), of {queues} queues",
        sum(&ours.save),
        sum(&c.save),
        sum(&ours.resume),
        sum(&c.resume)
    ))
}
