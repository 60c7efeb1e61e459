// SPDX-License-Identifier: GPL-2.0

//! `guess.*:v5`: alternatives that only hardware with a window has.

use crate::support::{
    bench::Bench,
    guess::{basics, pf_reset, refused, Expected, WORKS},
    pair::Pair,
};
use acc_vfio_user::{ensure, host, Driver, Result};
use hisi_acc_hw::{regs, Generation};

under! {
    sel_kept = "G12:sel-kept", generations: One(V5) => || basics(WORKS).and_then(|()| pf_reset(false));
    window_garbage = "G14:garbage", generations: One(V5) => || not_selected(libc::EIO);
    own_bar = "G14:own-bar", generations: One(V5) => || not_selected(0);
    window_mailbox = "MB:window-only", generations: One(V5) => || basics(Expected {
        migration: libc::EIO,
        ..WORKS
    });
}

/// The window is not selected when VFs are opened. The half of BAR2 that has the migration
/// registers of V3 is hidden, and a VF either migrates by them or not at all, and goes on.
fn not_selected(error: i32) -> Result<()> {
    let bench = Bench::new(&[Driver::Rust; 2])?;
    host::pf()?.set_register(2, regs::QM_MIG_REGION_SEL.into(), 0)?;
    let (source, target) = (bench.open(0)?, bench.open(1)?);
    let layout = Generation::V5.layout().migration.as_ref();
    let hidden = u64::from(layout.ok_or("no migration registers")?.hidden_from);
    for device in [&source, &target] {
        let areas = device.mmap_areas(&device.region(2)?)?;
        let shown = areas.iter().all(|area| area.end <= hidden);
        ensure!(shown, "mappable are {areas:x?}");
    }
    let mut pair = Pair::over(host::ZIP, bench, source, target)?;
    if error == 0 {
        pair.migrate(true)?;
        return pair.round();
    }
    refused(&pair.source, error)?;
    pair.round()
}
