// SPDX-License-Identifier: GPL-2.0

//! The report: TAP on standard output and in tap.txt, results.json beside it, and what cases have
//! measured in files of its own.

use crate::{error::Result, outcome::Outcome, progress::Progress, summary, table};
use acc_case::Case;
use acc_cases::store::{Entry, Kernel, Store};
use serde::Serialize;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime},
};

/// Results as they come.
pub struct Report {
    tap: File,
    folder: PathBuf,
    flavour: String,
    planned: usize,
    begin: Instant,
    /// How many cases take so long that they were left out
    pub left_out: usize,
    outcomes: Vec<Outcome>,
    /// What cases have measured, by file
    data: BTreeMap<String, Vec<Value>>,
    /// Where results are kept for later runs
    store: Option<Store>,
    progress: Option<Progress>,
    /// Names of all cases
    names: BTreeSet<String>,
    kernel: Kernel,
}

/// results.json.
#[derive(Serialize)]
struct Results<'a> {
    flavour: &'a str,
    planned: usize,
    passed: usize,
    failed: usize,
    cases: Vec<Row<'a>>,
}

/// A case in results.json.
#[derive(Serialize)]
struct Row<'a> {
    suite: String,
    case: &'a str,
    driver: Option<String>,
    outcome: &'static str,
    seconds: f64,
    remark: &'a str,
    why: &'a [String],
}

impl<'a> Row<'a> {
    fn of(outcome: &'a Outcome) -> Self {
        let case = Case::new(&outcome.name);
        Self {
            suite: case.suite().to_owned(),
            case: &outcome.name,
            driver: case.driver().map(str::to_owned),
            outcome: match outcome.why.as_slice() {
                [] => "passed",
                _ => "failed",
            },
            seconds: outcome.took.as_secs_f64(),
            remark: &outcome.remark,
            why: &outcome.why,
        }
    }
}

/// A file of what cases have measured.
#[derive(Serialize)]
struct Runs<'a> {
    flavour: &'a str,
    runs: &'a [Value],
}

/// Adds the names of a case and its driver to what the case has measured. Returns what is wrong
/// with it.
fn measured(name: &str, file: &str, value: &Value) -> std::result::Result<Value, String> {
    let wrong = |why: &str| Err(format!("what it has measured for '{file}' {why}: {value}"));
    if file.is_empty() || !file.bytes().all(|b| b.is_ascii_lowercase()) {
        return wrong("has no file's name");
    }
    let Value::Object(run) = value else {
        return wrong("is no object of JSON");
    };
    let mut run = run.clone();
    let case = Case::new(name);
    run.insert("case".into(), name.split(':').next().unwrap_or(name).into());
    run.insert("driver".into(), case.driver().into());
    Ok(Value::Object(run))
}

/// Writes a file, for people too.
fn write(path: &Path, contents: &impl Serialize) -> Result<()> {
    let mut text = serde_json::to_string_pretty(contents)?;
    text.push('\n');
    Ok(fs::write(path, text)?)
}

impl Report {
    pub fn new(results: &Path, flavour: &str, planned: usize) -> Result<Self> {
        let mut report = Self {
            tap: File::create(results.join("tap.txt"))?,
            folder: results.to_owned(),
            flavour: flavour.to_owned(),
            planned,
            begin: Instant::now(),
            left_out: 0,
            outcomes: Vec::new(),
            data: BTreeMap::new(),
            store: None,
            progress: None,
            names: BTreeSet::new(),
            kernel: Kernel {
                flavour: flavour.to_owned(),
                ..Kernel::default()
            },
        };
        report.say("TAP version 14");
        report.say(&format!("1..{planned}"));
        Ok(report)
    }

    /// From here on results are kept in the store.
    pub fn keep(&mut self, store: Store, kernel: Kernel, names: BTreeSet<String>) {
        self.store = Some(store);
        self.kernel = kernel;
        self.names = names;
    }

    /// From here on people see how far the run is.
    pub fn follow(&mut self, progress: Progress) {
        self.progress = Some(progress);
    }

