// SPDX-License-Identifier: GPL-2.0

//! What a migration cost, for `qemu.json`: what QEMU says of it, and the device model's ledger of
//! both VFs.

use crate::report;
use crate::{
    nested::{Outcome, Vm},
    twin::{Counts, Register, Twin},
};
use acc_case::Message;
use acc_vfio_user::{
    host::{Function, ALL},
    Result,
};
use serde_json::{json, Map, Value};

/// A VF that moves to another one of the same accelerator.
struct Pair {
    engine: &'static str,
    twin: Twin,
    /// What they are called in the ledger
    source: String,
    target: String,
}

/// A migration that is being recorded.
pub struct Record {
    pairs: Vec<Pair>,
}

/// What a VF is called in the ledger: the PF is function 0 of its bus.
fn name(vf: &Function) -> Result<String> {
    let [_, device, function] = vf.number()?;
    Ok(format!("vf{}", (device << 3) | function))
}

/// What a function was asked for. Doorbells are apart: they are the guest's too.
fn asked(twin: &Twin, counts: &Counts, function: &str) -> Result<Value> {
    let registers: Vec<Register> = twin.registers(function)?;
    let sum = |write: bool| -> u64 {
        let other = registers.iter().filter(|r| !r.is_doorbell());
        other.filter(|r| r.write == write).map(|r| r.count).sum()
    };
    let mut mailbox = Map::new();
    for (command, n) in counts.mailbox(function) {
        mailbox.insert(command.to_owned(), n.into());
    }
    Ok(json!({
        "pages_written": counts.get(function, "pages_written"),
        "reads": sum(false),
        "writes": sum(true),
        "doorbells": counts.with_prefix(function, "doorbell."),
        "mailbox": mailbox,
    }))
}

impl Record {
    /// From here on all counts.
    pub fn begin(source: &Vm, target: &Vm) -> Result<Self> {
        let mut pairs = Vec::new();
        for (from, to) in source.vfs.iter().zip(&target.vfs) {
            let id = from.device_id()?;
            let accelerator = ALL.iter().find(|a| a.vf == id).ok_or("no accelerator")?;
            let twin = Twin::open_device(accelerator.name)?;
            twin.mark()?;
            pairs.push(Pair {
                engine: accelerator.name,
                twin,
                source: name(from)?,
                target: name(to)?,
            });
        }
        Ok(Self { pairs })
    }

    /// The guest has come in on the target: what it took (Documentation/selftests/qemu.rst).
    pub fn end(&self, source: &Vm, outcome: &Outcome) -> Result<Value> {
        let mut vfs = Vec::new();
        for pair in &self.pairs {
            let counts = pair.twin.counts()?;
            let of = |function: &str| asked(&pair.twin, &counts, function);
            vfs.push(json!({
                "engine": pair.engine,
                "source": of(&pair.source)?,
                "target": of(&pair.target)?,
                "pf": of("pf")?,
            }));
        }
        let mut run = outcome.to_json();
        run["way"] = source.config.way.name().into();
        run["memory_mb"] = source.config.memory_mb.into();
        run["vfs"] = vfs.into();
        Ok(run)
    }
}

/// Hands a record to the harness.
pub fn tell(run: &Value) -> Result<()> {
    tell_as("qemu", run)
}

/// Hands an entry of `FILE.json` to the harness.
pub fn tell_as(file: &str, entry: &Value) -> Result<()> {
    report::tell(&Message::Data {
        file: file.to_owned(),
        value: entry.clone(),
    })
}
