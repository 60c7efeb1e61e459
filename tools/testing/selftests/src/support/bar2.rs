// SPDX-License-Identifier: GPL-2.0

//! BAR2 of a VF: where its hidden part begins, and that nobody reaches it.

use crate::support::bench::Bench;
use acc_vfio_user::{
    ensure, errno, host,
    vfio::{Device, Region},
    Result,
};
use hisi_acc_hw::{generation::Migration, regs};

pub const PAGE: u64 = 4096;

/// Where the hidden part begins.
pub fn edge() -> Result<u64> {
    Ok(match host::migration()? {
        Migration {
            window: None,
            hidden_from,
            ..
        } => u64::from(*hidden_from),
        _ => regs::VF_BAR2_SIZE,
    })
}

/// The model's word that nobody touched the migration registers.
pub fn untouched(bench: &Bench, vf: &str) -> Result<()> {
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

/// Beyond the edge there is nothing to read, write or map.
pub fn refuses(device: &Device, region: &Region) -> Result<()> {
    let edge = edge()?;
    let mut word = [0; 8];
    for at in [edge, edge + 4, 2 * edge - 8, 2 * edge, 0xff_ffff_fff8] {
        let read = errno(device.read_at(region, at, &mut word));
        ensure!(read == libc::EINVAL, "read at {at:#x}: errno {read}");
        let write = errno(device.write_at(region, at, &word));
        ensure!(write == libc::EINVAL, "write at {at:#x}: errno {write}");
    }
    for (at, len) in [
        (edge, PAGE),
        (0, 2 * edge),
        (edge - PAGE, 2 * PAGE),
        // Whose length is rounded up
        (edge - PAGE, PAGE + 1),
        (2 * edge - PAGE, PAGE),
    ] {
        let result = device.mmap(region, at, len as usize).map(|_| ());
        let e = errno(result);
        ensure!(e == libc::EINVAL, "mmap of {len:#x} at {at:#x}: errno {e}");
    }
    Ok(())
}
