// SPDX-License-Identifier: GPL-2.0

//! Pages that a device wrote, the log of them, and a VF that works while it is logged.

use super::bench::Bench;
use crate::twin::Twin;
use acc_vfio_user::{host::Accelerator, memory::IOVA, vfio::Device, Driver, Result};
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
