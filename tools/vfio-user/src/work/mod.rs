// SPDX-License-Identifier: GPL-2.0

//! Work for the engines, and the proof that each job was done once and rightly.

mod hpre;
mod sec;
mod zip;

pub use self::{
    hpre::Hpre,
    sec::Sec,
    zip::{Zip, ZipQueues},
};

use crate::{
    host::{Accelerator, Patience},
    memory::Memory,
    qm::Qm,
    Result,
};
use hisi_acc_hw::sgl::{Sge, SglHead, SGE_SIZE, SGL_HEAD};
use std::{collections::BTreeMap, thread::sleep, time::Duration};

/// What stands behind each destination and must stay there.
const CANARY: u8 = 0xa5;
const CANARY_LEN: usize = 64;

/// A small generator of numbers, so that runs repeat.
pub struct Random(u64);

impl Default for Random {
    fn default() -> Self {
        Self(0x1234_5678_9abc_def1)
    }
}

impl Random {
    /// Other numbers for another seed.
    pub fn new(seed: u64) -> Self {
        Self(Self::default().0 ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self, below: usize) -> usize {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % below
    }

    /// So many of them, as bytes.
    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next(256) as u8).collect()
    }
}

/// What an engine is asked to do.
pub trait Engine {
    /// The queues that it wants, by their algorithm types.
    fn queues(&self) -> &'static [u8];

    /// The size of a submission queue entry, in bytes.
    fn entry_size(&self) -> usize;

    /// A job: the queue, the entry, and how to check it.
    fn make(&self, desk: &mut Desk<'_>) -> Result<(u16, Vec<u8>, Box<dyn Job>)>;

    /// The tag of an entry that came back.
    fn tag(&self, entry: &[u8]) -> Result<u64>;
}

/// A job that is on its way.
pub trait Job {
    /// Whether it was done rightly; the bytes that went through.
    fn check(&self, memory: &Memory, entry: &[u8]) -> Result<u64>;
}

/// Work of an accelerator.
pub fn engine(accelerator: Accelerator) -> &'static dyn Engine {
    match accelerator.0 {
        hisi_acc_hw::Engine::Zip => &Zip,
        hisi_acc_hw::Engine::Sec => &Sec,
        hisi_acc_hw::Engine::Hpre => &Hpre,
    }
}

/// Room for one job: source, destination, SGLs and what else it needs.
const SLOT: usize = 128 << 10;
const HALF: u64 = 48 << 10;
/// SGLs of the source, of the destination, and what is left
const LISTS: u64 = 2 * HALF;
const MORE: u64 = LISTS + 8192;

/// Where a job is made: its slot of memory, its tag.
pub struct Desk<'a> {
    pub random: &'a mut Random,
    pub memory: &'a Memory,
    pub tag: u64,
    base: u64,
    more: u64,
    guarded: Vec<u64>,
}

impl Desk<'_> {
    /// Puts the input there: its address, or that of its SGL; and where its pieces are.
    pub fn source(&mut self, data: &[u8], sgl: bool) -> (u64, Vec<(u64, usize)>) {
        self.memory.write(self.base, data);
        self.buffer(self.base, self.base + LISTS, data.len(), sgl)
    }

    /// Room for the output, guarded: its address, or that of its SGL; and where its pieces are.
    pub fn dest(&mut self, len: usize, sgl: bool) -> (u64, Vec<(u64, usize)>) {
        let at = self.base + HALF;
        self.memory.write(at, &vec![CANARY; len + CANARY_LEN]);
        self.guarded.push(at + len as u64);
        self.buffer(at, self.base + LISTS + 4096, len, sgl)
    }

    /// Puts something small elsewhere: a key, an initial value.
    pub fn put(&mut self, data: &[u8]) -> u64 {
        let at = self.base + self.more;
        self.more += data.len().next_multiple_of(64) as u64;
        assert!(self.more <= SLOT as u64, "the slot is too small");
        self.memory.write(at, data);
        at
    }

    fn buffer(&mut self, at: u64, lists: u64, len: usize, sgl: bool) -> (u64, Vec<(u64, usize)>) {
        if sgl {
            (lists, self.scatter(lists, at, len))
        } else {
            (at, vec![(at, len)])
        }
    }

    /// Splits a buffer into pieces by a hardware SGL at `at`; where each piece lies.
    fn scatter(&mut self, at: u64, buffer: u64, len: usize) -> Vec<(u64, usize)> {
        let memory = self.memory;
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
}

