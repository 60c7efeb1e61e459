// SPDX-License-Identifier: GPL-2.0

//! `hidden.*`: the upper half of BAR2 is not the user's, on any way to a region. On V5 it is, for
//! the migration registers are in the PF: what is beyond the edge is beyond the BAR there.

use crate::support::{
    bar2::{edge, refuses, untouched, PAGE},
    bench::Bench,
};
use acc_vfio_user::{ensure, errno, vfio::Region, Driver, Result};

case!(region_info, with: [Rust, C]);
fn region_info(driver: Driver) -> Result<()> {
    let bench = Bench::new(&[driver])?;
    let device = bench.open(0)?;
    let region = device.region(2)?;
    ensure!(region.size == edge()?, "BAR2 has {:#x} bytes", region.size);
    ensure!(region.can_mmap(), "BAR2 cannot be mapped");
    // The others are whole.
    let len = device.region(4)?.size;
    ensure!(len == 64 << 20, "BAR4 has {len:#x} bytes");
    Ok(())
}

case!(read_write, with: [Rust, C]);
fn read_write(driver: Driver) -> Result<()> {
    let bench = Bench::new(&[driver])?;
    let device = bench.open(0)?;
    let region = device.region(2)?;
    let edge = edge()?;
    bench.twin.mark()?;
    refuses(&device, &region)?;
    // Across the edge: up to it.
    let mut word = [0; 8];
    let n = device.read_at(&region, edge - 4, &mut word)?;
    ensure!(n == 4, "a read across the edge gave {n} bytes");
    let n = device.write_at(&region, edge - 4, &word)?;
    ensure!(n == 4, "a write across the edge took {n} bytes");
    let n = device.read_at(&region, edge - 16, &mut [0; 1 << 16])?;
    ensure!(n == 16, "a long read across the edge gave {n} bytes");
    untouched(&bench, "vf1")
}

case!(mmap, with: [Rust, C]);
fn mmap(driver: Driver) -> Result<()> {
    let bench = Bench::new(&[driver])?;
    let device = bench.open(0)?;
    let region = device.region(2)?;
    let edge = edge()?;
    bench.twin.mark()?;
    // Where the driver looks at doorbells they cannot be mapped; all else below the edge can.
    let areas = device.mmap_areas(&region)?;
    for area in &areas {
        ensure!(area.end <= edge, "mappable is said to be {area:x?}");
        drop(device.mmap(&region, area.start, (area.end - area.start) as usize)?);
    }
    let last = areas.last().map(|area| area.end);
    ensure!(last == Some(edge), "mappable are {areas:x?}");
    let mapping = device.mmap(&region, edge - PAGE, PAGE as usize)?;
    refuses(&device, &region)?;
    // A mapping of the visible half cannot grow over the edge.
    for flags in [0, libc::MREMAP_MAYMOVE] {
        // SAFETY: Of our own mapping.
        let grown =
            unsafe { libc::mremap(mapping.address.cast(), mapping.len, 2 * mapping.len, flags) };
        ensure!(grown == libc::MAP_FAILED, "mremap grew over the edge");
    }
    // Nor be turned to what is behind it.
    let behind = (region.offset + edge) / PAGE;
    // SAFETY: Of our own mapping; where it succeeds, the case fails.
    let turned = unsafe {
        libc::syscall(
            libc::SYS_remap_file_pages,
            mapping.address,
            mapping.len,
            0,
            behind,
            0,
        )
    };
    ensure!(turned != 0, "remap_file_pages turned to the hidden half");
    untouched(&bench, "vf1")
}

case!(offsets, with: [Rust, C]);
/// Offsets of the device file that might be taken for others.
fn offsets(driver: Driver) -> Result<()> {
    let bench = Bench::new(&[driver])?;
    let device = bench.open(0)?;
    let whole = device.region(2)?;
    let edge = edge()?;
    bench.twin.mark()?;
    for (what, offset) in [
        // The index of the region is what is above bit 40.
        ("the region before it", (1 << 40) + edge),
        ("an index that is none", ((2 + 16) << 40) + edge),
        ("the highest index", ((2 + (1 << 22)) << 40) + edge),
        ("its own last page", (3 << 40) - PAGE),
    ] {
        let region = Region { offset, ..whole };
        let mut word = [0; 4];
        let read = errno(device.read_at(&region, 0, &mut word));
        let write = errno(device.write_at(&region, 0, &word));
        let map = errno(device.mmap(&region, 0, PAGE as usize).map(|_| ()));
        ensure!(
            [read, write, map].iter().all(|e| *e == libc::EINVAL),
            "{what}: errno {read} reading, {write} writing, {map} mapping"
        );
    }
    untouched(&bench, "vf1")
}
