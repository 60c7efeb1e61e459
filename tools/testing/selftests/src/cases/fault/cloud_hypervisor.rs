// SPDX-License-Identifier: GPL-2.0

//! `fault.cloud_hypervisor`: whatever fails while cloud-hypervisor migrates a VF, one side runs it,
//! and its work goes on there.
//!
//! Its order of calls and what it does when one fails, from `pci/src/vfio.rs` and `vmm/src/lib.rs`
//! (of August 2026): it never enters PRE_COPY, it stops by one call and starts by another while the
//! migration file is open, and it resets a device whose state it cannot change. Other than QEMU, it
//! starts the source again when the start of the target has failed.

use crate::support::{
    bench::Bench,
    logged::{covers, Logged, Pages, ARENA},
    pair::Pair,
    survive::{faults, Fault, Side, Step},
};
use acc_vfio_user::{
    ensure, host,
    vfio::{state, Device},
    Driver, Result,
};
use std::{
    cell::Cell,
    fs::File,
    io::{Read, Write},
};

/// The steps of a side: it has no PRE_COPY.
fn steps(side: Side) -> [Step; 4] {
    let [first, second, third] = match side {
        Side::Source => ["PAUSE_QM", "SQC_BT", "CQC_BT"],
        Side::Target => ["SQC_VFT_V2", "SQC_BT", "CQC_BT"],
    };
    [
        Step::Before,
        Step::At(side, first),
        Step::At(side, second),
        Step::At(side, third),
    ]
}

/// A device, and how often it was reset to get it out of a state.
struct Driven<'a> {
    device: &'a Device,
    resets: Cell<u32>,
}

impl<'a> Driven<'a> {
    fn new(device: &'a Device) -> Self {
        Self {
            device,
            resets: Cell::new(0),
        }
    }

    fn reset(&self) {
        // It logs an error and goes on.
        let _ = self.device.reset();
        self.resets.set(self.resets.get() + 1);
    }

    /// `transition_migration_state_with_recovery()`
    fn change(&self, to: u32, recover: Option<u32>) -> Result<Option<File>> {
        let error = match self.device.set_state(to) {
            Ok(file) => return Ok(file),
            Err(error) => error,
        };
        if recover.is_none_or(|state| self.device.set_state(state).is_err()) {
            self.reset();
        }
        Err(format!("to {}: {error}", state::name(to)).into())
    }

    /// `save_migration_data()`
    fn save(&self) -> Result<Vec<u8>> {
        let mut file = self
            .change(state::STOP_COPY, Some(state::STOP))?
            .ok_or("no file")?;
        let mut stream = Vec::new();
        let read = file.read_to_end(&mut stream);
        self.change(state::STOP, None)?;
        read?;
        Ok(stream)
    }

    /// `load_migration_data()`; the file stays open.
    fn load(&self, stream: &[u8]) -> Result<File> {
        let mut file = self
            .change(state::RESUMING, Some(state::STOP))?
            .ok_or("no file")?;
        if let Err(error) = file.write_all(stream) {
            self.reset();
            return Err(format!("write of the migration data: {error}").into());
        }
        Ok(file)
    }
}

/// Migrations of one VF's work, each with something that fails.
struct Vmm {
    driver: Driver,
    pair: Pair,
}

impl Vmm {
    fn new(driver: Driver) -> Result<Self> {
        let bench = Bench::with_memory(host::ZIP, &[driver; 2], ARENA)?;
        let (source, target) = (bench.open(0)?, bench.open(1)?);
        let pair = Pair::over(host::ZIP, bench, source, target)?;
        Ok(Self { driver, pair })
    }

    /// Begins the fault, or says when it is to begin.
    fn order(&self, side: Side, step: Step, fault: &Fault) -> Result<()> {
        let vf = match side {
            Side::Source => "vf1",
            Side::Target => "vf2",
        };
        let of = if fault.of_pf { "pf" } else { vf };
        let order = match step {
            Step::At(_, command) => format!("at {vf} {command} {of} {}", fault.order),
            _ => format!("fault {of} {}", fault.order),
        };
        let twin = &self.pair.bench.twin;
        // The PF's driver does not get to know: the VF's is the one under test.
        twin.fault("pf", "lose-msi 1000000")?;
        twin.ask(&order).map(|_| ())
    }

