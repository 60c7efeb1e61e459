// SPDX-License-Identifier: GPL-2.0

//! `sample.edu_only`: the sample driver refuses devices of other kinds.

use crate::support::bench::Bench;
use acc_vfio_user::{
    ensure,
    host::{self, Function},
    Result,
};

case!(edu_only);
/// The sample writes to registers of a device when it is opened: it refuses one that is no edu.
fn edu_only() -> Result<()> {
    const DRIVER: &str = "vfio_edu_rs";
    let bench = Bench::new(&[])?;
    host::modprobe(DRIVER)?;
    let mut others = Function::all(0x1234, 0x11ac)?;
    others.push(bench.vfs[0].clone());
    bench.twin.mark()?;
    for other in &others {
        let mark = format!("acc-selftest: {} is no edu", other.address);
        host::say(&mark)?;
        let bound = other.bind(DRIVER);
        let driver = other.driver();
        other.unbind()?;
        host::write(other.path().join("driver_override"), "\n")?;
        ensure!(
            bound.is_err() && driver.is_none(),
            "{} is bound to {driver:?}",
            other.address
        );
        let log = host::log_after(&mark)?;
        let said: Vec<&str> = log.lines().filter(|line| line.contains(DRIVER)).collect();
        let expected = format!("{}: refused: this is no edu device", other.address);
        ensure!(
            said.len() == 1 && said[0].ends_with(&expected),
            "not '{expected}', once, in the log:\n{log}"
        );
    }
    let accesses = bench.twin.counts()?.accesses("vf1");
    ensure!(accesses == 0, "{accesses} accesses to the VF's registers");
    Ok(())
}
