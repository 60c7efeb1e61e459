// SPDX-License-Identifier: GPL-2.0

//! `fault.cloud_hypervisor_no_memory`: an allocation of one call of a migration fails.

use super::{failing::Call, vmm::Vmm};
use crate::support::inject;
use acc_vfio_user::{ensure, host, Driver, Result};

// Only that flavour fails on request.
case!(cloud_hypervisor_no_memory, flavour: Debug, generations: One(V3));
/// Each allocation of each call fails once. A copy of the caller's own memory that fails is none of
/// the driver's failures.
fn cloud_hypervisor_no_memory() -> Result<String> {
    inject::prepare()?;
    let mut vmm = Vmm::new(Driver::Rust)?;
    let (mut moved, mut stayed) = (0, 0);
    let mut dead = Vec::new();
    for call in Call::ALL {
        for n in 1.. {
            // It takes long, and somebody watches for silence.
            host::say(&format!("acc-selftest: {call:?}, failure {n}"))?;
            let fate = vmm.migrate(
                |vmm| {
                    vmm.failing.set(call, n);
                    Ok(())
                },
                |_| Ok(()),
            );
            // Whatever held the work in flight.
            for vf in ["vf1", "vf2"] {
                vmm.pair.bench.twin.fault(vf, "clear")?;
            }
            vmm.reset()?;
            let (come, error) = (vmm.failing.come.get(), vmm.failing.error.get());
            match fate {
                _ if come && error == Some(libc::EFAULT) => {}
                Ok(true) => moved += 1,
                Ok(false) => stayed += 1,
                Err(e) => dead.push(format!("{call:?}, failure {n}: {e}")),
            }
            if !come {
                ensure!(
                    error.is_none(),
                    "{call:?}: errno {error:?} without a failure"
                );
                break;
            }
        }
    }
    ensure!(
        dead.is_empty(),
        "{} VFs are lost:\n{}",
        dead.len(),
        dead.join("\n")
    );
    ensure!(stayed != 0, "nothing has failed");
    Ok(format!("{moved} moved, {stayed} stayed"))
}
