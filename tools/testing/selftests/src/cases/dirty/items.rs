// SPDX-License-Identifier: GPL-2.0

//! `dirty.hostile_rings`, `_descriptors`, `_doorbells`: one thing after another that no driver
//! does, each done to a function that is fresh: what came before it does not make all dirty.

use crate::support::{
    bench::Bench,
    logged::{bench, covers, Logged, Pages, NOWHERE, PAGE},
};
use acc_vfio_user::{
    ensure, host,
    memory::{Memory, IOVA},
    qm::Qm,
    vfio::Device,
    work::{self, Random},
    Result,
};
use hisi_acc_hw::{
    dma::{self, Engine, Unreadable},
    doorbell::{Doorbell, Kind},
    sgl::{Sge, SglHead, SGE_SIZE, SGL_HEAD},
    zip::{Format, Sqe},
};
use std::thread;

/// Bytes of input of a request here.
const SOURCE: u32 = 4096;
/// Room for what it writes
const ROOM: u32 = 1 << 20;

/// A function that is set up anew for each item.
struct Fresh {
    bench: Bench,
    device: Device,
    qm: Qm,
    log: Logged,
    /// How much of the arena stays from item to item
    used: usize,
    source: u64,
    dest: u64,
    list: u64,
}

impl Fresh {
    fn new() -> Result<Self> {
        let mut bench = bench(host::ZIP, 1)?;
        let device = bench.open(0)?;
        let memory = &mut bench.memory;
        let source = memory.alloc(SOURCE as usize);
        let dest = memory.alloc(ROOM as usize);
        let list = memory.alloc(64 << 10);
        memory.write(source, &[b'a'; SOURCE as usize]);
        let used = memory.used();
        let qm = Qm::new(&device, memory, &work::Zip)?;
        let log = Logged::start(&device)?;
        Ok(Self {
            bench,
            device,
            qm,
            log,
            used,
            source,
            dest,
            list,
        })
    }

    /// Sets the function up anew. From here on little is dirty.
    fn renew(&mut self) -> Result<()> {
        self.device.reset()?;
        self.bench.memory.take_back(self.used);
        self.qm = Qm::new(&self.device, &mut self.bench.memory, &work::Zip)?;
        self.log.report()?;
        let dirty = self.log.report()?;
        ensure!(!dirty.is_all(), "all is dirty of a fresh function");
        self.bench.twin.mark()
    }

    fn memory(&self) -> &Memory {
        &self.bench.memory
    }

    /// A request to compress, with its output at `dest`, or by the list there.
    fn request(&self, sgl: bool, dest: u64, room: u32, tag: u64) -> Sqe {
        Sqe::request(Format::Zlib, sgl, self.source, SOURCE, dest, room, tag)
    }

    /// Waits a moment for whatever the hardware makes of it, and takes no completion. Then what was
    /// written is reported; whether all is.
    fn look(&self, what: &str) -> Result<bool> {
        thread::sleep(host::seconds(1) / 20);
        let written = Pages::written(&self.bench.twin, "vf1")?;
        let dirty = self.log.report()?;
        covers(&dirty, &written, what)?;
        Ok(dirty.is_all())
    }

    /// Submits an entry. All is dirty if it is not understood, and only then.
    fn entry(&mut self, queue: u16, entry: &[u8], what: &str) -> Result<bool> {
        let arena = Arena(&self.bench.memory);
        let understood = dma::outputs(Engine::Zip, entry, &arena, &mut |_, _| Ok(())).is_ok();
        self.qm.submit(&self.bench.memory, queue, entry);
        let all = self.look(what)?;
        ensure!(
            all != understood,
            "{what}: understood: {understood}, and all is dirty: {all}"
        );
        Ok(understood)
    }

