// SPDX-License-Identifier: GPL-2.0

//! `cli.qemu_file`: the file of a migration by QEMU.

use crate::{
    nested::{outside, Config},
    support::{
        accvf::{self, accvf, exit, is, Scratch},
        qemu::{start, vfs, works, SOME},
    },
};
use acc_vfio_user::{
    ensure,
    host::{SEC, ZIP},
    Driver, Result,
};
use serde_json::{json, Value};
use std::fs;

case!(
    qemu_file,
    with: [Rust, C],
    nested: true,
    memory_gib: Some(3),
    slow: true,
    flavour: Plain,
    kernel: &["cryptomgr.notests=1"],
);
/// QEMU writes a guest with two busy VFs to a file. Their streams in it are those that the driver
/// shows, and a VF takes one.
fn qemu_file(driver: Driver) -> Result<()> {
    let config = Config {
        engines: match driver {
            Driver::Rust => "zip,sec",
            // QEMU migrates one VF of the C driver at most.
            Driver::C => "zip",
        },
        ..Config::of(driver)
    };
    let (zips, secs) = (vfs(ZIP, driver)?, vfs(SEC, driver)?);
    let mut used = vec![&zips[0]];
    if driver == Driver::Rust {
        used.push(&secs[0]);
    }
    let mut source = start("f", &config, &used)?;
    works(&mut source, "zip", SOME)?;
    // A file answers nothing.
    let off = json!([{ "capability": "return-path", "state": false }]);
    source.qmp("migrate-set-capabilities", json!({ "capabilities": off }))?;
    source.migrate("file:/run/guest")?;
    let outcome = source.migrated()?;
    ensure!(
        outcome.status == "completed",
        "{}: {}",
        outcome.status,
        outcome.error
    );
    let last = |vf: &str| -> Result<Value> {
        let shown = accvf::json(exit::OK, &["show", vf])?;
        Ok(shown["last_stream"]["fields"].clone())
    };
    let file = outside("/run/guest");
    let decoded = accvf::json(exit::OK, &["decode", &file])?;
    let streams = decoded["streams"].as_array().ok_or("no streams")?;
    ensure!(
        streams.len() == used.len(),
        "{} streams: {decoded}",
        streams.len()
    );
    for (n, vf) in used.iter().enumerate() {
        is(&decoded, &format!("streams/{n}/bytes"), 176)?;
        if driver == Driver::Rust {
            is(&decoded, &format!("streams/{n}/fields"), last(&vf.address)?)?;
        }
    }
    source.quit()?;
    let device = streams[0]["device"].as_str().ok_or("no name")?;
    let check = ["check", &zips[1].address, &file, "--device", device];
    accvf(&check)?.exits(exit::OK)?.says("takes the stream")?;
    // A file that ends within RAM has the match data, and one that ends before it nothing.
    let bytes = fs::read(&file)?;
    let cut = Scratch::new("cut", &bytes[..bytes.len() / 2])?;
    accvf(&["decode", cut.path()])?
        .exits(exit::OK)?
        .says("or the file is cut off")?;
    let cut = Scratch::new("cut", &bytes[..1024])?;
    accvf(&["decode", cut.path()])?.exits(exit::MALFORMED)?;
    fs::remove_file(&file)?;
    Ok(())
}
