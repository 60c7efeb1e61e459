// SPDX-License-Identifier: GPL-2.0

//! `dirty.no_room`, `dirty.statistics`: what a log holds has bounds, beyond which all is dirty; and
//! what debugfs shows of it.

use crate::support::{
    bench::Bench,
    logged::{arena, bench, covers, Logged, Pages, ARENA, PAGE},
};
use acc_vfio_user::{
    ensure,
    host::{self, Function},
    memory::Memory,
    qm::{Qm, QUEUE_DEPTH},
    vfio::Device,
    work, Result,
};
use hisi_acc_hw::{
    doorbell::{Doorbell, Kind},
    sgl::{Sge, SglHead, SGE_SIZE, SGL_HEAD},
    zip::{Format, Sqe, SQE_SIZE},
};
use std::collections::BTreeMap;

/// The queue that compresses.
const QUEUE: u16 = 0;
/// No job ends.
const NEVER: &str = "hold-jobs 0";
/// Limits of the log, as `rust/dma_log/src/flight.rs` and `set.rs` have them
const ENTRIES: u64 = 1 << 18;
const RANGES: u64 = 1 << 20;
const CHUNKS: u64 = 16384;
/// What a chunk of pages is for, in bytes
const CHUNK: u64 = 128 << 20;

/// The numbers of the file `dirty_tracking`, by their names.
pub struct Shown(BTreeMap<String, u64>);

impl Shown {
    pub fn of(vf: &Function) -> Result<Self> {
        let folder = format!("/sys/kernel/debug/vfio/{}/migration", vf.address);
        let text = host::read(format!("{folder}/hisi_acc/dirty_tracking"))?;
        let number = |line: &str| -> Result<(String, u64)> {
            let (name, number) = line.rsplit_once(": ").ok_or("no number")?;
            Ok((name.to_owned(), number.parse()?))
        };
        text.lines().map(number).collect::<Result<_>>().map(Self)
    }

    pub fn get(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or(0)
    }

    fn no_room(&self) -> u64 {
        self.get("all memory, no room to note less")
    }
}

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
        bench.twin.fault("vf1", NEVER)?;
        Ok(Self { bench, device, qm })
    }

    fn shown(&self) -> Result<Shown> {
        Shown::of(&self.bench.vfs[0])
    }

    /// Puts the same request into each place of the ring.
    fn fill(&self, sqe: &Sqe) {
        let (ring, _) = self.qm.sq_ring(QUEUE);
        for n in 0..u64::from(QUEUE_DEPTH) {
            let at = ring + n * SQE_SIZE as u64;
            self.bench.memory.write(at, &sqe.to_bytes());
        }
    }

    fn ring(&self, index: u16) {
        let doorbell = Doorbell {
            queue: QUEUE,
            kind: Kind::Sq,
            index,
            priority: 0,
        };
        self.qm.ring_raw(QUEUE, doorbell);
    }

    /// Nothing is in flight after a reset, and little is dirty.
    fn empty(&mut self, log: &Logged) -> Result<()> {
        self.device.reset()?;
        self.qm = Qm::new(&self.device, &mut self.bench.memory, &work::Zip)?;
        log.report()?;
        ensure!(!log.report()?.is_all(), "all is dirty after a reset");
        let shown = self.shown()?;
        for name in ["entries in flight", "ranges in flight"] {
            ensure!(shown.get(name) == 0, "{} {name}", shown.get(name));
        }
        Ok(())
    }
}

/// A chain of lists with an entry of 16 bytes for each address.
fn chain(memory: &mut Memory, addresses: impl Iterator<Item = u64>) -> u64 {
    const IN_LIST: usize = 240;
    let addresses: Vec<u64> = addresses.collect();
    let lists = addresses.chunks(IN_LIST).count();
    let size = (SGL_HEAD + IN_LIST * SGE_SIZE).next_multiple_of(64);
    let first = memory.alloc(lists * size);
    for (n, part) in addresses.chunks(IN_LIST).enumerate() {
        let at = first + (n * size) as u64;
        let head = SglHead {
            next: if n + 1 < lists { at + size as u64 } else { 0 },
            in_chain: addresses.len() as u16,
            in_sgl: part.len() as u16,
            room: part.len() as u16,
        };
        memory.write(at, &head.to_bytes());
        for (n, address) in part.iter().enumerate() {
            let (address, len) = (*address, 16);
            let sge = Sge { address, len };
            memory.write(at + (SGL_HEAD + n * SGE_SIZE) as u64, &sge.to_bytes());
        }
    }
    first
}