    /// A case is waited for.
    pub fn begins(&mut self, name: &str) {
        if let Some(progress) = &mut self.progress {
            progress.begins(name);
        }
    }

    /// Is called now and then.
    pub fn tick(&mut self) {
        if let Some(progress) = &mut self.progress {
            progress.tick();
        }
    }

    /// Prints a line, which tap.txt gets too.
    pub fn say(&mut self, line: &str) {
        match &self.progress {
            Some(progress) => progress.print(line),
            None => println!("{line}"),
        }
        // The same lines are on standard output.
        let _ = writeln!(self.tap, "{line}");
    }

    pub fn add(&mut self, mut outcome: Outcome) {
        for (file, value) in &outcome.data {
            match measured(&outcome.name, file, value) {
                Ok(run) => self.data.entry(file.clone()).or_default().push(run),
                Err(why) => outcome.why.push(why),
            }
        }
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
        let waited = self.progress.as_mut().map(|p| p.ended(&outcome.name));
        self.store(&outcome, waited.flatten().unwrap_or(outcome.took));
        self.outcomes.push(outcome);
        // As it stands, in case that this run is broken off.
        if let Err(e) = self.write() {
            eprintln!("results: {e}");
        }
    }

    /// Keeps a result for later runs.
    fn store(&mut self, outcome: &Outcome, waited: Duration) {
        let Some(store) = &mut self.store else { return };
        let at = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let entry = Entry {
            name: outcome.name.clone(),
            at: at.map_or(0, |at| at.as_secs()),
            seconds: outcome.took.as_secs_f64(),
            wall: waited.as_secs_f64(),
            remark: outcome.remark.clone(),
            why: outcome.why.clone(),
            data: outcome.data.clone(),
            ..Entry::default()
        };
        if let Err(e) = store.add(entry) {
            eprintln!("results: {e}");
        }
    }

    /// Writes all files but the TAP.
    fn write(&self) -> Result<()> {
        write(&self.folder.join("results.json"), &self.results())?;
        for (file, runs) in &self.data {
            let runs = Runs {
                flavour: &self.flavour,
                runs,
            };
            write(&self.folder.join(file).with_extension("json"), &runs)?;
        }
        Ok(())
    }

    fn counts(&self) -> (usize, usize) {
        let passed = self.outcomes.iter().filter(|o| o.why.is_empty()).count();
        (passed, self.outcomes.len() - passed)
    }