    fn clear(&self, fault: &Fault) -> Result<()> {
        let twin = &self.pair.bench.twin;
        twin.ask("at clear")?;
        for vf in ["vf1", "vf2"] {
            twin.fault(vf, "clear")?;
            if !fault.of_pf {
                twin.fault(vf, fault.end)?;
            }
        }
        if fault.of_pf {
            twin.fault("pf", fault.end)?;
        }
        twin.fault("pf", "clear")
    }

    /// Migrates work in flight. Returns whether it has moved. If a VF that was left to run had to
    /// be reset, its work is lost.
    fn migrate(&mut self, side: Side, step: Step, fault: &Fault) -> Result<bool> {
        let pair = &mut self.pair;
        pair.set_up()?;
        pair.round()?;
        pair.work_in_flight()?;
        let log = match self.driver {
            Driver::Rust => Some(Logged::start(&pair.source)?),
            Driver::C => None,
        };
        let mut dirty = Pages::none();
        let mut report = || -> Result<()> {
            if let Some(log) = &log {
                dirty.add(&log.report()?);
            }
            Ok(())
        };
        report()?;
        self.order(side, step, fault)?;
        let pair = &mut self.pair;
        let (source, target) = (Driven::new(&pair.source), Driven::new(&pair.target));
        let stream = source.change(state::STOP, None).and_then(|_| {
            report()?;
            source.save()
        });
        let begun = stream.and_then(|stream| {
            let file = target.load(&stream)?;
            pair.qm.move_to(&pair.target)?;
            target.change(state::RUNNING, None)?;
            drop(file);
            Ok(())
        });
        let moved = begun.is_ok();
        if !moved {
            // Its interrupts are as they were: it has not run meanwhile.
            pair.qm.move_to(&pair.source)?;
            // A device that was reset runs already.
            let _ = source.change(state::RUNNING, None);
        }
        let why = begun.err().map_or("moved".to_owned(), |e| e.to_string());
        let (runs, other) = match moved {
            true => (target, source),
            false => (source, target),
        };
        let (now, resets) = (runs.device.state()?, runs.resets.get());
        let idle = other.device.state()?;
        self.clear(fault)?;
        ensure!(
            now == state::RUNNING && resets == 0,
            "{why}; the VF that is to run is in {}, after {resets} resets",
            state::name(now)
        );
        ensure!(
            !moved || idle == state::STOP,
            "the VF that was left is in {}",
            state::name(idle)
        );
        let pair = &mut self.pair;
        pair.finish().map_err(|e| format!("{why}; {e}"))?;
        if let (false, Some(log)) = (moved, &log) {
            dirty.add(&log.report()?);
        }
        let written = Pages::written(&pair.bench.twin, "vf1")?;
        if log.is_some() {
            covers(&dirty, &written, &why)?;
        }
        pair.round()?;
        Ok(moved)
    }

    /// Each fault of a side at each step.
    fn side(&mut self, side: Side, dead: &mut Vec<String>) -> Result<[usize; 2]> {
        let (mut survived, mut all) = (0, 0);
        for step in steps(side) {
            for fault in &faults(side) {
                let result = self.migrate(side, step, fault);
                self.clear(fault)?;
                for device in [&self.pair.source, &self.pair.target] {
                    device.reset()?;
                }
                all += 1;
                // Nothing is asked before the stop.
                let at = match step {
                    Step::Before => Step::PreCopy,
                    at => at,
                };
                match result {
                    Ok(_) => survived += 1,
                    Err(_) if fault.is_of_silicon(side, at) => {}
                    Err(e) => dead.push(format!("{side:?}, {step:?}, {}: {e}", fault.name)),
                }
            }
        }
        Ok([survived, all])
    }
}

case!(cloud_hypervisor, with: [Rust]);
// What waits for C's time-outs takes minutes.
case!(cloud_hypervisor, with: [C], long: true);
/// Each fault of the device model at each step, on the source and on the target.
fn cloud_hypervisor(driver: Driver) -> Result<String> {
    let mut vmm = Vmm::new(driver)?;
    let mut dead = Vec::new();
    let source = vmm.side(Side::Source, &mut dead)?;
    let target = vmm.side(Side::Target, &mut dead)?;
    // With the C driver VFs are lost, which is a fact and no failure.
    ensure!(
        dead.is_empty() || driver == Driver::C,
        "{} VFs are lost:\n{}",
        dead.len(),
        dead.join("\n")
    );
    Ok(format!(
        "{} of {} survived on the source, {} of {} on the target",
        source[0], source[1], target[0], target[1]
    ))
}
