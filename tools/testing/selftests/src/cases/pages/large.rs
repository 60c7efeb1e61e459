// SPDX-License-Identifier: GPL-2.0

//! `pages.refused`, `pages.mapped`, `pages.migrates`: a page is larger than the half of BAR2 that a
//! VF of V3 may show, and holds the mailbox beside the doorbells.

use crate::support::{
    bench::Bench,
    mode::PARAMETER,
    pair::Pair,
    refused::{does_jobs, refused_for},
};
use acc_vfio_user::{ensure, errno, host, memory::IOVA, Driver, Result};
use std::{fs, slice::from_ref};

/// `PAGE_SIZE`
const PAGE: u64 = 64 << 10;

case!(refused, generations: One(V3));
/// A VF of V3 does not migrate: its guest would see the migration registers, or could not map the
/// registers of the QM. It is what vfio-pci makes of it, and says why.
fn refused() -> Result<()> {
    let mut bench = Bench::new(&[])?;
    let vf = bench.vfs[0].clone();
    let why = "pages are larger than the 32 KiB of BAR2 that may be shown";
    refused_for(Driver::Rust, &vf, &mut bench, why, does_jobs)
}

case!(mapped, with: [Rust, C], generations: One(V3));
/// D11: what is said to be mappable can be mapped, whole.
fn mapped(driver: Driver) -> Result<()> {
    let bench = Bench::new(&[driver])?;
    let device = bench.open(0)?;
    let bar2 = device.region(2)?;
    ensure!(
        driver == Driver::C || bar2.can_mmap(),
        "BAR2 of a VF that does not migrate cannot be mapped"
    );
    if bar2.can_mmap() {
        let error = errno(device.mmap(&bar2, 0, bar2.size as usize));
        ensure!(error == 0, "BAR2 is mappable, and mmap has errno {error}");
        let shown = bar2.size % PAGE;
        ensure!(
            shown == 0,
            "of the last page of BAR2, {shown} bytes are to be shown"
        );
    }
    Ok(())
}

case!(migrates, generations: One(V5));
/// A VF of V5 migrates. Nothing is tracked, whatever the parameter says: the doorbells are in the
/// page of the mailbox.
fn migrates() -> Result<()> {
    host::modprobe("hisi_acc_vfio_rs")?;
    for (mode, precopy) in [("on", true), ("on", false), ("auto", true), ("auto", false)] {
        fs::write(PARAMETER, mode)?;
        let mark = format!("acc-selftest: tracking is {mode}");
        host::say(&mark)?;
        let mut pair = Pair::new(Driver::Rust, Driver::Rust)?;
        let range = IOVA..IOVA + (16 << 20);
        let tracks = errno(pair.source.start_logging(PAGE, from_ref(&range)));
        ensure!(tracks == libc::ENOTTY, "{mode}: START has errno {tracks}");
        let said = host::log_after(&mark)?;
        let lines = said.matches("dirty tracking is not possible").count();
        ensure!(lines != 0, "{mode}: nothing in the log");
        pair.work_in_flight()?;
        pair.migrate(precopy)?;
        pair.finish()?;
        pair.round()?;
    }
    Ok(())
}
