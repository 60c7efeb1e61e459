// SPDX-License-Identifier: GPL-2.0

//! `fault.ras_*`, `fault.engine_*`: errors of the QM and of the engines before, during and after a
//! stop, with each accelerator. The driver reads them in the PF's status registers
//! (`hisi_acc_check_int_state()` of hisi_acc_vfio_pci.c), of which each engine has its own.

use crate::support::{
    pair::Pair,
    stops::{no_stop, stop, Fails},
};
use acc_vfio_user::{
    ensure,
    host::{self, Accelerator},
    migrate,
    vfio::state,
    Driver, Result,
};
use hisi_acc_hw::regs;

/// Reads of the status for one stop that is refused, at least. The driver polls: the error may go.
const POLLS: u64 = 2;

/// Says whose errors a case is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Of {
    Qm,
    Engine,
}

impl Of {
    /// Returns the order that takes the errors back.
    fn gone(self) -> &'static str {
        match self {
            Self::Qm => "ras 0",
            Self::Engine => "engine 0",
        }
    }

    /// Returns the order for an error now. Each in-tree driver lets bit 2 through: it is in
    /// `*_NFE_MASK_CAP`.
    fn now(self) -> &'static str {
        match self {
            Self::Qm => "ras 0x4",
            Self::Engine => "engine 0x4",
        }
    }

    /// Returns the order for an error at the time when a function is paused.
    fn at_pause(self) -> &'static str {
        match self {
            Self::Qm => "ras-at-pause 0x4",
            Self::Engine => "engine-at-pause 0x4",
        }
    }

    /// Returns the status register.
    fn status(self, accelerator: Accelerator) -> u64 {
        match self {
            Self::Qm => regs::QM_ABNORMAL_INT_STATUS.into(),
            Self::Engine => accelerator.errors.status.into(),
        }
    }
}

/// Runs a case with each accelerator and reports all that failed.
fn each(case: impl Fn(Accelerator) -> Result<()>) -> Result<()> {
    let failed: Vec<String> = host::ALL
        .into_iter()
        .filter_map(|accelerator| {
            let error = case(accelerator).err()?;
            Some(format!("{}: {error}", accelerator.name))
        })
        .collect();
    ensure!(failed.is_empty(), "{}", failed.join("; "));
    Ok(())
}

fn pair(accelerator: Accelerator) -> Result<Pair> {
    Pair::of(accelerator, Driver::Rust, Driver::Rust)
}

/// Fails if the driver has read the status less often than `times` since the mark. A refused stop
/// alone does not prove it, because other registers of the engine are not 0 then, either.
fn was_asked(pair: &Pair, of: Of, accelerator: Accelerator, times: u64) -> Result<()> {
    let status = of.status(accelerator);
    let reads = pair.bench.twin.register("pf", false, 2, status)?;
    ensure!(
        reads >= times,
        "{reads} reads of the status {status:#x}, not {times}"
    );
    Ok(())
}

/// Refuses PRE_COPY if there is an error before it. Without PRE_COPY the file fails.
fn before_pause(of: Of) -> Result<()> {
    each(|accelerator| {
        let mut pair = pair(accelerator)?;
        let fails = [Fails::File(libc::EIO), Fails::Early(libc::EBUSY)];
        no_stop(&mut pair, "pf", of.now(), of.gone(), fails)?;
        was_asked(&pair, of, accelerator, 2 * POLLS)
    })
}

case!(ras_before_pause);
fn ras_before_pause() -> Result<()> {
    before_pause(Of::Qm)
}

case!(engine_before_pause);
fn engine_before_pause() -> Result<()> {
    before_pause(Of::Engine)
}

/// Fails the file if an error comes while the VF is being paused.
fn at_pause(of: Of) -> Result<()> {
    each(|accelerator| {
        let mut pair = pair(accelerator)?;
        pair.work_in_flight()?;
        let twin = &pair.bench.twin;
        // The driver of the VF is under test: that of the PF must not handle the error first.
        twin.fault("pf", "lose-msi 1000")?;
        twin.fault("vf1", of.at_pause())?;
        let fails = stop(&pair, true)?;
        let twin = &pair.bench.twin;
        twin.fault("vf1", "clear")?;
        twin.fault("pf", of.gone())?;
        twin.fault("pf", "clear")?;
        ensure!(fails == Fails::File(libc::EIO), "{fails:?}");
        was_asked(&pair, of, accelerator, POLLS)?;
        pair.finish()?;
        pair.migrate(true)?;
        pair.round()
    })
}

case!(ras_at_pause);
fn ras_at_pause() -> Result<()> {
    at_pause(Of::Qm)
}

case!(engine_at_pause);
fn engine_at_pause() -> Result<()> {
    at_pause(Of::Engine)
}

/// Saves the VF if an error comes after the stop: the VF goes on elsewhere.
fn after_pause(of: Of) -> Result<()> {
    each(|accelerator| {
        let mut pair = pair(accelerator)?;
        pair.work_in_flight()?;
        let file = pair.source.set_state(state::STOP_COPY)?;
        was_asked(&pair, of, accelerator, 1)?;
        let twin = &pair.bench.twin;
        twin.fault("pf", "lose-msi 1000")?;
        twin.fault("pf", of.now())?;
        let mut stream = Vec::new();
        migrate::read_all(&mut file.ok_or("no file")?, &mut stream)?;
        pair.source.set_state(state::STOP)?;
        let twin = &pair.bench.twin;
        twin.fault("pf", of.gone())?;
        twin.fault("pf", "clear")?;
        pair.arrive(&stream)?;
        pair.finish()
    })
}

case!(ras_after_pause);
fn ras_after_pause() -> Result<()> {
    after_pause(Of::Qm)
}

case!(engine_after_pause);
fn engine_after_pause() -> Result<()> {
    after_pause(Of::Engine)
}

case!(engine_stops, with: [Rust, C]);
/// D7: each engine's own register fails the file. Then the VFs go on. All stops come first, so
/// that the C driver confirms the registers of all engines.
fn engine_stops(driver: Driver) -> Result<()> {
    let mut pairs = Vec::new();
    for accelerator in host::ALL {
        let one = || -> Result<Pair> {
            let mut pair = Pair::of(accelerator, driver, driver)?;
            pair.work_in_flight()?;
            let twin = &pair.bench.twin;
            twin.fault("pf", "lose-msi 1000")?;
            twin.fault("vf1", Of::Engine.at_pause())?;
            let fails = stop(&pair, false);
            twin.fault("vf1", "clear")?;
            twin.fault("pf", Of::Engine.gone())?;
            twin.fault("pf", "clear")?;
            let wanted = match driver {
                Driver::Rust => Fails::File(libc::EIO),
                Driver::C => Fails::Arc(libc::EBUSY),
            };
            let fails = fails?;
            ensure!(fails == wanted, "{fails:?}");
            was_asked(&pair, Of::Engine, accelerator, POLLS)?;
            Ok(pair)
        };
        let pair = one().map_err(|e| format!("{}: {e}", accelerator.name))?;
        pairs.push((accelerator, pair));
    }
    for (accelerator, pair) in &mut pairs {
        let mut goes_on = || -> Result<()> {
            pair.finish()?;
            pair.migrate(true)?;
            pair.round()
        };
        goes_on().map_err(|e| format!("{}: {e}", accelerator.name))?;
    }
    Ok(())
}
