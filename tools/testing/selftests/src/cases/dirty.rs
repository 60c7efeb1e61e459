// SPDX-License-Identifier: GPL-2.0

//! `dirty.*`: what the driver says that a VF has written is at least what the device model wrote.

mod cost;
mod hostile;
mod late;
mod life;
mod shown;
mod uapi;

pub use cost::off_is_free;
pub use hostile::{changing, descriptors, doorbells, many_vfs, rings, unmapped};
pub use late::{late_completions, not_understood};
pub use life::{again, before_start, mailbox, reset, stopped, target_is_source, untaken, ways_in};
pub use shown::{parameter, shown};
pub use uapi::{policy, uapi};

use super::{ensure, Bench};
use crate::{
    host::{self, Accelerator},
    memory::IOVA,
    qm::Qm,
    twin::Twin,
    vfio::Device,
    work::{self, Random, Workload},
    Driver, Result,
};
use flate2::{write::ZlibEncoder, Compression};
use hisi_acc_hw::zip::{Format, Sqe, SQE_SIZE};
use std::{
    io::Write,
    ops::Range,
    time::{Duration, Instant, SystemTime},
};

pub const PAGE: u64 = 4096;
/// Memory that devices see.
pub const ARENA: usize = 192 << 20;

/// Pages, by their numbers from that of the arena's first.
#[derive(Clone, PartialEq, Eq)]
pub struct Pages(Vec<u64>);

impl Pages {
    pub fn none() -> Self {
        Self(vec![0; ARENA.div_ceil(64 * PAGE as usize)])
    }

    pub fn len(&self) -> u64 {
        self.0.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    /// Whether it is all of the arena.
    pub fn is_all(&self) -> bool {
        self.len() == ARENA as u64 / PAGE
    }

    pub fn has(&self, address: u64) -> bool {
        let n = ((address - IOVA) / PAGE) as usize;
        self.0[n / 64] & (1 << (n % 64)) != 0
    }

    pub fn add(&mut self, other: &Self) {
        for (to, from) in self.0.iter_mut().zip(&other.0) {
            *to |= from;
        }
    }

    /// What is here and not there.
    pub fn without(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(a, b)| a & !b).collect())
    }

    /// Their addresses.
    pub fn addresses(&self) -> impl Iterator<Item = u64> + '_ {
        (0u64..).zip(&self.0).flat_map(|(word, bits)| {
            let bits = *bits;
            (0..64)
                .filter(move |n| bits & (1 << n) != 0)
                .map(move |n| IOVA + (word * 64 + n) * PAGE)
        })
    }

    /// What a function of the device model wrote since the mark.
    pub fn written(twin: &Twin, function: &str) -> Result<Self> {
        let mut pages = Self::none();
        for (first, n) in twin.pages(function)? {
            for page in first..first + n {
                let n = page
                    .checked_sub(IOVA / PAGE)
                    .filter(|n| *n < (ARENA as u64) / PAGE)
                    .ok_or(format!("page {page:#x} was written, which is nobody's"))?;
                pages.0[n as usize / 64] |= 1 << (n % 64);
            }
        }
        Ok(pages)
    }
}

/// The log of a device, over the arena.
pub struct Logged {
    device: Device,
}

pub fn arena() -> Range<u64> {
    IOVA..IOVA + ARENA as u64
}

impl Logged {
    pub fn start(device: &Device) -> Result<Self> {
        device.start_logging(PAGE, &[arena()])?;
        Self::of(device)
    }

    /// That of a device whose log is on.
    pub fn of(device: &Device) -> Result<Self> {
        let device = device.try_clone()?;
        Ok(Self { device })
    }

    pub fn report(&self) -> Result<Pages> {
        let mut pages = Pages::none();
        self.device.report_logging(PAGE, arena(), &mut pages.0)?;
        Ok(pages)
    }
}

impl Drop for Logged {
    fn drop(&mut self) {
        let _ = self.device.stop_logging();
    }
}

/// `written` is all in `dirty`.
pub fn covers(dirty: &Pages, written: &Pages, when: &str) -> Result<()> {
    let lost = written.without(dirty);
    let first = lost.addresses().next();
    match first {
        None => Ok(()),
        Some(first) => Err(format!(
            "{when}: {} of {} pages that were written are not reported, the first {first:#x}",
            lost.len(),
            written.len()
        )
        .into()),
    }
}

/// A bench whose VFs track.
pub fn bench(accelerator: Accelerator, vfs: usize) -> Result<Bench> {
    Bench::with_memory(accelerator, &vec![Driver::Rust; vfs], ARENA)
}

/// What was written and what was reported, in pages.
#[derive(Default)]
struct Sums {
    written: u64,
    reported: u64,
    reports: u64,
}

impl Sums {
    fn remark(&self) -> String {
        format!(
            "{} pages written, {} reported in {} reports: ratio {:.3}",
            self.written,
            self.reported,
            self.reports,
            self.reported as f64 / self.written as f64
        )
    }
}

