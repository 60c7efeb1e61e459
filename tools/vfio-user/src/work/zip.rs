// SPDX-License-Identifier: GPL-2.0

//! Texts to compress, streams to decompress.

use crate::{
    memory::Memory,
    work::{
        desk::{Desk, Engine, Job},
        random::Random,
    },
    Result,
};
use flate2::{
    read::{DeflateDecoder, DeflateEncoder, GzDecoder, GzEncoder, ZlibDecoder, ZlibEncoder},
    Compression,
};
use hisi_acc_hw::zip::{Format, Sqe, ALG_TYPE_COMP, ALG_TYPE_DECOMP, SQE_SIZE};
use std::io::Read;

/// Two queues that compress, one that decompresses.
const QUEUES: [u8; 3] = [ALG_TYPE_COMP, ALG_TYPE_COMP, ALG_TYPE_DECOMP];

pub struct Zip;

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

struct ZipJob {
    decompress: bool,
    format: Format,
    plain: Vec<u8>,
    dest: Vec<(u64, usize)>,
}

fn sqe(raw: &[u8]) -> Result<Sqe> {
    let raw: &[u8; SQE_SIZE] = raw.try_into().map_err(|_| "no SQE of ZIP")?;
    Ok(Sqe::from_bytes(raw))
}

impl Engine for Zip {
    fn queues(&self) -> &'static [u8] {
        &QUEUES
    }

    fn entry_size(&self) -> usize {
        SQE_SIZE
    }

    fn make(&self, desk: &mut Desk<'_>) -> Result<(u16, Vec<u8>, Box<dyn Job>)> {
        let queue = desk.random.next(QUEUES.len()) as u16;
        make(desk, queue, QUEUES[usize::from(queue)])
    }

    fn tag(&self, entry: &[u8]) -> Result<u64> {
        Ok(sqe(entry)?.tag())
    }
}

/// So many queues, of which every third decompresses. They get jobs in turn.
pub struct ZipQueues<const N: usize>;

impl<const N: usize> ZipQueues<N> {
    const TYPES: [u8; N] = {
        let mut types = [ALG_TYPE_COMP; N];
        let mut n = 2;
        while n < N {
            types[n] = ALG_TYPE_DECOMP;
            n += 3;
        }
        types
    };
}

impl<const N: usize> Engine for ZipQueues<N> {
    fn queues(&self) -> &'static [u8] {
        &Self::TYPES
    }

    fn entry_size(&self) -> usize {
        SQE_SIZE
    }

    fn make(&self, desk: &mut Desk<'_>) -> Result<(u16, Vec<u8>, Box<dyn Job>)> {
        let queue = (desk.tag % N as u64) as u16;
        make(desk, queue, Self::TYPES[usize::from(queue)])
    }

    fn tag(&self, entry: &[u8]) -> Result<u64> {
        Ok(sqe(entry)?.tag())
    }
}

/// Makes a job for a queue of that type.
fn make(desk: &mut Desk<'_>, queue: u16, alg_type: u8) -> Result<(u16, Vec<u8>, Box<dyn Job>)> {
    let decompress = alg_type == ALG_TYPE_DECOMP;
    let format = [Format::Deflate, Format::Zlib, Format::Gzip][desk.random.next(3)];
    let sgl = desk.random.next(2) == 1;
    let len = 64 + desk.random.next(24 << 10);
    let plain = text(desk.random, len);
    let source = if decompress {
        deflate(format, &plain)?
    } else {
        plain.clone()
    };
    let room = plain.len() + 256;
    let (from, _) = desk.source(&source, sgl);
    let (to, dest) = desk.dest(room, sgl);
    let (len, room) = (source.len() as u32, room as u32);
    let sqe = Sqe::request(format, sgl, from, len, to, room, desk.tag);
    let job = ZipJob {
        decompress,
        format,
        plain,
        dest,
    };
    Ok((queue, sqe.to_bytes().to_vec(), Box::new(job)))
}

impl Job for ZipJob {
    fn check(&self, memory: &Memory, entry: &[u8]) -> Result<u64> {
        let sqe = sqe(entry)?;
        if sqe.status() != 0 {
            return Err(format!("status {:#x}", sqe.status()).into());
        }
        let mut output = Vec::new();
        for (at, len) in &self.dest {
            output.extend(memory.read_vec(*at, *len));
        }
        let output = output
            .get(..sqe.produced() as usize)
            .ok_or("more produced than there is room for")?;
        let plain = if self.decompress {
            output.to_vec()
        } else {
            inflate(self.format, output)?
        };
        if plain != self.plain {
            return Err("the output is not that of the input".into());
        }
        Ok(plain.len() as u64)
    }
}
