// SPDX-License-Identifier: GPL-2.0

//! `reset.pf_unseen`, `reset.without_turn`: resets of the PF of which nobody tells, and that take
//! long.

use crate::{
    differences::states,
    support::{
        bench::{Bench, VFS},
        pair::Pair,
        pf::{answered, window_again},
    },
};
use acc_vfio_user::{
    ensure, errno, host,
    vfio::{state, Device},
    Driver, Result,
};
use hisi_acc_hw::regs;
use std::{io::Read, thread};

case!(pf_unseen);
/// Nobody asks for a state or touches a file until the PF is back: that it was reset is known since
/// it is looked at from time to time. Whoever asks first is told, be it by the file or by the
/// state.
fn pf_unseen() -> Result<()> {
    {
        let bench = Bench::new(&[Driver::Rust; VFS])?;
        let devices = bench.open_all()?;
        let mut vfs = Vec::new();
        for (device, to) in devices.iter().zip(states(Driver::Rust)) {
            let mut file = None;
            // The saving file is PRE_COPY's, where there is one.
            if [state::STOP_COPY, state::PRE_COPY_P2P].contains(to) {
                file = device.set_state(state::PRE_COPY)?;
            }
            vfs.push((device, *to, device.set_state(*to)?.or(file)));
        }
        bench.twin.mark()?;
        answered(&devices, || host::pf()?.set_attribute("reset", "1"))?;
        let resets = bench.twin.counts()?.get("pf", "flr");
        ensure!(resets == 1, "{resets} resets of the PF");
        for (device, from, file) in &mut vfs {
            let name = state::name(*from);
            // It can be read from in PRE_COPY and STOP_COPY.
            if let (Some(file), true) = (file, *from != state::RESUMING) {
                let error = errno(file.read(&mut [0; 8]));
                ensure!(error == libc::ENODEV, "in {name}: the file: errno {error}");
            }
            if [state::STOP, state::RESUMING].contains(from) {
                let error = errno(device.set_state(state::RUNNING_P2P));
                ensure!(error == libc::EIO, "in {name}: going on: errno {error}");
            }
            let now = device.state()?;
            let wanted = match *from {
                state::RUNNING | state::PRE_COPY => *from,
                _ => state::ERROR,
            };
            ensure!(
                now == wanted,
                "in {name}: the state afterwards is {}",
                state::name(now)
            );
        }
    }
    window_again()?;
    let mut pair = Pair::new(Driver::Rust, Driver::Rust)?;
    pair.migrate(true)?;
    pair.round()
}

// The PF waits for its VFs, twice 40 s.
case!(without_turn, long: true);
/// A reset of a VF waits its turn, but no longer than a minute. The PF, to which no VF's driver
/// answers, keeps the turn for more: twice 20 s before its own reset, and twice after it. The VF
/// that does not wait gives nothing back that is not its own.
fn without_turn() -> Result<()> {
    let bench = Bench::new(&[Driver::Rust; VFS])?;
    let [first, second] = [bench.open(0)?, bench.open(1)?];
    bench.twin.mark()?;
    let pf = host::pf()?;
    let told = |device: &Device| -> Result<bool> {
        let mut source = [0; 4];
        let bar = device.region(2)?;
        device.read_at(&bar, regs::QM_IFC_INT_SOURCE_V.into(), &mut source)?;
        Ok(u32::from_ne_bytes(source) == 1)
    };
    let twin = &bench.twin;
    thread::scope(|scope| -> Result<()> {
        let resetting = scope.spawn(|| pf.set_attribute("reset", "1").map_err(|e| e.to_string()));
        host::wait_for("the PF's message", || told(&first).unwrap_or(false))?;
        first.reset()?;
        ensure!(!resetting.is_finished(), "the PF was quicker");
        let counts = twin.counts()?;
        ensure!(
            counts.get("pf", "flr") == 1,
            "the VF was reset before the PF"
        );
        // Those of the PF's reset are the same for all VFs.
        let own = counts.get("vf1", "flr") - counts.get("vf3", "flr");
        ensure!(own == 1, "{own} resets of the VF");
        // The turn is still the PF's. One VF has waited for all: a reset of the bridge above them
        // would wait for each, one after another, with all of them locked.
        second.reset()?;
        ensure!(!resetting.is_finished(), "the next VF waited");
        resetting.join().map_err(|_| "panicked")??;
        Ok(())
    })?;
    drop((first, second, bench));
    window_again()?;
    let mut pair = Pair::new(Driver::Rust, Driver::Rust)?;
    pair.migrate(true)?;
    pair.round()
}