/// Rounds of random jobs with reports at random moments. What was written between two reports is all
/// in the second; and over a round, whose writes the ledger has from before the first of its jobs to the
/// last, in one of them.
fn random_jobs(accelerator: Accelerator, rounds: usize) -> Result<Sums> {
    const SLOTS: usize = 64;
    let mut bench = bench(accelerator, 1)?;
    let device = bench.open(0)?;
    let engine = work::engine(accelerator);
    let mut qm = Qm::new(&device, &mut bench.memory, engine)?;
    let mut work = Workload::new(engine, &mut bench.memory, SLOTS);
    work.round(&mut qm, &bench.memory, SLOTS)?;
    let log = Logged::start(&device)?;
    let soak = host::soak().map(|seconds| Duration::from_secs(seconds.into()));
    let begin = Instant::now();
    let seed = match soak {
        // Other jobs each time; who finds something wants them again.
        Some(_) => SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)?
            .as_nanos() as u64,
        None => 0,
    };
    println!("# {}: seed {seed}", accelerator.name);
    let mut random = Random::new(seed);
    work.seed(Random::new(seed));
    let mut sums = Sums::default();
    for round in 0.. {
        let done = match soak {
            Some(soak) => begin.elapsed() >= soak,
            None => round == rounds,
        };
        if done {
            break;
        }
        // Fast, and so slow that many are in flight when it is asked.
        let delay = [0, 0, 50_000, 1_000_000][random.next(4)];
        bench.twin.job_delay(0, delay)?;
        let long = round % 2 == 0;
        let mut union = Pages::none();
        bench.twin.mark()?;
        for _ in 0..4 {
            for _ in 0..1 + random.next(SLOTS) {
                if work.on_their_way() < SLOTS && random.next(3) != 0 {
                    work.submit(&mut qm, &bench.memory)?;
                } else {
                    work.collect(&mut qm, &bench.memory)?;
                }
            }
            let written = Pages::written(&bench.twin, "vf1")?;
            let dirty = log.report()?;
            covers(&dirty, &written.without(&union), "between two reports")?;
            sums.reported += dirty.len();
            sums.reports += 1;
            if long {
                union.add(&dirty);
            } else {
                sums.written += written.len();
                bench.twin.mark()?;
            }
        }
        work.finish(&mut qm, &bench.memory)?;
        let written = Pages::written(&bench.twin, "vf1")?;
        let dirty = log.report()?;
        sums.reported += dirty.len();
        sums.reports += 1;
        sums.written += written.len();
        union.add(&dirty);
        covers(&union, &written, "at the end of a round")?;
    }
    bench.twin.job_delay(0, 0)?;
    Ok(sums)
}

/// Streams that become many pages, so that there are many of them: a million pages and more.
fn many_pages(pages: u64) -> Result<Sums> {
    const OUTPUT: usize = 2 << 20;
    const SLOTS: usize = 32;
    let mut bench = bench(host::ZIP, 1)?;
    let device = bench.open(0)?;
    let mut qm = Qm::new(&device, &mut bench.memory, &work::Zip)?;
    let mut random = Random::default();
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    for n in 0..OUTPUT / 8 {
        encoder.write_all(&(n as u64 / 512).to_le_bytes())?;
    }
    let stream = encoder.finish()?;
    let source = bench.memory.alloc(stream.len());
    bench.memory.write(source, &stream);
    // With room for any offset of a page.
    let slots: Vec<u64> = (0..SLOTS)
        .map(|_| bench.memory.alloc(OUTPUT + 2 * PAGE as usize))
        .collect();
    let log = Logged::start(&device)?;
    let mut sums = Sums::default();
    let mut out = 0;
    while sums.written < pages {
        bench.twin.mark()?;
        let count = 1 + random.next(SLOTS);
        for (n, slot) in slots.iter().enumerate().take(count) {
            let dest = slot + random.next(PAGE as usize) as u64;
            let sqe = Sqe::request(
                Format::Zlib,
                false,
                source,
                stream.len() as u32,
                dest,
                OUTPUT as u32,
                n as u64,
            );
            // The queue that decompresses.
            qm.submit(&bench.memory, 2, &sqe.to_bytes());
            out += 1;
        }
        host::wait_for("the jobs", || {
            for completion in qm.poll(&bench.memory) {
                let sqe: &[u8; SQE_SIZE] = completion.entry.first_chunk().expect("an SQE");
                let sqe = Sqe::from_bytes(sqe);
                assert_eq!((sqe.status(), sqe.produced()), (0, OUTPUT as u32));
                out -= 1;
            }
            out == 0
        })?;
        let written = Pages::written(&bench.twin, "vf1")?;
        let dirty = log.report()?;
        covers(&dirty, &written, "many pages")?;
        sums.written += written.len();
        sums.reported += dirty.len();
        sums.reports += 1;
    }
    Ok(sums)
}

/// A million pages, and random jobs; what is reported and was not written is little. Fewer on V5, where such
/// a request is the same.
pub fn superset_zip(_driver: Driver) -> Result<String> {
    let pages = if host::is_v5()? { 10_000 } else { 1_000_000 };
    let many = many_pages(pages)?;
    let random = random_jobs(host::ZIP, 40)?;
    ensure!(many.reported * 10 <= many.written * 11, "{}", many.remark());
    Ok(format!(
        "{}; random jobs: {}",
        many.remark(),
        random.remark()
    ))
}

pub fn superset_sec(_driver: Driver) -> Result<String> {
    Ok(random_jobs(host::SEC, 40)?.remark())
}

pub fn superset_hpre(_driver: Driver) -> Result<String> {
    Ok(random_jobs(host::HPRE, 10)?.remark())
}