case!(no_room);
fn no_room() -> Result<()> {
    let mut vf = Vf::new()?;
    let log = Logged::start(&vf.device)?;
    entries(&vf, &log)?;
    vf.empty(&log)?;
    ranges(&mut vf, &log)?;
    vf.empty(&log)?;
    drop(log);
    chunks(&mut vf)
}

/// Userspace rings for a whole ring of entries, none of which completes, again and again.
fn entries(vf: &Vf, log: &Logged) -> Result<()> {
    let sqe = Sqe::request(Format::Zlib, false, arena().start, 64, arena().start, 64, 0);
    vf.fill(&sqe);
    let before = vf.shown()?.no_room();
    // All of the ring but one, each time.
    let round = u64::from(QUEUE_DEPTH) - 1;
    let mut index = 0u16;
    for n in 0..=ENTRIES / round {
        let shown = vf.shown()?;
        ensure!(
            shown.get("entries in flight") == n * round && shown.no_room() == before,
            "after {n} rounds: {:?}",
            shown.0
        );
        index = index.checked_sub(1).unwrap_or(QUEUE_DEPTH - 1);
        vf.ring(index);
        if n == 1 {
            ensure!(!log.report()?.is_all(), "all is dirty with room left");
        }
    }
    let shown = vf.shown()?;
    ensure!(
        shown.get("entries in flight") == ENTRIES && shown.no_room() > before,
        "{:?}",
        shown.0
    );
    ensure!(log.report()?.is_all(), "no room, and not all is dirty");
    ensure!(log.report()?.is_all(), "not in each report");
    Ok(())
}

/// Entries of so many ranges that these have no room.
fn ranges(vf: &mut Vf, log: &Logged) -> Result<()> {
    const PIECES: u64 = 4080;
    let memory = &mut vf.bench.memory;
    let dest = memory.alloc(PIECES as usize * 32);
    let list = chain(memory, (0..PIECES).map(|n| dest + n * 32));
    let len = PIECES as u32 * 16;
    vf.fill(&Sqe::request(Format::Zlib, true, list, 64, list, len, 0));
    let before = vf.shown()?.no_room();
    // The pieces, the entry and its completion
    let each = PIECES + 2;
    let most = RANGES / each;
    for n in 1..=most {
        vf.ring(n as u16);
    }
    let shown = vf.shown()?;
    ensure!(
        shown.get("ranges in flight") == most * each && shown.no_room() == before,
        "{:?}",
        shown.0
    );
    ensure!(!log.report()?.is_all(), "all is dirty with room left");
    vf.ring(most as u16 + 1);
    let shown = vf.shown()?;
    ensure!(
        shown.get("ranges in flight") <= RANGES && shown.no_room() > before,
        "{:?}",
        shown.0
    );
    ensure!(log.report()?.is_all(), "no room, and not all is dirty");
    Ok(())
}

/// Pages that lie so far apart that there is no room for the map of them.
fn chunks(vf: &mut Vf) -> Result<()> {
    const FAR: u64 = 1 << 41;
    const PIECES: u64 = 4000;
    const LARGE: u64 = 2 << 20;
    let needed = CHUNKS.div_ceil(PIECES) + 1;
    let far = FAR..FAR + needed * PIECES * CHUNK;
    vf.device.start_logging(PAGE, &[arena(), far.clone()])?;
    let log = Logged::of(&vf.device)?;
    let mut bits = vec![0u64; ((far.end - far.start) / LARGE).div_ceil(64) as usize];
    let reported = |bits: &mut Vec<u64>| -> Result<u64> {
        bits.fill(0);
        vf.device.report_logging(LARGE, far.clone(), bits)?;
        Ok(bits.iter().map(|word| u64::from(word.count_ones())).sum())
    };
    let all = (far.end - far.start) / LARGE;
    log.report()?;
    let quiet = reported(&mut bits)?;
    ensure!(
        quiet == 0,
        "{quiet} of {all} large pages are dirty at first"
    );
    let before = Shown::of(&vf.bench.vfs[0])?.no_room();
    let (ring, _) = vf.qm.sq_ring(QUEUE);
    for n in 0..needed {
        let first = far.start + n * PIECES * CHUNK;
        let list = chain(
            &mut vf.bench.memory,
            (0..PIECES).map(|piece| first + piece * CHUNK),
        );
        let len = PIECES as u32 * 16;
        let sqe = Sqe::request(Format::Zlib, true, list, 64, list, len, 0);
        let at = ring + n * SQE_SIZE as u64;
        vf.bench.memory.write(at, &sqe.to_bytes());
        let doorbell = Doorbell {
            queue: QUEUE,
            kind: Kind::Sq,
            index: n as u16 + 1,
            priority: 0,
        };
        vf.qm.ring_raw(QUEUE, doorbell);
        let pages = (n + 1) * PIECES;
        let dirty = reported(&mut bits)?;
        let no_room = Shown::of(&vf.bench.vfs[0])?.no_room() - before;
        if pages < CHUNKS {
            ensure!(
                dirty == pages && no_room == 0,
                "{dirty} large pages, of {pages} in flight; {no_room} times no room"
            );
        } else {
            ensure!(
                dirty == all && no_room > 0,
                "{dirty} of {all} large pages, {no_room} times no room"
            );
            ensure!(log.report()?.is_all(), "not all of the rest is dirty");
        }
    }
    vf.device.reset()?;
    Ok(())
}

