// SPDX-License-Identifier: GPL-2.0

//! Makes results of what a guest says: the log of its kernel, and messages of its programs.

use crate::{
    complaints::Complaints,
    console::{self, Line},
    outcome::Outcome,
};
use acc_case::{Case, Excuse, Message};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    mem,
    time::Duration,
};

/// How many of the console's last lines are shown for a case without a result.
const TAIL: usize = 25;
/// How a guest came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// QEMU ended
    Gone,
    /// It was ended, for it said nothing
    Silent(u64),
    /// It was ended, for it took too long
    TooLong(u64),
    /// It was ended, for all that counts was known of its case
    Over,
}

impl End {
    pub fn text(self) -> String {
        match self {
            Self::Gone => "the guest ended before its time".to_owned(),
            Self::Silent(s) => format!("the guest was silent for {s} s and was ended"),
            Self::TooLong(s) => format!("the guest took longer than {s} s and was ended"),
            Self::Over => "the guest was ended".to_owned(),
        }
    }
}

/// What is known of a guest's cases so far.
///
/// The kernel's log and the messages of the guest's programs come by different ways. The log alone
/// says during which case the kernel complains. A result is settled when the log is at another
/// case, or at its end, because complaints of the case may come until then.
pub struct Judge {
    /// Cases without a result.
    left: Vec<Case>,
    /// The case that the kernel's log is at.
    current: Option<String>,
    /// Cases whose beginning the log has shown.
    begun: BTreeSet<String>,
    /// Results that are not settled.
    results: Vec<(Case, Outcome)>,
    complaints: BTreeMap<String, Complaints>,
    /// What the case that runs has measured.
    data: Vec<(String, Value)>,
    /// The last lines of the guest.
    tail: VecDeque<String>,
    ended: bool,
    first: String,
}

impl Judge {
    pub fn new(cases: &[Case]) -> Self {
        Self {
            left: cases.to_vec(),
            current: None,
            begun: BTreeSet::new(),
            results: Vec::new(),
            complaints: BTreeMap::new(),
            data: Vec::new(),
            tail: VecDeque::new(),
            ended: false,
            first: cases.first().map(|c| c.name.clone()).unwrap_or_default(),
        }
    }

    /// Returns the case that the kernel's log is at, once it is at one.
    pub fn current(&self) -> Option<&str> {
        self.current.as_deref()
    }

    /// Returns the case that the kernel's log is at.
    fn concerned(&self) -> String {
        self.current.as_ref().unwrap_or(&self.first).clone()
    }

    /// Adds the complaints that no excuse covers to the outcome of a case.
    fn charge(&mut self, case: &Case, outcome: &mut Outcome) {
        let mut complaints = self.complaints.remove(&case.name).unwrap_or_default();
        // What is wanted first: it may be allowed in other words, too.
        if let Some(words) = &case.splat {
            let wanted = Excuse {
                head: words.clone(),
                place: None,
            };
            match complaints.excuse(&wanted) {
                // How it ended does not count then.
                true if case.lethal => outcome.why.clear(),
                true => {}
                false => {
                    let why = format!("the kernel was to complain of this: {words}");
                    outcome.why.push(why);
                }
            }
        }
        for known in &case.known {
            if complaints.excuse(known) {
                outcome.remark = format!("{} known: {}", outcome.remark, known.head);
                outcome.remark = outcome.remark.trim().to_owned();
            }
        }
        for allowed in &case.allowed {
            complaints.excuse(allowed);
        }
        if !complaints.is_empty() {
            outcome.why.push("the kernel complains:".to_owned());
            outcome.why.extend(complaints.lines());
        }
    }

    /// Returns the results of cases that the kernel's log has left.
    fn settle(&mut self) -> Vec<Outcome> {
        let results = mem::take(&mut self.results);
        let current = self.current.as_deref();
        let (over, open): (Vec<_>, Vec<_>) = results
            .into_iter()
            .partition(|(case, _)| self.begun.contains(&case.name) && current != Some(&case.name));
        self.results = open;
        self.close(over)
    }

    /// Charges results with what speaks against them.
    fn close(&mut self, results: Vec<(Case, Outcome)>) -> Vec<Outcome> {
        let close = |(case, mut outcome): (Case, Outcome)| {
            self.charge(&case, &mut outcome);
            outcome
        };
        results.into_iter().map(close).collect()
    }

    /// Takes a line for people to read.
    pub fn text(&mut self, line: &str) {
        self.tail.push_back(line.to_owned());
        if self.tail.len() > TAIL {
            self.tail.pop_front();
        }
    }

