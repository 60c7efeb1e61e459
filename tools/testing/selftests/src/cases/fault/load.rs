// SPDX-License-Identifier: GPL-2.0

//! `fault.load_*`, `link.pf_unbind_in_load`: a stream is whole, and its loading fails.

use crate::support::{pair::Pair, streams::is_in};
use acc_vfio_user::{
    ensure, errno, host,
    migrate::{save, Quiet},
    vfio::state,
    Driver, Result,
};
use std::{io::Write, os::fd::AsRawFd, thread};
use vmm_sys_util::eventfd::EventFd;

case!(load_fails);
/// D21: at whatever command it fails, and however: `write()` says so, the target is reset once, and
/// the next try goes well. A target of which no register can be reached is not touched, and stays
/// in RESUMING. The last `write()` can be made again.
fn load_fails() -> Result<()> {
    let mut pair = Pair::new(Driver::Rust, Driver::Rust)?;
    pair.work_in_flight()?;
    let stream = save(&pair.source, true, &mut Quiet)?;
    for (fault, wanted) in [
        ("mailbox-error SQC_BT", libc::EIO),
        ("mailbox-error CQC_BT", libc::EIO),
        ("mailbox-busy on", libc::ETIMEDOUT),
    ] {
        let mut file = pair.target.set_state(state::RESUMING)?.ok_or("no file")?;
        let twin = &pair.bench.twin;
        twin.mark()?;
        twin.fault("vf2", fault)?;
        let error = errno(file.write_all(&stream));
        twin.fault("vf2", "clear")?;
        ensure!(error == wanted, "{fault}: errno {error}");
        is_in(&pair.target, fault, state::RUNNING)?;
        let resets = twin.counts()?.get("vf2", "flr");
        ensure!(resets == 1, "{fault}: {resets} resets");
        drop(file);
    }
    pair.qm.move_to(&pair.target)?;
    let mut file = pair.target.set_state(state::RESUMING)?.ok_or("no file")?;
    let twin = &pair.bench.twin;
    twin.mark()?;
    twin.fault("vf2", "gone on")?;
    let error = errno(file.write_all(&stream));
    twin.fault("vf2", "gone off")?;
    ensure!(error == libc::EIO, "gone: errno {error}");
    is_in(&pair.target, "gone", state::RESUMING)?;
    let error = errno(pair.target.set_state(state::STOP));
    ensure!(error == libc::EINVAL, "what was refused: errno {error}");
    let counts = twin.counts()?;
    let touched = (
        counts.get("vf2", "flr"),
        counts.with_prefix("vf2", "reg_write"),
    );
    ensure!(touched == (0, 0), "gone: resets and writes {touched:?}");
    file.write_all(&stream)?;
    pair.target.set_state(state::RUNNING)?;
    drop(file);
    pair.finish()?;
    pair.round()
}

case!(resume_tries);
/// A mailbox that does not work is found when the target goes to RESUMING.
fn resume_tries() -> Result<()> {
    let mut pair = Pair::new(Driver::Rust, Driver::Rust)?;
    pair.work_in_flight()?;
    pair.bench.twin.fault("vf2", "mailbox-error SQC_VFT_V2")?;
    let error = errno(pair.target.set_state(state::RESUMING));
    pair.bench.twin.fault("vf2", "clear")?;
    ensure!(error == libc::EIO, "errno {error}");
    is_in(&pair.target, "refused", state::RUNNING)?;
    pair.migrate(true)?;
    pair.finish()?;
    pair.round()
}

case!(load_and_reset_fail);
/// The reset after it fails too: somebody unbinds the VF, and so holds its device lock. The target
/// is in ERROR, since it may have a part of the state.
fn load_and_reset_fail() -> Result<()> {
    let mut pair = Pair::new(Driver::Rust, Driver::Rust)?;
    pair.work_in_flight()?;
    let stream = save(&pair.source, true, &mut Quiet)?;
    let mut file = pair.target.set_state(state::RESUMING)?.ok_or("no file")?;
    let request = EventFd::new(libc::EFD_NONBLOCK)?;
    pair.target.set_request(request.as_raw_fd())?;
    let vf = pair.bench.vfs[1].clone();
    let unbinding = thread::spawn(move || vf.unbind().map_err(|e| e.to_string()));
    host::wait_for("the request", || request.read().is_ok())?;
    let twin = &pair.bench.twin;
    twin.mark()?;
    twin.fault("vf2", "mailbox-error CQC_BT")?;
    let error = errno(file.write_all(&stream));
    twin.fault("vf2", "clear")?;
    ensure!(error == libc::EIO, "errno {error}");
    is_in(&pair.target, "not reset", state::ERROR)?;
    let resets = twin.counts()?.get("vf2", "flr");
    ensure!(resets == 0, "{resets} resets");
    let error = errno(pair.target.set_state(state::RUNNING));
    ensure!(error == libc::EINVAL, "out of ERROR: errno {error}");
    drop(file);
    drop(pair);
    host::wait_for("the unbinding", || unbinding.is_finished())?;
    unbinding.join().map_err(|_| "panicked")??;
    let mut pair = Pair::new(Driver::Rust, Driver::Rust)?;
    pair.migrate(true)?;
    pair.round()
}
