// SPDX-License-Identifier: GPL-2.0

//! Builds the modules of mutants, from a copy of the sources. A mutant of a crate that builds on
//! the host is tried by the tests of that crate first, which take seconds.

use super::list::Mutant;
use crate::{error::Result, host, machine::Machine};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::mpsc,
    time::{Duration, Instant},
};

/// Seconds for the tests of a crate. A mutant that does not end is caught.
const LIMIT: &str = "60";

/// What the modules and the tests of their crates are built from.
const SOURCES: &[&str] = &[
    "Kbuild",
    "Kconfig",
    "Documentation",
    "drivers",
    "rust",
    "samples",
    "tools",
];

/// Words of cargo where a crate does not compile.
const NOT_COMPILED: &str = "could not compile";

/// What became of a mutant before there is a guest.
pub enum Made {
    /// Its modules are in this folder.
    Modules(PathBuf),
    /// It does not build; what the compiler said.
    Broken(String),
    /// The tests of its crate fail.
    Caught {
        /// Which suite they are
        suite: &'static str,
        /// What failed first
        why: String,
    },
}

/// A mutant that was made.
pub struct Built<'a> {
    pub mutant: &'a Mutant,
    pub key: u64,
    pub made: Made,
    pub took: Duration,
}

/// Returns the crate of a source if it builds on the host, and the suite that tests it.
fn host_crate(file: &str) -> Option<(&'static str, &'static str)> {
    host::crates().find(|(folder, _)| Path::new(file).starts_with(folder))
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
            copy(&machine.top.join(source), &tree.join(source))?;
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

    /// Runs the tests of a crate as the copy is now. Returns what failed, if something did.
    fn test(&self, folder: &str) -> Result<Option<String>> {
        let output = Command::new("timeout")
            .args([LIMIT, "cargo", "test", "-q"])
            .current_dir(self.tree.join(folder))
            .env("CARGO_TARGET_DIR", self.tree.join("build/cargo"))
            .env("RUSTFLAGS", "-Awarnings")
            .output()?;
        if output.status.success() {
            return Ok(None);
        }
        let said = [output.stdout, output.stderr].concat();
        Ok(Some(String::from_utf8_lossy(&said).into_owned()))
    }

    /// Runs the tests of the crates of `mutants` without any mutant. An error if some fail.
    pub fn baseline(&self, mutants: &[&Mutant]) -> Result<()> {
        for (folder, suite) in host::crates() {
            let of = |mutant: &&Mutant| host_crate(&mutant.file).is_some_and(|(f, _)| f == folder);
            if !mutants.iter().any(of) {
                continue;
            }
            if let Some(said) = self.test(folder)? {
                return Err(format!("{suite} fails without any mutant:\n{said}").into());
            }
        }
        Ok(())
    }

    /// Makes a mutant that is in the copy now.
    fn try_out(&self, mutant: &Mutant) -> Result<Made> {
        if let Some((folder, suite)) = host_crate(&mutant.file) {
            match self.test(folder)? {
                Some(said) if said.contains(NOT_COMPILED) => return Ok(Made::Broken(said)),
                Some(said) => {
                    let failed = said.lines().find(|line| line.contains(" panicked at "));
                    let why = failed.unwrap_or("the tests do not end").to_owned();
                    return Ok(Made::Caught { suite, why });
                }
                None => {}
            }
        }
        if let Err(e) = self.make()? {
            return Ok(Made::Broken(e));
        }
        let to = self.folder.join("modules").join(&mutant.id);
        let _ = fs::remove_dir_all(&to);
        fs::create_dir_all(&to)?;
        for entry in fs::read_dir(self.out())? {
            let path = entry?.path();
            if path.extension().is_some_and(|e| e == "ko") {
                fs::copy(&path, to.join(path.file_name().ok_or("no name")?))?;
            }
        }
        Ok(Made::Modules(to))
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
        let made = self.try_out(mutant);
        fs::write(&path, &source)?;
        Ok(Built {
            mutant,
            key: mutant.key(&source),
            made: made?,
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
    fn crates_of_the_host() {
        let suite = |file: &str| host_crate(file).map(|(_, suite)| suite);
        assert_eq!(
            suite("drivers/track/src/queues/look.rs"),
            Some("host.track")
        );
        assert_eq!(suite("rust/dma_log/src/lib.rs"), Some("host.dma_log"));
        assert_eq!(suite("drivers/vfio/dirty.rs"), None);
        assert_eq!(suite("drivers/tracks.rs"), None);
    }

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
