// SPDX-License-Identifier: GPL-2.0

//! `fault.vft`: the PF's table of queues, which the PF's driver uses too.

use crate::support::{
    bench::Bench,
    logged::{self, Logged},
};
use acc_vfio_user::{ensure, errno, vfio::state, Driver, Result};
use hisi_acc_hw::regs;

/// A register that each access of the table writes.
const FUNCTION: u64 = regs::QM_VFT_CFG.offset() as u64;

case!(vft);
/// An entry without its valid bit is no answer. One that is valid is read when the VF is opened,
/// and not again, whatever userspace does.
fn vft() -> Result<()> {
    let mut vf = logged::Vf::new()?;
    vf.bench.twin.mark()?;
    let log = Logged::start(&vf.device)?;
    for _ in 0..10 {
        vf.round()?;
        log.report()?;
        for to in [
            state::PRE_COPY,
            state::STOP_COPY,
            state::STOP,
            state::RUNNING,
        ] {
            vf.device.set_state(to)?;
        }
    }
    let reads = vf.bench.twin.register("pf", true, 2, FUNCTION)?;
    ensure!(reads == 0, "the VFT was read {reads} times");
    drop(log);
    drop(vf);

    // Opening reads it. Nothing is tracked, else a VF without queues could not be opened.
    let bench = Bench::new(&[Driver::Rust])?;
    let attribute = |word: &str| bench.vfs[0].set_attribute("dirty_tracking", word);
    attribute("off")?;
    let checked = invalid(&bench);
    bench.twin.fault("vf1", "clear")?;
    attribute("auto")?;
    checked
}

fn invalid(bench: &Bench) -> Result<()> {
    bench.twin.mark()?;
    drop(bench.open(0)?);
    let reads = bench.twin.register("pf", true, 2, FUNCTION)?;
    ensure!(reads == 1, "opening reads the VFT {reads} times");
    bench.twin.fault("vf1", "vft-invalid on")?;
    let device = bench.open(0)?;
    for to in [state::PRE_COPY, state::RESUMING] {
        let error = errno(device.set_state(to));
        ensure!(error == libc::EIO, "to {}: errno {error}", state::name(to));
        device.set_state(state::RUNNING)?;
    }
    // What failed is asked for again.
    bench.twin.fault("vf1", "vft-invalid off")?;
    device.set_state(state::PRE_COPY)?;
    device.set_state(state::RUNNING)?;
    Ok(())
}
