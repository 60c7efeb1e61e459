// SPDX-License-Identifier: GPL-2.0

//! `fault.ras_*`, `fault.engine_*`: errors of the QM and of the engines before, during and after a stop,
//! with each accelerator. The driver reads them in the PF's status registers
//! (`hisi_acc_check_int_state()` of hisi_acc_vfio_pci.c), of which each engine has its own.

use super::{
    ensure, errno,
    fault::{no_stop, stops},
    pair::Pair,
};
use crate::{
    host::{self, Accelerator},
    migrate,
    vfio::state,
    Driver, Result,
};
use hisi_acc_hw::regs;

/// The driver under test waits for an error to go before it refuses to stop: it reads more than once.
const POLLS: u64 = 2;

/// Whose errors.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Of {
    Qm,
    Engine,
}

impl Of {
    /// An order that takes the errors back.
    fn gone(self) -> &'static str {
        match self {
            Self::Qm => "ras 0",
            Self::Engine => "engine 0",
        }
    }

    /// An order for errors. Bit 2 is one that each driver lets through: it is in `*_NFE_MASK_CAP`.
    fn now(self) -> &'static str {
        match self {
            Self::Qm => "ras 0x4",
            Self::Engine => "engine 0x4",
        }
    }

    /// The same, when a function is paused.
    fn at_pause(self) -> &'static str {
        match self {
            Self::Qm => "ras-at-pause 0x4",
            Self::Engine => "engine-at-pause 0x4",
        }
    }

    /// The status register, by hisi_acc_vfio_pci.h: `HZIP_CORE_INT_STATUS`, `SEC_CORE_INT_STATUS`,
    /// `HPRE_HAC_INT_STATUS`. The in-tree drivers of the PFs have the same (zip_main.c, sec_main.c;
    /// `HPRE_INT_STATUS` of hpre_main.c).
    fn status(self, accelerator: Accelerator) -> u64 {
        match (self, accelerator) {
            (Self::Qm, _) => regs::QM_ABNORMAL_INT_STATUS.into(),
            (Self::Engine, host::ZIP) => 0x30_10ac,
            (Self::Engine, host::SEC) => 0x30_1008,
            (Self::Engine, _) => 0x30_1800,
        }
    }
}

/// With each accelerator, whatever comes of the others.
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

/// The driver has read the status since the mark, so often at least. That a stop is refused does not say
/// it: other registers of an engine are not 0 then, either.
fn was_asked(pair: &Pair, of: Of, accelerator: Accelerator, times: u64) -> Result<()> {
    let status = of.status(accelerator);
    let reads = pair.bench.twin.register("pf", false, 2, status)?;
    ensure!(
        reads >= times,
        "{reads} reads of the status {status:#x}, not {times}"
    );
    Ok(())
}

/// There is one before the VF is stopped: it is not.
fn before_pause(of: Of) -> Result<()> {
    each(|accelerator| {
        let mut pair = pair(accelerator)?;
        no_stop(&mut pair, "pf", of.now(), of.gone(), libc::EBUSY)?;
        was_asked(&pair, of, accelerator, 2 * POLLS)
    })
}

pub fn ras_before_pause() -> Result<()> {
    before_pause(Of::Qm)
}

pub fn engine_before_pause() -> Result<()> {
    before_pause(Of::Engine)
}

/// One comes while the VF is being paused: it is not stopped, and the driver has asked for it.
fn at_pause(of: Of) -> Result<()> {
    each(|accelerator| {
        let mut pair = pair(accelerator)?;
        pair.work_in_flight()?;
        let twin = &pair.bench.twin;
        // The PF's driver does not get to know: the VF's is the one under test.
        twin.fault("pf", "lose-msi 1000")?;
        twin.fault("vf1", of.at_pause())?;
        let errors = stops(&pair)?;
        let twin = &pair.bench.twin;
        twin.fault("vf1", "clear")?;
        twin.fault("pf", of.gone())?;
        twin.fault("pf", "clear")?;
        ensure!(errors == [libc::EBUSY; 2], "errors {errors:?}");
        was_asked(&pair, of, accelerator, 2 * POLLS)?;
        pair.finish()?;
        pair.migrate(true)?;
        pair.round()
    })
}

pub fn ras_at_pause() -> Result<()> {
    at_pause(Of::Qm)
}

pub fn engine_at_pause() -> Result<()> {
    at_pause(Of::Engine)
}

/// An error that comes when the VF is stopped is none of the stream's: it is saved and goes on
/// elsewhere.
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

pub fn ras_after_pause() -> Result<()> {
    after_pause(Of::Qm)
}

pub fn engine_after_pause() -> Result<()> {
    after_pause(Of::Engine)
}

/// D7, for each engine's own register: the stop is refused with each of them; then the VFs go on.
pub fn engine_stops(driver: Driver) -> Result<()> {
    let mut pairs = Vec::new();
    for accelerator in host::ALL {
        let one = || -> Result<Pair> {
            let mut pair = Pair::of(accelerator, driver, driver)?;
            pair.work_in_flight()?;
            let twin = &pair.bench.twin;
            twin.fault("pf", "lose-msi 1000")?;
            twin.fault("vf1", Of::Engine.at_pause())?;
            let error = errno(pair.source.set_state(state::STOP_COPY));
            let now = pair.source.state()?;
            twin.fault("vf1", "clear")?;
            twin.fault("pf", Of::Engine.gone())?;
            twin.fault("pf", "clear")?;
            ensure!(error == libc::EBUSY, "errno {error}");
            ensure!(
                now == state::RUNNING,
                "the state is {}, and the stop failed",
                state::name(now)
            );
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
