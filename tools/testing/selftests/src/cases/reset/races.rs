// SPDX-License-Identifier: GPL-2.0

//! `reset.threads`, `reset.in_change`: resets and state changes at once.

use crate::support::pair::Pair;
use acc_vfio_user::{
    ensure, errno, host,
    migrate::{self, Quiet},
    vfio::{state, Device, Mapping},
    Driver, Result,
};
use hisi_acc_hw::{mailbox::Command, regs};
use std::{
    fs::File,
    io::{Read, Write},
    os::fd::AsRawFd,
    sync::{
        atomic::{AtomicBool, AtomicU32, Ordering},
        mpsc, Arc, Mutex,
    },
    thread,
    time::Duration,
};

/// How often each thread has to have done its part.
const TIMES: u32 = 25;

/// Where in BAR2 nothing is that does anything: the model keeps what is written there.
const SCRATCH: u64 = 0x7000;

/// What the threads share.
struct Scene {
    device: Device,
    bar: Mapping,
    /// The saving file of now
    file: Mutex<Option<File>>,
    stop: AtomicBool,
    reads: AtomicU32,
    resets: AtomicU32,
    changes: AtomicU32,
}

// SAFETY: The mapping is memory of the device, which all threads may write.
unsafe impl Sync for Scene {}
// SAFETY: As above.
unsafe impl Send for Scene {}

