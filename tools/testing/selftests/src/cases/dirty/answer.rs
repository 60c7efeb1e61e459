// SPDX-License-Identifier: GPL-2.0

//! `dirty.mailbox_answer`, `migration.mailbox_answer`: the driver uses the guest's own mailbox
//! while the guest has not polled the answer to a command of its own yet.

use crate::support::{
    bench::Bench,
    commands::{query, same, unread, READS},
    logged::{self, Logged},
};
use acc_vfio_user::{
    ensure, host,
    qm::{Mailbox, Qm},
    vfio::Device,
    work::{self, Random, Workload},
    Result,
};
use hisi_acc_hw::mailbox::{Command, Message};
use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::Duration,
};

const JOBS: usize = 24;

struct Vf {
    bench: Bench,
    device: Device,
    qm: Qm,
    work: Workload,
    mailbox: Mailbox,
    log: Logged,
}

impl Vf {
    fn new() -> Result<Self> {
        let mut bench = logged::bench(host::ZIP, 1)?;
        let device = bench.open(0)?;
        let mut qm = Qm::new(&device, &mut bench.memory, &work::Zip)?;
        let mut work = Workload::new(&work::Zip, &mut bench.memory, JOBS);
        work.round(&mut qm, &bench.memory, JOBS)?;
        let mailbox = Mailbox::new(&device)?;
        let log = Logged::start(&device)?;
        Ok(Self {
            bench,
            device,
            qm,
            work,
            mailbox,
            log,
        })
    }

    fn round(&mut self) -> Result<()> {
        self.work.round(&mut self.qm, &self.bench.memory, JOBS)
    }

    /// Has the driver look at the contexts, by a report or by a doorbell; how many commands it
    /// gave.
    fn look(&mut self, by_doorbell: bool) -> Result<u64> {
        self.bench.twin.mark()?;
        match by_doorbell {
            true => self.work.submit(&mut self.qm, &self.bench.memory)?,
            false => self.log.report().map(|_| ())?,
        }
        Ok(self.bench.twin.counts()?.with_prefix("vf1", "mailbox."))
    }

    /// What the VF writes is known precisely.
    fn is_known(&mut self, when: &str) -> Result<()> {
        self.round()?;
        self.log.report()?;
        self.bench.twin.mark()?;
        self.round()?;
        let dirty = self.log.report()?;
        ensure!(!dirty.is_all(), "{when}: all is dirty");
        let written = logged::Pages::written(&self.bench.twin, "vf1")?;
        logged::covers(&dirty, &written, when)
    }
}

case!(mailbox_answer);
/// With a log the driver asks a running VF for its tables, by the mailbox.
fn mailbox_answer() -> Result<()> {
    let mut vf = Vf::new()?;
    for by_doorbell in [false, true] {
        let by = if by_doorbell { "doorbell" } else { "report" };
        for command in READS {
            let answer = unread(&vf.mailbox, query(command))?;
            ensure!(!answer.has_failed(), "{command:?} fails");
            let asked = vf.look(by_doorbell)?;
            ensure!(
                asked > 0,
                "{command:?}: the driver asks nothing at a {by}, so this shows nothing"
            );
            same(&vf.mailbox, answer, &format!("{command:?}, {by}"))?;
        }
        vf.work.finish(&mut vf.qm, &vf.bench.memory)?;
    }
    vf.is_known("after answers")?;
    // What a context is written to is the guest's to reuse once it has seen that the command is
    // done.
    let somewhere = vf.bench.memory.alloc(4096);
    unread(
        &vf.mailbox,
        Message::request(Command::Sqc, somewhere, 1, true),
    )?;
    vf.look(false)?;
    let written = logged::Pages::written(&vf.bench.twin, "vf1")?;
    ensure!(
        !written.has(somewhere),
        "the guest's command was given again"
    );
    ensure!(!vf.mailbox.answer()?.has_failed(), "a dump has failed");
    own_failures(&mut vf, somewhere)?;
    failures(&mut vf)?;
    at_once(&mut vf)
}

