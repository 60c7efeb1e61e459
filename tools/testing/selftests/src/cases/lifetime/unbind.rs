// SPDX-License-Identifier: GPL-2.0

//! `lifetime.*`: a device is taken away from a driver while somebody uses it.

use crate::{
    differences::states,
    support::{bench::Bench, busy::Busy, pair::Pair},
};
use acc_vfio_user::{
    ensure, errno,
    host::{self, Function},
    qm::Qm,
    vfio::{precopy_info, state, Device},
    work::{Workload, Zip},
    Driver, Result,
};
use std::{
    fs::{self, File},
    os::fd::AsRawFd,
    sync::{
        atomic::{AtomicBool, Ordering},
        Arc,
    },
    thread::{self, JoinHandle},
};
use vmm_sys_util::eventfd::EventFd;

/// Something that waits until the user of a device lets go of it, in a thread of its own.
struct Waiting {
    thread: JoinHandle<std::result::Result<(), String>>,
    may_end: Arc<AtomicBool>,
}

impl Waiting {
    fn new(what: impl FnOnce() -> Result<()> + Send + 'static) -> Self {
        let may_end = Arc::new(AtomicBool::new(false));
        let flag = may_end.clone();
        let thread = thread::spawn(move || {
            what().map_err(|e| e.to_string())?;
            match flag.load(Ordering::SeqCst) {
                true => Ok(()),
                false => Err("it did not wait for the user".to_owned()),
            }
        });
        Self { thread, may_end }
    }

    /// Gives the thread time to end, which it must not do. [`Waiting::ends`] finds an end that
    /// comes later than that and before [`Waiting::let_go`].
    fn waits(&self) -> bool {
        thread::sleep(host::seconds(1) / 20);
        !self.thread.is_finished()
    }

    /// Notes that the user is about to let go, so that the thread may end.
    fn let_go(&self) {
        self.may_end.store(true, Ordering::SeqCst);
    }

    /// Waits for the end. It is an error if that came before [`Waiting::let_go`].
    fn ends(self) -> Result<()> {
        host::wait_for("the end", || self.thread.is_finished())?;
        Ok(self.thread.join().map_err(|_| "panicked")??)
    }
}

/// Somebody who has a VF open, set up and in some state, and reads or writes its migration file.
struct User {
    device: Device,
    qm: Qm,
    file: Option<File>,
    busy: Option<Busy>,
    request: EventFd,
}

impl User {
    fn new(bench: &mut Bench, vf: usize, from: u32) -> Result<Self> {
        let device = bench.open(vf)?;
        let qm = Qm::new(&device, &mut bench.memory, &Zip)?;
        let request = EventFd::new(libc::EFD_NONBLOCK)?;
        device.set_request(request.as_raw_fd())?;
        let mut file = None;
        if [state::STOP_COPY, state::PRE_COPY_P2P].contains(&from) {
            file = device.set_state(state::PRE_COPY)?;
        }
        let file = device.set_state(from)?.or(file);
        let busy = match &file {
            Some(file) => {
                // In RESUMING: nothing at all, without end.
                let writes = (from == state::RESUMING).then(Vec::new);
                let busy = Busy::new(file.try_clone()?, writes);
                busy.begun()?;
                Some(busy)
            }
            None => None,
        };
        Ok(Self {
            device,
            qm,
            file,
            busy,
            request,
        })
    }

    /// Waits until the user is asked to let go.
    fn asked(&self) -> Result<()> {
        host::wait_for("the request", || self.request.read().is_ok())
    }

    /// The user lets go, not at once: what is mapped keeps the device too. `last`: it is the last
    /// one that is waited for.
    fn let_go(self, driver: Driver, waiting: &Waiting, last: bool) -> Result<()> {
        let Self {
            device,
            qm,
            file,
            busy,
            ..
        } = self;
        drop(device);
        ensure!(waiting.waits(), "it did not wait for what is mapped");
        if last {
            waiting.let_go();
        }
        drop(qm);
        if let Some(busy) = busy {
            let error = busy.ended()?;
            ensure!(error == libc::ENODEV, "the file: errno {error}");
        }
        // D4: the C driver uses the device there, which is going.
        if let (Some(file), Driver::Rust) = (file, driver) {
            let error = errno(precopy_info(&file));
            ensure!(
                [libc::EINVAL, libc::ENOTTY].contains(&error),
                "precopy info: errno {error}"
            );
        }
        Ok(())
    }
}

/// All is as before: VFs come, and migrate.
fn again(driver: Driver) -> Result<()> {
    let mut pair = Pair::new(driver, driver)?;
    pair.submit(8)?;
    pair.migrate(true)?;
    pair.finish()
}

case!(unbind, with: [Rust, C]);
/// The VF is unbound while its BARs are mapped and its migration file is read: that waits, and asks
/// the user. The user can go on meanwhile.
fn unbind(driver: Driver) -> Result<()> {
    let mut bench = Bench::new(&[driver])?;
    let mut user = User::new(&mut bench, 0, state::PRE_COPY)?;
    let vf = bench.vfs[0].clone();
    let waiting = Waiting::new(move || vf.unbind());
    user.asked()?;
    ensure!(waiting.waits(), "it did not wait for the user");
    let mut work = Workload::new(&Zip, &mut bench.memory, 8);
    work.round(&mut user.qm, &bench.memory, 8)?;
    user.device.set_state(state::STOP_COPY)?;
    user.let_go(driver, &waiting, true)?;
    waiting.ends()?;
    drop(bench);
    again(driver)
}

