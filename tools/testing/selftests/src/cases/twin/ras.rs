// SPDX-License-Identifier: GPL-2.0

//! `twin.ras_*`: errors of the QM and of the engines, as the in-tree drivers take them.

use crate::{support::crypto, twin::Twin};
use acc_vfio_user::{
    ensure,
    host::{self, Accelerator, Debugfs, Function},
    Result,
};

/// The pending errors of the QM (`QM_ABNORMAL_INT_SOURCE`).
const QM_SOURCE: u64 = 0x10_0000;

/// `PCI_COMMAND_MEMORY`
const MEMORY: u16 = 1 << 1;

/// An error that needs no reset: the driver is told by an interrupt, says so, and takes it back.
fn recovers(
    twin: &Twin,
    accelerator: Accelerator,
    pf: &Function,
    order: (&str, u32),
    message: &str,
) -> Result<()> {
    let (what, bits) = order;
    let source = match what {
        "ras" => QM_SOURCE,
        _ => accelerator.errors.source.into(),
    };
    let what = format!("{}: {what} {bits:#x}", accelerator.name);
    let debugfs = Debugfs::of(accelerator, pf);
    let mark = format!("acc-selftest: {what}");
    host::say(&mark)?;
    twin.mark()?;
    let before = debugfs.number("qm/abnormal_irq")?;
    ensure!(pf.register(2, source)? == 0, "{what}: there is one");
    twin.fault("pf", &format!("{} {bits:#x}", order.0))?;
    let line = format!("{message} [error status={bits:#x}] found");
    host::wait_for(&format!("{what}: '{line}'"), || {
        host::log_after(&mark).is_ok_and(|log| log.contains(&line))
    })?;
    host::wait_for(&format!("{what}: the source to be cleared"), || {
        pf.register(2, source).is_ok_and(|value| value == 0)
    })?;
    let log = host::log_after(&mark)?;
    ensure!(!log.contains("resetting"), "{what}: a reset for it:\n{log}");
    ensure!(
        log.matches(&line).count() == 1,
        "{what}: reported more than once:\n{log}"
    );
    ensure!(
        debugfs.number("qm/abnormal_irq")? == before + 1,
        "{what}: not one interrupt"
    );
    let interrupts = twin.counts()?.get("pf", "msi");
    ensure!(interrupts == 1, "{what}: {interrupts} interrupts");
    ensure!(
        twin.register("pf", true, 2, source)? == 1,
        "{what}: the source was not written once"
    );
    Ok(())
}

case!(ras_corrected);
/// Correctable errors (`*_CE_MASK_CAP`), and others that need no reset (in `*_NFE_MASK_CAP`, not in
/// `*_RESET_MASK_CAP`).
fn ras_corrected() -> Result<()> {
    for (accelerator, engine) in [
        (
            host::ZIP,
            [(0x1, "zip_ecc_1bitt_err"), (0x1000, "zip_sva_err")],
        ),
        (
            host::SEC,
            [(0x8, "sec_ecc_1bit_err_rint"), (0x80, "sec_bd_err_rint")],
        ),
        (
            host::HPRE,
            [
                (0x1, "core_ecc_1bit_err_int_set"),
                (0x100_0000, "sva_int_set"),
            ],
        ),
    ] {
        let twin = Twin::open_device(accelerator.name)?;
        let pf = accelerator.bound_pf()?;
        crypto::tested(accelerator)?;
        let qm = [(0x8, "qm_ecc_1bit"), (0x1000, "qm_db_random_invalid")];
        for (bits, message) in qm {
            recovers(&twin, accelerator, &pf, ("ras", bits), message)?;
        }
        for (bits, message) in engine {
            recovers(&twin, accelerator, &pf, ("engine", bits), message)?;
        }
    }
    Ok(())
}

case!(ras_reset);
/// An error that needs a reset of the whole controller, for which the driver needs ACPI: it says
/// that it has none, and leaves the device stopped. Bound anew, the device works.
fn ras_reset() -> Result<()> {
    let twin = Twin::open_device(host::ZIP.name)?;
    let pf = host::pf()?;
    host::vfs(0)?;
    crypto::tested(host::ZIP)?;
    let mark = "acc-selftest: an error that needs a reset";
    host::say(mark)?;
    // qm_ecc_mbit
    twin.fault("pf", "ras 0x4")?;
    host::wait_for("the driver's attempt at a reset", || {
        host::log_after(mark).is_ok_and(|log| log.contains("Controller reset failed"))
    })?;
    let log = host::log_after(mark)?;
    for line in [
        "qm_ecc_mbit [error status=0x4] found",
        "Controller resetting...",
        "No reset method!",
    ] {
        ensure!(log.contains(line), "the log has no '{line}':\n{log}");
    }
    // What the driver has done on its way: memory decoding and MSI are off
    // (qm_soft_reset_prepare()).
    let command = pf.config(4)? as u16;
    ensure!(
        command & MEMORY == 0,
        "memory decoding is still on: {command:#x}"
    );
    // With that off, the driver waits for all of 100 s for its prefetcher when it is unbound.
    pf.set_command(command | MEMORY)?;
    crypto::selftest(host::ZIP)?;
    ensure!(
        pf.register(2, QM_SOURCE)? == 0,
        "the error is still there after the probe"
    );
    Ok(())
}
