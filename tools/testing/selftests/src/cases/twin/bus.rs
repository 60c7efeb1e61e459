// SPDX-License-Identifier: GPL-2.0

//! `twin.*`: what a function does on the bus: DMA, interrupts, doorbells.

use crate::support::bare::Bare;
use acc_vfio_user::{ensure, host::Function, Result};
use hisi_acc_hw::mailbox::Command;

/// `PCI_CAP_ID_MSI`
const MSI: u32 = 0x05;
/// `PCI_MSI_FLAGS_MASKBIT`, `PCI_MSI_FLAGS_64BIT`: in the upper half of the first word
const MASKBIT: u32 = 1 << (8 + 16);
const WIDE: u32 = 1 << (7 + 16);

case!(bus_master_off);
/// A function that may not master the bus does no DMA: nothing is fetched and nothing completes. It
/// works again when it may, and is set up anew.
fn bus_master_off() -> Result<()> {
    let mut bare = Bare::new()?;
    bare.submit(0);
    bare.complete(1)?;
    bare.device.set_bus_master(false)?;
    bare.bench.twin.mark()?;
    bare.submit(0);
    bare.wait_count("dma_fault", 1)?;
    bare.nothing_comes()?;
    let counts = bare.counts()?;
    for key in ["dma_reads", "dma_writes", "jobs_done", "pages_written"] {
        let n = counts.get("vf1", key);
        ensure!(n == 0, "{key}: {n}, without mastering the bus");
    }
    ensure!(
        bare.set_up().is_ok(),
        "the VF cannot be set up when it masters the bus again"
    );
    bare.submit(0);
    bare.complete(1)?;
    Ok(())
}

/// Where the MSI capability of a function is; the masks that Linux reads of it are there.
fn msi(function: &Function) -> Result<u64> {
    let at = function.capability(MSI)?.ok_or("no MSI capability")?;
    let word = function.config(at)?;
    ensure!(
        word & (MASKBIT | WIDE) == MASKBIT | WIDE,
        "MSI without masks: {word:#x}"
    );
    Ok(at)
}

case!(msi_masked);
/// An interrupt that is masked in configuration space is pending, and comes when it is not masked
/// any more.
fn msi_masked() -> Result<()> {
    let mut bare = Bare::new()?;
    bare.submit(0);
    bare.complete(1)?;
    let vf = bare.bench.vfs[0].clone();
    // PCI_MSI_MASK_64, PCI_MSI_PENDING_64
    let (mask, pending) = (msi(&vf)? + 0x10, msi(&vf)? + 0x14);
    ensure!(vf.config(pending)? == 0, "pending before there was any");
    let before = bare.qm.interrupts;
    let was = vf.config(mask)?;
    vf.set_config(mask, was | 1)?;
    bare.bench.twin.mark()?;
    bare.submit(0);
    bare.wait_count("jobs_done", 1)?;
    bare.qm.see_interrupts();
    let came = bare.qm.interrupts != before;
    let waits = vf.config(pending)?;
    vf.set_config(mask, was & !1)?;
    ensure!(!came, "an interrupt that is masked came");
    ensure!(waits == 1, "pending: {waits:#x}");
    bare.complete(1)?;
    ensure!(bare.qm.interrupts == before + 1, "not one interrupt");
    ensure!(vf.config(pending)? == 0, "still pending");
    Ok(())
}

case!(db_isolation);
/// The page of a queue in BAR4 rings that queue only.
fn db_isolation() -> Result<()> {
    let mut bare = Bare::new()?;
    for queue in [0, 1] {
        bare.submit(queue);
        bare.complete(1)?;
    }
    bare.bench.twin.mark()?;
    bare.place(0);
    bare.qm.ring(0, 1);
    bare.qm.ring(0, 2);
    bare.nothing_comes()?;
    let counts = bare.counts()?;
    let dropped = counts.get("vf1", "doorbell.dropped");
    ensure!(dropped == 2, "{dropped} doorbells dropped, not 2");
    for key in ["dma_reads", "dma_writes", "jobs_done"] {
        let n = counts.get("vf1", key);
        ensure!(n == 0, "{key}: {n}, by a doorbell on another queue's page");
    }
    // Both queues are as they were.
    bare.submit(1);
    bare.complete(1)?;
    bare.qm.ring(0, 0);
    bare.complete(1)?;
    // Nor did the mailbox take notice.
    bare.qm.query(Command::SqcBt).map(|_| ())
}
