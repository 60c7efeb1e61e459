// SPDX-License-Identifier: GPL-2.0

//! `fault.cloud_hypervisor*`: whatever fails while cloud-hypervisor migrates a VF, one side runs it
//! and its work goes on there.
//!
//! Its order of calls and what it does when one fails, from `pci/src/vfio.rs` and `vmm/src/lib.rs`
//! (of August 2026): it never enters PRE_COPY, it stops by one call and starts by another while the
//! migration file is open, and it resets a device whose state it cannot change. Other than QEMU, it
//! starts the source again when the start of the target has failed.

mod failing;
mod memory;
mod vmm;

use super::SUITE;
use crate::support::survive::{faults, Fault, Side, Step};
use acc_vfio_user::{ensure, Driver, Result};
use vmm::Vmm;

/// The steps of a side: it has no PRE_COPY.
fn steps(side: Side) -> [Step; 4] {
    let [first, second, third] = match side {
        Side::Source => ["PAUSE_QM", "SQC_BT", "CQC_BT"],
        Side::Target => ["SQC_VFT_V2", "SQC_BT", "CQC_BT"],
    };
    [
        Step::Before,
        Step::At(side, first),
        Step::At(side, second),
        Step::At(side, third),
    ]
}

impl Vmm {
    /// Begins the fault, or says when it is to begin.
    fn order(&self, side: Side, step: Step, fault: &Fault) -> Result<()> {
        let vf = match side {
            Side::Source => "vf1",
            Side::Target => "vf2",
        };
        let of = if fault.of_pf { "pf" } else { vf };
        let order = match step {
            Step::At(_, command) => format!("at {vf} {command} {of} {}", fault.order),
            _ => format!("fault {of} {}", fault.order),
        };
        let twin = &self.pair.bench.twin;
        // The PF's driver does not get to know: the VF's is the one under test.
        twin.fault("pf", "lose-msi 1000000")?;
        twin.ask(&order).map(|_| ())
    }

    fn clear(&self, fault: &Fault) -> Result<()> {
        let twin = &self.pair.bench.twin;
        twin.ask("at clear")?;
        for vf in ["vf1", "vf2"] {
            twin.fault(vf, "clear")?;
            if !fault.of_pf {
                twin.fault(vf, fault.end)?;
            }
        }
        if fault.of_pf {
            twin.fault("pf", fault.end)?;
        }
        twin.fault("pf", "clear")
    }

    /// Each fault of a side at each step.
    fn side(&mut self, side: Side, dead: &mut Vec<String>) -> Result<[usize; 2]> {
        let (mut survived, mut all) = (0, 0);
        for step in steps(side) {
            for fault in &faults(side) {
                let result =
                    self.migrate(|vmm| vmm.order(side, step, fault), |vmm| vmm.clear(fault));
                self.clear(fault)?;
                self.reset()?;
                all += 1;
                // Nothing is asked before the stop.
                let at = match step {
                    Step::Before => Step::PreCopy,
                    at => at,
                };
                match result {
                    Ok(_) => survived += 1,
                    Err(_) if fault.is_of_silicon(side, at) => {}
                    Err(e) => dead.push(format!("{side:?}, {step:?}, {}: {e}", fault.name)),
                }
            }
        }
        Ok([survived, all])
    }
}

case!(cloud_hypervisor, with: [Rust], slow: true, allowed: &[UNMAPPED]);
// What waits for C's time-outs takes minutes.
case!(cloud_hypervisor, with: [C], long: true, allowed: &[UNMAPPED]);
/// Each fault of the device model at each step, on the source and on the target.
fn cloud_hypervisor(driver: Driver) -> Result<String> {
    let mut vmm = Vmm::new(driver)?;
    let mut dead = Vec::new();
    let source = vmm.side(Side::Source, &mut dead)?;
    let target = vmm.side(Side::Target, &mut dead)?;
    // With the C driver VFs are lost, which is a fact and no failure.
    ensure!(
        dead.is_empty() || driver == Driver::C,
        "{} VFs are lost:\n{}",
        dead.len(),
        dead.join("\n")
    );
    Ok(format!(
        "{} of {} survived on the source, {} of {} on the target",
        source[0], source[1], target[0], target[1]
    ))
}