/// Jobs that are on their way, and what became of the others.
pub struct Workload {
    engine: &'static dyn Engine,
    random: Random,
    buffers: u64,
    next_tag: u64,
    slots: usize,
    pending: BTreeMap<u64, Pending>,
    /// Jobs that were handed out.
    pub submitted: u64,
    /// Jobs that came back, each checked, each with a tag that was still out.
    pub done: u64,
    /// Bytes that went through.
    pub bytes: u64,
}

struct Pending {
    queue: u16,
    job: Box<dyn Job>,
    guarded: Vec<u64>,
}

impl Workload {
    /// A workload of at most `slots` jobs at a time.
    pub fn new(engine: &'static dyn Engine, memory: &mut Memory, slots: usize) -> Self {
        Self {
            engine,
            random: Random::default(),
            buffers: memory.alloc(slots * SLOT),
            next_tag: 1,
            slots,
            pending: BTreeMap::new(),
            submitted: 0,
            done: 0,
            bytes: 0,
        }
    }

    /// Makes other jobs from now on.
    pub fn seed(&mut self, random: Random) {
        self.random = random;
    }

    /// What is on its way does not come back: the device was reset.
    pub fn forget(&mut self) {
        self.pending.clear();
    }

    /// How many are on their way.
    pub fn on_their_way(&self) -> usize {
        self.pending.len()
    }

    /// Submits one more job.
    pub fn submit(&mut self, qm: &mut Qm, memory: &Memory) -> Result<()> {
        let slots = self.slots as u64;
        let slot = (0..slots)
            .find(|slot| !self.pending.keys().any(|tag| tag % slots == *slot))
            .ok_or("all slots are in use")?;
        // A tag says which slot is its own.
        let tag = self.next_tag * slots + slot;
        self.next_tag += 1;
        let mut desk = Desk {
            random: &mut self.random,
            memory,
            tag,
            base: self.buffers + slot * SLOT as u64,
            more: MORE,
            guarded: Vec::new(),
        };
        let (queue, entry, job) = self.engine.make(&mut desk)?;
        let guarded = desk.guarded;
        let pending = Pending {
            queue,
            job,
            guarded,
        };
        self.pending.insert(tag, pending);
        qm.submit(memory, queue, &entry);
        self.submitted += 1;
        Ok(())
    }

    /// Takes what has come back, and checks each: known, once, right, nothing else touched.
    pub fn collect(&mut self, qm: &mut Qm, memory: &Memory) -> Result<usize> {
        let completions = qm.poll(memory);
        for completion in &completions {
            let tag = self.engine.tag(&completion.entry)?;
            let pending = self
                .pending
                .remove(&tag)
                .ok_or(format!("job {tag} came back that was not on its way"))?;
            if completion.queue != pending.queue {
                return Err(format!(
                    "job {tag} of queue {} came back by queue {}",
                    pending.queue, completion.queue
                )
                .into());
            }
            self.bytes += pending
                .job
                .check(memory, &completion.entry)
                .map_err(|e| format!("job {tag}: {e}"))?;
            for end in pending.guarded {
                if memory.read_vec(end, CANARY_LEN) != [CANARY; CANARY_LEN] {
                    return Err(format!("job {tag} wrote behind its destination").into());
                }
            }
            self.done += 1;
        }
        Ok(completions.len())
    }

    /// Waits until nothing is on its way.
    pub fn finish(&mut self, qm: &mut Qm, memory: &Memory) -> Result<()> {
        const LIMIT: Duration = Duration::from_secs(10);
        let mut patience = Patience::new(LIMIT);
        while !self.pending.is_empty() {
            if self.collect(qm, memory)? != 0 {
                patience = Patience::new(LIMIT);
            } else if patience.is_over() {
                let left = self.pending.len();
                qm.look();
                let done = self.collect(qm, memory)?;
                let mut why = format!("{left} jobs do not come back");
                if done != 0 {
                    why += &format!(": {done} are done, but no interrupt came");
                }
                return Err(why.into());
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