case!(statistics);
/// The file says what happened, from the binding on.
fn statistics() -> Result<()> {
    const JOBS: u64 = 8;
    host::vfs(crate::support::bench::VFS)?[0].unbind()?;
    let mut vf = crate::support::logged::Vf::new()?;
    let function = vf.bench.vfs[0].clone();
    let shown = || Shown::of(&function);
    let nothing = shown()?;
    ensure!(
        nothing.0.values().all(|n| *n == 0) && nothing.0.len() == 5,
        "of a VF that was never logged: {:?}",
        nothing.0
    );
    let log = Logged::start(&vf.device)?;
    let mut pages = 0;
    let mut reports = 0;
    let mut report = |log: &Logged| -> Result<Pages> {
        let dirty = log.report()?;
        reports += 1;
        pages += dirty.len();
        let shown = Shown::of(&function)?;
        ensure!(
            shown.get("reports") == reports && shown.get("pages") == pages,
            "{reports} reports of {pages} pages: {:?}",
            shown.0
        );
        Ok(dirty)
    };
    report(&log)?;
    vf.bench.twin.fault("vf1", NEVER)?;
    vf.submit(JOBS as usize)?;
    report(&log)?;
    let in_flight = shown()?;
    ensure!(
        in_flight.get("entries in flight") == JOBS,
        "{JOBS} jobs: {:?}",
        in_flight.0
    );
    // An entry, its completion, and its output at least
    ensure!(
        in_flight.get("ranges in flight") >= 3 * JOBS,
        "{JOBS} jobs: {:?}",
        in_flight.0
    );
    vf.device.reset()?;
    vf.bench.twin.fault("vf1", "clear")?;
    // What makes all dirty is counted by its reason.
    let reasons = [
        "all memory, the VF was reset, or its state was loaded",
        "all memory, the mailbox was in reach of the user",
        "all memory, a write beside the doorbells",
    ];
    let counted = |n: [u64; 3]| -> Result<()> {
        let shown = shown()?;
        let found = reasons.map(|reason| shown.get(reason));
        ensure!(found == n, "{found:?}, not {n:?}: {:?}", shown.0);
        Ok(())
    };
    ensure!(report(&log)?.is_all(), "a reset");
    counted([1, 0, 0])?;
    vf.work.forget();
    vf.qm = Qm::new(&vf.device, &mut vf.bench.memory, &work::Zip)?;
    vf.bench.twin.mark()?;
    ensure!(report(&log)?.is_all(), "the mailbox");
    let before = shown()?.get(reasons[1]);
    ensure!(before > 0, "the mailbox was not counted");
    vf.round()?;
    covers(&report(&log)?, &vf.written()?, "a round")?;
    counted([1, before, 0])?;
    let bar4 = vf.device.region(4)?;
    vf.device.write_at(&bar4, 0x1000, &[0; 4])?;
    counted([1, before, 1])?;
    ensure!(
        report(&log)?.len() == ARENA as u64 / PAGE,
        "an odd write, and not all is dirty"
    );
    drop(log);
    let shown = shown()?;
    ensure!(
        shown.get("entries in flight") + shown.get("ranges in flight") == 0
            && shown.get("reports") == reports,
        "after the end: {:?}",
        shown.0
    );
    Ok(())
}
