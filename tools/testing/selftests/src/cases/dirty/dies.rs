// SPDX-License-Identifier: GPL-2.0

//! `dirty.user_dies`: the process that has a VF with a log on ends without a word, wherever it is.
//! `dirty.left_on`: a process that lives on closes the VF without ending the log.

use crate::support::{
    bench::{Bench, VFS},
    logged::{arena, Logged, Vf, ARENA, PAGE},
};
use acc_vfio_user::{
    ensure, errno, host,
    memory::Memory,
    migrate::{self, Quiet},
    qm::Qm,
    vfio::{state, Device, Iommufd},
    work::{self, Random, Workload},
    Driver, Result,
};
use std::{
    io::{BufRead, BufReader, Write},
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

/// What the process is at.
const DEEDS: [&str; 6] = ["waits", "doorbells", "reports", "saves", "resumes", "exits"];
const JOBS: usize = 16;

/// The process: it opens a VF, sets it up, logs, and goes on with its deed.
pub fn serve(path: &str, deed: &str) -> Result<()> {
    let iommufd = Iommufd::new()?;
    let mut memory = Memory::new(&iommufd, ARENA)?;
    let device = Device::open(Path::new(path), &iommufd)?;
    let mut qm = Qm::new(&device, &mut memory, &work::Zip)?;
    let mut work = Workload::new(&work::Zip, &mut memory, JOBS);
    work.round(&mut qm, &memory, JOBS)?;
    device.start_logging(PAGE, &[arena()])?;
    let log = Logged::of(&device)?;
    let stream = match deed {
        "resumes" => migrate::save(&device, true, &mut Quiet)?,
        _ => Vec::new(),
    };
    for _ in 0..JOBS {
        work.submit(&mut qm, &memory)?;
    }
    println!("ready");
    std::io::stdout().flush()?;
    match deed {
        "exits" => std::process::exit(0),
        "waits" => loop {
            thread::sleep(Duration::from_secs(1));
        },
        "doorbells" => loop {
            if work.on_their_way() < JOBS {
                work.submit(&mut qm, &memory)?;
            }
            work.collect(&mut qm, &memory)?;
        },
        "reports" => loop {
            log.report()?;
        },
        "saves" => loop {
            migrate::save(&device, true, &mut Quiet)?;
            device.set_state(state::RUNNING)?;
        },
        "resumes" => loop {
            migrate::load(&device, &stream, &mut Quiet)?;
        },
        _ => Err("no such deed".into()),
    }
}

/// The process, as seen from here.
struct Victim(Child);

impl Victim {
    /// It is at its deed when this returns.
    fn new(path: &Path, deed: &str) -> Result<Self> {
        let child = Command::new("/proc/self/exe")
            .arg("victim")
            .arg(path)
            .arg(deed)
            .stdout(Stdio::piped())
            .spawn()?;
        let mut victim = Self(child);
        let out = victim.0.stdout.take().ok_or("no output")?;
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line)?;
        ensure!(line == "ready\n", "it does not come so far: {line:?}");
        Ok(victim)
    }

    /// Kills it, unless it ends by itself.
    fn end(mut self, deed: &str) -> Result<()> {
        if deed != "exits" {
            self.0.kill()?;
        }
        let status = self.0.wait()?;
        let wanted = match deed {
            "exits" => (Some(0), None),
            _ => (None, Some(libc::SIGKILL)),
        };
        let found = (status.code(), status.signal());
        ensure!(found == wanted, "it ends with {found:?}");
        Ok(())
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

case!(user_dies, slow: true);
fn user_dies() -> Result<()> {
    const TIMES: usize = 3;
    let mut random = Random::default();
    let vf = host::vfs(VFS)?[0].clone();
    host::bind(&vf, Driver::Rust)?;
    let path = vf.vfio_path()?;
    for deed in DEEDS {
        for _ in 0..TIMES {
            let victim = Victim::new(&path, deed).map_err(|e| format!("{deed}: {e}"))?;
            thread::sleep(Duration::from_millis(random.next(40) as u64));
            victim.end(deed).map_err(|e| format!("{deed}: {e}"))?;
            next_user().map_err(|e| format!("after one that {deed}: {e}"))?;
        }
    }
    Ok(())
}

case!(left_on, slow: true);
/// The log is on when the VF is closed: idle, with requests in flight, in each state.
fn left_on() -> Result<()> {
    for in_flight in [0, JOBS] {
        for state in [
            state::RUNNING,
            state::PRE_COPY,
            state::RUNNING_P2P,
            state::STOP,
        ] {
            let mut vf = Vf::new()?;
            vf.device.start_logging(PAGE, &[arena()])?;
            vf.submit(in_flight)?;
            if state != state::RUNNING {
                vf.device.set_state(state)?;
            }
            drop(vf);
            next_user().map_err(|e| {
                let state = state::name(state);
                format!("closed in {state}, {in_flight} requests in flight: {e}")
            })?;
        }
    }
    Ok(())
}

/// The VF is as good as new: quiet, without a log, and what it writes is known once it is logged.
fn next_user() -> Result<()> {
    let bench: Bench = crate::support::logged::bench(host::ZIP, 1)?;
    bench.twin.mark()?;
    let device = bench.open(0)?;
    let e = errno(device.stop_logging());
    ensure!(e == libc::EINVAL, "a log is on: errno {e}");
    let state = device.state()?;
    ensure!(
        state == state::RUNNING,
        "its state is {}",
        state::name(state)
    );
    let jobs = bench.twin.counts()?.get("vf1", "jobs_done");
    ensure!(jobs == 0, "{jobs} jobs are done with nobody there");
    let mut vf = Vf::over(bench, device)?;
    let log = Logged::start(&vf.device)?;
    vf.is_known(&log, "a round")
}
