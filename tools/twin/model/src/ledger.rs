// SPDX-License-Identifier: GPL-2.0

//! Counts of what happened, by function: the truth that tests ask for.

use std::collections::BTreeMap;

/// Counts since the last mark. Counting changes nothing that a driver could see.
#[derive(Default)]
pub struct Ledger {
    counts: BTreeMap<(usize, String), u64>,
}

impl Ledger {
    /// Adds to a count of a function.
    pub fn add(&mut self, function: usize, key: &str, n: u64) {
        *self.counts.entry((function, key.to_owned())).or_default() += n;
    }

    /// A count.
    pub fn get(&self, function: usize, key: &str) -> u64 {
        self.counts
            .get(&(function, key.to_owned()))
            .copied()
            .unwrap_or(0)
    }

    /// Sets all counts to 0.
    pub fn mark(&mut self) {
        self.counts.clear();
    }

    /// All counts, a line each: `pf KEY VALUE`, `vf1 KEY VALUE` ...
    pub fn to_text(&self) -> String {
        self.counts
            .iter()
            .map(|((function, key), value)| match function {
                0 => format!("pf {key} {value}\n"),
                n => format!("vf{n} {key} {value}\n"),
            })
            .collect()
    }
}