    /// Whatever was done to it: it works, and what it writes is known precisely.
    fn still_works(&mut self) -> Result<()> {
        self.renew()?;
        let sqe = self.request(false, self.dest, ROOM, 1);
        let understood = self.entry(0, &sqe.to_bytes(), "at the end")?;
        let written = Pages::written(&self.bench.twin, "vf1")?;
        ensure!(understood && written.has(self.dest), "it does not work");
        Ok(())
    }
}

/// The arena as the decoders read it.
struct Arena<'a>(&'a Memory);

impl dma::Memory for Arena<'_> {
    fn read(&self, address: u64, to: &mut [u8]) -> std::result::Result<(), Unreadable> {
        let end = address.checked_add(to.len() as u64).ok_or(Unreadable)?;
        if address < IOVA || end > IOVA + crate::support::logged::ARENA as u64 {
            return Err(Unreadable);
        }
        self.0.read(address, to);
        Ok(())
    }
}

// The device goes where nothing is mapped, as the case wants it to.
case!(hostile_rings, allowed: &[UNMAPPED]);
/// Rings that are nowhere, at the end of the address space, on top of each other, on the tables.
fn hostile_rings() -> Result<()> {
    const ENTRIES: u16 = 5;
    let mut vf = Fresh::new()?;
    let (table, _) = vf.qm.sq_ring(0);
    for place in [NOWHERE, u64::MAX - 4095, 0u64.wrapping_sub(64), table, IOVA] {
        vf.renew()?;
        if place == table {
            // All three queues have these entries, and each is understood.
            for n in 0..u64::from(ENTRIES) {
                let sqe = vf.request(false, vf.dest + n * PAGE, PAGE as u32, n);
                vf.memory()
                    .write(table + n * sqe.to_bytes().len() as u64, &sqe.to_bytes());
            }
        }
        for queue in 0..3 {
            // The hardware takes any.
            vf.qm.remake(&vf.bench.memory, queue, Some(place))?;
        }
        vf.log.report()?;
        vf.bench.twin.mark()?;
        for queue in 0..3 {
            let doorbell = Doorbell {
                queue,
                kind: Kind::Sq,
                index: ENTRIES,
                priority: 0,
            };
            vf.qm.ring_raw(queue, doorbell);
        }
        let all = vf.look(&format!("rings at {place:#x}"))?;
        if place == table {
            let written = Pages::written(&vf.bench.twin, "vf1")?;
            ensure!(
                written.has(vf.dest),
                "rings on top of each other do nothing"
            );
            ensure!(!all, "rings on top of each other: all is dirty");
        }
    }
    vf.still_works()
}

// The device goes where nothing is mapped, as the case wants it to.
case!(hostile_descriptors, slow: true, allowed: &[UNMAPPED]);
/// Lists and lengths that lie.
fn hostile_descriptors() -> Result<()> {
    let mut vf = Fresh::new()?;
    let (dest, list) = (vf.dest, vf.list);
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
            vec![sge(dest, 16), sge(NOWHERE, ROOM)],
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
            vec![sge(dest + u64::from(ROOM) - 16, u32::MAX)],
        ),
        (
            "empty entries",
            head(0, 3),
            vec![sge(dest, 0), sge(dest, 0), sge(dest, 8192)],
        ),
    ];
    let mut understood = Vec::new();
    let mut tag = 0;
    for (what, head, sges) in &lists {
        for offset in [0, 100, 0xff_ffff] {
            vf.renew()?;
            put(vf.memory(), list, *head, sges);
            tag += 1;
            let mut sqe = vf.request(true, list, ROOM, tag);
            // The source is flat in none of them: its list is the destination's.
            sqe.0[8] = offset;
            if vf.entry(
                0,
                &sqe.to_bytes(),
                &format!("{what}, {offset:#x} passed over"),
            )? {
                understood.push(*what);
            }
        }
    }
    for (what, at, len) in [
        ("flat, nowhere", NOWHERE, ROOM),
        ("flat, over the end", u64::MAX - 100, SOURCE),
        ("flat, too long", dest, u32::MAX),
        ("flat, nothing", dest, 0),
    ] {
        vf.renew()?;
        tag += 1;
        let sqe = vf.request(false, at, len, tag);
        if vf.entry(1, &sqe.to_bytes(), what)? {
            understood.push(what);
        }
    }
    for what in ["an entry nowhere", "more than there is", "flat, too long"] {
        ensure!(understood.contains(&what), "{what}: not understood");
    }
    random(&mut vf)?;
    vf.still_works()
}

