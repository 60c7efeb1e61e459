// SPDX-License-Identifier: GPL-2.0

//! `dirty.superset_*`: all that was written is reported, and little else.

use crate::support::logged::{bench, covers, Logged, Pages, PAGE};
use acc_vfio_user::{
    ensure,
    host::{self, Accelerator},
    memory::Memory,
    qm::Qm,
    work::{self, Engine, Random, Workload},
    Driver, Result,
};
use flate2::{write::ZlibEncoder, Compression};
use hisi_acc_hw::{
    sec::{AddrType, Auth, Cipher, CipherAlg, CipherMode, Request},
    zip::{Format, Sqe, SQE_SIZE},
};
use std::{
    io::Write,
    time::{Duration, Instant, SystemTime},
};

/// How many pages may be reported for ten that were written: of streams of many pages, and of small
/// requests, of which each touches a page of a ring, and pages that it does not fill.
const STREAMS_MOST: u64 = 11;
pub(super) const SMALL_MOST: u64 = 26;

/// What was written and what was reported, in pages.
#[derive(Default)]
pub(super) struct Sums {
    written: u64,
    reported: u64,
    reports: u64,
}

impl Sums {
    /// What was written from one report to the next, and what that has.
    pub(super) fn add(&mut self, written: &Pages, dirty: &Pages) {
        self.written += written.len();
        self.reported += dirty.len();
        self.reports += 1;
    }

    /// Fails if more pages were reported than `most` for ten that were written.
    pub(super) fn at_most(&self, most: u64, what: &str) -> Result<()> {
        ensure!(
            self.reported * 10 <= self.written * most,
            "{what}: {}, more than {most} for 10",
            self.remark()
        );
        Ok(())
    }

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

/// Rounds of random jobs with reports at random moments. What was written between two reports is
/// all in the second; and over a round, whose writes the ledger has from before the first of its
/// jobs to the last, in one of them.
fn random_jobs(accelerator: Accelerator, rounds: usize) -> Result<Sums> {
    const SLOTS: usize = 64;
    /// Submissions and looks for completions between two reports, at most: each report has some
    /// pages of rings and tables
    const OFTEN: usize = 128;
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
            work.by_chance(&mut random, OFTEN, &mut qm, &bench.memory)?;
            let written = Pages::written(&bench.twin, "vf1")?;
            let dirty = log.report()?;
            covers(&dirty, &written.without(&union), "between two reports")?;
            if long {
                union.add(&dirty);
            } else {
                sums.add(&written, &dirty);
                bench.twin.mark()?;
            }
        }
        let finished = work.finish(&mut qm, &bench.memory);
        bench.twin.explained("vf1", finished)?;
        let written = Pages::written(&bench.twin, "vf1")?;
        let dirty = log.report()?;
        // Else a page that was written twice counts once, and is reported twice.
        if !long {
            sums.add(&written, &dirty);
        }
        union.add(&dirty);
        covers(&union, &written, "at the end of a round")?;
    }
    bench.twin.job_delay(0, 0)?;
    Ok(sums)
}

/// Requests whose output is a stream of many pages.
trait Streams {
    /// What becomes of a request, in bytes
    const OUTPUT: usize;

    fn engine(&self) -> &'static dyn Engine;

    /// The queue and the entry of a request with its output at `dest`.
    fn request(&self, dest: u64, tag: u64) -> (u16, Vec<u8>);

    /// Whether an entry came back as it should.
    fn is_done(&self, entry: &[u8]) -> bool;
}

/// A stream that is decompressed.
struct Decompress {
    source: u64,
    len: u32,
}

impl Decompress {
    fn new(memory: &mut Memory) -> Result<Self> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        for n in 0..Self::OUTPUT / 8 {
            encoder.write_all(&(n as u64 / 512).to_le_bytes())?;
        }
        let stream = encoder.finish()?;
        let source = memory.alloc(stream.len());
        memory.write(source, &stream);
        let len = stream.len() as u32;
        Ok(Self { source, len })
    }
}

impl Streams for Decompress {
    const OUTPUT: usize = 2 << 20;

    fn engine(&self) -> &'static dyn Engine {
        &work::Zip
    }

    fn request(&self, dest: u64, tag: u64) -> (u16, Vec<u8>) {
        let room = Self::OUTPUT as u32;
        let sqe = Sqe::request(Format::Zlib, false, self.source, self.len, dest, room, tag);
        // The queue that decompresses.
        (2, sqe.to_bytes().to_vec())
    }

    fn is_done(&self, entry: &[u8]) -> bool {
        let sqe: &[u8; SQE_SIZE] = entry.first_chunk().expect("an SQE");
        let sqe = Sqe::from_bytes(sqe);
        (sqe.status(), sqe.produced()) == (0, Self::OUTPUT as u32)
    }
}

