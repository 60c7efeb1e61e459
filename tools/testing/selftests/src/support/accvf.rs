// SPDX-License-Identifier: GPL-2.0

//! The command line tool `accvf`, as an operator runs it.

use acc_vfio_user::{ensure, host::Function, Result};
use serde_json::Value;
use std::{
    fs,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command,
};

/// Exit codes (`Documentation/ABI/testing/accvf-json`).
pub mod exit {
    pub const OK: i32 = 0;
    pub const NO: i32 = 1;
    pub const USAGE: i32 = 2;
    pub const NOT_FOUND: i32 = 3;
    pub const DENIED: i32 = 4;
    pub const BUSY: i32 = 5;
    pub const MALFORMED: i32 = 6;
    pub const FAILED: i32 = 7;
}

/// A user who is not root.
const NOBODY: u32 = 65534;

/// What a run came to.
pub struct Ran {
    pub exit: i32,
    pub out: String,
    pub err: String,
    arguments: String,
}

fn run(command: &mut Command, arguments: &[&str]) -> Result<Ran> {
    let output = command.args(arguments).output()?;
    let arguments = arguments.join(" ");
    let exit = output.status.code();
    let ran = Ran {
        exit: exit.ok_or_else(|| format!("accvf {arguments}: {}", output.status))?,
        out: String::from_utf8(output.stdout)?,
        err: String::from_utf8(output.stderr)?,
        arguments,
    };
    ran.show();
    Ok(ran)
}

/// Runs it.
pub fn accvf(arguments: &[&str]) -> Result<Ran> {
    run(&mut Command::new("accvf"), arguments)
}

/// Runs it as a user who is not root.
pub fn as_nobody(arguments: &[&str]) -> Result<Ran> {
    run(Command::new("accvf").uid(NOBODY).gid(NOBODY), arguments)
}

/// Runs it with `--json`. Fails if the exit code is another one. Returns what it printed.
pub fn json(wanted: i32, arguments: &[&str]) -> Result<Value> {
    accvf(&[&["--json"], arguments].concat())?.json(wanted)
}

impl Ran {
    /// Shows it to people who read the log. JSON is left out.
    fn show(&self) {
        if self.out.starts_with('{') {
            return;
        }
        println!("# $ accvf {}", self.arguments);
        for line in self.out.lines().chain(self.err.lines()) {
            println!("# {line}");
        }
        println!("# exit code {}", self.exit);
    }

    /// Fails if the exit code is another one.
    pub fn exits(self, wanted: i32) -> Result<Self> {
        ensure!(
            self.exit == wanted,
            "accvf {}: exit code {}, not {wanted}\n{}{}",
            self.arguments,
            self.exit,
            self.out,
            self.err
        );
        Ok(self)
    }

    /// Fails if neither output has some words.
    pub fn says(self, words: &str) -> Result<Self> {
        ensure!(
            self.out.contains(words) || self.err.contains(words),
            "accvf {}: not '{words}':\n{}{}",
            self.arguments,
            self.out,
            self.err
        );
        Ok(self)
    }

    /// Returns the object that it printed: of the answer or, if there is none, of the error.
    pub fn json(self, wanted: i32) -> Result<Value> {
        let ran = self.exits(wanted)?;
        let text = if ran.out.is_empty() {
            &ran.err
        } else {
            &ran.out
        };
        let value: Value = serde_json::from_str(text)
            .map_err(|e| format!("accvf {}: {e}: {text}", ran.arguments))?;
        let version = if ran.out.is_empty() {
            &value["exit"]
        } else {
            &value["schema"]
        };
        ensure!(version.is_u64(), "accvf {}: {value}", ran.arguments);
        Ok(value)
    }
}

/// Fails if a value is another one.
pub fn is(value: &Value, name: &str, wanted: impl Into<Value>) -> Result<()> {
    let wanted = wanted.into();
    let found = value.pointer(&format!("/{name}")).unwrap_or(&Value::Null);
    ensure!(*found == wanted, "{name} is {found}, not {wanted}: {value}");
    Ok(())
}

/// Returns the VF of a list.
pub fn vf<'a>(list: &'a Value, vf: &Function) -> Result<&'a Value> {
    let mut all = list["vfs"].as_array().ok_or("no list")?.iter();
    let found = all.find(|one| one["address"] == vf.address.as_str());
    found.ok_or_else(|| format!("no {} in {list}", vf.address).into())
}

/// Returns the status of a condition.
pub fn status<'a>(why: &'a Value, name: &str) -> Result<&'a str> {
    let mut all = why["conditions"].as_array().ok_or("no conditions")?.iter();
    let found = all
        .find(|one| one["name"] == name)
        .and_then(|one| one["status"].as_str());
    found.ok_or_else(|| format!("no condition {name} in {why}").into())
}

/// Returns what `migratable` of a VF must be that can migrate: `true`, or unknown with a driver
/// that has no attribute `migration_blocker`.
pub fn can_migrate(vf: &Function) -> Value {
    match vf.path().join("migration_blocker").exists() {
        true => Value::Bool(true),
        false => Value::Null,
    }
}

/// A file that is removed when the case ends.
pub struct Scratch(PathBuf);

impl Scratch {
    /// Writes it.
    pub fn new(name: &str, bytes: &[u8]) -> Result<Self> {
        let path = Path::new("/tmp").join(format!("cli-{name}"));
        fs::write(&path, bytes)?;
        Ok(Self(path))
    }

    pub fn path(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
