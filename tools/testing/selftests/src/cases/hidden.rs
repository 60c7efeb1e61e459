// SPDX-License-Identifier: GPL-2.0

//! `hidden.*`: the upper half of BAR2 is not the user's, on any way. On V5 it is, for the migration
//! registers are in the PF.

use super::{ensure, errno, Bench};
use crate::{host, Driver, Result};
use std::os::fd::AsRawFd;
use vmm_sys_util::eventfd::EventFd;

/// Where the hidden half begins.
const EDGE: u64 = 0x8000;

/// The model's word that nobody touched the hidden half.
fn untouched(bench: &Bench, vf: &str) -> Result<()> {
    let counts = bench.twin.counts()?;
    let (reads, writes) = (
        counts.get(vf, "reg_read_migration"),
        counts.get(vf, "reg_write_migration"),
    );
    ensure!(
        reads == 0 && writes == 0,
        "the hidden half saw {reads} reads and {writes} writes"
    );
    Ok(())
}

pub fn region_info(driver: Driver) -> Result<()> {
    let bench = Bench::new(&[driver])?;
    let device = bench.open(0)?;
    let region = device.region(2)?;
    let size = if host::is_v5()? { 2 * EDGE } else { EDGE };
    ensure!(region.size == size, "BAR2 has {:#x} bytes", region.size);
    ensure!(region.can_mmap(), "BAR2 cannot be mapped");
    // The others are whole.
    let len = device.region(4)?.size;
    ensure!(len == 64 << 20, "BAR4 has {len:#x} bytes");
    Ok(())
}

pub fn read_write(driver: Driver) -> Result<()> {
    let bench = Bench::new(&[driver])?;
    let device = bench.open(0)?;
    let region = device.region(2)?;
    bench.twin.mark()?;
    let mut word = [0; 8];
    for at in [EDGE, EDGE + 4, 0xfff8, 0x1_0000, 0xff_ffff_fff8] {
        let read = errno(device.read_at(&region, at, &mut word));
        ensure!(read == libc::EINVAL, "read at {at:#x}: errno {read}");
        let write = errno(device.write_at(&region, at, &word));
        ensure!(write == libc::EINVAL, "write at {at:#x}: errno {write}");
    }
    // Across the edge: up to it.
    let n = device.read_at(&region, EDGE - 4, &mut word)?;
    ensure!(n == 4, "a read across the edge gave {n} bytes");
    let n = device.write_at(&region, EDGE - 4, &word)?;
    ensure!(n == 4, "a write across the edge took {n} bytes");
    untouched(&bench, "vf1")
}

pub fn mmap(driver: Driver) -> Result<()> {
    let bench = Bench::new(&[driver])?;
    let device = bench.open(0)?;
    let region = device.region(2)?;
    bench.twin.mark()?;
    drop(device.mmap(&region, 0, EDGE as usize)?);
    drop(device.mmap(&region, EDGE - 4096, 4096)?);
    for (at, len) in [
        (EDGE, 4096),
        (0, 0x1_0000),
        (EDGE - 4096, 8192),
        (0xf000, 4096),
    ] {
        let result = device.mmap(&region, at, len).map(|_| ());
        let e = errno(result);
        ensure!(e == libc::EINVAL, "mmap of {len:#x} at {at:#x}: errno {e}");
    }
    // A mapping of the visible half cannot grow over the edge.
    let mapping = device.mmap(&region, EDGE - 4096, 4096)?;
    // SAFETY: Of our own mapping.
    let grown = unsafe {
        libc::mremap(
            mapping.address.cast(),
            mapping.len,
            2 * mapping.len,
            libc::MREMAP_MAYMOVE,
        )
    };
    ensure!(grown == libc::MAP_FAILED, "mremap grew over the edge");
    untouched(&bench, "vf1")
}

/// D1: the way that the C driver leaves open.
pub fn ioeventfd() -> Result<()> {
    let bench = Bench::new(&[Driver::Rust])?;
    let device = bench.open(0)?;
    let region = device.region(2)?;
    let event = EventFd::new(libc::EFD_NONBLOCK)?;
    bench.twin.mark()?;
    for size in [1, 2, 4, 8] {
        for at in [EDGE, EDGE + 8, EDGE + 1 - u64::from(size.min(2)), 0xfff8] {
            if at + u64::from(size) <= EDGE {
                continue;
            }
            let e = errno(device.ioeventfd(region.offset + at, size, event.as_raw_fd()));
            ensure!(e == libc::EINVAL, "{size} bytes at {at:#x}: errno {e}");
        }
    }
    event.write(1)?;
    untouched(&bench, "vf1")
}

/// A DMA-BUF would hand part of a BAR to other devices. The kernel can: plain vfio-pci does.
pub fn dma_buf(driver: Driver) -> Result<()> {
    let bench = Bench::new(&[driver])?;
    host::modprobe("vfio-pci")?;
    bench.vfs[1].bind("vfio-pci")?;
    let plain = bench.open(1)?;
    plain
        .dma_buf(2, 0, 0x1000)
        .map_err(|e| format!("vfio-pci, which is to show that it works: {e}"))?;
    let device = bench.open(0)?;
    bench.twin.mark()?;
    for (at, len) in [(EDGE, 0x1000), (EDGE - 0x1000, 0x2000), (0, 0x1_0000)] {
        let e = errno(device.dma_buf(2, at, len));
        ensure!(
            e == libc::EINVAL || e == libc::EOPNOTSUPP,
            "{len:#x} bytes at {at:#x}: errno {e}"
        );
    }
    untouched(&bench, "vf1")
}
