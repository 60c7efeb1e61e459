// SPDX-License-Identifier: GPL-2.0

//! Work for the engine: texts to compress, streams to decompress, and the proof that each job was
//! done once and rightly.

use crate::{memory::Memory, qm::Qm, Result};
use flate2::{
    read::{DeflateDecoder, DeflateEncoder, GzDecoder, GzEncoder, ZlibDecoder, ZlibEncoder},
    Compression,
};
use hisi_acc_hw::{
    sgl::{Sge, SglHead, SGE_SIZE, SGL_HEAD},
    zip::{Format, Sqe, ALG_TYPE_COMP, ALG_TYPE_DECOMP},
};
use std::{
    collections::BTreeMap,
    io::Read,
    thread::sleep,
    time::{Duration, Instant},
};

/// The queues that [`Workload`] uses: two that compress, one that decompresses.
pub const QUEUES: [u8; 3] = [ALG_TYPE_COMP, ALG_TYPE_COMP, ALG_TYPE_DECOMP];

/// What stands behind each destination and must stay there.
const CANARY: u8 = 0xa5;
const CANARY_LEN: usize = 64;

/// A small generator of numbers, so that runs repeat.
struct Random(u64);

impl Random {
    fn next(&mut self, below: usize) -> usize {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % below
    }
}

/// A text of about `len` bytes, which compresses as prose does.
fn text(random: &mut Random, len: usize) -> Vec<u8> {
    const WORDS: &[&str] = &[
        "the",
        "queue",
        "of",
        "a",
        "virtual",
        "function",
        "is",
        "stopped",
        "before",
        "its",
        "state",
        "can",
        "be",
        "read",
        "and",
        "written",
        "to",
        "another",
        "one",
        "where",
        "work",
        "goes",
        "on",
        "as",
        "if",
        "nothing",
        "had",
        "been",
        "interrupt",
        "doorbell",
        "mailbox",
        "context",
        "device",
        "memory",
        "guest",
        "host",
        "while",
        "each",
        "job",
        "completes",
        "once",
    ];
    let mut text = Vec::with_capacity(len + 16);
    while text.len() < len {
        text.extend_from_slice(WORDS[random.next(WORDS.len())].as_bytes());
        text.push(if random.next(12) == 0 { b'\n' } else { b' ' });
    }
    text.truncate(len);
    text
}

fn run(mut reader: impl Read) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    reader.read_to_end(&mut out)?;
    Ok(out)
}

fn deflate(format: Format, data: &[u8]) -> Result<Vec<u8>> {
    let level = Compression::default();
    match format {
        Format::Deflate => run(DeflateEncoder::new(data, level)),
        Format::Zlib => run(ZlibEncoder::new(data, level)),
        Format::Gzip => run(GzEncoder::new(data, level)),
    }
}

fn inflate(format: Format, data: &[u8]) -> Result<Vec<u8>> {
    match format {
        Format::Deflate => run(DeflateDecoder::new(data)),
        Format::Zlib => run(ZlibDecoder::new(data)),
        Format::Gzip => run(GzDecoder::new(data)),
    }
}

struct Job {
    queue: u16,
    format: Format,
    plain: Vec<u8>,
    dest: Vec<(u64, usize)>,
}

/// Jobs that are on their way, and what became of the others.
pub struct Workload {
    random: Random,
    buffers: u64,
    next_tag: u64,
    slots: usize,
    pending: BTreeMap<u64, Job>,
    /// Jobs that were handed out.
    pub submitted: u64,
    /// Jobs that came back, each checked, each with a tag that was still out.
    pub done: u64,
    /// Bytes of text that went through.
    pub bytes: u64,
}

/// Room for one job: source, destination and SGLs.
const SLOT: usize = 128 << 10;
const HALF: u64 = 48 << 10;

impl Workload {
    /// A workload of at most `slots` jobs at a time.
    pub fn new(memory: &mut Memory, slots: usize) -> Self {
        Self {
            random: Random(0x1234_5678_9abc_def1),
            buffers: memory.alloc(slots * SLOT),
            next_tag: 1,
            slots,
            pending: BTreeMap::new(),
            submitted: 0,
            done: 0,
            bytes: 0,
        }
    }

    /// Splits a buffer into pieces by a hardware SGL at `at`; where each piece lies.
    fn scatter(&mut self, memory: &Memory, at: u64, buffer: u64, len: usize) -> Vec<(u64, usize)> {
        let mut pieces = Vec::new();
        let mut left = len;
        let mut from = buffer;
        while left != 0 {
            let n = if pieces.len() == 7 {
                left
            } else {
                (1 + self.random.next(len)).min(left)
            };
            pieces.push((from, n));
            from += n as u64;
            left -= n;
        }
        // Two SGLs where there is enough for both, so that the chain is walked.
        let first = pieces.len().div_ceil(2);
        let second = at + 1024;
        for (sgl, part, next) in [
            (
                at,
                &pieces[..first],
                if pieces.len() > first { second } else { 0 },
            ),
            (second, &pieces[first..], 0),
        ] {
            let head = SglHead {
                next,
                in_chain: pieces.len() as u16,
                in_sgl: part.len() as u16,
                room: 10,
            };
            memory.write(sgl, &head.to_bytes());
            for (n, (address, len)) in part.iter().enumerate() {
                let sge = Sge {
                    address: *address,
                    len: *len as u32,
                };
                memory.write(sgl + (SGL_HEAD + n * SGE_SIZE) as u64, &sge.to_bytes());
            }
        }
        pieces
    }