case!(numvfs, with: [Rust, C]);
/// The VFs are switched off.
fn numvfs(driver: Driver) -> Result<()> {
    let mut bench = Bench::new(&[driver])?;
    let user = User::new(&mut bench, 0, state::STOP_COPY)?;
    let path = host::pf()?.path().join("sriov_numvfs");
    let waiting = Waiting::new(move || Ok(fs::write(path, "0")?));
    user.asked()?;
    ensure!(waiting.waits(), "it did not wait for the user");
    user.let_go(driver, &waiting, true)?;
    waiting.ends()?;
    drop(bench);
    let left = Function::all(hisi_acc_hw::ids::VENDOR_HUAWEI, host::ZIP.vf)?;
    ensure!(left.is_empty(), "{} VFs are left", left.len());
    again(driver)
}

/// What comes of a state change of a VF whose PF is being unbound: the errno, and where it is then.
/// Ours does not reach the PF's registers any more: what needs them fails, what does not is done. A
/// VF can be stopped and started: userspace resets one that cannot, which fails meanwhile.
/// The C driver goes on as if nothing were, but that nothing was written in RESUMING.
fn without_pf(driver: Driver, from: u32, to: u32) -> (i32, u32) {
    use state::*;
    if from == to {
        return (0, to);
    }
    match (driver, from, to) {
        (_, STOP_COPY, PRE_COPY | PRE_COPY_P2P) => (libc::EINVAL, from),
        (Driver::C, RESUMING, _) => (libc::EINVAL, from),
        (Driver::C, _, _) => (0, to),
        // Nothing was written.
        (Driver::Rust, RESUMING, _) => (libc::ENODEV, from),
        // As far as it comes: a way of several arcs ends where one fails.
        (Driver::Rust, RUNNING_P2P | STOP, PRE_COPY) => (libc::ENODEV, RUNNING),
        (Driver::Rust, STOP, PRE_COPY_P2P) => (libc::ENODEV, RUNNING_P2P),
        (Driver::Rust, STOP_COPY, RESUMING) => (libc::ENODEV, STOP),
        // What worked works again.
        (Driver::Rust, PRE_COPY, RESUMING) => (libc::ENODEV, RUNNING),
        (Driver::Rust, PRE_COPY_P2P, RESUMING) => (libc::ENODEV, RUNNING_P2P),
        (Driver::Rust, RUNNING, PRE_COPY | PRE_COPY_P2P | RESUMING)
        | (Driver::Rust, RUNNING_P2P, PRE_COPY_P2P | RESUMING)
        | (Driver::Rust, STOP, RESUMING) => (libc::ENODEV, from),
        // A save fails in the file, and not in the arc.
        (Driver::Rust, _, _) => (0, to),
    }
}

/// What the user may try while the PF goes: each ends as it must, from where the one before has
/// ended.
fn try_all(driver: Driver, device: &Device) -> Result<()> {
    let states = states(driver);
    let first = device.state()?;
    let first = states.iter().position(|state| *state == first);
    // From the one behind it on, and backwards, so that there are many ways.
    let all = states.iter().cycle().skip(first.ok_or("no state")? + 1);
    let all = all.take(states.len()).chain(states.iter().rev());
    for to in all.copied() {
        let from = device.state()?;
        let wanted = without_pf(driver, from, to);
        let error = errno(device.set_state(to));
        let now = device.state()?;
        ensure!(
            (error, now) == wanted,
            "{} -> {}: errno {error}, and it is in {}; wanted {} and {}",
            state::name(from),
            state::name(to),
            state::name(now),
            wanted.0,
            state::name(wanted.1)
        );
    }
    Ok(())
}

case!(pf_unbind, with: [Rust, C], known: &[SRIOV_UNLOCKED]);
/// The PF's driver is unbound, with a VF in each state.
fn pf_unbind(driver: Driver) -> Result<()> {
    let pf = host::pf()?;
    let states = states(driver);
    let mut bench = Bench::new(&vec![driver; states.len()])?;
    let mut users = Vec::new();
    for (vf, from) in states.iter().enumerate() {
        users.push(User::new(&mut bench, vf, *from)?);
    }
    let waiting = {
        let pf = pf.clone();
        Waiting::new(move || pf.unbind())
    };
    // VFs go one after another.
    let last = states.last().copied();
    for (user, from) in users.into_iter().zip(states.iter().copied()) {
        let one = || -> Result<()> {
            user.asked()?;
            let now = user.device.state()?;
            ensure!(now == from, "the state is {}", state::name(now));
            ensure!(waiting.waits(), "it did not wait for the user");
            try_all(driver, &user.device)?;
            let reset = errno(user.device.reset());
            // The process that unbinds holds the device lock.
            ensure!(reset == libc::EAGAIN, "a reset: errno {reset}");
            user.let_go(driver, &waiting, Some(from) == last)
        };
        one().map_err(|e| format!("in {}: {e}", state::name(from)))?;
    }
    waiting.ends()?;
    drop(bench);
    pf.bind(host::ZIP.module)?;
    again(driver)
}