/// Anything at all, and requests of which some words are anything.
fn random(vf: &mut Fresh) -> Result<()> {
    let mut random = Random::default();
    let mut understood = 0;
    let mut fresh = false;
    for n in 0..100 {
        let mut entry = random.bytes(128);
        if n % 4 != 0 {
            let dest = vf.dest + random.next(ROOM as usize / 2) as u64;
            let mut sqe = vf.request(false, dest, ROOM / 2, n);
            sqe.0[random.next(32)] = random.next(1 << 31) as u32;
            entry = sqe.to_bytes().to_vec();
        }
        if !fresh || n % 8 == 0 {
            vf.renew()?;
        }
        vf.bench.twin.mark()?;
        fresh = vf.entry(random.next(3) as u16, &entry, &format!("{entry:x?}"))?;
        understood += usize::from(fresh);
    }
    ensure!(understood > 20, "{understood} of them are understood");
    Ok(())
}

case!(hostile_doorbells, slow: true);
/// Doorbells that no driver rings, and writes that are none. Requests wait in the rings meanwhile:
/// what the hardware makes of a doorbell is seen.
fn hostile_doorbells() -> Result<()> {
    let mut vf = Fresh::new()?;
    let raw = |queue, kind, index, priority| Doorbell {
        queue,
        kind,
        index,
        priority,
    };
    let place = |vf: &mut Fresh| {
        for (queue, n) in [(0, 0), (0, 1), (0, 2), (1, 3), (1, 4)] {
            let sqe = vf.request(false, vf.dest + n * PAGE, PAGE as u32, n);
            vf.qm.place(&vf.bench.memory, queue, &sqe.to_bytes());
        }
    };
    // (doorbell, whether it is one that a queue takes, on the page of queue 0 and on that of queue
    // 1)
    for (doorbell, plain) in [
        (raw(0, Kind::Sq, u16::MAX, 0), [false, false]),
        (raw(0, Kind::Sq, 0x400, 0), [false, false]),
        (raw(0xfff, Kind::Sq, 1, 0), [false, false]),
        (raw(0, Kind::Sq, 3, 1), [false, false]),
        (raw(0, Kind::Sq, 3, 0), [true, false]),
        (raw(1, Kind::Sq, 1, 0), [false, true]),
        (raw(0, Kind::Cq, u16::MAX, 0), [true, false]),
        (raw(0xfff, Kind::Cq, 1, 1), [false, false]),
        (raw(0, Kind::Eq, u16::MAX, 0), [true, true]),
        (raw(0, Kind::Aeq, u16::MAX, 0), [true, true]),
    ] {
        for (page, plain) in (0..).zip(plain) {
            vf.renew()?;
            place(&mut vf);
            vf.qm.ring_raw(page, doorbell);
            let what = format!("{doorbell:?} on page {page}");
            let all = vf.look(&what)?;
            ensure!(!(plain && all), "{what}: all is dirty");
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
            vf.renew()?;
            place(&mut vf);
            // It may be refused.
            let _ = vf.device.write_at(region, at, &vec![0xff; len]);
            vf.look(&format!("{len} bytes at {at:#x} of BAR{}", region.index))?;
        }
    }
    // Across the edges of what is mediated.
    for at in [0xffc, 0x2ffc] {
        vf.renew()?;
        place(&mut vf);
        let _ = vf.device.write_at(&bar2, at, &[0; 8]);
        vf.look(&format!("8 bytes at {at:#x}"))?;
    }
    vf.still_works()
}
