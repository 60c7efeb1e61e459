// SPDX-License-Identifier: GPL-2.0

//! `hidden.other_vf`: the save of a VF leaves other functions alone.

use crate::{
    sequence::line::{lines, Line},
    support::pair::Pair,
};
use acc_vfio_user::{
    ensure, host,
    migrate::{self, Quiet},
    Driver, Result,
};
use hisi_acc_hw::regs;

case!(other_vf, with: [Rust, C]);
/// D24: the save of a VF accesses registers of the PF and of that VF, and of no other function.
fn other_vf(driver: Driver) -> Result<()> {
    let pair = Pair::new(driver, driver)?;
    let bar = pair.target.region(2)?;
    let mask = || -> Result<[u8; 4]> {
        let mut mask = [0; 4];
        pair.target
            .read_at(&bar, regs::QM_VF_AEQ_INT_MASK.into(), &mut mask)?;
        Ok(mask)
    };
    let before = mask()?;
    let (_, accesses) = pair
        .bench
        .twin
        .logged(|| migrate::save(&pair.source, true, &mut Quiet))?;
    let after = mask()?;
    let lines = lines(&accesses, 1, host::migration()?);
    ensure!(lines.len() > 40, "{} accesses", lines.len());
    let elsewhere: Vec<String> = lines
        .iter()
        .filter(|line| !line.what.starts_with("pf ") && !line.what.starts_with("vf "))
        .map(Line::shown)
        .collect();
    for line in &elsewhere {
        println!("# {line}");
    }
    ensure!(
        elsewhere.is_empty() && before == after,
        "{} accesses of registers of another function; the mask of its AEQ {}",
        elsewhere.len(),
        if before == after { "stays" } else { "changes" }
    );
    Ok(())
}
