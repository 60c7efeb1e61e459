// SPDX-License-Identifier: GPL-2.0

//! cloud-hypervisor's order of calls, and what it does when one fails.

use super::failing::{Call, Failing};
use crate::support::{
    bench::Bench,
    logged::{covers, Logged, Pages, ARENA},
    pair::Pair,
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

/// A device, and how often it was reset to get it out of a state.
struct Driven<'a> {
    device: &'a Device,
    /// Which call fails.
    failing: &'a Failing,
    resets: Cell<u32>,
}

impl<'a> Driven<'a> {
    fn new(device: &'a Device, failing: &'a Failing) -> Self {
        Self {
            device,
            failing,
            resets: Cell::new(0),
        }
    }

    fn reset(&self) {
        // It logs an error and goes on.
        let _ = self.device.reset();
        self.resets.set(self.resets.get() + 1);
    }

    /// `transition_migration_state_with_recovery()`
    fn change(&self, call: Call, to: u32, recover: Option<u32>) -> Result<Option<File>> {
        let error = match self.failing.of(call, || self.device.set_state(to))? {
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
            .change(Call::Save, state::STOP_COPY, Some(state::STOP))?
            .ok_or("no file")?;
        let mut stream = Vec::new();
        let read = self
            .failing
            .of(Call::Read, || file.read_to_end(&mut stream))?;
        self.change(Call::EndSave, state::STOP, None)?;
        read?;
        Ok(stream)
    }

    /// `load_migration_data()`; the file stays open.
    fn load(&self, stream: &[u8]) -> Result<File> {
        let mut file = self
            .change(Call::Resume, state::RESUMING, Some(state::STOP))?
            .ok_or("no file")?;
        let written = self.failing.of(Call::Write, || file.write_all(stream))?;
        if let Err(error) = written {
            self.reset();
            return Err(format!("write of the migration data: {error}").into());
        }
        Ok(file)
    }
}

/// Migrations of one VF's work, each with something that fails.
pub struct Vmm {
    driver: Driver,
    pub pair: Pair,
    pub failing: Failing,
}

impl Vmm {
    pub fn new(driver: Driver) -> Result<Self> {
        let bench = Bench::with_memory(host::ZIP, &[driver; 2], ARENA)?;
        let (source, target) = (bench.open(0)?, bench.open(1)?);
        let pair = Pair::over(host::ZIP, bench, source, target)?;
        Ok(Self {
            driver,
            pair,
            failing: Failing::default(),
        })
    }

    /// Resets both VFs, whatever they are in.
    pub fn reset(&self) -> Result<()> {
        self.pair.source.reset()?;
        Ok(self.pair.target.reset()?)
    }

    /// Migrates work in flight, after `begin`. `end` comes before the VF that is left to run is
    /// looked at. Returns whether the work has moved. If that VF had to be reset, its work is lost.
    pub fn migrate(
        &mut self,
        begin: impl FnOnce(&Self) -> Result<()>,
        end: impl FnOnce(&Self) -> Result<()>,
    ) -> Result<bool> {
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
        begin(self)?;
        let pair = &mut self.pair;
        let source = Driven::new(&pair.source, &self.failing);
        let target = Driven::new(&pair.target, &self.failing);
        let stream = source.change(Call::Stop, state::STOP, None).and_then(|_| {
            report()?;
            source.save()
        });
        let begun = stream.and_then(|stream| {
            let file = target.load(&stream)?;
            pair.qm.move_to(&pair.target)?;
            target.change(Call::Start, state::RUNNING, None)?;
            drop(file);
            Ok(())
        });
        let moved = begun.is_ok();
        if !moved {
            // Its interrupts are as they were: it has not run meanwhile.
            pair.qm.move_to(&pair.source)?;
            // A device that was reset runs already.
            let _ = source.device.set_state(state::RUNNING);
        }
        let why = begun.err().map_or("moved".to_owned(), |e| e.to_string());
        let (runs, other) = match moved {
            true => (target, source),
            false => (source, target),
        };
        let (now, resets) = (runs.device.state()?, runs.resets.get());
        let idle = other.device.state()?;
        end(self)?;
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
}