    /// Submits one more job.
    pub fn submit(&mut self, qm: &mut Qm, memory: &Memory) -> Result<()> {
        let tag = self.next_tag;
        let slot = (0..self.slots as u64)
            .find(|slot| {
                !self
                    .pending
                    .keys()
                    .any(|tag| tag % self.slots as u64 == *slot)
            })
            .ok_or("all slots are in use")?;
        // A tag says which slot is its own.
        let tag = tag * self.slots as u64 + slot;
        self.next_tag += 1;
        let queue = self.random.next(QUEUES.len()) as u16;
        let format = [Format::Deflate, Format::Zlib, Format::Gzip][self.random.next(3)];
        let sgl = self.random.next(2) == 1;
        let len = 64 + self.random.next(24 << 10);
        let plain = text(&mut self.random, len);
        let source = if QUEUES[usize::from(queue)] == ALG_TYPE_DECOMP {
            deflate(format, &plain)?
        } else {
            plain.clone()
        };
        let base = self.buffers + slot * SLOT as u64;
        let (from, to) = (base, base + HALF);
        let room = plain.len() + 256;
        memory.write(from, &source);
        memory.write(to, &vec![CANARY; room + CANARY_LEN]);
        let (sqe, dest) = if sgl {
            let lists = base + 2 * HALF;
            self.scatter(memory, lists, from, source.len());
            let dest = self.scatter(memory, lists + 4096, to, room);
            let sqe = Sqe::request(
                format,
                true,
                lists,
                source.len() as u32,
                lists + 4096,
                room as u32,
                tag,
            );
            (sqe, dest)
        } else {
            let sqe = Sqe::request(
                format,
                false,
                from,
                source.len() as u32,
                to,
                room as u32,
                tag,
            );
            (sqe, vec![(to, room)])
        };
        self.pending.insert(
            tag,
            Job {
                queue,
                format,
                plain,
                dest,
            },
        );
        qm.submit(memory, queue, &sqe);
        self.submitted += 1;
        Ok(())
    }

    /// Takes what has come back, and checks each: known, once, right, nothing else touched.
    pub fn collect(&mut self, qm: &mut Qm, memory: &Memory) -> Result<usize> {
        let completions = qm.poll(memory);
        for completion in &completions {
            let tag = completion.sqe.tag();
            let job = self
                .pending
                .remove(&tag)
                .ok_or(format!("job {tag} came back that was not on its way"))?;
            if completion.queue != job.queue {
                return Err(format!(
                    "job {tag} of queue {} came back by queue {}",
                    job.queue, completion.queue
                )
                .into());
            }
            if completion.sqe.status() != 0 {
                return Err(format!("job {tag} has status {:#x}", completion.sqe.status()).into());
            }
            let mut output = Vec::new();
            let room: usize = job.dest.iter().map(|(_, len)| len).sum();
            for (at, len) in &job.dest {
                output.extend(memory.read_vec(*at, *len));
            }
            let produced = completion.sqe.produced() as usize;
            let output = output
                .get(..produced)
                .ok_or("more produced than there is room for")?;
            let plain = if QUEUES[usize::from(job.queue)] == ALG_TYPE_DECOMP {
                output.to_vec()
            } else {
                inflate(job.format, output)?
            };
            if plain != job.plain {
                return Err(format!("job {tag}: the output is not that of its input").into());
            }
            let end = job.dest[0].0 + room as u64;
            if memory.read_vec(end, CANARY_LEN) != [CANARY; CANARY_LEN] {
                return Err(format!("job {tag} wrote behind its destination").into());
            }
            self.done += 1;
            self.bytes += job.plain.len() as u64;
        }
        Ok(completions.len())
    }

    /// Waits till nothing is on its way.
    pub fn finish(&mut self, qm: &mut Qm, memory: &Memory) -> Result<()> {
        let mut last = Instant::now();
        while !self.pending.is_empty() {
            if self.collect(qm, memory)? != 0 {
                last = Instant::now();
            } else if last.elapsed() > Duration::from_secs(10) {
                return Err(format!("{} jobs do not come back", self.pending.len()).into());
            } else {
                sleep(Duration::from_millis(1));
            }
        }
        // Once is once: nothing comes back a second time.
        qm.look();
        match self.collect(qm, memory)? {
            0 => Ok(()),
            n => Err(format!("{n} completions too many").into()),
        }
    }

    /// Submits `n` jobs and waits for them.
    pub fn round(&mut self, qm: &mut Qm, memory: &Memory, n: usize) -> Result<()> {
        for _ in 0..n {
            self.submit(qm, memory)?;
        }
        self.finish(qm, memory)
    }
}
