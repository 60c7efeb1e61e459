// SPDX-License-Identifier: GPL-2.0

//! The report: TAP on standard output and in tap.txt, and results.json beside it.

use crate::{case::Case, Result};
use std::{
    fmt::Write as _,
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    time::Duration,
};

/// What became of a case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    pub name: String,
    /// What it has to say beside its result, or nothing
    pub remark: String,
    pub took: Duration,
    /// What there is to say against it; it has passed where that is nothing
    pub why: Vec<String>,
}

/// Results as they come.
pub struct Report {
    tap: File,
    json: PathBuf,
    flavour: String,
    planned: usize,
    outcomes: Vec<Outcome>,
}

impl Report {
    pub fn new(results: &Path, flavour: &str, planned: usize) -> Result<Self> {
        let mut report = Self {
            tap: File::create(results.join("tap.txt"))?,
            json: results.join("results.json"),
            flavour: flavour.to_owned(),
            planned,
            outcomes: Vec::new(),
        };
        report.say("TAP version 14");
        report.say(&format!("1..{planned}"));
        Ok(report)
    }

    fn say(&mut self, line: &str) {
        println!("{line}");
        // The same lines are on standard output.
        let _ = writeln!(self.tap, "{line}");
    }

    pub fn add(&mut self, outcome: Outcome) {
        let number = self.outcomes.len() + 1;
        let name = match outcome.remark.as_str() {
            "" => outcome.name.clone(),
            remark => format!("{} # {remark}", outcome.name),
        };
        let result = if outcome.why.is_empty() {
            "ok"
        } else {
            "not ok"
        };
        self.say(&format!("{result} {number} - {name}"));
        for line in &outcome.why {
            self.say(&format!("  # {line}"));
        }
        self.outcomes.push(outcome);
        // As it stands, in case that this run is broken off.
        let _ = fs::write(&self.json, self.json());
    }

    fn counts(&self) -> (usize, usize) {
        let passed = self.outcomes.iter().filter(|o| o.why.is_empty()).count();
        (passed, self.outcomes.len() - passed)
    }

    fn json(&self) -> String {
        let (passed, failed) = self.counts();
        let mut text = format!(
            "{{\n  \"flavour\": {},\n  \"planned\": {},\n  \"passed\": {passed},\n  \
             \"failed\": {failed},\n  \"cases\": [",
            quote(&self.flavour),
            self.planned,
        );
        for (n, outcome) in self.outcomes.iter().enumerate() {
            let case = Case::new(&outcome.name);
            let driver = case.driver().map_or("null".to_owned(), quote);
            let why: Vec<String> = outcome.why.iter().map(|line| quote(line)).collect();
            let result = if why.is_empty() { "passed" } else { "failed" };
            // Writing to a String does not fail.
            let _ = write!(
                text,
                "{}\n    {{\"suite\": {}, \"case\": {}, \"driver\": {driver}, \
                 \"outcome\": \"{result}\", \"seconds\": {:.3}, \"remark\": {}, \"why\": [{}]}}",
                if n == 0 { "" } else { "," },
                quote(case.suite()),
                quote(&outcome.name),
                outcome.took.as_secs_f64(),
                quote(&outcome.remark),
                why.join(", "),
            );
        }
        text.push_str("\n  ]\n}\n");
        text
    }

    /// The last line; whether all passed.
    pub fn finish(&mut self) -> Result<bool> {
        let missing = self.planned - self.outcomes.len();
        if missing != 0 {
            return Err(format!("{missing} cases have no result").into());
        }
        let (passed, failed) = self.counts();
        self.say(&format!("{passed} passed, {failed} failed"));
        Ok(failed == 0)
    }
}

/// A string of JSON.
fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c < ' ' => {
                let _ = write!(quoted, "\\u{:04x}", c as u32);
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json() {
        let folder = std::env::temp_dir().join(format!("acc-report-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let mut report = Report::new(&folder, "debug", 2).unwrap();
        report.add(Outcome {
            name: "a.b:c:v5".to_owned(),
            took: Duration::from_millis(1500),
            ..Outcome::default()
        });
        assert!(report.finish().is_err());
        report.add(Outcome {
            name: "a.d".to_owned(),
            why: vec!["said \"\\\t\"".to_owned()],
            ..Outcome::default()
        });
        assert!(!report.finish().unwrap());
        let json = fs::read_to_string(folder.join("results.json")).unwrap();
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(
            json,
            r#"{
  "flavour": "debug",
  "planned": 2,
  "passed": 1,
  "failed": 1,
  "cases": [
    {"suite": "a", "case": "a.b:c:v5", "driver": "c", "outcome": "passed", "seconds": 1.500, "remark": "", "why": []},
    {"suite": "a", "case": "a.d", "driver": null, "outcome": "failed", "seconds": 0.000, "remark": "", "why": ["said \"\\\u0009\""]}
  ]
}
"#
        );
    }
}
