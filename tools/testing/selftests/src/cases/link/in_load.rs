// SPDX-License-Identifier: GPL-2.0

//! `link.pf_unbind_in_load`: the PF goes while a VF is loaded.

use crate::support::{bench::Bench, pair::Pair, streams::is_in};
use acc_vfio_user::{
    ensure, errno, host,
    migrate::{save, Quiet},
    vfio::state,
    Driver, Result,
};
use std::{io::Write, os::fd::AsRawFd, thread};
use vmm_sys_util::eventfd::EventFd;

case!(pf_unbind_in_load, known: &[SRIOV_UNLOCKED]);
/// The PF is unbound while a target is loaded. Its driver takes the VFs away, the first of them
/// first, and waits for whoever has it open with its device lock held: the load cannot be done, and
/// the VF cannot be reset.
fn pf_unbind_in_load() -> Result<()> {
    let bench = Bench::new(&[Driver::Rust, Driver::Rust])?;
    let target = bench.open(0)?;
    let source = bench.open(1)?;
    let pair = Pair::over(host::ZIP, bench, source, target)?;
    let stream = save(&pair.source, false, &mut Quiet)?;
    let file = pair.target.set_state(state::RESUMING)?.ok_or("no file")?;
    let request = EventFd::new(libc::EFD_NONBLOCK)?;
    pair.target.set_request(request.as_raw_fd())?;
    let (target, twin) = (&pair.target, &pair.bench.twin);
    twin.mark()?;
    twin.fault("vf1", "mailbox-busy on")?;
    let pf = host::pf()?;
    let (error, unbinding) = thread::scope(|scope| -> Result<_> {
        let loading = scope.spawn(|| errno((&file).write_all(&stream)));
        // The first command of a load.
        let begun = host::wait_for("the loading", || {
            twin.counts()
                .is_ok_and(|counts| counts.get("vf1", "mailbox.PAUSE_QM") == 1)
        });
        let pf = pf.clone();
        let unbinding = thread::spawn(move || pf.unbind().map_err(|e| e.to_string()));
        let asked = host::wait_for("the request", || request.read().is_ok());
        let too_late = loading.is_finished();
        let error = loading.join().map_err(|_| "panicked")?;
        begun.and(asked)?;
        ensure!(!too_late, "the VFs were taken away too late");
        Ok((error, unbinding))
    })?;
    twin.fault("vf1", "clear")?;
    ensure!(error == libc::ETIMEDOUT, "errno {error}");
    is_in(target, "the PF goes", state::ERROR)?;
    let error = errno(target.set_state(state::STOP));
    ensure!(error == libc::EINVAL, "once more: errno {error}");
    drop((pair, file));
    host::wait_for("the unbinding", || unbinding.is_finished())?;
    unbinding.join().map_err(|_| "panicked")??;
    pf.bind(host::ZIP.module)?;
    let mut pair = Pair::new(Driver::Rust, Driver::Rust)?;
    pair.migrate(true)?;
    pair.round()
}
