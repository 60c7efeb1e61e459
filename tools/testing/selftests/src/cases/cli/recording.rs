// SPDX-License-Identifier: GPL-2.0

//! `cli.recording`: what an operator sees, for the documentation (`make recording`).

use crate::{
    nested::tell_as,
    support::{
        accvf::{accvf, exit, Scratch},
        logged::Logged,
        pair::Pair,
    },
};
use acc_vfio_user::{
    ensure,
    migrate::{self, Quiet},
    Driver, Result,
};
use serde_json::{json, Value};

case!(recording);
/// A host with a VF at work and a VF that cannot migrate, looked at with each command that only
/// reads. The output goes to `build/results/recording.json` as it is.
fn recording() -> Result<()> {
    let mut commands: Vec<Value> = Vec::new();
    let mut type_in = |arguments: &[&str], wanted: i32, words: &str| -> Result<()> {
        let ran = accvf(arguments)?.exits(wanted)?.says(words)?;
        ensure!(ran.err.is_empty(), "accvf complains: {}", ran.err);
        commands.push(json!({
            "command": format!("accvf {}", arguments.join(" ")),
            "exit": ran.exit,
            "output": ran.out,
        }));
        Ok(())
    };
    let mut pair = Pair::new(Driver::Rust, Driver::Rust)?;
    let [good, other] = [0, 2].map(|n| pair.bench.vfs[n].address.clone());
    pair.bench.vfs[2].unbind()?;
    let log = Logged::start(&pair.source)?;
    pair.work_in_flight()?;
    log.report()?;
    type_in(&["list"], exit::OK, "acc-selftest(")?;
    type_in(&["why", &good], exit::OK, "can migrate")?;
    type_in(&["why", &other], exit::NO, "-> accvf bind")?;
    type_in(&["show", &good], exit::OK, "RUNNING")?;
    pair.finish()?;
    drop(log);
    let stream = migrate::save(&pair.source, true, &mut Quiet)?;
    let file = Scratch::new("stream", &stream)?;
    type_in(&["decode", file.path()], exit::OK, "complete")?;
    tell_as("recording", &json!({ "commands": commands }))
}