    /// Takes a line of the console and returns the outcomes that are certain now.
    pub fn console(&mut self, line: &str) -> Vec<Outcome> {
        self.text(line);
        match console::read(line) {
            Line::Begin(name) => {
                self.current = Some(name.to_owned());
                self.begun.insert(name.to_owned());
                return self.settle();
            }
            Line::Splat => {
                let name = self.concerned();
                self.complaints.entry(name).or_default().begin(line);
            }
            Line::Kernel => {
                let name = self.concerned();
                if let Some(complaints) = self.complaints.get_mut(&name) {
                    complaints.go_on(line);
                }
            }
            Line::End => self.ended = true,
            Line::Other => {}
        }
        Vec::new()
    }

    /// Takes a message of a program and returns the outcomes that are certain now.
    pub fn message(&mut self, line: &str) -> Vec<Outcome> {
        match Message::read(line) {
            Ok(Message::Result {
                name,
                remark,
                why,
                millis,
            }) => {
                let Some(at) = self.left.iter().position(|case| case.name == name) else {
                    return Vec::new();
                };
                let case = self.left.remove(at);
                let mut outcome = Outcome {
                    name,
                    remark,
                    took: Duration::from_millis(millis),
                    data: mem::take(&mut self.data),
                    why: Vec::new(),
                };
                if let Some(why) = why {
                    outcome.why.push("failed in the guest:".to_owned());
                    outcome.why.extend(why.lines().map(str::to_owned));
                }
                self.results.push((case, outcome));
                return self.settle();
            }
            Ok(Message::Data { file, value }) => self.data.push((file, value)),
            Ok(Message::Complaint { lines }) => {
                // Programs speak in order: it is about the case that has the last result.
                let last = self.results.last().map(|(case, _)| case.name.clone());
                let name = last.unwrap_or_else(|| self.concerned());
                self.complaints.entry(name).or_default().add(lines);
            }
            // Cut off, because the guest ended. A result that is lost so is missing at the end.
            Err(_) => self.text(line),
        }
        Vec::new()
    }

    /// Returns whether all that counts is known of a case that its guest need not outlive.
    pub fn is_over(&self) -> bool {
        let complained = |case: &Case| {
            let complaints = self.complaints.get(&case.name);
            case.splat
                .as_ref()
                .map(|words| complaints.is_some_and(|c| c.has(words)))
        };
        match (&self.results[..], &self.left[..]) {
            ([.., (case, _)], []) => case.lethal && complained(case).unwrap_or(true),
            ([], [case]) => case.lethal && complained(case).unwrap_or(false),
            _ => false,
        }
    }

    /// Takes the end of the guest and returns the outcomes that are left.
    pub fn end(mut self, end: End) -> Vec<Outcome> {
        let left = mem::take(&mut self.left);
        let mut results = mem::take(&mut self.results);
        let last = results.pop();
        let mut outcomes = self.close(results);
        // What is said late, while the guest powers off too, is put to the last result.
        if let Some((case, mut outcome)) = last {
            let hung = matches!(end, End::Silent(_) | End::TooLong(_));
            let begun = |name: &String| left.iter().any(|case| case.name == *name);
            match &self.current {
                // It is another one that did not end.
                Some(name) if begun(name) => {}
                _ if hung => outcome.why.push(format!("then {}", end.text())),
                _ if !self.ended && end == End::Gone => outcome
                    .why
                    .push("the guest ended without its end mark".to_owned()),
                _ => {}
            }
            if left.is_empty() {
                let mut all = Complaints::default();
                for complaints in mem::take(&mut self.complaints).into_values() {
                    all.append(complaints);
                }
                self.complaints.insert(case.name.clone(), all);
            }
            self.charge(&case, &mut outcome);
            outcomes.push(outcome);
        }
        for case in left {
            let mut outcome = Outcome {
                name: case.name.clone(),
                ..Outcome::default()
            };
            if let (End::Over, Some(words)) = (end, &case.splat) {
                outcome.remark = format!("the kernel complains: {words}");
                self.charge(&case, &mut outcome);
                outcomes.push(outcome);
                continue;
            }
            outcome.why.push(end.text());
            match &self.current {
                Some(name) if *name != case.name => {
                    outcome.why.push(format!("when it ran {name}"));
                }
                _ => {
                    let complaints = self.complaints.remove(&case.name).unwrap_or_default();
                    outcome.why.extend(complaints.lines());
                    outcome.why.push("its last lines:".to_owned());
                    outcome.why.extend(self.tail.iter().cloned());
                }
            }
            outcomes.push(outcome);
        }
        outcomes
    }
}

#[cfg(test)]
mod tests;
