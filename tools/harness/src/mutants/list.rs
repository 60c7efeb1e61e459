// SPDX-License-Identifier: GPL-2.0

//! The mutants of the modules: small defects, each a text that takes the place of another one.

use crate::error::Result;
use serde::Deserialize;
use std::{collections::BTreeSet, fs, path::Path};

/// A small defect of a module, as a file of `tools/mutants/` has it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mutant {
    /// Its name
    pub id: String,
    /// The source that it is in, from the top of the tree
    pub file: String,
    /// What a developer would have done wrong
    pub slip: String,
    /// A text that occurs once in the source; `old` is the first of its kind behind it
    pub after: Option<String>,
    /// What it replaces; without `after` it occurs once in the source
    pub old: String,
    /// By what
    pub new: String,
    /// The cases one of which has to fail, as `make check T=` takes them; with our driver
    pub cases: String,
    /// Why no case can fail
    pub survives: Option<String>,
    /// The flavor of the kernel that it takes to see it, if not the plain one
    #[serde(default)]
    pub flavour: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    mutant: Vec<Mutant>,
}

/// Where `part` begins in `text`, in which it occurs once.
fn only(text: &str, part: &str) -> std::result::Result<usize, String> {
    let mut found = text.match_indices(part);
    match (found.next(), found.next()) {
        _ if part.is_empty() => Err("looks for nothing".to_owned()),
        (Some((at, _)), None) => Ok(at),
        (None, _) => Err(format!("{part:?} does not occur")),
        (Some(_), Some(_)) => Err(format!("{part:?} occurs more than once")),
    }
}

impl Mutant {
    /// The source with the defect.
    pub fn apply(&self, source: &str) -> std::result::Result<String, String> {
        let at = match &self.after {
            None => only(source, &self.old)?,
            Some(after) => {
                let from = only(source, after)? + after.len();
                let at = only_first(&source[from..], &self.old)?;
                from + at
            }
        };
        if self.old == self.new {
            return Err("changes nothing".to_owned());
        }
        let (before, rest) = source.split_at(at);
        Ok([before, &self.new, &rest[self.old.len()..]].concat())
    }

    /// Stands for the defect and what it is in. A result holds as long as this is the same.
    pub fn key(&self, source: &str) -> u64 {
        let parts = [
            source,
            self.after.as_deref().unwrap_or_default(),
            &self.old,
            &self.new,
            &self.cases,
        ];
        hash(&parts.join("\0"))
    }

    /// The part of the tree that its file is in.
    pub fn area(&self) -> &str {
        self.file.rsplit_once('/').map_or("", |(folder, _)| folder)
    }
}

/// Where `part` first occurs in `text`.
fn only_first(text: &str, part: &str) -> std::result::Result<usize, String> {
    text.find(part)
        .filter(|_| !part.is_empty())
        .ok_or_else(|| format!("{part:?} does not occur behind `after`"))
}

/// FNV-1a: the same everywhere and always.
pub fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// All mutants of the tree at `top`, those of a file beside each other. An error names each that is
/// stale: its text does not occur, or not once.
pub fn read(top: &Path) -> Result<Vec<Mutant>> {
    let mut files: Vec<_> = fs::read_dir(top.join("tools/mutants"))?
        .map(|entry| entry.map(|e| e.path()))
        .collect::<std::io::Result<_>>()?;
    files.retain(|path| path.extension().is_some_and(|e| e == "toml"));
    files.sort();
    let mut all: Vec<Mutant> = Vec::new();
    for path in files {
        let file: File = toml::from_str(&fs::read_to_string(&path)?)
            .map_err(|e| format!("{}: {e}", path.display()))?;
        all.extend(file.mutant);
    }
    all.sort_by(|a, b| a.file.cmp(&b.file));
    let mut wrong = Vec::new();
    let mut ids = BTreeSet::new();
    for mutant in &all {
        let source = fs::read_to_string(top.join(&mutant.file))
            .map_err(|e| format!("{}: {}: {e}", mutant.id, mutant.file))?;
        if let Err(e) = mutant.apply(&source) {
            wrong.push(format!("{}: {}: {e}", mutant.id, mutant.file));
        }
        if !ids.insert(&mutant.id) {
            wrong.push(format!("{}: there are two of this name", mutant.id));
        }
        if mutant.cases.trim().is_empty() {
            wrong.push(format!("{}: no cases", mutant.id));
        }
    }
    if wrong.is_empty() {
        Ok(all)
    } else {
        Err(format!("stale mutants:\n{}", wrong.join("\n")).into())
    }
}

/// The `count` mutants that `seed` chooses: others for another seed.
pub fn choose(mut all: Vec<Mutant>, count: usize, seed: &str) -> Vec<Mutant> {
    all.sort_by_key(|mutant| hash(&format!("{seed} {}", mutant.id)));
    all.truncate(count);
    all.sort_by(|a, b| a.file.cmp(&b.file));
    all
}

/// A mutant for tests.
#[cfg(test)]
pub fn nothing() -> Mutant {
    Mutant {
        id: "a.b".to_owned(),
        file: "x/y.rs".to_owned(),
        slip: "a slip".to_owned(),
        after: None,
        old: "a".to_owned(),
        new: "b".to_owned(),
        cases: "c.d".to_owned(),
        survives: None,
        flavour: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mutant(after: Option<&str>, old: &str, new: &str) -> Mutant {
        Mutant {
            after: after.map(str::to_owned),
            old: old.to_owned(),
            new: new.to_owned(),
            ..nothing()
        }
    }

    #[test]
    fn application() {
        let source = "one two one three two";
        let apply = |after, old, new| mutant(after, old, new).apply(source);
        assert_eq!(apply(None, "three", "3").unwrap(), "one two one 3 two");
        assert_eq!(
            apply(Some("three"), "two", "2").unwrap(),
            "one two one three 2"
        );
        assert_eq!(
            apply(Some("two one"), "o", "0").unwrap(),
            "one two one three tw0"
        );
        for (after, old, new) in [
            (None, "two", "2"),
            (None, "four", "4"),
            (None, "", "5"),
            (None, "three", "three"),
            (Some("one"), "three", "3"),
            (Some("three"), "one", "1"),
            (Some("three"), "", "1"),
        ] {
            assert!(apply(after, old, new).is_err(), "{old}");
        }
    }

    #[test]
    fn choice() {
        let all: Vec<Mutant> = (0..50)
            .map(|n| Mutant {
                id: n.to_string(),
                ..mutant(None, "a", "b")
            })
            .collect();
        let ids = |seed: &str| -> Vec<String> {
            let chosen = choose(all.clone(), 10, seed);
            chosen.into_iter().map(|mutant| mutant.id).collect()
        };
        assert_eq!(ids("x").len(), 10);
        assert_eq!(ids("x"), ids("x"));
        assert_ne!(ids("x"), ids("y"));
    }

    /// The list cannot rot: each mutant fits the sources of today.
    #[test]
    fn all_apply() {
        let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let all = read(&top).unwrap_or_else(|e| panic!("{e}"));
        assert!(all.len() >= 110, "{} mutants", all.len());
    }
}
