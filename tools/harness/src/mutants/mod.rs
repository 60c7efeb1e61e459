// SPDX-License-Identifier: GPL-2.0

//! `make mutants`: do the cases see small defects of the modules? Each mutant of `tools/mutants/`
//! is built, and the cases that are to see it run in a guest with that build. One of them has to
//! fail. A mutant of a crate that builds on the host may be caught by the tests of that crate.
//!
//! The modules are built from a copy of the sources, one mutant after another, so that each build
//! does no more than a change of one file costs. Two guests run meanwhile, each with the modules of
//! another mutant over those of the initramfs.

mod build;
mod list;
mod results;

use crate::{
    error::Result,
    guest::{Guest, News},
    machine::{Machine, SILENCE, TOTAL, TOTAL_NESTED},
    outcome::Outcome,
    report::Report,
};
use acc_case::{Case, Needs};
use acc_cases::select;
use build::{Builder, Built, Made};
use list::Mutant;
use results::{Line, Results, Row, Verdict};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    sync::{mpsc, Mutex, OnceLock},
    thread,
    time::Duration,
};

/// What is wanted.
#[derive(clap::Args)]
pub struct Wanted {
    /// Which: their names, with * and ?; several have spaces between them
    #[arg(default_value = "*")]
    pattern: String,
    /// So many of them, chosen by the seed
    #[arg(long)]
    count: Option<usize>,
    /// Chooses others for another word
    #[arg(long, default_value = "")]
    seed: String,
    /// Runs nothing: writes the table of what is known
    #[arg(long)]
    pub table: bool,
    /// The commit of the tree, for the table
    #[arg(long, default_value = "-")]
    commit: String,
}

/// Of all mutants together, so many percent have to be caught.
const SHARE: usize = 90;

/// The cases that a mutant names, in the order of the list. A name that is a case's means that
/// case, and not the one of the other generation.
fn cases_of<'a>(mutant: &Mutant, all: &'a [Case]) -> Vec<&'a Case> {
    let patterns: Vec<&str> = mutant.cases.split_whitespace().collect();
    let named = |pattern: &str, case: &Case| match all.iter().any(|case| case.name == pattern) {
        true => case.name == pattern,
        false => select::matches(pattern, "rust", case),
    };
    all.iter()
        .filter(|case| patterns.iter().any(|pattern| named(pattern, case)))
        .collect()
}

/// Puts cases into as few guests as there can be: those with the same needs together.
fn guests<'a>(cases: &[&'a Case]) -> Vec<Vec<&'a Case>> {
    let mut guests: Vec<Vec<&Case>> = Vec::new();
    for case in cases {
        let fits = |guest: &&mut Vec<&Case>| {
            let first: &Needs = &guest[0].needs;
            !case.needs.fresh && *first == case.needs
        };
        match guests.iter_mut().find(fits) {
            Some(guest) => guest.push(case),
            None => guests.push(vec![case]),
        }
    }
    guests
}

/// Runs cases in guests, one guest after another, until one fails, and returns the outcomes.
fn run(machine: &Machine, name: &str, cases: &[&Case], consoles: &Path) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for cases in guests(cases) {
        let total = match cases[0].needs.nested {
            true => TOTAL_NESTED,
            false => TOTAL,
        };
        let guest = Guest {
            name: name.to_owned(),
            cases: cases.into_iter().cloned().collect(),
            limits: machine.limits(SILENCE, total),
        };
        let mut failed = false;
        guest.watch(machine, consoles, &mut |news| {
            let News::Ended(outcome) = news else {
                return true;
            };
            failed |= !outcome.why.is_empty();
            outcomes.push(outcome);
            !failed
        });
        if failed {
            break;
        }
    }
    outcomes
}

