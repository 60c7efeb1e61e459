// SPDX-License-Identifier: GPL-2.0

//! Builds the modules of mutants, from a copy of the sources.

use super::list::Mutant;
use crate::{error::Result, machine::Machine};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::mpsc,
    time::{Duration, Instant},
};

/// What the modules are built from.
const SOURCES: &[&str] = &["Kbuild", "Kconfig", "drivers", "rust", "samples", "tools"];

/// A mutant whose modules are built, or what the compiler said.
pub struct Built<'a> {
    pub mutant: &'a Mutant,
    pub key: u64,
    /// The folder of its modules
    pub modules: std::result::Result<PathBuf, String>,
    pub took: Duration,
}

/// Copies what differs, so that what is the same keeps its time.
fn copy(from: &Path, to: &Path) -> Result<()> {
    if !from.is_dir() {
        let new = fs::read(from)?;
        if !fs::read(to).is_ok_and(|old| old == new) {
            fs::copy(from, to)?;
        }
        return Ok(());
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let name = entry?.file_name();
        copy(&from.join(&name), &to.join(&name))?;
    }
    for entry in fs::read_dir(to)? {
        let entry = entry?;
        if !from.join(entry.file_name()).exists() {
            match entry.file_type()?.is_dir() {
                true => fs::remove_dir_all(entry.path())?,
                false => fs::remove_file(entry.path())?,
            }
        }
    }
    Ok(())
}

/// Builds mutants, one after another.
pub struct Builder<'a> {
    machine: &'a Machine,
    /// The copy of the sources
    tree: PathBuf,
    folder: &'a Path,
}

impl<'a> Builder<'a> {
    pub fn new(machine: &'a Machine, folder: &'a Path) -> Result<Self> {
        let tree = folder.join("tree");
        fs::create_dir_all(&tree)?;
        for source in SOURCES {
            // Of the tools, those that build modules.
            let parts: &[&str] = match *source {
                "tools" => &[
                    "tools/bindgen.mk",
                    "tools/env",
                    "tools/modules.sh",
                    "tools/warnings.awk",
                ],
                _ => &[source],
            };
            for part in parts {
                let to = tree.join(part);
                fs::create_dir_all(to.parent().unwrap_or(&tree))?;
                copy(&machine.top.join(part), &to)?;
            }
        }
        Ok(Self {
            machine,
            tree,
            folder,
        })
    }

    /// Builds the modules as the copy is now. A mutant may well leave something unused.
    fn make(&self) -> Result<std::result::Result<(), String>> {
        let output = Command::new(self.tree.join("tools/modules.sh"))
            .arg(&self.machine.kernel)
            .args(["KRUSTFLAGS=-Awarnings", "KCFLAGS=-w"])
            .env_remove("WHY")
            .output()?;
        Ok(match output.status.success() {
            true => Ok(()),
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        })
    }

    /// Where the modules are built.
    fn out(&self) -> PathBuf {
        let name = "modules".to_owned() + &self.machine.suffix;
        self.tree.join("build").join(name)
    }

    pub fn build<'b>(&self, mutant: &'b Mutant) -> Result<Built<'b>> {
        let begin = Instant::now();
        let path = self.tree.join(&mutant.file);
        let source = fs::read_to_string(&path)?;
        fs::write(&path, mutant.apply(&source)?)?;
        let made = self.make();
        fs::write(&path, &source)?;
        let modules = match made? {
            Err(e) => Err(e),
            Ok(()) => {
                let to = self.folder.join("modules").join(&mutant.id);
                let _ = fs::remove_dir_all(&to);
                fs::create_dir_all(&to)?;
                for entry in fs::read_dir(self.out())? {
                    let path = entry?.path();
                    if path.extension().is_some_and(|e| e == "ko") {
                        fs::copy(&path, to.join(path.file_name().ok_or("no name")?))?;
                    }
                }
                Ok(to)
            }
        };
        Ok(Built {
            mutant,
            key: mutant.key(&source),
            modules,
            took: begin.elapsed(),
        })
    }

    /// Builds all of `mutants`, as they are taken.
    pub fn build_all<'b>(
        &self,
        mutants: &[&'b Mutant],
        to: mpsc::SyncSender<Built<'b>>,
    ) -> std::result::Result<(), String> {
        for mutant in mutants {
            let built = self
                .build(mutant)
                .map_err(|e| format!("{}: {e}", mutant.id))?;
            if to.send(built).is_err() {
                break;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies() {
        let top = std::env::temp_dir().join(format!("acc-copy-{}", std::process::id()));
        let (from, to) = (top.join("from"), top.join("to"));
        fs::create_dir_all(from.join("a")).unwrap();
        fs::write(from.join("a/b"), "1").unwrap();
        fs::write(from.join("c"), "2").unwrap();
        copy(&from, &to).unwrap();
        let time = |name: &str| fs::metadata(to.join(name)).unwrap().modified().unwrap();
        let before = time("a/b");
        fs::write(from.join("c"), "3").unwrap();
        fs::write(to.join("d"), "4").unwrap();
        fs::create_dir_all(to.join("e/f")).unwrap();
        copy(&from, &to).unwrap();
        assert_eq!(time("a/b"), before);
        assert_eq!(fs::read(to.join("c")).unwrap(), b"3");
        assert!(!to.join("d").exists() && !to.join("e").exists());
        fs::remove_dir_all(&top).unwrap();
    }
}
