// SPDX-License-Identifier: GPL-2.0

//! Sorts results for the page: a matrix for each suite, what differs from the C driver, and what
//! cases have measured.

use acc_case::Case;
use acc_cases::store::{Entry, Kernel};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Where a result stands in the matrix of its suite.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Column {
    pub kernel: Kernel,
    /// Empty if the case names no driver.
    pub driver: String,
    /// `V3`, `V5`. Empty if no accelerator is there.
    pub generation: String,
}

/// A suite: its cases by what they ran with.
pub struct Suite<'a> {
    pub name: String,
    pub columns: Vec<Column>,
    /// The name of a case, and its result in each column.
    pub rows: Vec<(String, Vec<Option<&'a Entry>>)>,
}

impl Suite<'_> {
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.rows
            .iter()
            .flat_map(|row| row.1.iter().copied().flatten())
    }
}

/// A difference from the C driver that a case has shown.
pub struct Difference<'a> {
    /// `D24`
    pub id: &'a str,
    pub what: &'a str,
    pub entry: &'a Entry,
}

/// The newest result of each case.
pub struct Results {
    pub entries: Vec<Entry>,
}

/// Splits the name of a case: case, driver, generation.
fn parts(name: &str) -> (String, String, String) {
    let case = Case::new(name);
    let mut parts = name.split(':');
    let base = parts.next().unwrap_or_default();
    let base = base.split_once('.').map_or(base, |(_, case)| case);
    let driver = case.driver().unwrap_or_default().to_owned();
    let last = parts.next_back().unwrap_or_default();
    let generation = match last.strip_prefix('v') {
        // Not `vfio-pci`.
        Some(number) if last != driver => format!("V{number}"),
        // These run without a guest.
        _ if ["host", "build"].contains(&case.suite()) => String::new(),
        _ => "V3".to_owned(),
    };
    (base.to_owned(), driver, generation)
}

type Cells<'a> = BTreeMap<(String, Column), &'a Entry>;

/// Puts the results of a suite into rows.
fn suite<'a>(name: String, cells: &Cells<'a>) -> Suite<'a> {
    let columns: BTreeSet<Column> = cells.keys().map(|key| key.1.clone()).collect();
    let cases: BTreeSet<String> = cells.keys().map(|key| key.0.clone()).collect();
    let rows = cases.into_iter().map(|case| {
        let cell = |column: &Column| cells.get(&(case.clone(), column.clone())).copied();
        let row = columns.iter().map(cell).collect();
        (case, row)
    });
    Suite {
        name,
        rows: rows.collect(),
        columns: columns.iter().cloned().collect(),
    }
}

/// Returns the title of a kernel.
pub fn kernel(kernel: &Kernel) -> String {
    let flavour = match kernel.flavour.as_str() {
        "" => "plain",
        name => name,
    };
    format!("{flavour} {}", kernel.version)
        .trim_end()
        .to_owned()
}

impl Results {
    pub fn new(entries: Vec<Entry>) -> Self {
        Self { entries }
    }

    pub fn suites(&self) -> Vec<Suite<'_>> {
        let mut suites: BTreeMap<String, Cells<'_>> = BTreeMap::new();
        for entry in &self.entries {
            let (base, driver, generation) = parts(&entry.name);
            let column = Column {
                kernel: entry.kernel.clone(),
                driver,
                generation,
            };
            let suite = Case::new(&entry.name).suite().to_owned();
            let cells = suites.entry(suite).or_default();
            cells.insert((base, column), entry);
        }
        let each = suites.into_iter();
        each.map(|(name, cells)| suite(name, &cells)).collect()
    }

    pub fn failures(&self) -> Vec<&Entry> {
        self.entries
            .iter()
            .filter(|entry| !entry.passed())
            .collect()
    }

    /// Returns the differences from the C driver, in the order of their numbers. A remark that
    /// names one begins `D24: `.
    pub fn differences(&self) -> Vec<Difference<'_>> {
        let mut found: Vec<(u32, Difference<'_>)> = Vec::new();
        for entry in &self.entries {
            let Some((id, what)) = entry.remark.split_once(": ") else {
                continue;
            };
            let number = id.strip_prefix('D').and_then(|n| n.parse().ok());
            if let Some(number) = number {
                found.push((number, Difference { id, what, entry }));
            }
        }
        found.sort_by(|a, b| (a.0, &a.1.entry.name).cmp(&(b.0, &b.1.entry.name)));
        found
            .into_iter()
            .map(|(_, difference)| difference)
            .collect()
    }

    /// Returns what cases have measured for a file.
    pub fn measured(&self, file: &str) -> Vec<(&Entry, &Value)> {
        let of = |entry| {
            let entry: &Entry = entry;
            let data = entry.data.iter().filter(|(name, _)| name == file);
            data.map(move |(_, value)| (entry, value))
        };
        self.entries.iter().flat_map(of).collect()
    }

    /// Returns the kernels of the results.
    pub fn kernels(&self) -> BTreeSet<&Kernel> {
        self.entries.iter().map(|entry| &entry.kernel).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let of = |name: &str| {
            let (base, driver, generation) = parts(name);
            format!("{base} {driver} {generation}")
        };
        assert_eq!(of("a.b"), "b  V3");
        assert_eq!(of("host.b"), "b  ");
        assert_eq!(of("a.b:v5"), "b  V5");
        assert_eq!(of("a.b:c"), "b c V3");
        assert_eq!(of("a.b:rust:v5"), "b rust V5");
        assert_eq!(of("a.b:vfio-pci"), "b vfio-pci V3");
        assert_eq!(kernel(&Kernel::of("debug", "-debug-7.3")), "debug 7.3");
        assert_eq!(kernel(&Kernel::default()), "plain");
    }
}