/// Data that are encrypted.
struct Encrypt {
    source: u64,
    key: u64,
    iv: u64,
}

impl Encrypt {
    fn new(memory: &mut Memory) -> Self {
        Self {
            source: memory.alloc(Self::OUTPUT),
            key: memory.alloc(32),
            iv: memory.alloc(16),
        }
    }
}

impl Streams for Encrypt {
    const OUTPUT: usize = 256 << 10;

    fn engine(&self) -> &'static dyn Engine {
        &work::Sec
    }

    fn request(&self, dest: u64, tag: u64) -> (u16, Vec<u8>) {
        let mut sqe = hisi_acc_hw::sec::Sqe::cipher(&Request {
            cipher: Cipher::Encrypt,
            alg: Some(CipherAlg::Aes),
            mode: Some(CipherMode::Ctr),
            // SEC_CKEY_256BIT
            key_type: 2,
            auth: Auth::None,
            hash: None,
            auth_key_len: 0,
            mac_len: 0,
            cipher_len: Self::OUTPUT as u32,
            auth_len: 0,
            cipher_offset: 0,
            auth_offset: 0,
            source_type: AddrType::Flat,
            dest_type: AddrType::Flat,
            source: self.source,
            dest,
            key: self.key,
            iv: self.iv,
            auth_key: 0,
            auth_iv: 0,
            mac: 0,
        });
        sqe.set_tag(tag);
        ((tag % 2) as u16, sqe.0.to_vec())
    }

    fn is_done(&self, entry: &[u8]) -> bool {
        let sqe = hisi_acc_hw::sec::Sqe(entry.try_into().expect("an SQE"));
        sqe.is_done() && sqe.error() == 0
    }
}

/// Rounds of streams, until `pages` pages were written.
fn streams<S: Streams>(
    accelerator: Accelerator,
    pages: u64,
    new: impl FnOnce(&mut Memory) -> Result<S>,
) -> Result<Sums> {
    const SLOTS: usize = 32;
    let mut bench = bench(accelerator, 1)?;
    let device = bench.open(0)?;
    let streams = new(&mut bench.memory)?;
    let mut qm = Qm::new(&device, &mut bench.memory, streams.engine())?;
    let mut random = Random::default();
    // With room for any offset of a page.
    let slots: Vec<u64> = (0..SLOTS)
        .map(|_| bench.memory.alloc(S::OUTPUT + 2 * PAGE as usize))
        .collect();
    let log = Logged::start(&device)?;
    let mut sums = Sums::default();
    let mut out = 0;
    while sums.written < pages {
        bench.twin.mark()?;
        let count = 1 + random.next(SLOTS);
        for (n, slot) in slots.iter().enumerate().take(count) {
            let dest = slot + random.next(PAGE as usize) as u64;
            let (queue, entry) = streams.request(dest, n as u64);
            qm.submit(&bench.memory, queue, &entry);
            out += 1;
        }
        host::wait_for("the jobs", || {
            for completion in qm.poll(&bench.memory) {
                assert!(streams.is_done(&completion.entry));
                out -= 1;
            }
            out == 0
        })?;
        let written = Pages::written(&bench.twin, "vf1")?;
        let dirty = log.report()?;
        covers(&dirty, &written, "streams")?;
        sums.add(&written, &dirty);
    }
    Ok(sums)
}

/// Small requests, with reports while they are in flight.
fn small(accelerator: Accelerator, rounds: usize) -> Result<Sums> {
    let sums = random_jobs(accelerator, rounds)?;
    sums.at_most(SMALL_MOST, "small requests")?;
    Ok(sums)
}

fn both(streams: &Sums, small: &Sums) -> Result<String> {
    streams.at_most(STREAMS_MOST, "streams")?;
    Ok(format!(
        "{}; random jobs: {}",
        streams.remark(),
        small.remark()
    ))
}

case!(superset_zip, with: [Rust]);
/// A million pages, and random jobs. Fewer on V5, where such a request is the same.
fn superset_zip(_driver: Driver) -> Result<String> {
    let pages = if host::has_window()? {
        10_000
    } else {
        1_000_000
    };
    let streams = streams(host::ZIP, pages, Decompress::new)?;
    both(&streams, &small(host::ZIP, 40)?)
}

case!(superset_sec, with: [Rust]);
fn superset_sec(_driver: Driver) -> Result<String> {
    let streams = streams(host::SEC, 20_000, |memory| Ok(Encrypt::new(memory)))?;
    both(&streams, &small(host::SEC, 40)?)
}

case!(superset_hpre, with: [Rust]);
/// No request of HPRE writes more than a few KiB.
fn superset_hpre(_driver: Driver) -> Result<String> {
    Ok(small(host::HPRE, 10)?.remark())
}