/// Which of the cases fail without any mutant: what they say of one is worth nothing.
fn baseline(machine: &Machine, wanted: &[&Case], consoles: &Path) -> BTreeMap<String, String> {
    let queue = Mutex::new(guests(wanted).into_iter());
    let failed = Mutex::new(BTreeMap::new());
    thread::scope(|scope| {
        for n in 0..2 {
            let (queue, failed) = (&queue, &failed);
            scope.spawn(move || loop {
                let next = queue.lock().expect("no poison").next();
                let Some(mut cases) = next else { break };
                // One that fails ends the guest: the others go on in the next.
                while !cases.is_empty() {
                    let outcomes = run(machine, &format!("baseline-{n}"), &cases, consoles);
                    for outcome in &outcomes {
                        if let Some(why) = outcome.why.first() {
                            let mut failed = failed.lock().expect("no poison");
                            failed.insert(outcome.name.clone(), why.clone());
                        }
                    }
                    let left = cases.len();
                    cases.retain(|case| !outcomes.iter().any(|o| o.name == case.name));
                    if cases.len() == left {
                        break;
                    }
                }
            });
        }
    });
    failed.into_inner().expect("no poison")
}

/// What the cases say of a mutant.
fn judge(built: &Built<'_>, outcomes: &[Outcome], commit: &str) -> Line {
    let short = |why: &str| why.trim().chars().take(160).collect::<String>();
    let (verdict, case, why) = match (&built.made, outcomes.iter().find(|o| !o.why.is_empty())) {
        (Made::Broken(e), _) => (Verdict::Broken, String::new(), e.clone()),
        (Made::Caught { suite, why }, _) => (Verdict::Caught, (*suite).to_owned(), short(why)),
        (_, Some(outcome)) => {
            let mut why = outcome.why.iter();
            // What failed in the guest says why in the next line.
            let first = why.next().map_or("", String::as_str);
            let more = why.next().filter(|_| first.ends_with(':'));
            let why = [first, more.map_or("", String::as_str)].join(" ");
            (Verdict::Caught, outcome.name.clone(), short(&why))
        }
        (_, None) => {
            let names: Vec<&str> = outcomes.iter().map(|o| o.name.as_str()).collect();
            (Verdict::Survived, names.join(" "), String::new())
        }
    };
    let took = outcomes.iter().map(|o| o.took).sum::<Duration>() + built.took;
    Line {
        id: built.mutant.id.clone(),
        key: built.key,
        commit: commit.to_owned(),
        verdict,
        case,
        why,
        seconds: took.as_secs(),
    }
}

/// A result as a case has it.
fn outcome(mutant: &Mutant, line: &Line) -> Outcome {
    let mut outcome = Outcome {
        name: format!("mutants.{}", mutant.id),
        took: Duration::from_secs(line.seconds),
        ..Outcome::default()
    };
    match (line.verdict, &mutant.survives) {
        (Verdict::Caught, None) => outcome.remark = format!("caught by {}", line.case),
        (Verdict::Survived, Some(_)) => outcome.remark = "survives, with an argument".to_owned(),
        (Verdict::Caught, Some(argument)) => {
            outcome.why = vec![
                format!("{} catches it: {}", line.case, line.why),
                format!("that no case can is wrong: {argument}"),
            ];
        }
        (Verdict::Survived, None) => {
            outcome.why = vec![
                format!("{}: {}", mutant.file, mutant.slip),
                format!("not seen by {}", line.case),
            ];
        }
        (Verdict::Broken, _) => {
            outcome.why = vec!["it does not build:".to_owned()];
            outcome.why.extend(line.why.lines().map(str::to_owned));
        }
    }
    outcome
}

/// What the threads that run guests share.
struct Run<'a> {
    machine: &'a Machine,
    consoles: &'a Path,
    cases: &'a [Case],
    commit: &'a str,
    /// All mutants, and the row of drivers/hw, for the table
    mutants: &'a [Mutant],
    host: Option<&'a Row>,
    /// The cases that fail without any mutant, and why
    bad: OnceLock<BTreeMap<String, String>>,
    built: Mutex<mpsc::Receiver<Built<'a>>>,
    to: Mutex<(Results, Report)>,
}

