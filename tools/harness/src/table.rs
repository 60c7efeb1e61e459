// SPDX-License-Identifier: GPL-2.0

//! Tables of what cases have measured.

use serde_json::Value;

/// A number in what a case has measured.
fn number(run: &Value, pointer: &str) -> u64 {
    run.pointer(pointer).and_then(Value::as_u64).unwrap_or(0)
}

/// The sum of a number, or of all in a map, over the functions of a run's VFs.
fn functions(run: &Value, key: &str) -> u64 {
    let vfs = run["vfs"].as_array().map(Vec::as_slice).unwrap_or_default();
    vfs.iter()
        .flat_map(|vf| ["source", "target", "pf"].map(|who| &vf[who][key]))
        .map(|value| match value.as_object() {
            Some(map) => map.values().filter_map(Value::as_u64).sum(),
            None => value.as_u64().unwrap_or(0),
        })
        .sum()
}

/// A column: its head, how wide it is, and what it has of a run.
struct Column(&'static str, usize, fn(&Value) -> u64);

const COLUMNS: &[Column] = &[
    Column("downtime ms", 12, |run| number(run, "/downtime_ms")),
    Column("total ms", 9, |run| number(run, "/total_ms")),
    Column("rounds", 7, |run| number(run, "/iterations")),
    Column("RAM KiB", 9, |run| number(run, "/ram_bytes/all") >> 10),
    Column("stop", 9, |run| number(run, "/ram_bytes/stop") >> 10),
    Column("VFIO B", 7, |run| number(run, "/vfio_bytes/all")),
    Column("stop", 5, |run| number(run, "/vfio_bytes/stop")),
    Column("registers", 10, |run| {
        functions(run, "reads") + functions(run, "writes")
    }),
    Column("mailbox", 8, |run| functions(run, "mailbox")),
];

/// The middle one.
fn median(mut numbers: Vec<u64>) -> u64 {
    numbers.sort_unstable();
    numbers.get(numbers.len() / 2).copied().unwrap_or(0)
}

/// Migrations by QEMU, a row for each case and driver, those of a case beside each other. Of
/// several runs of a case, the median of each number.
pub fn migrations(runs: &[Value]) -> Vec<String> {
    let text = |run: &Value, key: &str| run[key].as_str().unwrap_or("-").to_owned();
    let mut rows: Vec<(String, String, Vec<&Value>)> = Vec::new();
    for run in runs {
        let (case, driver) = (text(run, "case"), text(run, "driver"));
        let of = |row: &&mut (String, String, Vec<&Value>)| row.0 == case && row.1 == driver;
        if let Some((.., runs)) = rows.iter_mut().find(of) {
            runs.push(run);
            continue;
        }
        let after = rows.iter().rposition(|row| row.0 == case);
        let at = after.map_or(rows.len(), |n| n + 1);
        rows.insert(at, (case, driver, vec![run]));
    }
    let title = "migrations by QEMU";
    let names = rows.iter().map(|row| row.0.len());
    let width = names.max().unwrap_or(0).max(title.len());
    let mut head = format!("{title:width$} {:>6} {:>4}", "driver", "runs");
    for Column(name, width, _) in COLUMNS {
        head += &format!("{name:>width$}");
    }
    let mut lines = vec![head];
    for (case, driver, runs) in &rows {
        let mut line = format!("{case:width$} {driver:>6} {:>4}", runs.len());
        for Column(_, width, of) in COLUMNS {
            let number = median(runs.iter().map(|run| of(run)).collect());
            line += &format!("{number:>width$}");
        }
        lines.push(line);
    }
    lines
}

/// What operations cost, a row for each operation and driver, those of an operation beside each
/// other.
pub fn bench(sides: &[Value]) -> Vec<String> {
    let title = "operations";
    let mut lines = vec![format!(
        "{title:12} {:>4} {:>6} {:>5} {:>5} {:>9} {:>8} {:>6} {:>10} {:>17}",
        "", "driver", "VF", "PF", "doorbells", "commands", "polls", "median us", "p10 .. p90"
    )];
    for operation in ["save", "cancel", "resume", "open", "close"] {
        for side in sides {
            let cost = &side["operations"][operation];
            let range = format!("{} .. {}", number(cost, "/us/p10"), number(cost, "/us/p90"));
            lines.push(format!(
                "{operation:12} {:>4} {:>6} {:>5} {:>5} {:>9} {:>8} {:>6} {:>10} {range:>17}",
                side["generation"].as_str().unwrap_or("-"),
                side["of"].as_str().unwrap_or("-"),
                number(cost, "/accesses/vf"),
                number(cost, "/accesses/pf"),
                number(cost, "/accesses/doorbells"),
                number(cost, "/mailbox/commands"),
                number(cost, "/mailbox/polls"),
                number(cost, "/us/median"),
            ));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn rows() {
        let run = |case: &str, driver: &str, downtime: u64| {
            json!({
                "case": case,
                "driver": driver,
                "downtime_ms": downtime,
                "ram_bytes": { "all": 4096, "stop": 2048 },
                "vfs": [{
                    "source": { "reads": 1, "writes": 2, "mailbox": { "A": 3, "B": 4 } },
                    "target": { "reads": 10 },
                }],
            })
        };
        let runs = [
            run("q.one", "rust", 30),
            run("q.one", "rust", 10),
            run("q.two", "rust", 1),
            run("q.one", "c", 5),
            run("q.one", "rust", 20),
        ];
        let lines = migrations(&runs);
        let words: Vec<Vec<&str>> = lines[1..]
            .iter()
            .map(|line| line.split_whitespace().collect())
            .collect();
        let rest = ["0", "0", "4", "2", "0", "0", "13", "7"];
        let row = |begin: [&'static str; 4]| [&begin[..], &rest[..]].concat();
        assert_eq!(words[0], row(["q.one", "rust", "3", "20"]));
        assert_eq!(words[1], row(["q.one", "c", "1", "5"]));
        assert_eq!(words[2], row(["q.two", "rust", "1", "1"]));
        assert!(lines.iter().all(|line| line.len() == lines[0].len()));
    }
}
