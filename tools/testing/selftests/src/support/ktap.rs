// SPDX-License-Identifier: GPL-2.0

//! Reads the results of KUnit in the kernel's log (KTAP).

use acc_vfio_user::{ensure, Result};

/// What has passed.
#[derive(Debug, PartialEq, Eq)]
pub struct Passed {
    /// Names of the suites.
    pub suites: Vec<String>,
    pub tests: usize,
}

/// One line of KTAP.
enum Line<'a> {
    /// Number of results that follow.
    Plan(usize),
    /// Name of the suite whose results follow.
    Subtest(&'a str),
    Result {
        passed: bool,
        name: &'a str,
    },
}

/// Reads a line of the log without its time stamp; returns its depth, too.
fn read(text: &str) -> Option<(usize, Line<'_>)> {
    let line = text.trim_start_matches(' ');
    let depth = (text.len() - line.len()) / 4;
    let line = if let Some(count) = line.strip_prefix("1..") {
        Line::Plan(count.trim_end().parse().ok()?)
    } else if let Some(name) = line.strip_prefix("# Subtest: ") {
        Line::Subtest(name)
    } else {
        let (passed, rest) = match line.strip_prefix("not ok ") {
            Some(rest) => (false, rest),
            None => (true, line.strip_prefix("ok ")?),
        };
        let (number, name) = rest.split_once(' ')?;
        number.parse::<usize>().ok()?;
        let name = name.strip_prefix("- ").unwrap_or(name);
        Line::Result { passed, name }
    };
    Some((depth, line))
}

/// Results at one depth.
#[derive(Clone, Copy, Default)]
struct Level {
    planned: usize,
    came: usize,
}

/// Checks that each suite in the log has all of its planned results, that all of them passed and
/// that none was skipped.
pub fn passed(log: &str) -> Result<Passed> {
    let mut levels: Vec<Level> = Vec::new();
    let mut begun: Vec<&str> = Vec::new();
    let mut result = Passed {
        suites: Vec::new(),
        tests: 0,
    };
    for line in log.lines() {
        // `[    1.234567] `
        let text = match line.strip_prefix('[') {
            Some(rest) => rest.split_once("] ").map_or("", |(_, text)| text),
            None => line,
        };
        let Some((depth, line)) = read(text) else {
            continue;
        };
        if levels.len() <= depth {
            levels.resize(depth + 1, Level::default());
        }
        match line {
            Line::Plan(count) => levels[depth].planned += count,
            Line::Subtest(name) => begun.push(name),
            Line::Result { passed, name } => {
                ensure!(passed, "{}", text.trim_start());
                ensure!(!name.contains("# SKIP"), "{}", text.trim_start());
                let name = name.split(" #").next().unwrap_or_default().trim_end();
                levels[depth].came += 1;
                for inner in levels.drain(depth + 1..) {
                    ensure!(
                        inner.planned == inner.came,
                        "{name} has {} results, {} planned",
                        inner.came,
                        inner.planned
                    );
                }
                if begun.last() == Some(&name) {
                    begun.pop();
                    result.suites.push(name.to_owned());
                } else {
                    result.tests += 1;
                }
            }
        }
    }
    ensure!(begun.is_empty(), "without a result: {}", begun.join(", "));
    ensure!(!result.suites.is_empty(), "no suite of KUnit in the log");
    for level in levels {
        ensure!(
            level.planned == level.came,
            "{} results, {} planned",
            level.came,
            level.planned
        );
    }
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "\
[    1.0] vfio_rs: loading out-of-tree module taints kernel.
[    1.0] KTAP version 1
[    1.0] 1..2
[    1.0]     KTAP version 1
[    1.0]     # Subtest: a_suite
[    1.0]     # module: vfio_rs
[    1.0]     # speed: slow
[    1.0]     1..2
[    1.0]     ok 1 one
[    1.1]     ok 2 two # time 1 ms
[    1.1] # a_suite: pass:2 fail:0 skip:0 total:2
[    1.1] # Totals: pass:2 fail:0 skip:0 total:2
[    1.1] ok 1 a_suite
[    1.1]     KTAP version 1
[    1.1]     # Subtest: b_suite
[    1.1]     1..1
[    1.1] pci 0000:02:00.1: ok is a word
[    1.1]     ok 1 one
[    1.1] ok 2 b_suite
";

    #[test]
    fn all_is_well() {
        let expected = Passed {
            suites: vec!["a_suite".to_owned(), "b_suite".to_owned()],
            tests: 3,
        };
        assert_eq!(passed(GOOD).unwrap(), expected);
        // Another module's behind it.
        let twice = GOOD.to_owned() + &GOOD.replace("_suite", "_other");
        assert_eq!(passed(&twice).unwrap().suites.len(), 4);
    }

    #[test]
    fn what_is_wrong_is_seen() {
        let wrong = |from: &str, to: &str| {
            let log = GOOD.replacen(from, to, 1);
            assert_ne!(log, GOOD, "{from}");
            assert!(passed(&log).is_err(), "{from} -> {to}");
        };
        wrong("    ok 1 one", "    not ok 1 one");
        wrong("] ok 2 b_suite", "] not ok 2 b_suite");
        wrong("ok 2 two # time 1 ms", "ok 2 two # SKIP no reason");
        wrong("[    1.1] ok 2 b_suite\n", "");
        wrong("[    1.0]     ok 1 one\n", "");
        wrong("1..2", "1..3");
        wrong("    1..1", "    1..2");
        assert!(passed("[    1.0] nothing").is_err());
    }
}
