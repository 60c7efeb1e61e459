// SPDX-License-Identifier: GPL-2.0

//! Shows how far a run is: how many cases have ended, which run, and how long the rest takes. On a
//! terminal this is a bar, else a line each minute.

use indicatif::{HumanDuration, ProgressBar, ProgressStyle};
use std::{
    collections::BTreeMap,
    io::IsTerminal,
    time::{Duration, Instant},
};

/// How many guests run at a time. The suites of the host take the place of one.
pub const GUESTS: usize = 2;

/// Time between two lines where there is no terminal.
const EACH: Duration = Duration::from_secs(60);

/// Cases that run one after the other: those of a guest, or those of the host.
struct Row {
    /// Cases that have not ended.
    left: Vec<String>,
    /// The case that runs.
    running: Option<String>,
    /// When the last case ended, or the first one was waited for.
    since: Option<Instant>,
}

impl Row {
    fn left(&self, took: &BTreeMap<String, f64>, unknown: f64) -> f64 {
        let each = self.left.iter().map(|name| took.get(name));
        let sum: f64 = each.map(|seconds| *seconds.unwrap_or(&unknown)).sum();
        let gone = self
            .since
            .map_or(0.0, |since| since.elapsed().as_secs_f64());
        (sum - gone).max(0.0)
    }
}

/// How far a run is.
pub struct Progress {
    rows: Vec<Row>,
    /// Seconds that each case took in its last run.
    took: BTreeMap<String, f64>,
    total: usize,
    begin: Instant,
    said: Instant,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Takes the cases of the host and of each guest in the order in which they start, and how long
    /// each case took in its last run.
    pub fn new(groups: Vec<Vec<String>>, took: BTreeMap<String, f64>) -> Self {
        let rows = groups.into_iter().map(|left| Row {
            left,
            running: None,
            since: None,
        });
        let rows: Vec<Row> = rows.collect();
        let total = rows.iter().map(|row| row.left.len()).sum();
        Self {
            rows,
            took,
            total,
            begin: Instant::now(),
            said: Instant::now(),
            bar: None,
        }
    }

    /// Shows a bar if somebody looks at a terminal, and what guests say is not shown there.
    pub fn shown(mut self) -> Self {
        let terminal = std::io::stdout().is_terminal() && std::io::stderr().is_terminal();
        if terminal && std::env::var_os("V").is_none() {
            let style = ProgressStyle::with_template("{bar:20} {pos}/{len} {wide_msg}");
            let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
            let total = u64::try_from(self.total).unwrap_or(u64::MAX);
            self.bar = Some(ProgressBar::new(total).with_style(style));
        }
        self
    }

    fn row(&mut self, name: &str) -> Option<&mut Row> {
        let has = |row: &&mut Row| row.left.iter().any(|left| left == name);
        self.rows.iter_mut().find(has)
    }

    /// A case is waited for: its guest starts, or the case begins.
    pub fn begins(&mut self, name: &str) {
        if let Some(row) = self.row(name) {
            row.running = Some(name.to_owned());
            row.since.get_or_insert_with(Instant::now);
        }
        self.show();
    }

    /// Takes the end of a case, and returns how long the harness waited for it.
    pub fn ended(&mut self, name: &str) -> Option<Duration> {
        let row = self.row(name)?;
        row.left.retain(|left| left != name);
        if row.running.as_deref() == Some(name) {
            row.running = None;
        }
        let waited = row.since.replace(Instant::now()).map(|at| at.elapsed());
        self.show();
        waited
    }

