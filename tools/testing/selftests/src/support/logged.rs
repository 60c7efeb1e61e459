// SPDX-License-Identifier: GPL-2.0

//! Pages that a device wrote, the log of them, and a VF that works while it is logged.

use crate::{support::bench::Bench, twin::Twin};
use acc_vfio_user::{
    ensure,
    host::{self, Accelerator},
    memory::IOVA,
    qm::Qm,
    vfio::Device,
    work::{self, Workload},
    Driver, Result,
};
use std::ops::Range;

pub const PAGE: u64 = 4096;
/// Memory that devices see.
pub const ARENA: usize = 192 << 20;

/// Pages, by their numbers from that of the arena's first.
#[derive(Clone, PartialEq, Eq)]
pub struct Pages(pub Vec<u64>);

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

/// A ZIP VF that tracks, with a driver.
pub struct Vf {
    pub bench: Bench,
    pub device: Device,
    pub qm: Qm,
    pub work: Workload,
}

pub const JOBS: usize = 24;

impl Vf {
    pub fn new() -> Result<Self> {
        let bench = bench(host::ZIP, 1)?;
        let device = bench.open(0)?;
        Self::over(bench, device)
    }

    pub fn over(mut bench: Bench, device: Device) -> Result<Self> {
        let mut qm = Qm::new(&device, &mut bench.memory, &work::Zip)?;
        let mut work = Workload::new(&work::Zip, &mut bench.memory, JOBS);
        work.round(&mut qm, &bench.memory, JOBS)?;
        Ok(Self {
            bench,
            device,
            qm,
            work,
        })
    }

    pub fn submit(&mut self, n: usize) -> Result<()> {
        for _ in 0..n {
            self.work.submit(&mut self.qm, &self.bench.memory)?;
        }
        Ok(())
    }

    pub fn round(&mut self) -> Result<()> {
        self.work.round(&mut self.qm, &self.bench.memory, JOBS)
    }

    pub fn written(&self) -> Result<Pages> {
        Pages::written(&self.bench.twin, "vf1")
    }

    /// Sets the VF up anew after a reset.
    pub fn set_up(&mut self) -> Result<()> {
        self.work.forget();
        self.qm = Qm::new(&self.device, &mut self.bench.memory, &work::Zip)?;
        self.round()
    }

    /// What the VF writes is known precisely.
    pub fn is_known(&mut self, log: &Logged, when: &str) -> Result<()> {
        log.report()?;
        self.bench.twin.mark()?;
        self.round()?;
        let dirty = log.report()?;
        ensure!(!dirty.is_all(), "{when}: all is dirty");
        covers(&dirty, &self.written()?, when)
    }
}

/// An address that nothing is mapped at.
pub const NOWHERE: u64 = 0x7000_0000_0000;
