// SPDX-License-Identifier: GPL-2.0

//! The report: TAP on standard output and in build/results/.

use crate::Result;
use std::{fs::File, io::Write, path::Path};

/// Results as they come.
pub struct Report {
    tap: File,
    planned: usize,
    passed: usize,
    failed: usize,
}

impl Report {
    pub fn new(results: &Path, planned: usize) -> Result<Self> {
        let mut report = Self {
            tap: File::create(results.join("tap.txt"))?,
            planned,
            passed: 0,
            failed: 0,
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

    /// A case has passed, if there is nothing to say against it.
    pub fn add(&mut self, name: &str, remark: &str, why: Vec<String>) {
        let number = self.passed + self.failed + 1;
        let name = match remark {
            "" => name.to_owned(),
            _ => format!("{name} # {remark}"),
        };
        if why.is_empty() {
            self.passed += 1;
            self.say(&format!("ok {number} - {name}"));
        } else {
            self.failed += 1;
            self.say(&format!("not ok {number} - {name}"));
            for line in why {
                self.say(&format!("  # {line}"));
            }
        }
    }

    /// The last line; whether all passed.
    pub fn finish(&mut self) -> Result<bool> {
        let missing = self.planned - self.passed - self.failed;
        if missing != 0 {
            return Err(format!("{missing} cases have no result").into());
        }
        let line = format!("{} passed, {} failed", self.passed, self.failed);
        self.say(&line);
        Ok(self.failed == 0)
    }
}
