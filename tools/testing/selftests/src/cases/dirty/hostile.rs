// SPDX-License-Identifier: GPL-2.0

//! `dirty.hostile_*`: a user who wants to see the kernel stumble, or a page go unreported that the
//! device writes.

use super::{bench, covers, Logged, Pages, PAGE};
use crate::{
    cases::{ensure, Bench},
    host,
    memory::{AddressSpace, Memory, IOVA},
    qm::Qm,
    twin::Twin,
    vfio::{Device, Iommufd},
    work::{self, Random, Workload},
    Driver, Result,
};
use hisi_acc_hw::{
    doorbell::{Doorbell, Kind},
    sgl::{Sge, SglHead, SGE_SIZE, SGL_HEAD},
    zip::{Format, Sqe},
};
use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

/// An address that nothing is mapped at.
const NOWHERE: u64 = 0x7000_0000_0000;

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
        work.round(&mut self.qm, &self.bench.memory, 8)?;
        log.report()?;
        self.bench.twin.mark()?;
        work.round(&mut self.qm, &self.bench.memory, 8)?;
        let dirty = log.report()?;
        let all = super::ARENA as u64 / PAGE;
        ensure!(dirty.len() < all, "all is dirty after a reset");
        covers(&dirty, &self.written()?, "after a reset")
    }

    /// Waits a moment for whatever the hardware makes of it, and takes no completion.
    fn settle(&self) {
        thread::sleep(host::seconds(1) / 20);
    }
}

/// Rings that are nowhere, at the end of the address space, on top of each other, on the tables.
pub fn rings() -> Result<()> {
    let mut vf = Vf::new()?;
    let log = Logged::start(&vf.device)?;
    let [(table, _), ..] = [vf.qm.sq_ring(0)];
    for place in [NOWHERE, u64::MAX - 4095, 0u64.wrapping_sub(64), table, IOVA] {
        for queue in 0..3 {
            // The hardware takes any.
            vf.qm.remake(&vf.bench.memory, queue, Some(place))?;
        }
        vf.bench.twin.mark()?;
        for queue in 0..3 {
            let doorbell = Doorbell {
                queue,
                kind: Kind::Sq,
                index: 5,
                priority: 0,
            };
            vf.qm.ring_raw(queue, doorbell);
        }
        vf.settle();
        covers(
            &log.report()?,
            &vf.written()?,
            &format!("rings at {place:#x}"),
        )?;
    }
    vf.still_works(&log)
}

/// Lists and lengths that lie.
pub fn descriptors() -> Result<()> {
    let mut vf = Vf::new()?;
    let log = Logged::start(&vf.device)?;
    let memory = &mut vf.bench.memory;
    let source = memory.alloc(4096);
    let dest = memory.alloc(1 << 20);
    let list = memory.alloc(64 << 10);
    memory.write(source, &[b'a'; 4096]);
    let put = |memory: &Memory, at: u64, head: SglHead, sges: &[Sge]| {
        memory.write(at, &head.to_bytes());
        for (n, sge) in sges.iter().enumerate() {
            memory.write(at + (SGL_HEAD + n * SGE_SIZE) as u64, &sge.to_bytes());
        }
    };
    let head = |next, in_sgl| SglHead {
        next,
        in_chain: in_sgl,
        in_sgl,
        room: in_sgl,
    };
    let sge = |address, len| Sge { address, len };
    // (what, head of the list, its entries)
    let lists = [
        ("a loop", head(list, 1), vec![sge(dest, 16)]),
        ("no entries", head(0, 0), vec![]),
        (
            "too many entries",
            head(0, u16::MAX),
            vec![sge(dest, 16); 300],
        ),
        (
            "an entry nowhere",
            head(0, 2),
            vec![sge(dest, 16), sge(NOWHERE, 1 << 20)],
        ),
        ("the next nowhere", head(NOWHERE, 1), vec![sge(dest, 16)]),
        (
            "an overflow",
            head(0, 1),
            vec![sge(u64::MAX - 10, u32::MAX)],
        ),
        (
            "more than there is",
            head(0, 1),
            vec![sge(dest + (1 << 20) - 16, u32::MAX)],
        ),
        (
            "empty entries",
            head(0, 3),
            vec![sge(dest, 0), sge(dest, 0), sge(dest, 8192)],
        ),
    ];
    let mut tag = 0;
    for (what, head, sges) in &lists {
        for offset in [0, 100, 0xff_ffff] {
            put(&vf.bench.memory, list, *head, sges);
            tag += 1;
            let mut sqe = Sqe::request(Format::Zlib, true, source, 4096, list, 1 << 20, tag);
            // The source is flat in none of them: its list is the destination's.
            sqe.0[8] = offset;
            vf.bench.twin.mark()?;
            vf.qm.submit(&vf.bench.memory, 0, &sqe.to_bytes());
            vf.settle();
            covers(&log.report()?, &vf.written()?, what)?;
        }
    }
    for (what, at, len) in [
        ("flat, nowhere", NOWHERE, 1 << 20),
        ("flat, over the end", u64::MAX - 100, 4096),
        ("flat, too long", dest, u32::MAX),
        ("flat, nothing", dest, 0),
    ] {
        tag += 1;
        let sqe = Sqe::request(Format::Zlib, false, source, 4096, at, len, tag);
        vf.bench.twin.mark()?;
        vf.qm.submit(&vf.bench.memory, 1, &sqe.to_bytes());
        vf.settle();
        covers(&log.report()?, &vf.written()?, what)?;
    }
    // Anything at all.
    let mut random = Random::default();
    for _ in 0..200 {
        let mut entry = random.bytes(128);
        if random.next(2) == 0 {
            entry[80..88].copy_from_slice(&(dest + random.next(1 << 20) as u64).to_le_bytes());
        }
        vf.bench.twin.mark()?;
        vf.qm
            .submit(&vf.bench.memory, random.next(3) as u16, &entry);
        let written = vf.written()?;
        covers(&log.report()?, &written, "random entries")?;
    }
    vf.still_works(&log)
}

