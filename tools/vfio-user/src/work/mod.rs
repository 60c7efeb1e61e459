// SPDX-License-Identifier: GPL-2.0

//! Work for the engines, and the proof that each job was done once and rightly.

pub mod desk;
mod hpre;
pub mod random;
mod sec;
mod zip;

pub use self::{
    desk::{Desk, Engine, Job},
    hpre::Hpre,
    random::Random,
    sec::Sec,
    zip::{Zip, ZipQueues},
};

use crate::{
    host::{Accelerator, Patience},
    memory::Memory,
    qm::Qm,
    Result,
};
use desk::{CANARY, CANARY_LEN, MORE, SLOT};
use std::{collections::BTreeMap, thread::sleep, time::Duration};

/// Work of an accelerator.
pub fn engine(accelerator: Accelerator) -> &'static dyn Engine {
    match accelerator.0 {
        hisi_acc_hw::Engine::Zip => &Zip,
        hisi_acc_hw::Engine::Sec => &Sec,
        hisi_acc_hw::Engine::Hpre => &Hpre,
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
                let untold = qm.untold(memory);
                if untold != 0 {
                    why += &format!(": {untold} queues have completions without an event");
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

    /// Submits jobs and looks for completions by chance, at most `most` times in all. Two of three
    /// times it submits one, while a slot is free.
    pub fn by_chance(
        &mut self,
        random: &mut Random,
        most: usize,
        qm: &mut Qm,
        memory: &Memory,
    ) -> Result<()> {
        for _ in 0..1 + random.next(most) {
            if self.on_their_way() < self.slots && random.next(3) != 0 {
                self.submit(qm, memory)?;
            } else {
                self.collect(qm, memory)?;
            }
        }
        Ok(())
    }

    /// Submits `n` jobs and waits for them.
    pub fn round(&mut self, qm: &mut Qm, memory: &Memory, n: usize) -> Result<()> {
        for _ in 0..n {
            self.submit(qm, memory)?;
        }
        self.finish(qm, memory)
    }
}
