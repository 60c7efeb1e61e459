// SPDX-License-Identifier: GPL-2.0

//! A VF that is driven from here over the kernel's plain vfio-pci: nothing of ours is in between.

use crate::{support::bench::Bench, twin::Counts};
use acc_vfio_user::{ensure, host, qm::Qm, vfio::Device, work::Zip, Result};
use hisi_acc_hw::zip::{Format, Sqe};

/// How long a source is, and how much room there is for what becomes of it.
pub const SOURCE: usize = 9000;
const ROOM: usize = 16 << 10;

/// The first VF.
pub struct Bare {
    pub bench: Bench,
    pub device: Device,
    pub qm: Qm,
    pub source: u64,
    pub dest: u64,
    tag: u64,
}

impl Bare {
    pub fn new() -> Result<Self> {
        let mut bench = Bench::new(&[])?;
        host::modprobe("vfio-pci")?;
        bench.vfs[0].bind("vfio-pci")?;
        let device = bench.open(0)?;
        let qm = Qm::new(&device, &mut bench.memory, &Zip)?;
        let source = bench.memory.alloc(SOURCE);
        let dest = bench.memory.alloc(ROOM);
        // Numbers that do not compress.
        let mut state = 1u32;
        let data: Vec<u8> = (0..SOURCE)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .collect();
        bench.memory.write(source, &data);
        Ok(Self {
            bench,
            device,
            qm,
            source,
            dest,
            tag: 0,
        })
    }

    /// Sets the VF up anew, as after a reset.
    pub fn set_up(&mut self) -> Result<()> {
        self.qm = Qm::new(&self.device, &mut self.bench.memory, &Zip)?;
        Ok(())
    }

    /// Puts a job into a queue; the hardware does not know yet.
    pub fn place(&mut self, queue: u16) {
        self.tag += 1;
        let sqe = Sqe::request(
            Format::Zlib,
            false,
            self.source,
            SOURCE as u32,
            self.dest,
            ROOM as u32,
            self.tag,
        );
        self.qm.place(&self.bench.memory, queue, &sqe.to_bytes());
    }

    pub fn submit(&mut self, queue: u16) {
        self.place(queue);
        self.qm.ring(queue, queue);
    }

    /// Waits for `n` jobs to come back; how much the last one produced.
    pub fn complete(&mut self, n: usize) -> Result<u32> {
        let mut done = Vec::new();
        let (qm, memory) = (&mut self.qm, &self.bench.memory);
        host::wait_for("jobs", || {
            done.extend(qm.poll(memory));
            done.len() >= n
        })?;
        ensure!(done.len() == n, "{} jobs came back, not {n}", done.len());
        let mut produced = 0;
        for completion in &done {
            let entry = completion.entry.first_chunk().ok_or("half an entry")?;
            let sqe = Sqe::from_bytes(entry);
            let status = sqe.status();
            ensure!(status == 0, "a job has status {status:#x}");
            produced = sqe.produced();
        }
        Ok(produced)
    }

    /// Fails if a job comes back. The device has carried out all that is due before its ledger
    /// answers.
    pub fn nothing_comes(&mut self) -> Result<()> {
        self.counts()?;
        self.qm.look();
        let n = self.qm.poll(&self.bench.memory).len();
        ensure!(n == 0, "{n} jobs came back");
        Ok(())
    }

    pub fn counts(&self) -> Result<Counts> {
        self.bench.twin.counts()
    }

    /// Waits for a count of the VF to reach a number.
    pub fn wait_count(&self, key: &str, n: u64) -> Result<()> {
        host::wait_for(key, || {
            self.counts()
                .is_ok_and(|counts| counts.get("vf1", key) >= n)
        })
    }
}
