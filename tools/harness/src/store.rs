// SPDX-License-Identifier: GPL-2.0

//! Keeps the newest result of each case, of all runs of `make check`: build/results/store.jsonl.
//! Each line is a result. If a case has several, the last one counts.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::Path,
};

/// Names the file, in the folder of the results of the plain flavour.
pub const FILE: &str = "store.jsonl";

/// The kernel that a case ran with.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Kernel {
    /// Empty for the plain flavour.
    pub flavour: String,
    /// The value of `KERNEL=`. Empty for the default.
    pub version: String,
}

impl Kernel {
    /// Takes the kernel from the suffix of the names of its folders: `-FLAVOUR-VERSION`.
    pub fn of(flavour: &str, suffix: &str) -> Self {
        let rest = suffix.strip_prefix('-').unwrap_or(suffix);
        let rest = rest.strip_prefix(flavour).unwrap_or(rest);
        Self {
            flavour: flavour.to_owned(),
            version: rest.trim_start_matches('-').to_owned(),
        }
    }
}

/// A result.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    pub name: String,
    #[serde(flatten)]
    pub kernel: Kernel,
    /// When the case ended, in seconds since 1970.
    pub at: u64,
    /// How long the case took.
    pub seconds: f64,
    /// The same with the case's share of its guest: what the harness waited for it.
    pub wall: f64,
    pub remark: String,
    /// Why it failed. Empty if it passed.
    pub why: Vec<String>,
    /// What it has measured, and for which file.
    pub data: Vec<(String, Value)>,
}

impl Entry {
    pub fn passed(&self) -> bool {
        self.why.is_empty()
    }
}

/// Returns the newest result of each case with each kernel. A line that was cut off, because its
/// run was, is skipped.
pub fn read(text: &str) -> Vec<Entry> {
    let mut newest = BTreeMap::new();
    let entries = text.lines().map(serde_json::from_str::<Entry>);
    for entry in entries.flatten() {
        newest.insert((entry.name.clone(), entry.kernel.clone()), entry);
    }
    newest.into_values().collect()
}

/// Returns the newest results of a file, which need not exist.
pub fn load(path: &Path) -> io::Result<Vec<Entry>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(read(&text)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(e) => Err(e),
    }
}

/// The file, open for a run.
pub struct Store {
    file: File,
    kernel: Kernel,
}

impl Store {
    /// Opens the file for a run with a kernel. Results that are not the newest of their case go,
    /// and so do those of cases with this kernel that do not exist any more. The other results are
    /// returned.
    pub fn open(
        path: &Path,
        kernel: Kernel,
        known: &BTreeSet<&str>,
    ) -> io::Result<(Self, Vec<Entry>)> {
        let mut entries = load(path)?;
        entries.retain(|entry| entry.kernel != kernel || known.contains(entry.name.as_str()));
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut text = String::new();
        for entry in &entries {
            text.push_str(&serde_json::to_string(entry)?);
            text.push('\n');
        }
        // Either the old file or the new one, if this is interrupted.
        let new = path.with_extension("new");
        fs::write(&new, text)?;
        fs::rename(&new, path)?;
        let file = OpenOptions::new().append(true).open(path)?;
        Ok((Self { file, kernel }, entries))
    }

    /// Adds a result, which becomes the newest of its case.
    pub fn add(&mut self, entry: Entry) -> io::Result<()> {
        let kernel = self.kernel.clone();
        let mut line = serde_json::to_string(&Entry { kernel, ..entry })?;
        line.push('\n');
        self.file.write_all(line.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, at: u64) -> Entry {
        Entry {
            name: name.to_owned(),
            at,
            data: vec![("x".to_owned(), serde_json::json!({ "n": at }))],
            ..Entry::default()
        }
    }

    #[test]
    fn newest() {
        let folder = std::env::temp_dir().join(format!("acc-store-{}", std::process::id()));
        let path = folder.join("deep").join(FILE);
        let plain = Kernel::default();
        let debug = Kernel::of("debug", "-debug-7.3");
        let known = BTreeSet::from(["a.b:c", "a.d"]);
        let at = |entries: &[Entry]| -> Vec<(String, u64)> {
            let of = |entry: &Entry| (entry.name.clone() + &entry.kernel.version, entry.at);
            entries.iter().map(of).collect()
        };
        let (mut store, before) = Store::open(&path, plain.clone(), &known).unwrap();
        assert!(before.is_empty());
        for (name, time) in [("a.b:c", 1), ("a.d", 2), ("a.b:c", 3)] {
            store.add(entry(name, time)).unwrap();
        }
        // A case of another kernel, and a line that is cut off.
        let (mut store, _) = Store::open(&path, debug, &known).unwrap();
        store.add(entry("a.b:c", 4)).unwrap();
        store.file.write_all(b"{\"name\":\"a.d\",").unwrap();
        let expected = [("a.b:c", 3), ("a.b:c7.3", 4), ("a.d", 2)];
        let expected = expected.map(|(name, at)| (name.to_owned(), at));
        let loaded = load(&path).unwrap();
        assert_eq!(at(&loaded), expected);
        assert_eq!(loaded[0].data, entry("a.b:c", 3).data);
        // One of the cases is gone. Results with other kernels stay.
        let (_, kept) = Store::open(&path, plain, &BTreeSet::from(["a.d"])).unwrap();
        assert_eq!(at(&kept), expected[1..]);
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 2);
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn kernels() {
        let kernel = |flavour: &str, version: &str| Kernel {
            flavour: flavour.to_owned(),
            version: version.to_owned(),
        };
        assert_eq!(Kernel::of("", ""), kernel("", ""));
        assert_eq!(Kernel::of("", "-7.3"), kernel("", "7.3"));
        assert_eq!(Kernel::of("debug", "-debug"), kernel("debug", ""));
        assert_eq!(Kernel::of("debug", "-debug-7.3"), kernel("debug", "7.3"));
    }
}