impl Scene {
    /// Reads migration data into the mapped BAR: the copying faults each time after a reset.
    fn read(&self) -> Result<()> {
        let file = match &*self.file.lock().map_err(|_| "poison")? {
            Some(file) => file.try_clone()?,
            None => return Ok(()),
        };
        // SAFETY: The buffer is mapped, as long as is said.
        let n = unsafe { libc::read(file.as_raw_fd(), self.bar.address.cast(), 16) };
        if n < 0 {
            let error = std::io::Error::last_os_error();
            // The end, for now or for good; EIO where a reset spoiled the save, until it is over.
            let ends = [libc::ENODEV, libc::ENOMSG, libc::EIO];
            if !error.raw_os_error().is_some_and(|n| ends.contains(&n)) {
                return Err(format!("read: {error}").into());
            }
        }
        self.reads.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn reset(&self) -> Result<()> {
        self.device.reset()?;
        self.resets.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// The state can be asked for all the while.
    fn ask(&self) -> Result<()> {
        self.device.state()?;
        thread::sleep(Duration::from_millis(20));
        Ok(())
    }

    fn change(&self) -> Result<()> {
        for to in [
            state::PRE_COPY,
            state::PRE_COPY_P2P,
            state::STOP_COPY,
            state::STOP,
            state::RUNNING,
        ] {
            // A reset before it puts it elsewhere, from where there may be another way or none; one
            // during it can spoil what it does.
            if let Ok(file) = self.device.set_state(to) {
                if file.is_some() {
                    *self.file.lock().map_err(|_| "poison")? = file;
                }
                self.changes.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(())
    }
}

case!(threads, with: [Rust]);
// All threads hang in the locks of the C driver, which takes a guest of its own and 30 s. The
// kernel has to say so sooner than elsewhere.
case!(
    threads,
    with: [C],
    generations: One(V3),
    kernel: &["sysctl.kernel.hung_task_timeout_secs=10"],
);
/// D5: reading into the mapped BAR, resets and state changes, each in a thread of its own. The C
/// driver's locks make a circle of these three, and they hang.
fn threads(driver: Driver) -> Result<()> {
    let mut pair = Pair::new(driver, driver)?;
    host::bind(&pair.bench.vfs[2], driver)?;
    let device = pair.bench.open(2)?;
    let region = device.region(2)?;
    let bar = device.mmap(&region, SCRATCH, 4096)?;
    let scene = Arc::new(Scene {
        device,
        bar,
        file: Mutex::new(None),
        stop: AtomicBool::new(false),
        reads: AtomicU32::new(0),
        resets: AtomicU32::new(0),
        changes: AtomicU32::new(0),
    });
    let (sender, ends) = mpsc::channel();
    let all = [Scene::read, Scene::reset, Scene::change, Scene::ask];
    for what in all {
        let (scene, sender) = (scene.clone(), sender.clone());
        thread::spawn(move || {
            let mut result = Ok(());
            while result.is_ok() && !scene.stop.load(Ordering::Relaxed) {
                result = what(&scene).map_err(|e| e.to_string());
            }
            let _ = sender.send(result);
        });
    }
    // Not even asked for its state by this one, which has to tell of a hang.
    let counts =
        || [&scene.reads, &scene.resets, &scene.changes].map(|n| n.load(Ordering::Relaxed));
    let done = host::wait_long_for("all threads", Duration::from_secs(60), || {
        counts().iter().all(|n| *n >= TIMES)
    });
    scene.stop.store(true, Ordering::Relaxed);
    for _ in all {
        ends.recv_timeout(host::seconds(20))
            .map_err(|_| "a thread hangs")??;
    }
    done.map_err(|e| format!("{e}: reads, resets, changes: {:?}", counts()))?;
    let error = errno(scene.device.reset());
    ensure!(error == 0, "the last reset: errno {error}");
    // It takes work over.
    drop(std::mem::replace(
        &mut pair.target,
        Arc::into_inner(scene).ok_or("still shared")?.device,
    ));
    let stream = migrate::save(&pair.source, true, &mut Quiet)?;
    pair.arrive(&stream)?;
    pair.round()
}

case!(in_change, with: [Rust, C]);
/// A reset comes while a state change is under way, at each of its mailbox commands: both end, the
/// state is RUNNING, the file has ended, and the VF can be used. The command is out until the
/// reset.
fn in_change(driver: Driver) -> Result<()> {
    use Command::{CqcBt, PauseQm, SqcBt};
    let mut pair = Pair::new(driver, driver)?;
    let good = migrate::save(&pair.source, false, &mut Quiet)?;
    pair.source.set_state(state::RUNNING)?;
    for (load, command) in [
        (false, PauseQm),
        (false, SqcBt),
        (false, CqcBt),
        (true, SqcBt),
        (true, CqcBt),
    ] {
        let name = command.name();
        let one = || -> Result<()> {
            let device = &pair.source;
            let file = match load {
                true => device.set_state(state::RESUMING)?,
                false => None,
            };
            let twin = &pair.bench.twin;
            twin.mark()?;
            twin.fault("vf1", &format!("mailbox-hold {name}"))?;
            let changed = thread::scope(|scope| {
                let change = scope.spawn(|| match &file {
                    // Our driver loads in write(), C in RESUMING -> STOP.
                    Some(file) => (&mut &*file).write_all(&good).and_then(|()| match driver {
                        Driver::Rust => Ok(None),
                        Driver::C => device.set_state(state::STOP),
                    }),
                    None => device.set_state(state::STOP_COPY),
                });
                let given = format!("mailbox.{name}");
                let out = host::wait_for(name, || {
                    twin.counts().is_ok_and(|c| c.get("vf1", &given) == 1)
                });
                let reset = errno(device.reset());
                let changed = change.join().map_err(|_| "panicked")?;
                out?;
                ensure!(reset == 0, "the reset: errno {reset}");
                // Whether it succeeds is not said; a file that comes of it has ended.
                Ok::<_, Box<dyn std::error::Error>>(changed.unwrap_or(None))
            })?;
            let cut_off = twin.counts()?.get("vf1", &format!("cut_off.{name}"));
            twin.fault("vf1", "clear")?;
            ensure!(cut_off == 1, "the reset did not come before its end");
            let now = device.state()?;
            ensure!(now == state::RUNNING, "the state is {}", state::name(now));
            if let Some(mut file) = changed {
                let error = errno(file.read(&mut [0]));
                ensure!(error == libc::ENODEV, "the saving file: errno {error}");
            }
            if let Some(mut file) = file {
                let error = errno(file.write(&[0]));
                ensure!(error == libc::ENODEV, "the resuming file: errno {error}");
            }
            // What is left of a stream that was being loaded is still written, after the reset.
            match load {
                true => Ok(()),
                false => as_after_reset(device),
            }
        };
        one().map_err(|e| {
            let what = if load { "loading" } else { "saving" };
            format!("{what}, at {name}: {e}")
        })?;
        pair.set_up()?;
        pair.round()?;
    }
    pair.migrate(true)?;
    pair.round()
}

/// Nobody has written to its registers since.
fn as_after_reset(device: &Device) -> Result<()> {
    let region = device.region(2)?;
    for (name, reg, wanted) in [
        ("VF state", regs::QM_VF_STATE, regs::QM_NOT_READY),
        ("message mask", regs::QM_IFC_INT_MASK, 1),
    ] {
        let mut word = [0; 4];
        device.read_at(&region, u64::from(reg), &mut word)?;
        let value = u32::from_le_bytes(word);
        ensure!(value == wanted, "{name} is {value:#x}");
    }
    Ok(())
}
