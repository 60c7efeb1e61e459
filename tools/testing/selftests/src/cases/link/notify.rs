// SPDX-License-Identifier: GPL-2.0

//! `link.in_tree_vf`: which functions are published.

use crate::support::{bench::Bench, crypto};
use acc_vfio_user::{ensure, host, Driver, Result};
use std::fs;

/// The auxiliary devices of `hisi_acc_link`.
fn published() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir("/sys/bus/auxiliary/devices")? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.starts_with("hisi_acc_link.qm.") {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

case!(in_tree_vf);
/// A VF that the in-tree driver drives has a queue manager too, and a `struct hisi_qm`: it is not
/// published, and that it is unbound takes nothing away.
fn in_tree_vf() -> Result<()> {
    let bench = Bench::new(&[Driver::Rust])?;
    let pf = host::pf()?;
    let link = pf.link().ok_or("the PF is not published")?;
    let before = published()?;
    ensure!(before.contains(&link), "{link} is not among {before:?}");
    let vf = &bench.vfs[7];
    vf.bind(host::ZIP.module)?;
    ensure!(vf.link().is_none(), "the VF is published");
    ensure!(published()? == before, "now there are {:?}", published()?);
    // Its algorithms go with it.
    crypto::tested(host::ZIP)?;
    vf.unbind()?;
    ensure!(published()? == before, "now there are {:?}", published()?);
    ensure!(
        pf.link().as_ref() == Some(&link),
        "the PF is not published any more"
    );
    let flags = bench.open(0)?.migration_flags()?;
    ensure!(flags != 0, "the other VF does not migrate");
    Ok(())
}