    /// Returns how many seconds the rest takes, if most of it ran before.
    fn left(&self) -> Option<f64> {
        let names = || self.rows.iter().flat_map(|row| &row.left);
        let mut known: Vec<f64> = names().filter_map(|n| self.took.get(n).copied()).collect();
        if known.len() * 2 < names().count() || known.is_empty() {
            return None;
        }
        known.sort_by(f64::total_cmp);
        let unknown = known[known.len() / 2];
        let mut ends = [0.0; GUESTS];
        // Those that run, then each of the others where a guest ends first.
        let (run, wait): (Vec<&Row>, Vec<&Row>) =
            self.rows.iter().partition(|row| row.since.is_some());
        for row in run.into_iter().chain(wait) {
            ends.sort_by(f64::total_cmp);
            ends[0] += row.left(&self.took, unknown);
        }
        Some(ends.into_iter().fold(0.0, f64::max))
    }

    fn done(&self) -> usize {
        self.total - self.rows.iter().map(|row| row.left.len()).sum::<usize>()
    }

    /// Returns what there is to say beside the count.
    fn text(&self) -> String {
        let mut text = String::new();
        if let Some(left) = self.left() {
            let left = Duration::from_secs_f64(left.ceil());
            text = format!("about {} left: ", HumanDuration(left));
        }
        let running = self.rows.iter().filter_map(|row| row.running.as_deref());
        text + &running.collect::<Vec<_>>().join(", ")
    }

    fn show(&self) {
        if let Some(bar) = &self.bar {
            bar.set_position(u64::try_from(self.done()).unwrap_or(u64::MAX));
            bar.set_message(self.text());
        }
    }

    /// Is called now and then, so that time goes by for people too.
    pub fn tick(&mut self) {
        self.show();
        if self.bar.is_none() && self.said.elapsed() >= EACH {
            self.said = Instant::now();
            // A comment of TAP, if both streams go to the same place.
            let minutes = self.begin.elapsed().as_secs() / 60;
            let (done, total) = (self.done(), self.total);
            eprintln!("# {minutes} min: {done} of {total}, {}", self.text());
        }
    }

    /// Prints a line above the bar.
    pub fn print(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| println!("{line}")),
            None => println!("{line}"),
        }
    }

    /// Removes the bar.
    pub fn end(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn progress(known: &[(&str, f64)]) -> Progress {
        let groups = vec![
            names(&["host.a"]),
            names(&["a.one", "a.two"]),
            names(&["b.one"]),
            names(&["c.one"]),
        ];
        let took = known.iter().map(|(name, s)| ((*name).to_owned(), *s));
        Progress::new(groups, took.collect())
    }

    #[test]
    fn time_left() {
        let mut progress = progress(&[
            ("host.a", 100.0),
            ("a.one", 30.0),
            ("a.two", 30.0),
            ("b.one", 20.0),
            ("c.one", 30.0),
        ]);
        let left = |progress: &Progress| progress.left().unwrap().round();
        // The host beside a, b, and c.
        assert_eq!(left(&progress), 110.0);
        assert_eq!(progress.ended("host.a"), None);
        assert_eq!(left(&progress), 60.0);
        progress.begins("a.one");
        progress.begins("b.one");
        assert!(
            progress.text().ends_with(" left: a.one, b.one"),
            "{}",
            progress.text()
        );
        assert!(progress.ended("a.one").is_some());
        assert_eq!(left(&progress), 50.0);
        assert!(
            progress.text().ends_with(" left: b.one"),
            "{}",
            progress.text()
        );
        assert_eq!(progress.done(), 2);
        for name in ["a.two", "b.one", "c.one"] {
            progress.ended(name);
        }
        assert_eq!(progress.left(), None);
        assert_eq!(progress.ended("c.one"), None);
        assert_eq!(progress.done(), 5);
    }

    /// An estimate from few cases would be none.
    #[test]
    fn unknown() {
        assert!(progress(&[("a.one", 1.0), ("a.two", 1.0)]).left().is_none());
        // The case that is not known takes as long as the one in the middle.
        let known = [
            ("a.one", 1.0),
            ("a.two", 1.0),
            ("host.a", 4.0),
            ("b.one", 9.0),
        ];
        assert_eq!(progress(&known).left(), Some(11.0));
        assert_eq!(progress(&[]).text(), "");
    }
}
