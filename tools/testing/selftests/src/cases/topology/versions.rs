// SPDX-License-Identifier: GPL-2.0

//! `topology.v2`, `topology.window`: where hardware of a version has its migration registers.

use crate::support::{bench::Bench, pair::Pair, refused};
use acc_vfio_user::{
    ensure, errno,
    host::{self, Function},
    migrate::{save, Quiet, MATCH},
    vfio::{state, Device},
    Driver, Result,
};
use hisi_acc_hw::{
    regs::{self, MigRegionSel},
    Generation,
};
use std::io::{Read, Write};

case!(v2, generations: One(V2));
/// V2 has none: its VFs are what vfio-pci makes of them.
fn v2() -> Result<()> {
    let mut bench = Bench::new(&[])?;
    let generation = host::generation()?;
    ensure!(generation == Generation::V2, "the PF is {generation:?}");
    let vf = bench.vfs[0].clone();
    let why = format!(
        "hardware version {:#x} has no migration registers",
        generation.layout().revision
    );
    refused::refused_for(Driver::Rust, &vf, &mut bench, &why, refused::does_jobs)
}

/// Has the PF say where the migration registers of its VFs are. On V3 that register means nothing.
fn select(pf: &Function, window: bool) -> Result<()> {
    let at = u64::from(regs::QM_MIG_REGION_SEL);
    let selected = MigRegionSel(pf.register(2, at)?).with_window(window);
    pf.set_register(2, at, selected.0)
}

/// Whether userspace sees the lower half of BAR2 only, and reaches no more of it.
fn is_half(device: &Device) -> Result<bool> {
    let region = device.region(2)?;
    let half = u64::from(host::migration()?.hidden_from);
    let hidden = errno(device.read_at(&region, half, &mut [0; 4]));
    ensure!(
        (region.size, hidden) == (half, libc::EINVAL)
            || (region.size, hidden) == (regs::VF_BAR2_SIZE, 0),
        "BAR2 has {:#x} bytes, and reading behind the half has errno {hidden}",
        region.size
    );
    Ok(region.size == half)
}

case!(window);
/// V5 has them in the PF while that says so. What it says is looked at when a VF is opened; while
/// the VF is open a change keeps it from being migrated, and from nothing else.
fn window() -> Result<()> {
    let mark = "acc-selftest: the migration registers move";
    host::say(mark)?;
    let pf = host::pf()?;
    let checked = moving(&pf);
    // As it was, for others.
    select(&pf, true)?;
    checked?;
    let log = host::log_after(mark)?;
    for line in ["the migration registers moved", "and has no queues"] {
        ensure!(
            log.contains(line) == host::has_window()?,
            "'{line}' is in the log, or is not"
        );
    }
    Ok(())
}

fn moving(pf: &Function) -> Result<()> {
    let v5 = host::has_window()?;
    let wanted = if v5 { libc::EIO } else { 0 };
    // The error of going there; where it fails the state stays.
    let goes = |device: &Device, what: &str, to: u32| -> Result<()> {
        let from = device.state()?;
        let error = errno(device.set_state(to));
        ensure!(error == wanted, "{what}: errno {error}");
        let now = device.state()?;
        ensure!(
            now == if error == 0 { to } else { from },
            "{what}: the state is {}",
            state::name(now)
        );
        Ok(())
    };
    let mut pair = Pair::new(Driver::Rust, Driver::Rust)?;
    ensure!(is_half(&pair.source)? != v5, "half of BAR2, or all of it");
    pair.migrate(true)?;
    pair.round()?;
    std::mem::swap(&mut pair.source, &mut pair.target);

    select(pf, false)?;
    let why = pair.bench.vfs[1].migration_blocker()?;
    let moved = why.starts_with("its migration registers moved");
    ensure!(
        moved == v5 && why.is_empty() != v5,
        "migration_blocker: '{why}'"
    );
    goes(&pair.source, "in RUNNING", state::PRE_COPY)?;
    pair.source.set_state(state::RUNNING)?;
    pair.round()?;
    select(pf, true)?;

    let file = pair.source.set_state(state::PRE_COPY)?;
    pair.submit(8)?;
    select(pf, false)?;
    // The file fails, and not the stop.
    pair.source.set_state(state::STOP_COPY)?;
    let mut file = file.ok_or("no file")?;
    let error = errno(file.read(&mut [0; 8]));
    ensure!(error == wanted, "in PRE_COPY: read() has errno {error}");
    select(pf, true)?;
    drop(file);
    pair.source.set_state(state::RUNNING)?;
    pair.finish()?;

    pair.submit(8)?;
    let stream = save(&pair.source, false, &mut Quiet)?;
    let mut file = pair.target.set_state(state::RESUMING)?.ok_or("no file")?;
    select(pf, false)?;
    // VF 2 was the first target.
    pair.bench.twin.mark()?;
    let error = errno(file.write_all(&stream));
    ensure!(error == wanted, "in RESUMING: errno {error}");
    let counts = pair.bench.twin.counts()?;
    let touched = (
        counts.get("vf1", "flr"),
        counts.with_prefix("vf1", "mailbox."),
    );
    ensure!(
        touched == (0, if v5 { 0 } else { 2 }),
        "resets and commands of the target: {touched:?}"
    );
    select(pf, true)?;
    if v5 {
        file.write_all(&stream)?;
    }
    pair.qm.move_to(&pair.target)?;
    pair.target.set_state(state::RUNNING)?;
    pair.finish()?;
    drop((pair, file));

    // Opened while they are not there: as on V3, but that the model has them nowhere then (G14).
    select(pf, false)?;
    let mut pair = Pair::new(Driver::Rust, Driver::Rust)?;
    ensure!(is_half(&pair.source)?, "all of BAR2");
    let mut file = pair.source.set_state(state::PRE_COPY)?.ok_or("no file")?;
    file.read_exact(&mut [0; MATCH])?;
    pair.submit(8)?;
    pair.source.set_state(state::STOP_COPY)?;
    let error = errno(file.read(&mut [0; 8]));
    ensure!(error == wanted, "without registers: errno {error}");
    drop(file);
    pair.source.set_state(state::RUNNING)?;
    pair.finish()?;
    // They come back, too late for a VF that is open.
    select(pf, true)?;
    goes(&pair.source, "back", state::PRE_COPY)?;
    pair.source.set_state(state::RUNNING)?;
    pair.round()?;
    drop(pair);

    let mut pair = Pair::new(Driver::Rust, Driver::Rust)?;
    ensure!(is_half(&pair.source)? != v5, "opened anew");
    pair.migrate(true)?;
    pair.round()
}
