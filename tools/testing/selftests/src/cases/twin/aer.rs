// SPDX-License-Identifier: GPL-2.0

//! `twin.aer`: errors of the link, as PCI reports them.

use crate::{support::crypto, twin::Twin};
use acc_vfio_user::{
    ensure,
    host::{self, Debugfs},
    Result,
};

/// Whether the log has a line after `mark`. Linux 7.3 has another letter in upper case.
fn says(mark: &str, line: &str) -> bool {
    let line = line.to_lowercase();
    host::log_after(mark).is_ok_and(|log| log.to_lowercase().contains(&line))
}

case!(aer);
/// Errors that the device reports come to the kernel's AER service by the root port, which asks the
/// driver of the function.
fn aer() -> Result<()> {
    for accelerator in host::ALL {
        let twin = Twin::open_device(accelerator.name)?;
        let pf = accelerator.bound_pf()?;
        // One without a driver has a say, too: the recovery fails.
        accelerator.vfs(0)?;
        crypto::tested(accelerator)?;
        let port = pf.parent()?;
        // PCI_ERR_COR_BAD_TLP; PCI_ERR_UNC_POISON_TLP, not fatal unless software wants it
        for (order, lines) in [
            (
                "corrected 0x40",
                vec![
                    format!(
                        "{port}: AER: Correctable error message received from {}",
                        pf.address
                    ),
                    format!("{}: PCIe Bus Error: severity=Correctable", pf.address),
                    "BadTLP".to_owned(),
                ],
            ),
            (
                "uncorrected 0x1000",
                vec![
                    format!(
                        "{port}: AER: Uncorrectable (Non-Fatal) error message received from {}",
                        pf.address
                    ),
                    format!("{}: PCI error detected, state(=1)!!", pf.address),
                    "AER: device recovery successful".to_owned(),
                ],
            ),
        ] {
            let mark = format!("acc-selftest: aer of {}: {order}", accelerator.name);
            host::say(&mark)?;
            twin.ask(&format!("aer pf {order}"))?;
            for line in lines {
                host::wait_for(&format!("{mark}: '{line}'"), || says(&mark, &line))?;
            }
        }
        let status = Debugfs::of(accelerator, &pf).read("qm/status")?;
        ensure!(status == "work", "the PF's driver is at: {status}");
    }
    Ok(())
}

// aer_inject takes a spinlock below the raw one of PCI configuration space.
case!(
    aer_inject,
    known: &[Known { head: "BUG: Invalid wait context", place: "aer_inj_read_config+" }],
);
/// The kernel's own way to have an error without one in the hardware works on this machine, for a
/// VF too: other tests build on it.
fn aer_inject() -> Result<()> {
    host::modprobe("aer_inject")?;
    let vf = host::vfs(2)?.remove(1);
    let [bus, device, function] = vf.number()?;
    // struct aer_error_inj: where, the bits of the uncorrectable and correctable status, the
    // header, the domain. PCI_ERR_COR_BAD_TLP
    let mut error = vec![bus, device, function, 0];
    for word in [0u32, 0x40, 0, 0, 0, 0, 0] {
        error.extend(word.to_le_bytes());
    }
    let mark = "acc-selftest: aer_inject";
    host::say(mark)?;
    std::fs::write("/dev/aer_inject", error)?;
    let line = format!(
        "AER: Correctable error message received from {}",
        vf.address
    );
    host::wait_for("the AER service", || says(mark, &line))?;
    // It has put itself between the kernel and the bus.
    host::rmmod("aer_inject")
}
