// SPDX-License-Identifier: GPL-2.0

//! `reset.aer_fatal*`: a fatal error freezes the bus, and the kernel resets it.

use crate::support::{
    bench::{Bench, VFS},
    busy::Busy,
    crypto,
    pair::Pair,
};
use acc_vfio_user::{
    ensure,
    host::{self, Function},
    vfio::state,
    Driver, Result,
};

/// `PCI_CAP_ID_EXP`, `PCI_EXT_CAP_ID_ERR`, `PCI_EXT_CAP_ID_SRIOV`
const EXPRESS: u32 = 0x10;
const AER: u32 = 1;
const SRIOV: u32 = 0x10;
/// What a reset of the bus takes from the PF, in the order in which it is to come back: BARs, then
/// the command register; which errors are reported, and how bad they are; in the SR-IOV capability
/// the page size, the BARs and the number of VFs, then the control register.
const HEADER: [u64; 7] = [0x10, 0x14, 0x18, 0x1c, 0x20, 0x24, 4];
const OF_EXPRESS: [u64; 1] = [8];
const OF_AER: [u64; 2] = [8, 0xc];
const OF_SRIOV: [u64; 9] = [0x20, 0x24, 0x28, 0x2c, 0x30, 0x34, 0x38, 0x10, 8];

/// The configuration space of the PF. The kernel leaves it to the driver of a function to restore
/// it after a reset of the bus. Until then there are no VFs, and who closes one waits a minute.
struct Config {
    pf: Function,
    saved: Vec<(u64, u32)>,
}

impl Config {
    fn save() -> Result<Self> {
        let pf = host::pf()?;
        let express = pf.capability(EXPRESS)?.ok_or("no PCI Express")?;
        let aer = pf.extended_capability(AER)?.ok_or("no AER")?;
        let sriov = pf.extended_capability(SRIOV)?.ok_or("no SR-IOV")?;
        let saved = HEADER
            .into_iter()
            .chain(OF_EXPRESS.map(|at| express + at))
            .chain(OF_AER.map(|at| aer + at))
            .chain(OF_SRIOV.map(|at| sriov + at))
            .map(|at| Ok((at, pf.config(at)?)))
            .collect::<Result<_>>()?;
        Ok(Self { pf, saved })
    }

    fn restore(&self) -> Result<()> {
        for (at, value) in &self.saved {
            self.pf.set_config(*at, *value)?;
        }
        // The VFs need as long after VF enable.
        std::thread::sleep(host::seconds(1));
        Ok(())
    }
}

/// A fatal error while a VF is in each of some states. With `unbound` another function below the
/// port has no driver.
fn fatal(unbound: bool) -> Result<()> {
    let bench = Bench::new(&[Driver::Rust; VFS])?;
    if unbound {
        bench.vfs[VFS - 1].unbind()?;
    }
    let mut vfs = Vec::new();
    for (n, state) in [
        state::RUNNING,
        state::PRE_COPY,
        state::STOP,
        state::STOP_COPY,
    ]
    .into_iter()
    .enumerate()
    {
        let device = bench.open(n)?;
        let busy = Busy::in_state(&device, state, &[])?;
        vfs.push((device, state, busy));
    }
    let config = Config::save()?;
    let mark = "acc-selftest: a fatal error of the PF, with VFs";
    host::say(mark)?;
    // PCI_ERR_UNC_DLP
    bench.twin.ask("aer pf uncorrected 0x10")?;
    // The PF's driver cannot reset its controller without ACPI, so the whole has failed.
    let recovered = host::wait_for("the recovery's end", || {
        host::log_after(mark).is_ok_and(|log| log.contains("device recovery "))
    });
    let seen = recovered.and_then(|()| {
        for (device, before, busy) in &mut vfs {
            let name = state::name(*before);
            if let Some(busy) = busy.take() {
                let error = busy.ended().map_err(|e| format!("in {name}: {e}"))?;
                ensure!(
                    error == libc::ENODEV,
                    "in {name}: errno {error} of the file"
                );
            }
            let wanted = match *before {
                state::RUNNING | state::PRE_COPY => *before,
                _ => state::ERROR,
            };
            let now = device.state()?;
            ensure!(
                now == wanted,
                "in {name}: the state afterwards is {}",
                state::name(now)
            );
        }
        Ok(())
    });
    // For who comes after, whatever was seen.
    config.restore()?;
    drop(vfs);
    drop(bench);
    crypto::unbind(host::ZIP)?;
    seen?;
    let mut pair = Pair::new(Driver::Rust, Driver::Rust)?;
    pair.migrate(true)?;
    pair.round()
}

// The kernel's part is the same for each generation. The C driver has no callback for it.
case!(aer_fatal, generations: One(V3));
/// The bus is reset, and all functions below the port with it. Each migration file has ended. A VF
/// that was stopped is in ERROR, and one that worked is in its state.
fn aer_fatal() -> Result<()> {
    fatal(false)
}

case!(aer_fatal_unbound, generations: One(V3));
/// The same where another function has no driver: then PCI tells nobody of the reset, and says that
/// all have failed.
fn aer_fatal_unbound() -> Result<()> {
    fatal(true)
}
