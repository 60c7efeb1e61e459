// SPDX-License-Identifier: GPL-2.0

//! `dirty.no_memory`: an allocation or a copy fails, wherever there is one, while logging begins,
//! while a doorbell is rung, and while it is reported. For the debug flavour.

use crate::support::{
    bench::Bench,
    inject,
    logged::{arena, bench, covers, Logged, Pages, PAGE},
};
use acc_vfio_user::{
    ensure, errno, host,
    qm::Qm,
    vfio::{Device, Region},
    work, Result,
};
use hisi_acc_hw::{
    doorbell::{Doorbell, Kind},
    regs,
    zip::{Format, Sqe},
};
use std::io;

/// The queue that compresses.
const QUEUE: u16 = 0;
const SOURCE: u32 = 64;

struct Vf {
    bench: Bench,
    device: Device,
    qm: Qm,
    bar4: Region,
    log: Option<Logged>,
    source: u64,
    dest: u64,
    bits: Pages,
    jobs: u16,
}

impl Vf {
    fn new() -> Result<Self> {
        let mut bench = bench(host::ZIP, 1)?;
        let device = bench.open(0)?;
        let qm = Qm::new(&device, &mut bench.memory, &work::Zip)?;
        let bar4 = device.region(4)?;
        let source = bench.memory.alloc(SOURCE as usize);
        let dest = bench.memory.alloc(PAGE as usize);
        Ok(Self {
            bench,
            device,
            qm,
            bar4,
            log: None,
            source,
            dest,
            bits: Pages::none(),
            jobs: 0,
        })
    }

    fn start(&mut self) -> Result<()> {
        self.log = Some(Logged::start(&self.device)?);
        Ok(())
    }

    /// Starts a log that has no memory of its own yet, with a request in the queue.
    fn begin_anew(&mut self) -> Result<()> {
        self.log = None;
        self.start()?;
        self.report()?;
        self.bits = Pages::none();
        self.bench.twin.mark()?;
        self.place();
        Ok(())
    }

    /// Puts a request into the queue.
    fn place(&mut self) {
        let (from, to) = (self.source, self.dest);
        let sqe = Sqe::request(Format::Zlib, false, from, SOURCE, to, PAGE as u32, 0);
        self.qm.place(&self.bench.memory, QUEUE, &sqe.to_bytes());
        self.jobs += 1;
    }

    /// Rings for it, as a user does who sees that a `write()` fails.
    fn ring(&self) -> io::Result<usize> {
        let doorbell = Doorbell {
            queue: QUEUE,
            kind: Kind::Sq,
            index: self.qm.tail(QUEUE),
            priority: 0,
        };
        let at = regs::QM_DOORBELL_SQ_CQ_BASE_V2.into();
        let value = doorbell.into_raw().to_ne_bytes();
        self.device.write_at(&self.bar4, at, &value)
    }

    /// Takes completions until none is out.
    fn finish(&mut self) -> Result<()> {
        let (qm, jobs, memory) = (&mut self.qm, &mut self.jobs, &self.bench.memory);
        host::wait_for("the jobs", || {
            qm.look();
            *jobs -= qm.poll(memory).len() as u16;
            *jobs == 0
        })
    }

    fn report(&mut self) -> io::Result<()> {
        self.device.report_logging(PAGE, arena(), &mut self.bits.0)
    }

    /// All that was written since the mark is in `bits` or in one more report.
    fn is_covered(&mut self, when: &str) -> Result<()> {
        let written = Pages::written(&self.bench.twin, "vf1")?;
        ensure!(written.has(self.dest), "{when}: nothing was written");
        self.report()?;
        covers(&self.bits, &written, when)
    }

    /// The errno of a call that had something fail, where it is one that it may have.
    fn judge<T>(result: io::Result<T>, failed: Option<u32>) -> Result<bool> {
        let error = errno(result);
        let allowed: &[i32] = match failed {
            Some(_) => &[0, libc::ENOMEM, libc::EFAULT],
            None => &[0],
        };
        ensure!(allowed.contains(&error), "errno {error}");
        Ok(error == 0)
    }
}

// Only that flavour fails on request.
case!(no_memory, flavour: Debug);
fn no_memory() -> Result<()> {
    let mut vf = Vf::new()?;
    let points = [
        start(&mut vf)?,
        doorbell(&mut vf)?,
        report(&mut vf)?,
        stop(&mut vf)?,
    ];
    // In START at least the log itself, in a doorbell an entry; a copy in each but STOP.
    ensure!(
        points[0] > 3 && points[1] > 1 && points[2] > 1,
        "so many points can fail: {points:?}"
    );
    println!("# START, doorbell, REPORT, STOP: {points:?} points");
    Ok(())
}

/// Either logging is on, and knows what is written, or it is off.
fn start(vf: &mut Vf) -> Result<u32> {
    inject::each(
        vf,
        |_| Ok(()),
        |vf| vf.device.start_logging(PAGE, &[arena()]),
        |vf, result, failed| {
            if Vf::judge(result, failed)? {
                vf.bits = Pages::none();
                vf.bench.twin.mark()?;
                vf.place();
                vf.ring()?;
                vf.finish()?;
                vf.is_covered("START")?;
                vf.device.stop_logging()?;
            } else {
                let e = errno(vf.device.stop_logging());
                ensure!(e == libc::EINVAL, "STOP after no START: errno {e}");
            }
            Ok(())
        },
    )
}

/// The doorbell is rung or it is not; if it is, what comes of it is reported.
fn doorbell(vf: &mut Vf) -> Result<u32> {
    let points = inject::each(
        vf,
        Vf::begin_anew,
        |vf| vf.ring(),
        |vf, result, failed| {
            if !Vf::judge(result, failed)? {
                vf.ring()?;
            }
            // In flight, or done: either way it is reported.
            vf.report()?;
            vf.finish()?;
            vf.is_covered("a doorbell")
        },
    )?;
    vf.log = None;
    Ok(points)
}

/// A report that fails has lost nothing: the next one has it.
fn report(vf: &mut Vf) -> Result<u32> {
    let points = inject::each(
        vf,
        |vf| {
            vf.begin_anew()?;
            vf.ring()?;
            vf.finish()
        },
        |vf| vf.report(),
        |vf, result, failed| {
            Vf::judge(result, failed)?;
            vf.is_covered("REPORT")
        },
    )?;
    vf.log = None;
    Ok(points)
}

/// It ends whatever fails.
fn stop(vf: &mut Vf) -> Result<u32> {
    inject::each(
        vf,
        |vf| Ok(vf.device.start_logging(PAGE, &[arena()])?),
        |vf| vf.device.stop_logging(),
        |vf, result, failed| {
            if !Vf::judge(result, failed)? {
                vf.device.stop_logging()?;
            }
            let e = errno(vf.device.stop_logging());
            ensure!(e == libc::EINVAL, "a second STOP: errno {e}");
            Ok(())
        },
    )
}