impl Run<'_> {
    /// Runs mutants as they are built, in guests of the number `n`.
    fn work(&self, n: usize) -> std::result::Result<(), String> {
        let mut result = Ok(());
        loop {
            let next = self.built.lock().expect("no poison").recv();
            let Ok(built) = next else { return result };
            // The builder would wait for ever otherwise.
            if result.is_ok() {
                result = self.one(n, &built);
            }
        }
    }

    fn one(&self, n: usize, built: &Built<'_>) -> std::result::Result<(), String> {
        let cases = cases_of(built.mutant, self.cases);
        let bad = self.bad.get();
        let wrong = cases.iter().find_map(|case| bad?.get_key_value(&case.name));
        if let Some((case, why)) = wrong {
            self.to.lock().expect("no poison").1.add(Outcome {
                name: format!("mutants.{}", built.mutant.id),
                why: vec![format!("{case} fails without it: {why}")],
                ..Outcome::default()
            });
            return Ok(());
        }
        let mut outcomes = Vec::new();
        if let Made::Modules(modules) = &built.made {
            let machine = Machine {
                replaced: Some(modules.clone()),
                ..self.machine.clone()
            };
            let name = format!("mutant-{n}");
            outcomes = run(&machine, &name, &cases, self.consoles);
            let console = |name: &str| self.consoles.join(format!("console-{name}.log"));
            // To read: nothing depends on either.
            let _ = fs::rename(console(&name), console(&built.mutant.id));
            let _ = fs::remove_dir_all(modules);
        }
        let line = judge(built, &outcomes, self.commit);
        let (results, report) = &mut *self.to.lock().expect("no poison");
        report.add(outcome(built.mutant, &line));
        // The table is whole whenever the run is cut off.
        results
            .add(line)
            .and_then(|()| results.table(self.mutants, self.host))
            .map(drop)
            .map_err(|e| e.to_string())
    }
}

/// What is known of drivers/hw.
fn host_row(machine: &Machine) -> Option<Row> {
    results::host_row("drivers/hw", &machine.top.join("build/mutants-hw"))
}

/// `acc mutants --table`: the table of earlier runs.
pub fn table(machine: &Machine) -> Result<bool> {
    let all = list::read(&machine.top)?;
    let results = Results::open(&machine.folder("mutants"))?;
    for line in results.table(&all, host_row(machine).as_ref())? {
        println!("# {line}");
    }
    Ok(true)
}

