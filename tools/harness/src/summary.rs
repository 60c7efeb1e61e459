// SPDX-License-Identifier: GPL-2.0

//! Sums a run up: a line for each suite, and for each failure what matters of it and the command
//! that runs the case alone.

use crate::outcome::Outcome;
use acc_case::Case;
use acc_cases::{select::command, store::Kernel};
use std::collections::BTreeSet;

/// How many lines of a failure are repeated.
const LINES: usize = 4;

/// Words of the lines that say why a program of tests failed.
const TELLING: &[&str] = &[
    "not ok - ",
    "panicked at",
    "assertion ",
    "error: ",
    "error[",
    "... FAILED",
];

/// Returns the lines that matter of why a case failed.
fn matters(outcome: &Outcome) -> Vec<&str> {
    let why = outcome.why.iter().map(String::as_str);
    if Case::new(&outcome.name).suite() != "host" {
        return why.take(LINES).collect();
    }
    // The whole output of a program. What it says last is the next best.
    let telling = |line: &&str| TELLING.iter().any(|words| line.contains(words));
    let lines: Vec<&str> = why.clone().filter(telling).take(LINES).collect();
    if !lines.is_empty() {
        return lines;
    }
    let skip = why.len().saturating_sub(LINES);
    why.skip(skip).collect()
}

/// Returns a line for each suite, in the order of their first results.
pub fn suites(outcomes: &[Outcome]) -> Vec<String> {
    let mut rows: Vec<(String, usize, usize, f64)> = Vec::new();
    for outcome in outcomes {
        let case = Case::new(&outcome.name);
        let at = rows.iter().position(|row| row.0 == case.suite());
        let at = at.unwrap_or_else(|| {
            rows.push((case.suite().to_owned(), 0, 0, 0.0));
            rows.len() - 1
        });
        let row = &mut rows[at];
        match outcome.why.as_slice() {
            [] => row.1 += 1,
            _ => row.2 += 1,
        }
        row.3 += outcome.took.as_secs_f64();
    }
    let mut lines = vec![format!(
        "{:12} {:>6} {:>6} {:>8}",
        "suite", "passed", "failed", "seconds"
    )];
    let line = |(suite, passed, failed, seconds): &(String, usize, usize, f64)| {
        format!("{suite:12} {passed:>6} {failed:>6} {seconds:>8.0}")
    };
    lines.extend(rows.iter().map(line));
    lines
}

/// Returns what matters of each failure. `names` are those of all cases.
pub fn failures(outcomes: &[Outcome], kernel: &Kernel, names: &BTreeSet<String>) -> Vec<String> {
    let mut lines = Vec::new();
    for outcome in outcomes.iter().filter(|outcome| !outcome.why.is_empty()) {
        lines.push(format!("FAILED: {}", outcome.name));
        lines.extend(matters(outcome).into_iter().map(|line| format!("  {line}")));
        // A step of the build is no case.
        if Case::new(&outcome.name).suite() != "build" {
            let names = names.iter().map(String::as_str);
            let command = command(&outcome.name, kernel, names);
            lines.push(format!("  run it alone: {command}"));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn outcome(name: &str, why: &[&str]) -> Outcome {
        Outcome {
            name: name.to_owned(),
            took: Duration::from_secs(2),
            why: why.iter().map(|line| (*line).to_owned()).collect(),
            ..Outcome::default()
        }
    }

    #[test]
    fn by_suite() {
        let outcomes = [
            outcome("b.x:c", &[]),
            outcome("a.y", &["no"]),
            outcome("b.z", &[]),
        ];
        let lines = suites(&outcomes);
        let words: Vec<Vec<&str>> = lines
            .iter()
            .map(|l| l.split_whitespace().collect())
            .collect();
        assert_eq!(
            words[1..],
            [vec!["b", "2", "0", "4"], vec!["a", "0", "1", "2"]]
        );
    }

    #[test]
    fn few_lines() {
        let kernel = Kernel::of("debug", "-debug-7.3");
        let many = ["1", "2", "3", "4", "5", "6"];
        let host = [
            "running 2 tests",
            "x ... FAILED",
            "a",
            "b",
            "c",
            "d",
            "thread panicked at x",
        ];
        let outcomes = [
            outcome("a.x:c:v5", &many),
            outcome("a.y", &[]),
            outcome("host.x", &host),
            outcome("host.y", &many),
            outcome("build.modules", &["did not build:", "why"]),
        ];
        let expected = "FAILED: a.x:c:v5\n  1\n  2\n  3\n  4\n  \
             run it alone: make check T='a.x:c:v5' DRIVER=c FLAVOUR=debug KERNEL=7.3\n\
             FAILED: host.x\n  x ... FAILED\n  thread panicked at x\n  \
             run it alone: make check T='host.x' FLAVOUR=debug KERNEL=7.3\n\
             FAILED: host.y\n  3\n  4\n  5\n  6\n  \
             run it alone: make check T='host.y' FLAVOUR=debug KERNEL=7.3\n\
             FAILED: build.modules\n  did not build:\n  why";
        assert_eq!(
            failures(&outcomes, &kernel, &BTreeSet::new()).join("\n"),
            expected
        );
    }
}
