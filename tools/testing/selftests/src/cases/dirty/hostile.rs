// SPDX-License-Identifier: GPL-2.0

//! `dirty.hostile_*`: a user who wants to see the kernel stumble, or a page go unreported that the
//! device writes.

use crate::{
    support::{
        bench::Bench,
        logged::{bench, covers, Logged, Pages, NOWHERE, PAGE},
    },
    twin::Twin,
};
use acc_vfio_user::{
    ensure, host,
    memory::{AddressSpace, Memory, IOVA},
    qm::Qm,
    vfio::{Device, Iommufd},
    work::{self, Random, Workload},
    Driver, Result,
};
use hisi_acc_hw::zip::{Format, Sqe};
use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::Duration,
};

struct Vf {
    bench: Bench,
    device: Device,
    qm: Qm,
}

impl Vf {
    fn new() -> Result<Self> {
        let mut bench = bench(host::ZIP, 1)?;
        let device = bench.open(0)?;
        let qm = Qm::new(&device, &mut bench.memory, &work::Zip)?;
        Ok(Self { bench, device, qm })
    }

    fn written(&self) -> Result<Pages> {
        Pages::written(&self.bench.twin, "vf1")
    }

    /// Whatever was done to it: after a reset it works, and what it writes is known precisely.
    fn still_works(&mut self, log: &Logged) -> Result<()> {
        self.device.reset()?;
        self.qm = Qm::new(&self.device, &mut self.bench.memory, &work::Zip)?;
        let mut work = Workload::new(&work::Zip, &mut self.bench.memory, 8);
        let first = work.round(&mut self.qm, &self.bench.memory, 8);
        self.bench.twin.explained("vf1", first)?;
        log.report()?;
        self.bench.twin.mark()?;
        work.round(&mut self.qm, &self.bench.memory, 8)?;
        let dirty = log.report()?;
        ensure!(!dirty.is_all(), "all is dirty after a reset");
        covers(&dirty, &self.written()?, "after a reset")
    }
}

// The device goes where nothing is mapped, as the case wants it to.
case!(hostile_changing, allowed: &[UNMAPPED]);
/// Entries and lists that change while they are read.
fn hostile_changing() -> Result<()> {
    let mut vf = Vf::new()?;
    let log = Logged::start(&vf.device)?;
    let memory = &mut vf.bench.memory;
    let source = memory.alloc(4096);
    let dest = memory.alloc(1 << 20);
    let list = memory.alloc(4096);
    let (ring, len) = vf.qm.sq_ring(0);
    let end = AtomicBool::new(false);
    let base = memory.address(list) as usize;
    let ring = memory.address(ring) as usize;
    thread::scope(|scope| -> Result<()> {
        scope.spawn(|| {
            let mut random = Random::default();
            while !end.load(Ordering::Relaxed) {
                for (at, len) in [(base, 512), (ring, len)] {
                    let at = at + random.next(len / 8) * 8;
                    let word = [0, u64::MAX, list, dest, NOWHERE][random.next(5)];
                    // SAFETY: Within the arena, which outlives the scope.
                    unsafe { (at as *mut u64).write_volatile(word) };
                }
            }
        });
        for tag in 0..2000 {
            let sqe = Sqe::request(Format::Zlib, true, source, 4096, list, 1 << 20, tag);
            vf.qm.submit(&vf.bench.memory, 0, &sqe.to_bytes());
            if tag % 50 == 0 {
                log.report()?;
            }
        }
        end.store(true, Ordering::Relaxed);
        Ok(())
    })?;
    vf.still_works(&log)
}

// The device goes where nothing is mapped, as the case wants it to.
case!(hostile_unmapped, allowed: &[UNMAPPED]);
/// Memory goes away and comes back while doorbells are rung.
fn hostile_unmapped() -> Result<()> {
    let mut vf = Vf::new()?;
    let log = Logged::start(&vf.device)?;
    let mut work = Workload::new(&work::Zip, &mut vf.bench.memory, 8);
    let end = AtomicBool::new(false);
    let len = crate::support::logged::ARENA;
    let memory = vf.bench.memory.address(IOVA) as usize;
    let iommufd = &vf.bench.iommufd;
    let (qm, arena) = (&mut vf.qm, &vf.bench.memory);
    let times = AtomicU64::new(0);
    thread::scope(|scope| -> Result<()> {
        let toggler = scope.spawn(|| -> std::io::Result<()> {
            while !end.load(Ordering::Relaxed) {
                iommufd.unmap(IOVA, len)?;
                iommufd.map(IOVA, memory as *mut u8, len)?;
                times.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        });
        // However long mapping so much memory takes here.
        let mut rounds = 0;
        let result = host::wait_long_for("memory to come and go", Duration::from_secs(60), || {
            for _ in 0..16 {
                // Jobs may fail, or not come back at all.
                if work.on_their_way() < 8 && work.submit(qm, arena).is_err() {
                    work.forget();
                }
                let _ = work.collect(qm, arena);
            }
            work.forget();
            rounds += 1;
            log.report().is_err()
                || toggler.is_finished()
                || (rounds > 32 && times.load(Ordering::Relaxed) > 3)
        });
        end.store(true, Ordering::Relaxed);
        toggler.join().map_err(|_| "panicked")??;
        result?;
        log.report().map(|_| ())
    })?;
    vf.still_works(&log)
}

case!(hostile_many_vfs, generations: One(V3), vfs: Some(63), slow: true);
/// All VFs that there are, each tracked.
fn hostile_many_vfs() -> Result<()> {
    const VFS: usize = 63;
    const JOBS: usize = 4;
    let vfs = host::ZIP.vfs(VFS)?;
    let iommufd = Iommufd::new()?;
    let mut memory = Memory::new(&iommufd, crate::support::logged::ARENA)?;
    let twin = Twin::open_device(host::ZIP.name)?;
    let mut all = Vec::new();
    for (n, vf) in vfs.iter().enumerate() {
        host::bind(vf, Driver::Rust)?;
        let path = vf.vfio_path()?;
        let device = Device::open(&path, &iommufd).map_err(|e| format!("VF {n}: {e}"))?;
        let qm = Qm::new(&device, &mut memory, &work::Zip)?;
        let work = Workload::new(&work::Zip, &mut memory, JOBS);
        device.start_logging(PAGE, &[crate::support::logged::arena()])?;
        all.push((device, qm, work));
    }
    twin.mark()?;
    for (_, qm, work) in &mut all {
        for _ in 0..JOBS {
            work.submit(qm, &memory)?;
        }
    }
    for (n, (device, qm, work)) in all.iter_mut().enumerate() {
        work.finish(qm, &memory)
            .map_err(|e| format!("VF {n}: {e}"))?;
        let written = Pages::written(&twin, &format!("vf{}", n + 1))?;
        ensure!(written.len() > 3, "VF {n} wrote nothing");
        let dirty = Logged::of(device)?.report()?;
        ensure!(!dirty.is_all(), "VF {n}: all is dirty");
        covers(&dirty, &written, &format!("VF {n}"))?;
    }
    drop(all);
    // As the other cases want it.
    host::ZIP.vfs(crate::support::bench::VFS).map(|_| ())
}