/// `acc mutants`
pub fn mutants(machine: &Machine, wanted: &Wanted, all_cases: &[Case]) -> Result<bool> {
    let folder = machine.folder("mutants");
    let consoles = folder.join("consoles");
    fs::create_dir_all(&consoles)?;
    let all = list::read(&machine.top)?;
    for mutant in &all {
        // A case that was renamed would catch nothing any more.
        for pattern in mutant.cases.split_whitespace() {
            let found = all_cases
                .iter()
                .any(|case| select::matches(pattern, "rust", case));
            if !found && mutant.flavour == machine.flavour {
                return Err(format!("{}: no case matches '{pattern}'", mutant.id).into());
            }
        }
    }
    let here = |mutant: &&Mutant| mutant.flavour == machine.flavour;
    let meant = |mutant: &&Mutant| {
        let case = Case::new(&mutant.id);
        select::matches(&wanted.pattern, "both", &case)
    };
    let all: Vec<Mutant> = all.iter().filter(here).cloned().collect();
    let mut chosen: Vec<Mutant> = all.iter().filter(meant).cloned().collect();
    if let Some(count) = wanted.count {
        // What has never been run is not for CI to find out.
        if let Some(measured) = results::measured(&machine.top) {
            chosen.retain(|mutant| measured.contains(&mutant.id));
        }
        chosen = list::choose(chosen, count, &wanted.seed);
    }
    if chosen.is_empty() {
        return Err(format!("no mutant matches '{}'", wanted.pattern).into());
    }
    let whole = chosen.len() == all.len();
    let results = Results::open(&folder)?;
    let host = host_row(machine);
    let mut report = Report::new(&folder, &machine.flavour, chosen.len() + usize::from(whole))?;
    let mut left = Vec::new();
    for mutant in &chosen {
        let source = fs::read_to_string(machine.top.join(&mutant.file))?;
        match results.of(mutant, mutant.key(&source)) {
            Some(line) => report.add(outcome(mutant, line)),
            None => left.push(mutant),
        }
    }
    let names: BTreeSet<&str> = left
        .iter()
        .flat_map(|mutant| cases_of(mutant, all_cases))
        .map(|case| case.name.as_str())
        .collect();
    let base: Vec<&Case> = all_cases
        .iter()
        .filter(|case| names.contains(case.name.as_str()))
        .collect();
    let builder = Builder::new(machine, &folder)?;
    builder.baseline(&left)?;
    let (sender, receiver) = mpsc::sync_channel(1);
    let run = Run {
        machine,
        consoles: &consoles,
        cases: all_cases,
        commit: &wanted.commit,
        mutants: &all,
        host: host.as_ref(),
        bad: OnceLock::new(),
        built: Mutex::new(receiver),
        to: Mutex::new((results, report)),
    };
    thread::scope(|scope| -> Result<()> {
        let builder = scope.spawn(|| builder.build_all(&left, sender));
        // Meanwhile the first one is built.
        let bad = baseline(machine, &base, &consoles);
        let _ = run.bad.set(bad);
        let run = &run;
        let workers = [0, 1].map(|n| scope.spawn(move || run.work(n)));
        for worker in workers {
            worker.join().map_err(|_| "a guest's thread panicked")??;
        }
        Ok(builder.join().map_err(|_| "the builder panicked")??)
    })?;
    let (results, mut report) = run.to.into_inner().expect("no poison");
    let said = results.table(&all, host.as_ref())?;
    if whole {
        report.add(share(&results, &all));
    }
    for line in said {
        report.say(&format!("# {line}"));
    }
    report.finish()
}

/// Whether enough of all are caught.
fn share(results: &Results, all: &[Mutant]) -> Outcome {
    let caught = results.caught(all);
    let mut outcome = Outcome {
        name: "mutants.share".to_owned(),
        remark: format!("{caught} of {} are caught", all.len()),
        ..Outcome::default()
    };
    if caught * 100 < all.len() * SHARE {
        outcome.why = vec![format!(
            "{caught} of {} mutants are caught, which is less than {SHARE} %",
            all.len()
        )];
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_guests() {
        let mut cases = ["a.one", "b.two", "c.three", "d.four", "e.five"].map(Case::new);
        cases[2].needs.hw = Some(5);
        cases[3].needs.fresh = true;
        let cases: Vec<&Case> = cases.iter().collect();
        let sizes: Vec<usize> = guests(&cases).iter().map(Vec::len).collect();
        assert_eq!(sizes, [3, 1, 1]);
    }

    #[test]
    fn named_cases() {
        let all = [
            "a.one",
            "a.one:v5",
            "a.two:rust",
            "a.two:c",
            "a.two:rust:v5",
        ]
        .map(Case::new);
        let names = |cases: &str| -> Vec<String> {
            let mutant = Mutant {
                cases: cases.to_owned(),
                ..list::nothing()
            };
            let cases = cases_of(&mutant, &all);
            cases.iter().map(|case| case.name.clone()).collect()
        };
        assert_eq!(names("a.one"), ["a.one"]);
        assert_eq!(names("a.two"), ["a.two:rust", "a.two:rust:v5"]);
        assert_eq!(names("a.two:rust a.one:v5"), ["a.one:v5", "a.two:rust"]);
    }
}
