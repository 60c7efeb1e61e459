// SPDX-License-Identifier: GPL-2.0

//! `guess.*`: alternatives of what PCI shows of a function. Each has a guest of its own.

use crate::support::{
    bar2::{refuses, untouched},
    bench::Bench,
    guess::{basics, WORKS},
};
use acc_vfio_user::{ensure, Driver, Result};

/// What the cases need.
#[cfg(test)]
pub const NAMES: &[&str] = &["G23:large-bar2", "G23:small-bar4"];

case!(large_bar2, guess: Some("G23:large-bar2"));
/// BAR2 of a VF is twice as large: what is behind the hidden half is hidden, too.
fn large_bar2() -> Result<()> {
    let bench = Bench::new(&[Driver::Rust])?;
    let size = std::fs::metadata(bench.vfs[0].path().join("resource2"))?.len();
    ensure!(size == 128 << 10, "BAR2 has {size:#x} bytes");
    let device = bench.open(0)?;
    bench.twin.mark()?;
    let region = device.region(2)?;
    refuses(&device, &region)?;
    untouched(&bench, "vf1")?;
    drop((device, bench));
    basics(WORKS)
}

case!(small_bar4, guess: Some("G23:small-bar4"));
/// BAR4 of a VF has fewer pages than the device has queues.
fn small_bar4() -> Result<()> {
    let bench = Bench::new(&[Driver::Rust])?;
    let size = bench.open(0)?.region(4)?.size;
    ensure!(size == 1 << 20, "BAR4 has {size:#x} bytes");
    drop(bench);
    basics(WORKS)
}
