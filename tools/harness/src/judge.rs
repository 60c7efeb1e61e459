// SPDX-License-Identifier: GPL-2.0

//! Makes results of what a guest's console says.

use crate::{
    complaints::Complaints,
    console::{self, Line},
    report::Outcome,
};
use acc_case::{Case, Excuse};
use std::{
    collections::{BTreeMap, VecDeque},
    mem,
    time::Instant,
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
pub struct Judge {
    /// Without a result
    left: Vec<Case>,
    /// The case that began last
    current: Option<(String, Instant)>,
    /// A result that is not reported yet: what comes after it may speak against it
    last: Option<(Case, Outcome)>,
    complaints: BTreeMap<String, Complaints>,
    /// What the case that runs has measured
    data: Vec<(String, String)>,
    tail: VecDeque<String>,
    ended: bool,
    first: String,
}

impl Judge {
    pub fn new(cases: &[Case]) -> Self {
        Self {
            left: cases.to_vec(),
            current: None,
            last: None,
            complaints: BTreeMap::new(),
            data: Vec::new(),
            tail: VecDeque::new(),
            ended: false,
            first: cases.first().map(|c| c.name.clone()).unwrap_or_default(),
        }
    }

    /// To which case goes what is said now.
    fn concerned(&self) -> String {
        match &self.current {
            Some((name, _)) => name.clone(),
            None => self.first.clone(),
        }
    }

    /// The last result with all that speaks against it.
    fn settle(&mut self) -> Option<Outcome> {
        let (case, mut outcome) = self.last.take()?;
        self.charge(&case, &mut outcome);
        Some(outcome)
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

    /// Takes a line of the console; maybe there is a result then.
    pub fn line(&mut self, line: &str) -> Option<Outcome> {
        self.tail.push_back(line.to_owned());
        if self.tail.len() > TAIL {
            self.tail.pop_front();
        }
        match console::read(line) {
            Line::Begin(name) => {
                let settled = self.settle();
                self.current = Some((name.to_owned(), Instant::now()));
                self.data.clear();
                return settled;
            }
            Line::Result {
                passed,
                name,
                remark,
            } => {
                let at = self.left.iter().position(|case| case.name == name)?;
                let settled = self.settle();
                let case = self.left.remove(at);
                let mut outcome = self.outcome(&case);
                outcome.remark = remark.to_owned();
                outcome.data = mem::take(&mut self.data);
                if !passed {
                    outcome.why.push("failed in the guest:".to_owned());
                }
                self.last = Some((case, outcome));
                return settled;
            }
            Line::Diagnostic(text) => {
                if let Some((_, outcome)) = &mut self.last {
                    if !outcome.why.is_empty() {
                        outcome.why.push(text.to_owned());
                    }
                }
            }
            Line::Data { file, json } => self.data.push((file.to_owned(), json.to_owned())),
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
        None
    }

    /// Whether all that counts is known of a case that its guest need not outlive.
    pub fn is_over(&self) -> bool {
        let complained = |case: &Case| {
            let complaints = self.complaints.get(&case.name);
            case.splat
                .as_ref()
                .map(|words| complaints.is_some_and(|c| c.has(words)))
        };
        match (&self.last, &self.left[..]) {
            (Some((case, _)), []) => case.lethal && complained(case).unwrap_or(true),
            (None, [case]) => case.lethal && complained(case).unwrap_or(false),
            _ => false,
        }
    }

    /// An outcome of a case, nothing said against it.
    fn outcome(&self, case: &Case) -> Outcome {
        let took = match &self.current {
            Some((name, begin)) if *name == case.name => begin.elapsed(),
            _ => Default::default(),
        };
        Outcome {
            name: case.name.clone(),
            took,
            ..Outcome::default()
        }
    }

    /// The guest has ended: what is still to be said.
    pub fn end(mut self, end: End) -> Vec<Outcome> {
        let left = mem::take(&mut self.left);
        // What is said late, while the guest powers off too, is put to the last result.
        if let Some((case, outcome)) = &mut self.last {
            let hung = matches!(end, End::Silent(_) | End::TooLong(_));
            let begun = |name: &String| left.iter().any(|case| case.name == *name);
            match &self.current {
                // It is another one that did not end.
                Some((name, _)) if begun(name) => {}
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
        }
        let mut outcomes: Vec<Outcome> = self.settle().into_iter().collect();
        for case in left {
            let mut outcome = self.outcome(&case);
            if let (End::Over, Some(words)) = (end, &case.splat) {
                outcome.remark = format!("the kernel complains: {words}");
                self.charge(&case, &mut outcome);
                outcomes.push(outcome);
                continue;
            }
            outcome.why.push(end.text());
            match &self.current {
                Some((name, _)) if *name != case.name => {
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
mod tests {
    use super::*;

    /// Makes a case of a name and what it needs, with a tab before each.
    fn read(text: &str) -> Case {
        let excuse = |text: &str| {
            let (head, place) = match text.split_once(" @ ") {
                Some((head, place)) => (head, Some(place.to_owned())),
                None => (text, None),
            };
            let head = head.to_owned();
            Excuse { head, place }
        };
        let mut fields = text.split('\t');
        let mut case = Case::new(fields.next().unwrap());
        for field in fields {
            match field.split_once('=').unwrap_or((field, "")) {
                ("fresh", _) => case.needs.fresh = true,
                ("lethal", _) => case.lethal = true,
                ("splat", words) => case.splat = Some(words.to_owned()),
                ("known", text) => case.known.push(excuse(text)),
                ("allow", text) => case.allowed.push(excuse(text)),
                _ => panic!("{field}"),
            }
        }
        case
    }

    /// The outcomes of a console: name, and what there is against it.
    fn judge(cases: &[&str], console: &str, end: End) -> Vec<(String, String)> {
        let cases: Vec<Case> = cases.iter().map(|c| read(c)).collect();
        let mut judge = Judge::new(&cases);
        let mut outcomes: Vec<Outcome> = console
            .lines()
            .filter_map(|line| judge.line(line))
            .collect();
        outcomes.extend(judge.end(end));
        outcomes
            .into_iter()
            .map(|o| (o.name, o.why.join("\n")))
            .collect()
    }

    const GOOD: &str = "\
[    1.0] acc-selftest: begin a.one
ok 1 - a.one
[    2.0] acc-selftest: begin a.two
ok 2 - a.two
acc-selftest: end
[    3.0] reboot: Power down
";

    #[test]
    fn all_is_well() {
        let outcomes = judge(&["a.one", "a.two"], GOOD, End::Gone);
        assert_eq!(outcomes.len(), 2);
        assert!(
            outcomes.iter().all(|(_, why)| why.is_empty()),
            "{outcomes:?}"
        );
    }

    #[test]
    fn data_are_the_cases() {
        let console = GOOD
            .replace("ok 1", "acc-selftest: data x {\"n\":1}\nok 1")
            .replace(
                "ok 2",
                "acc-selftest: data x 2\nacc-selftest: data y 3\nok 2",
            );
        let mut judge = Judge::new(&[Case::new("a.one"), Case::new("a.two")]);
        let mut outcomes: Vec<Outcome> = console
            .lines()
            .filter_map(|line| judge.line(line))
            .collect();
        outcomes.extend(judge.end(End::Gone));
        let data: Vec<_> = outcomes.into_iter().map(|o| o.data).collect();
        let of = |file: &str, json: &str| (file.to_owned(), json.to_owned());
        assert_eq!(
            data,
            [vec![of("x", "{\"n\":1}")], vec![of("x", "2"), of("y", "3")]]
        );
    }

    #[test]
    fn late_complaints() {
        let late = GOOD.replace("[    3.0] reb", "[    3.0] BUG: late\n[    3.0] reb");
        let outcomes = judge(&["a.one", "a.two"], &late, End::Gone);
        assert!(outcomes[0].1.is_empty());
        assert!(outcomes[1].1.contains("BUG: late"), "{outcomes:?}");
        // Between a result and the next case: to the former.
        let between = GOOD.replace("[    2.0]", "[    1.5] BUG: between\n[    2.0]");
        let outcomes = judge(&["a.one", "a.two"], &between, End::Gone);
        assert!(outcomes[0].1.contains("BUG: between"), "{outcomes:?}");
        assert!(outcomes[1].1.is_empty());
    }

    #[test]
    fn hangs_after_its_last_result() {
        for end in [End::TooLong(9), End::Silent(9)] {
            for ended in [GOOD, &GOOD.replace("acc-selftest: end\n", "")] {
                let outcomes = judge(&["a.one", "a.two"], ended, end);
                assert!(outcomes[0].1.is_empty());
                assert!(outcomes[1].1.contains("9 s"), "{outcomes:?}");
            }
        }
        let outcomes = judge(
            &["a.one", "a.two"],
            &GOOD.replace("acc-selftest: end\n", ""),
            End::Gone,
        );
        assert!(outcomes[1].1.contains("end mark"), "{outcomes:?}");
    }

    #[test]
    fn hangs_in_a_case() {
        let console = GOOD.split("ok 2").next().unwrap();
        let outcomes = judge(&["a.one", "a.two", "a.three"], console, End::Silent(9));
        assert!(outcomes[0].1.is_empty(), "{outcomes:?}");
        assert!(outcomes[1].1.contains("silent for 9 s"), "{outcomes:?}");
        assert!(outcomes[2].1.contains("when it ran a.two"), "{outcomes:?}");
    }

    #[test]
    fn complaints_that_are_wanted() {
        let console = GOOD.replace("ok 2", "[    2.5] BUG: KASAN: here\nok 2");
        let outcomes = judge(&["a.one", "a.two\tsplat=KASAN:"], &console, End::Gone);
        assert!(
            outcomes.iter().all(|(_, why)| why.is_empty()),
            "{outcomes:?}"
        );
        let outcomes = judge(&["a.one\tsplat=KASAN:", "a.two"], &console, End::Gone);
        assert!(
            outcomes.iter().all(|(_, why)| !why.is_empty()),
            "{outcomes:?}"
        );
    }

    #[test]
    fn guests_that_need_not_outlive_their_case() {
        let over = |case: &str, console: &str| {
            let case = read(case);
            let mut judge = Judge::new(&[case]);
            let lines = console.lines();
            let n = lines.take_while(|line| {
                assert!(judge.line(line).is_none());
                !judge.is_over()
            });
            let n = n.count();
            let outcomes = judge.end(if n < console.lines().count() {
                End::Over
            } else {
                End::Silent(9)
            });
            assert_eq!(outcomes.len(), 1);
            (n, outcomes[0].why.join("\n"))
        };
        let begin = "[    1.0] acc-selftest: begin a.b\n";
        let splat = "[    2.0] Internal error: Oops: 1\n";
        // Complained, and nothing came any more.
        let wanted = "a.b\tfresh\tlethal\tsplat=Oops";
        let (n, why) = over(wanted, &[begin, splat].concat());
        assert_eq!((n, why.as_str()), (1, ""));
        // Complained, then failed.
        let result = "not ok 1 - a.b\n";
        let (n, why) = over(wanted, &[begin, splat, result].concat());
        assert_eq!((n, why.as_str()), (1, ""));
        let (n, why) = over(wanted, &[begin, result, splat].concat());
        assert_eq!((n, why.as_str()), (2, ""));
        // Did not complain.
        for console in [begin.to_owned(), [begin, "ok 1 - a.b\n"].concat()] {
            let (_, why) = over(wanted, &console);
            assert!(why.contains("9 s"), "{why}");
        }
        // Needs not complain: its result is what counts.
        let result = "ok 1 - a.b\n";
        let (n, why) = over("a.b\tfresh\tlethal", &[begin, result].concat());
        assert_eq!((n, why.as_str()), (1, ""));
        let (_, why) = over("a.b\tfresh\tlethal", &[begin, splat].concat());
        assert!(why.contains("9 s"), "{why}");
    }

    #[test]
    fn complaints_that_are_known() {
        let known =
            "[    2.5] WARNING: a.c:1 at g\n[    2.5]  f+0x1/0x2\n[    2.5] Call trace:\nok 2";
        let console = GOOD.replace("ok 2", known);
        let cases = ["a.one", "a.two\tknown=WARNING: a.c @ f+0x1/"];
        let outcomes = judge(&cases, &console, End::Gone);
        assert!(
            outcomes.iter().all(|(_, why)| why.is_empty()),
            "{outcomes:?}"
        );
        // Another one beside it is not.
        let another = console.replace("ok 2", "[    2.6] BUG: there\nok 2");
        let outcomes = judge(&cases, &another, End::Gone);
        assert!(outcomes[1].1.contains("BUG: there"), "{outcomes:?}");
        assert!(!outcomes[1].1.contains("f+0x1"), "{outcomes:?}");
        // It need not come.
        assert!(judge(&cases, GOOD, End::Gone)[1].1.is_empty());
    }

    /// The same function in another complaint's trace, or the same complaint of another place.
    #[test]
    fn what_is_known_is_no_more_than_that() {
        let cases = ["a.one", "a.two\tknown=WARNING: a.c @ f+0x1/"];
        for said in [
            "BUG: KASAN: slab-use-after-free in g\n[    2.5]  f+0x1/0x2",
            "WARNING: b.c:1 at g\n[    2.5]  f+0x1/0x2",
            "WARNING: b.c:1 at g\n[    2.5]  WARN a.c f+0x1/0x2",
            "WARNING: a.c:1 at g\n[    2.5]  g+0x1/0x2",
            "------------[ cut here ]------------\n[    2.5] refcount_t: underflow\n[    2.5]  f+0x1/0x2",
        ] {
            let console = GOOD.replace("ok 2", &format!("[    2.5] {said}\nok 2"));
            let outcomes = judge(&cases, &console, End::Gone);
            assert!(outcomes[1].1.contains("the kernel complains"), "{said}");
        }
    }

    /// A complaint that is wanted excuses itself alone, also where the guest ends of it.
    #[test]
    fn what_is_wanted_excuses_no_other() {
        let wanted = "[    2.5] BUG: KASAN: in here\n[    2.5] Call trace:\n";
        let cases = ["a.one", "a.two\tfresh\tsplat=in here"];
        let with = |more: &str| {
            let console = GOOD.replace("ok 2", &[wanted, more, "ok 2"].concat());
            judge(&cases, &console, End::Gone)[1].1.clone()
        };
        assert_eq!(with(""), "");
        assert!(with("[    2.6] WARNING: there\n").contains("WARNING: there"));
        // It is still wanted where it is allowed as well.
        let case = ["a.one", "a.two\tfresh\tsplat=in here\tallow=KASAN:"];
        let console = GOOD.replace("ok 2", &[wanted, "ok 2"].concat());
        assert_eq!(judge(&case, &console, End::Gone)[1].1, "");
        assert!(judge(&case, GOOD, End::Gone)[1]
            .1
            .contains("was to complain"));
        // Its words in the trace of another one are not it.
        let console = GOOD.replace("ok 2", "[    2.5] BUG: x\n[    2.5]  in here\nok 2");
        assert!(judge(&cases, &console, End::Gone)[1]
            .1
            .contains("was to complain"));

        let mut judge = Judge::new(&[read("a.b\tfresh\tlethal\tsplat=Oops")]);
        for line in [
            "[    1.0] acc-selftest: begin a.b",
            "[    2.0] WARNING: suspicious RCU usage",
            "[    2.1] Internal error: Oops: 1",
        ] {
            assert!(judge.line(line).is_none());
        }
        assert!(judge.is_over());
        let outcomes = judge.end(End::Over);
        let why = outcomes[0].why.join("\n");
        assert!(why.contains("suspicious RCU"), "{why}");
        assert!(!why.contains("Oops"), "{why}");
    }

    /// What a device does that it must not: a complaint, where no case asks for it.
    #[test]
    fn events_of_the_smmu() {
        let console = GOOD.replace(
            "ok 2",
            "[    2.5] arm-smmu-v3 9050000.smmuv3: event 0x10 received:\n\
             [    2.5] arm-smmu-v3 9050000.smmuv3: \t0x0000101000000010\n\
             [    2.5] arm-smmu-v3 9050000.smmuv3: event: F_TRANSLATION client: 0000:02:00.1\nok 2",
        );
        let outcomes = judge(&["a.one", "a.two"], &console, End::Gone);
        assert!(outcomes[1].1.contains("F_TRANSLATION"), "{outcomes:?}");
        let outcomes = judge(&["a.one", "a.two\tallow=event 0x10"], &console, End::Gone);
        assert_eq!(outcomes[1].1, "");
        let outcomes = judge(&["a.one", "a.two\tallow=event 0x13"], &console, End::Gone);
        assert!(outcomes[1].1.contains("F_TRANSLATION"), "{outcomes:?}");
    }

    #[test]
    fn programs_may_complain() {
        let console = GOOD.replace(
            "acc-selftest: end",
            "acc-selftest: complaint: a leak\nacc-selftest: end",
        );
        let outcomes = judge(&["a.one", "a.two"], &console, End::Gone);
        assert!(outcomes[1].1.contains("a leak"), "{outcomes:?}");
    }

    #[test]
    fn what_follows_a_complaint_is_kept() {
        let console = GOOD.replace(
            "ok 2",
            "[    2.4] before\n[    2.5] WARNING: x\n[    2.5]  f+0x1/0x2\nok 2",
        );
        let outcomes = judge(&["a.one", "a.two"], &console, End::Gone);
        assert!(outcomes[1].1.contains("f+0x1/0x2"), "{outcomes:?}");
        assert!(!outcomes[1].1.contains("before"), "{outcomes:?}");
    }
}