/// Commands of the driver's that fail are no failure of the guest's.
fn own_failures(vf: &mut Vf, somewhere: u64) -> Result<()> {
    let dump = Message::request(Command::Sqc, somewhere, 1, true);
    for failing in ["SQC_BT", "CQC_BT"] {
        for request in [query(Command::SqcVftV2), dump] {
            let when = format!("{failing} fails, {request:x?}");
            let answer = unread(&vf.mailbox, request)?;
            vf.bench
                .twin
                .fault("vf1", &format!("mailbox-error {failing}"))?;
            ensure!(vf.look(false)? > 0, "{when}: nothing was asked");
            let found = vf.mailbox.answer()?;
            ensure!(!found.has_failed(), "{when}: the guest sees a failure");
            if request.is_read() && request.base == 0 {
                same(&vf.mailbox, answer, &when)?;
            }
            vf.bench.twin.fault("vf1", "mailbox-error off")?;
        }
    }
    vf.is_known("after failures of the driver's")
}

/// A command of the guest's that has failed: the guest sees that, and all is dirty meanwhile.
fn failures(vf: &mut Vf) -> Result<()> {
    vf.bench.twin.fault("vf1", "mailbox-error SQC_VFT_V2")?;
    let answer = unread(&vf.mailbox, query(Command::SqcVftV2))?;
    ensure!(answer.has_failed(), "the model does not fail: {answer:x?}");
    for by_doorbell in [false, true] {
        let asked = vf.look(by_doorbell)?;
        ensure!(asked == 0, "{asked} commands behind one that failed");
        same(&vf.mailbox, answer, "a failure")?;
    }
    vf.work.finish(&mut vf.qm, &vf.bench.memory)?;
    let dirty = vf.log.report()?;
    ensure!(dirty.is_all(), "contexts are known that nobody asked for");
    same(&vf.mailbox, answer, "a failure, after a round")?;
    vf.bench.twin.fault("vf1", "mailbox-error off")?;
    // The guest goes on.
    unread(&vf.mailbox, query(Command::SqcVftV2))?;
    vf.is_known("after a failure of the guest's")
}

/// The guest gives one command after another, and takes each answer a while later; on another CPU
/// it works, and QEMU asks for reports. So it goes until there were enough of both.
fn at_once(vf: &mut Vf) -> Result<()> {
    const COMMANDS: u64 = 200;
    const ASKED: u64 = 40;
    const ROUNDS: usize = 2000;
    let device = vf.device.try_clone()?;
    let answer = unread(&vf.mailbox, query(Command::SqcVftV2))?;
    let (commands, end) = (AtomicU64::new(0), AtomicBool::new(false));
    vf.bench.twin.mark()?;
    thread::scope(|scope| -> Result<()> {
        let guest = scope.spawn(|| {
            let work = || -> Result<()> {
                let mailbox = Mailbox::new(&device)?;
                let mut random = Random::default();
                while !end.load(Ordering::Relaxed) {
                    mailbox.send(query(Command::SqcVftV2));
                    thread::sleep(Duration::from_micros(random.next(3000) as u64));
                    let n = commands.fetch_add(1, Ordering::Relaxed);
                    same(&mailbox, answer, &format!("command {n}"))?;
                }
                Ok(())
            };
            work().map_err(|e| e.to_string())
        });
        let mut meet = || -> Result<()> {
            for _ in 0..ROUNDS {
                for _ in 0..4 {
                    vf.work.submit(&mut vf.qm, &vf.bench.memory)?;
                }
                vf.log.report()?;
                vf.work.finish(&mut vf.qm, &vf.bench.memory)?;
                let asked = vf.bench.twin.counts()?.get("vf1", "mailbox.SQC_BT");
                let enough = asked >= ASKED && commands.load(Ordering::Relaxed) >= COMMANDS;
                if enough || guest.is_finished() {
                    return Ok(());
                }
            }
            Err("the driver and the guest do not meet at the mailbox".into())
        };
        let met = meet();
        end.store(true, Ordering::Relaxed);
        guest.join().map_err(|_| "panicked")??;
        met
    })?;
    vf.is_known("after all this")
}
