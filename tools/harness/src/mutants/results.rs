// SPDX-License-Identifier: GPL-2.0

//! What became of the mutants, kept so that a run which is cut off goes on where it stopped; and
//! the table of it.

use super::list::Mutant;
use crate::error::Result;
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs::{self, File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
};

/// What became of a mutant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// A case failed
    Caught,
    /// No case failed
    Survived,
    /// The modules do not build with it: that is a mistake in the list
    Broken,
}

/// A line of the results.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Line {
    pub id: String,
    /// [`Mutant::key`]
    pub key: u64,
    /// The commit that it was tried with
    pub commit: String,
    pub verdict: Verdict,
    /// The case that failed, or those that did not
    pub case: String,
    /// What that said first
    pub why: String,
    pub seconds: u64,
}

/// All results so far.
pub struct Results {
    lines: BTreeMap<String, Line>,
    file: File,
    folder: PathBuf,
}

impl Results {
    /// Those of earlier runs are in `folder`.
    pub fn open(folder: &Path) -> Result<Self> {
        let path = folder.join("results.jsonl");
        let mut lines = BTreeMap::new();
        let text = fs::read_to_string(&path).unwrap_or_default();
        for line in text.lines() {
            // A run that was cut off may have left half a line.
            if let Ok(line) = serde_json::from_str::<Line>(line) {
                lines.insert(line.id.clone(), line);
            }
        }
        let mut file = OpenOptions::new().create(true).append(true).open(path)?;
        if !text.is_empty() && !text.ends_with('\n') {
            writeln!(file)?;
        }
        Ok(Self {
            lines,
            file,
            folder: folder.to_owned(),
        })
    }

    /// What is known of a mutant that is `key`. One that survived is tried again: there may be a
    /// case for it by now.
    pub fn of(&self, mutant: &Mutant, key: u64) -> Option<&Line> {
        self.lines.get(&mutant.id).filter(|line| {
            line.key == key
                && match line.verdict {
                    Verdict::Caught => true,
                    Verdict::Survived => mutant.survives.is_some(),
                    Verdict::Broken => false,
                }
        })
    }

    pub fn add(&mut self, line: Line) -> Result<()> {
        writeln!(self.file, "{}", serde_json::to_string(&line)?)?;
        self.lines.insert(line.id.clone(), line);
        Ok(())
    }

    /// How many of `mutants` are caught.
    pub fn caught(&self, mutants: &[Mutant]) -> usize {
        let caught = |mutant: &&Mutant| {
            let line = self.lines.get(&mutant.id);
            line.is_some_and(|line| line.verdict == Verdict::Caught)
        };
        mutants.iter().filter(caught).count()
    }

    /// A line for each mutant that was caught, or survived as it was argued: what `N=` chooses
    /// from.
    fn measured(&self, mutants: &[Mutant]) -> String {
        let mut text = String::from(MEASURED_HEAD);
        for mutant in mutants {
            let line = self.lines.get(&mutant.id);
            let word = match (line.map(|line| line.verdict), &mutant.survives) {
                (Some(Verdict::Caught), None) => "caught",
                (Some(Verdict::Survived), Some(_)) => "survived",
                _ => continue,
            };
            let commit = line.map_or("-", |line| line.commit.as_str());
            text.push_str(&format!("{} {word} {commit}\n", mutant.id));
        }
        text
    }

    /// Writes the table of `mutants` and of what cargo-mutants has found; its last lines.
    pub fn table(&self, mutants: &[Mutant], host: Option<&Row>) -> Result<Vec<String>> {
        let mut rows: Vec<Row> = host.into_iter().cloned().collect();
        for mutant in mutants {
            let at = rows.iter().position(|row| row.area == mutant.area());
            let at = at.unwrap_or_else(|| {
                rows.push(Row {
                    area: mutant.area().to_owned(),
                    ..Row::default()
                });
                rows.len() - 1
            });
            let row = &mut rows[at];
            row.all += 1;
            let verdict = self.lines.get(&mutant.id).map(|line| line.verdict);
            match (verdict, &mutant.survives) {
                (Some(Verdict::Caught), _) => row.caught += 1,
                (Some(Verdict::Survived), Some(_)) => row.argued += 1,
                (Some(_), _) => row.survived += 1,
                (None, _) => row.left += 1,
            }
        }
        rows.sort_by(|a, b| a.area.cmp(&b.area));
        let sum = rows.iter().fold(
            Row {
                area: "all".to_owned(),
                ..Row::default()
            },
            Row::plus,
        );
        let mut text = String::from(HEAD);
        for row in rows.iter().chain([&sum]) {
            writeln!(text, "{}", row.line())?;
        }
        text.push('\n');
        for mutant in mutants {
            let line = self.lines.get(&mutant.id);
            let (verdict, by) = match line {
                Some(line) => match line.verdict {
                    Verdict::Caught => (
                        "caught",
                        format!("{} ({} s): {}", line.case, line.seconds, line.why),
                    ),
                    Verdict::Survived => (
                        "survived",
                        mutant.survives.clone().unwrap_or_else(|| line.case.clone()),
                    ),
                    Verdict::Broken => ("broken", line.why.clone()),
                },
                None => ("not run", String::new()),
            };
            let commit = line.map_or("-", |line| line.commit.as_str());
            writeln!(
                text,
                "{verdict:8} {commit:12} {:40} {}\n{:62} {by}",
                mutant.id, mutant.slip, ""
            )?;
        }
        fs::write(self.folder.join(MEASURED), self.measured(mutants))?;
        let path = self.folder.join("table.txt");
        fs::write(&path, &text)?;
        Ok(vec![
            format!(
                "{} of {} mutants that were run are caught: {:.1} %; {} of the others have an argument",
                sum.caught,
                sum.all - sum.left,
                sum.share(),
                sum.argued
            ),
            format!("the table: {}", path.display()),
        ])
    }
}