    fn results(&self) -> Results<'_> {
        let (passed, failed) = self.counts();
        Results {
            flavour: &self.flavour,
            planned: self.planned,
            passed,
            failed,
            cases: self.outcomes.iter().map(Row::of).collect(),
        }
    }

    /// What was measured, a summary, and the last line; whether all passed.
    pub fn finish(&mut self) -> Result<bool> {
        if let Some(progress) = &mut self.progress {
            progress.end();
        }
        let missing = self.planned - self.outcomes.len();
        if missing != 0 {
            return Err(format!("{missing} cases have no result").into());
        }
        let migrations = self.data.get("qemu").map(|runs| table::migrations(runs));
        let bench = self.data.get("bench").map(|sides| table::bench(sides));
        // Mutants are no cases, and are not kept.
        let cases = self.store.as_ref().map(|_| self.outcomes.as_slice());
        let suites = cases.map(summary::suites);
        let failures = cases.map(|cases| summary::failures(cases, &self.kernel, &self.names));
        let tables = [migrations, bench, suites, failures];
        for line in tables.into_iter().flatten().flatten() {
            self.say(&format!("# {line}"));
        }
        if self.left_out != 0 {
            self.say(&format!(
                "# {} cases were left out: make check has those that QUICK=1 leaves out, with ALL=1 \
                 also those that take long, make check-qemu those that run QEMU",
                self.left_out
            ));
        }
        let took = self.begin.elapsed().as_secs();
        self.say(&format!("# took {} min {} s", took / 60, took % 60));
        let (passed, failed) = self.counts();
        self.say(&format!("{passed} passed, {failed} failed"));
        Ok(failed == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

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
        let json: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(
            json,
            json!({
                "flavour": "debug",
                "planned": 2,
                "passed": 1,
                "failed": 1,
                "cases": [
                    {
                        "suite": "a", "case": "a.b:c:v5", "driver": "c",
                        "outcome": "passed", "seconds": 1.5, "remark": "", "why": [],
                    },
                    {
                        "suite": "a", "case": "a.d", "driver": null,
                        "outcome": "failed", "seconds": 0.0, "remark": "", "why": ["said \"\\\t\""],
                    },
                ],
            })
        );
    }

    #[test]
    fn data() {
        let folder = std::env::temp_dir().join(format!("acc-data-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let mut report = Report::new(&folder, "", 3).unwrap();
        report.left_out = 2;
        for (name, value) in [
            ("a.b:c", json!({ "n": 1 })),
            ("a.d", json!({ "n": [2] })),
            ("a.e", json!(3)),
        ] {
            report.add(Outcome {
                name: name.to_owned(),
                data: vec![("x".to_owned(), value)],
                ..Outcome::default()
            });
        }
        // The last one's are none.
        assert!(!report.finish().unwrap());
        let json = fs::read_to_string(folder.join("x.json")).unwrap();
        let tap = fs::read_to_string(folder.join("tap.txt")).unwrap();
        assert!(tap.contains("# 2 cases were left out: "));
        assert!(tap.ends_with("2 passed, 1 failed\n"));
        assert!(!tap.contains("FAILED"));
        fs::remove_dir_all(&folder).unwrap();
        let json: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(
            json,
            json!({
                "flavour": "",
                "runs": [
                    { "case": "a.b", "driver": "c", "n": 1 },
                    { "case": "a.d", "driver": null, "n": [2] },
                ],
            })
        );
        assert!(measured("a.b", "../x", &json!({})).is_err());
    }

    /// Results are kept, and at the end there is a summary.
    #[test]
    fn kept() {
        let folder = std::env::temp_dir().join(format!("acc-kept-{}", std::process::id()));
        let path = folder.join("store.jsonl");
        let kernel = Kernel::of("debug", "-debug");
        let (store, _) = Store::open(&path, kernel.clone(), &BTreeSet::new()).unwrap();
        let mut report = Report::new(&folder, "debug", 2).unwrap();
        report.keep(store, kernel.clone(), BTreeSet::new());
        report.follow(Progress::new(
            vec![vec![], vec!["a.b:c".to_owned()], vec!["a.d".to_owned()]],
            BTreeMap::new(),
        ));
        report.begins("a.b:c");
        for (name, why) in [("a.b:c", vec![]), ("a.d", vec!["no <b>".to_owned()])] {
            report.add(Outcome {
                name: name.to_owned(),
                took: Duration::from_secs(3),
                why,
                data: vec![("x".to_owned(), json!({ "n": 1 }))],
                ..Outcome::default()
            });
        }
        assert!(!report.finish().unwrap());
        let kept = acc_cases::store::load(&path).unwrap();
        let tap = fs::read_to_string(folder.join("tap.txt")).unwrap();
        fs::remove_dir_all(&folder).unwrap();
        let names: Vec<&str> = kept.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(names, ["a.b:c", "a.d"]);
        assert!(kept
            .iter()
            .all(|entry| entry.kernel == kernel && entry.at != 0));
        assert_eq!(kept[1].why, ["no <b>"]);
        assert_eq!(kept[0].data, [("x".to_owned(), json!({ "n": 1 }))]);
        // The one was waited for, the other has only its own time.
        assert!(kept[0].wall < 3.0 && kept[1].wall == 3.0);
        let summary = "# suite        passed failed  seconds\n\
             # a                 1      1        6\n\
             # FAILED: a.d\n#   no <b>\n#   run it alone: make check T='a.d' FLAVOUR=debug\n";
        assert!(tap.contains(summary), "{tap}");
        assert!(tap.ends_with("1 passed, 1 failed\n"));
    }
}