/// Doorbells that no driver rings, and writes that are none.
pub fn doorbells() -> Result<()> {
    let mut vf = Vf::new()?;
    let log = Logged::start(&vf.device)?;
    let raw = |queue, kind, index, priority| Doorbell {
        queue,
        kind,
        index,
        priority,
    };
    for doorbell in [
        raw(0, Kind::Sq, u16::MAX, 0),
        raw(0, Kind::Sq, 0x400, 0),
        raw(0xfff, Kind::Sq, 1, 0),
        raw(0, Kind::Sq, 3, 1),
        raw(0, Kind::Cq, u16::MAX, 0),
        raw(0xfff, Kind::Cq, 1, 1),
        raw(0, Kind::Eq, u16::MAX, 0),
        raw(0, Kind::Aeq, u16::MAX, 0),
        raw(1, Kind::Sq, 1, 0),
    ] {
        for page in [0, 1] {
            vf.bench.twin.mark()?;
            vf.qm.ring_raw(page, doorbell);
            vf.settle();
            covers(&log.report()?, &vf.written()?, &format!("{doorbell:?}"))?;
        }
    }
    let (bar2, bar4) = (vf.device.region(2)?, vf.device.region(4)?);
    for (region, at) in [
        (&bar2, 0x1000),
        (&bar2, 0x1ffc),
        (&bar2, 0x2ff8),
        (&bar4, 0x1000),
    ] {
        for len in [1, 2, 4, 8, 16, 4096] {
            vf.bench.twin.mark()?;
            // It may be refused.
            let _ = vf.device.write_at(region, at, &vec![0xff; len]);
            vf.settle();
            covers(&log.report()?, &vf.written()?, "writes to doorbells")?;
        }
    }
    // Across the edges of what is mediated.
    for at in [0xffc, 0x2ffc] {
        let _ = vf.device.write_at(&bar2, at, &[0; 8]);
    }
    vf.still_works(&log)
}

/// Entries and lists that change while they are read.
pub fn changing() -> Result<()> {
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

/// Memory goes away and comes back while doorbells are rung.
pub fn unmapped() -> Result<()> {
    let mut vf = Vf::new()?;
    let log = Logged::start(&vf.device)?;
    let mut work = Workload::new(&work::Zip, &mut vf.bench.memory, 8);
    let end = AtomicBool::new(false);
    let len = super::ARENA;
    let memory = vf.bench.memory.address(IOVA) as usize;
    let iommufd = &vf.bench.iommufd;
    let (qm, arena) = (&mut vf.qm, &vf.bench.memory);
    thread::scope(|scope| -> Result<()> {
        let toggler = scope.spawn(|| -> std::io::Result<u32> {
            let mut n = 0;
            while !end.load(Ordering::Relaxed) {
                iommufd.unmap(IOVA, len)?;
                iommufd.map(IOVA, memory as *mut u8, len)?;
                n += 1;
            }
            Ok(n)
        });
        for n in 0..500 {
            // Jobs may fail, or not come back at all.
            if work.on_their_way() < 8 {
                work.submit(qm, arena)?;
            }
            let _ = work.collect(qm, arena);
            if n % 16 == 0 {
                log.report()?;
                work.forget();
            }
        }
        end.store(true, Ordering::Relaxed);
        let n = toggler.join().map_err(|_| "panicked")??;
        ensure!(n > 3, "memory came and went {n} times only");
        Ok(())
    })?;
    vf.still_works(&log)
}

/// All VFs that there are, each tracked.
pub fn many_vfs() -> Result<()> {
    const VFS: usize = 63;
    const JOBS: usize = 4;
    let vfs = host::ZIP.vfs(VFS)?;
    let iommufd = Iommufd::new()?;
    let mut memory = Memory::new(&iommufd, super::ARENA)?;
    let twin = Twin::open_device(host::ZIP.name)?;
    let mut all = Vec::new();
    for (n, vf) in vfs.iter().enumerate() {
        host::bind(vf, Driver::Rust)?;
        let path = vf.vfio_path()?;
        let device = Device::open(&path, &iommufd).map_err(|e| format!("VF {n}: {e}"))?;
        let qm = Qm::new(&device, &mut memory, &work::Zip)?;
        let work = Workload::new(&work::Zip, &mut memory, JOBS);
        device.start_logging(PAGE, &[super::arena()])?;
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
        covers(&Logged::of(device)?.report()?, &written, &format!("VF {n}"))?;
    }
    drop(all);
    // As the other cases want it.
    host::ZIP.vfs(super::super::VFS).map(|_| ())
}
