// SPDX-License-Identifier: GPL-2.0

//! `fault.load_*`, `link.pf_unbind_in_load`: a stream is whole, and its loading fails.

use crate::support::{
    pair::Pair,
    streams::{is_in, written},
};
use acc_vfio_user::{
    ensure, errno, host,
    migrate::{save, Quiet},
    vfio::state,
    Driver, Result,
};
use std::{os::fd::AsRawFd, thread};
use vmm_sys_util::eventfd::EventFd;

case!(load_fails);
/// At whatever command it fails, and however: the target is reset once, and the next try goes well.
/// A target of which no register can be reached is not touched, and stays in RESUMING with what was
/// written.
fn load_fails() -> Result<()> {
    let mut pair = Pair::new(Driver::Rust, Driver::Rust)?;
    pair.work_in_flight()?;
    let stream = save(&pair.source, true, &mut Quiet)?;
    for (fault, wanted) in [
        ("mailbox-error SQC_BT", libc::EIO),
        ("mailbox-error CQC_BT", libc::EIO),
        ("mailbox-busy on", libc::ETIMEDOUT),
    ] {
        let file = written(&pair.target, &stream)?;
        let twin = &pair.bench.twin;
        twin.mark()?;
        twin.fault("vf2", fault)?;
        let error = errno(pair.target.set_state(state::STOP));
        twin.fault("vf2", "clear")?;
        ensure!(error == wanted, "{fault}: errno {error}");
        is_in(&pair.target, fault, state::RUNNING)?;
        let resets = twin.counts()?.get("vf2", "flr");
        ensure!(resets == 1, "{fault}: {resets} resets");
        drop(file);
    }
    pair.qm.move_to(&pair.target)?;
    let file = written(&pair.target, &stream)?;
    let twin = &pair.bench.twin;
    twin.mark()?;
    twin.fault("vf2", "gone on")?;
    let error = errno(pair.target.set_state(state::STOP));
    twin.fault("vf2", "gone off")?;
    ensure!(error == libc::EIO, "gone: errno {error}");
    is_in(&pair.target, "gone", state::RESUMING)?;
    let counts = twin.counts()?;
    let touched = (
        counts.get("vf2", "flr"),
        counts.with_prefix("vf2", "reg_write"),
    );
    ensure!(touched == (0, 0), "gone: resets and writes {touched:?}");
    pair.target.set_state(state::RUNNING)?;
    drop(file);
    pair.finish()?;
    pair.round()
}

case!(load_and_reset_fail);
/// The reset after it fails too: somebody unbinds the VF, and so holds its device lock. The target
/// stays in RESUMING with all that was written, and can be loaded once the fault has gone.
fn load_and_reset_fail() -> Result<()> {
    let mut pair = Pair::new(Driver::Rust, Driver::Rust)?;
    pair.work_in_flight()?;
    let stream = save(&pair.source, true, &mut Quiet)?;
    let file = written(&pair.target, &stream)?;
    let request = EventFd::new(libc::EFD_NONBLOCK)?;
    pair.target.set_request(request.as_raw_fd())?;
    let vf = pair.bench.vfs[1].clone();
    let unbinding = thread::spawn(move || vf.unbind().map_err(|e| e.to_string()));
    host::wait_for("the request", || request.read().is_ok())?;
    let twin = &pair.bench.twin;
    twin.mark()?;
    twin.fault("vf2", "mailbox-error CQC_BT")?;
    let error = errno(pair.target.set_state(state::STOP));
    twin.fault("vf2", "clear")?;
    ensure!(error == libc::EAGAIN, "errno {error}");
    is_in(&pair.target, "not reset", state::RESUMING)?;
    let resets = twin.counts()?.get("vf2", "flr");
    ensure!(resets == 0, "{resets} resets");
    pair.qm.move_to(&pair.target)?;
    pair.target.set_state(state::RUNNING)?;
    drop(file);
    pair.finish()?;
    pair.round()?;
    drop(pair);
    host::wait_for("the unbinding", || unbinding.is_finished())?;
    unbinding.join().map_err(|_| "panicked")??;
    let mut pair = Pair::new(Driver::Rust, Driver::Rust)?;
    pair.migrate(true)?;
    pair.round()
}