/// The file that says which mutants do what is expected of them.
const MEASURED: &str = "measured.txt";

const MEASURED_HEAD: &str = "\
# SPDX-License-Identifier: GPL-2.0
# Made by `make mutants` in build/mutants/: mutant, what became of it, at which commit.
";

/// The names in that file of the tree at `top`; none where there is no such file.
pub fn measured(top: &Path) -> Option<BTreeSet<String>> {
    let text = fs::read_to_string(top.join("tools/mutants").join(MEASURED)).ok()?;
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    Some(
        lines
            .filter_map(|line| Some(line.split_whitespace().next()?.to_owned()))
            .collect(),
    )
}

const HEAD: &str = "\
area                            mutants  caught  argued  survived  not run  share
";

/// A part of the tree, and what became of its mutants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    pub area: String,
    pub all: usize,
    pub caught: usize,
    /// Survived, and there is an argument for it
    pub argued: usize,
    /// Survived without one, or does not build
    pub survived: usize,
    /// Not run yet
    pub left: usize,
}

impl Row {
    fn plus(self, other: &Self) -> Self {
        Self {
            area: self.area,
            all: self.all + other.all,
            caught: self.caught + other.caught,
            argued: self.argued + other.argued,
            survived: self.survived + other.survived,
            left: self.left + other.left,
        }
    }

    /// How many of those that were run are caught, in percent.
    fn share(&self) -> f64 {
        100.0 * self.caught as f64 / (self.all - self.left).max(1) as f64
    }

    fn line(&self) -> String {
        format!(
            "{:30} {:8} {:7} {:7} {:9} {:8} {:5.1}%",
            self.area,
            self.all,
            self.caught,
            self.argued,
            self.survived,
            self.left,
            self.share()
        )
    }
}

/// What tools/mutants/hw.sh has found, as a row; none where it has not run.
pub fn host_row(area: &str, folder: &Path) -> Option<Row> {
    let lines = |name: &str| -> Option<usize> {
        let text = fs::read_to_string(folder.join(name)).ok()?;
        Some(text.lines().count())
    };
    let (caught, missed) = (lines("caught.txt")?, lines("missed.txt")?);
    Some(Row {
        area: area.to_owned(),
        all: caught + missed,
        caught,
        survived: missed,
        ..Row::default()
    })
}

#[cfg(test)]
mod tests {
    use super::{super::list, *};

    fn mutant(id: &str, survives: Option<&str>) -> Mutant {
        Mutant {
            id: id.to_owned(),
            survives: survives.map(str::to_owned),
            ..list::nothing()
        }
    }

    #[test]
    fn kept() {
        let folder = std::env::temp_dir().join(format!("acc-mutants-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let line = |id: &str, verdict| Line {
            id: id.to_owned(),
            key: 7,
            commit: "c0ffee".to_owned(),
            verdict,
            case: "c.d".to_owned(),
            why: "said so".to_owned(),
            seconds: 3,
        };
        let mut results = Results::open(&folder).unwrap();
        results.add(line("a", Verdict::Survived)).unwrap();
        results.add(line("a", Verdict::Caught)).unwrap();
        results.add(line("b", Verdict::Survived)).unwrap();
        results.add(line("c", Verdict::Broken)).unwrap();
        results.file.write_all(b"{\"id\": \"d\"").unwrap();
        let results = Results::open(&folder).unwrap();
        assert!(results.of(&mutant("a", None), 7).is_some());
        // Its file has changed.
        assert!(results.of(&mutant("a", None), 8).is_none());
        assert!(results.of(&mutant("b", None), 7).is_none());
        assert!(results.of(&mutant("b", Some("because")), 7).is_some());
        assert!(results.of(&mutant("c", None), 7).is_none());
        assert!(results.of(&mutant("d", None), 7).is_none());
        let mutants = [
            mutant("a", None),
            mutant("b", Some("because")),
            mutant("c", None),
            mutant("d", None),
        ];
        let host = Row {
            area: "drivers/hw".to_owned(),
            all: 7,
            caught: 7,
            ..Row::default()
        };
        let said = results.table(&mutants, Some(&host)).unwrap();
        assert!(said[0].starts_with("8 of 10 mutants"), "{said:?}");
        fs::create_dir_all(folder.join("tools/mutants")).unwrap();
        fs::copy(
            folder.join(MEASURED),
            folder.join("tools/mutants").join(MEASURED),
        )
        .unwrap();
        let names: Vec<String> = measured(&folder).unwrap().into_iter().collect();
        assert_eq!(names, ["a", "b"]);
        let table = fs::read_to_string(folder.join("table.txt")).unwrap();
        fs::remove_dir_all(&folder).unwrap();
        let words: Vec<Vec<&str>> = table
            .lines()
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert_eq!(words[1], ["drivers/hw", "7", "7", "0", "0", "0", "100.0%"]);
        assert_eq!(words[2], ["x", "4", "1", "1", "1", "1", "33.3%"]);
        assert_eq!(words[3], ["all", "11", "8", "1", "1", "1", "80.0%"]);
        assert!(table.contains("because"));
    }
}
