// SPDX-License-Identifier: GPL-2.0

//! `reset.pf*`: the PF is reset, and takes the state of its VFs with it, in whatever state they
//! are; `reset.aer`: it has an error, and recovers, and takes nothing.

use crate::{
    differences::states,
    support::{
        bench::{Bench, VFS},
        busy::Busy,
        crypto,
        pair::Pair,
        pf::{answered, window, window_again},
    },
};
use acc_vfio_user::{
    ensure, errno, host,
    migrate::{self, Quiet},
    vfio::{state, Device},
    Driver, Result,
};

/// A VF in some state, and who reads or writes its migration data there.
struct Vf {
    device: Device,
    state: u32,
    busy: Option<Busy>,
}

impl Vf {
    fn new(device: Device, state: u32, good: &[u8]) -> Result<Self> {
        let busy = Busy::in_state(&device, state, good)?;
        Ok(Self {
            device,
            state,
            busy,
        })
    }

    /// Its state is lost: the file has ended, before anybody asks for the state, and that is ERROR.
    /// A VF that works, in RUNNING or PRE_COPY, stays there.
    fn was_reset(&mut self) -> Result<()> {
        if let Some(busy) = self.busy.take() {
            let error = busy.ended()?;
            ensure!(error == libc::ENODEV, "the file: errno {error}");
        }
        let now = self.device.state()?;
        ensure!(
            now == after_pf_reset(self.state),
            "the state afterwards is {}",
            state::name(now)
        );
        Ok(())
    }
}

/// The state of a VF after a reset of its PF.
fn after_pf_reset(state: u32) -> u32 {
    match state {
        state::RUNNING | state::PRE_COPY => state,
        _ => state::ERROR,
    }
}

/// All VFs, open: one in each state, set up; and one more, the target of the pair.
struct All {
    pair: Pair,
    open: Vec<Device>,
    vfs: Vec<Vf>,
}

fn in_each_state(driver: Driver) -> Result<All> {
    let bench = Bench::new(&[driver; VFS])?;
    // All of them, since all are to answer.
    let all = bench.open_all()?;
    let target = all[0].try_clone()?;
    let source = all[1].try_clone()?;
    let mut pair = Pair::over(host::ZIP, bench, source, target)?;
    let good = migrate::save(&pair.source, false, &mut Quiet)?;
    pair.source.reset()?;
    let mut vfs = Vec::new();
    for (device, state) in all[1..].iter().zip(states(driver)) {
        pair.source = device.try_clone()?;
        pair.set_up()?;
        pair.round()?;
        vfs.push(Vf::new(device.try_clone()?, *state, &good)?);
    }
    Ok(All {
        pair,
        open: all,
        vfs,
    })
}

/// The same; `f` resets the PF.
fn reset_in_each_state(
    driver: Driver,
    f: impl FnOnce(&Bench) -> Result<()>,
) -> Result<(Pair, Vec<Vf>)> {
    let All {
        pair,
        open,
        mut vfs,
    } = in_each_state(driver)?;
    answered(&open, || f(&pair.bench))?;
    for vf in &mut vfs {
        vf.was_reset()
            .map_err(|e| format!("in {}: {e}", state::name(vf.state)))?;
    }
    Ok((pair, vfs))
}

case!(pf, with: [Rust, C]);
/// Its function is reset by sysfs: the VFs can be set up again, and migrate.
fn pf(driver: Driver) -> Result<()> {
    let seen = reset_in_each_state(driver, |_| host::pf()?.set_attribute("reset", "1"))
        .and_then(|(mut pair, vfs)| again(&mut pair, vfs));
    // For who comes after, whatever was seen.
    window_again()?;
    seen
}

/// Each is reset, can be set up, and migrates; it does not where its migration registers are gone.
fn again(pair: &mut Pair, vfs: Vec<Vf>) -> Result<()> {
    let moved = host::has_window()? && !window()?;
    for vf in vfs {
        // After a reset of the PF: what of the VFs' configuration a guest's driver restores by
        // itself.
        vf.device.reset()?;
        pair.target.reset()?;
        pair.source = vf.device;
        let again = pair.set_up().and_then(|()| {
            pair.round()?;
            if moved {
                let error = errno(pair.source.set_state(state::PRE_COPY));
                ensure!(
                    error == libc::EIO,
                    "migration registers gone: errno {error}"
                );
            } else {
                pair.migrate(true)?;
            }
            pair.round()
        });
        again.map_err(|e| format!("again, after {}: {e}", state::name(vf.state)))?;
    }
    Ok(())
}

/// `PCI_COMMAND_MEMORY`
const MEMORY: u16 = 1 << 1;

case!(pf_controller, with: [Rust, C]);
/// Its controller is to be reset for an error, for which the driver needs ACPI: so the PF is left
/// stopped, and no VF of it migrates until it is bound anew.
fn pf_controller(driver: Driver) -> Result<()> {
    let mark = "acc-selftest: an error that needs a reset, with VFs";
    let seen = reset_in_each_state(driver, |bench| {
        host::say(mark)?;
        // qm_ecc_mbit
        bench.twin.fault("pf", "ras 0x4")?;
        host::wait_for("the driver's attempt at a reset", || {
            host::log_after(mark).is_ok_and(|log| log.contains("Controller reset failed"))
        })
    })
    .and_then(|(pair, vfs)| {
        if driver == Driver::Rust {
            let why = pair.bench.vfs[1].migration_blocker()?;
            ensure!(
                why == "its PF is stopped, or being reset",
                "the blocker: '{why}'"
            );
        }
        for vf in &vfs {
            let after = after_pf_reset(vf.state);
            let (wanted, then) = match after {
                state::ERROR => (libc::EINVAL, state::ERROR),
                _ => (libc::EBUSY, state::RUNNING),
            };
            if after == state::PRE_COPY {
                vf.device.set_state(state::RUNNING)?;
            }
            let error = errno(vf.device.set_state(state::PRE_COPY));
            ensure!(error == wanted, "a new migration: errno {error}");
            let now = vf.device.state()?;
            ensure!(now == then, "the state is {}", state::name(now));
        }
        Ok(())
    });
    // For who comes after, whatever was seen; as `twin.ras_reset`.
    let pf = host::pf()?;
    pf.set_command(pf.config(4)? as u16 | MEMORY)?;
    crypto::unbind(host::ZIP)?;
    seen?;
    let mut pair = Pair::new(driver, driver)?;
    pair.migrate(true)?;
    pair.round()
}

// PCI reports an error of the PF. That changes no register.
case!(aer, with: [Rust, C], generations: One(V3));
/// An error of the PF that is not fatal: PCI asks the drivers of all functions below the port,
/// those of the VFs among them, and nothing is reset. Each VF stays in its state, and its file goes
/// on.
fn aer(driver: Driver) -> Result<()> {
    let All {
        mut pair, mut vfs, ..
    } = in_each_state(driver)?;
    let mark = "acc-selftest: an error of the PF, with VFs";
    host::say(mark)?;
    // PCI_ERR_UNC_POISON_TLP
    pair.bench.twin.ask("aer pf uncorrected 0x1000")?;
    host::wait_for("the recovery", || {
        host::log_after(mark).is_ok_and(|log| log.contains("AER: device recovery successful"))
    })?;
    for vf in &mut vfs {
        let name = state::name(vf.state);
        let now = vf.device.state()?;
        ensure!(
            now == vf.state,
            "in {name}: the state afterwards is {}",
            state::name(now)
        );
        if let Some(busy) = &vf.busy {
            busy.goes_on().map_err(|e| format!("in {name}: {e}"))?;
        }
    }
    again(&mut pair, vfs)
}
