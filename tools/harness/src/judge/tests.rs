// SPDX-License-Identifier: GPL-2.0

use super::*;

/// Gives a judge a line: of the console, a message (`ok CASE`, `fail CASE`, JSON), or other text.
fn say(judge: &mut Judge, line: &str) -> Vec<Outcome> {
    let result = |name: &str, why: Option<&str>| Message::Result {
        name: name.to_owned(),
        remark: String::new(),
        why: why.map(str::to_owned),
        millis: 5,
    };
    if line.starts_with('[') {
        return judge.console(line);
    }
    let message = match line.split_once(' ') {
        Some(("ok", name)) => result(name, None),
        Some(("fail", name)) => result(name, Some("said so")),
        _ if line.starts_with('{') => return judge.message(line),
        _ => {
            judge.text(line);
            return Vec::new();
        }
    };
    judge.message(&message.line().unwrap())
}

/// Returns the outcomes of what a guest says: the name, and what there is against it.
fn judge(cases: &[Case], said: &str, end: End) -> Vec<(String, String)> {
    let mut judge = Judge::new(cases);
    let mut outcomes: Vec<Outcome> = said
        .lines()
        .flat_map(|line| say(&mut judge, line))
        .collect();
    outcomes.extend(judge.end(end));
    outcomes
        .into_iter()
        .map(|o| (o.name, o.why.join("\n")))
        .collect()
}

/// Makes cases without needs.
fn plain<const N: usize>(names: [&str; N]) -> [Case; N] {
    names.map(Case::new)
}

/// Makes a case that changes one thing.
fn with(name: &str, change: impl FnOnce(&mut Case)) -> Case {
    let mut case = Case::new(name);
    change(&mut case);
    case
}

fn splat(name: &str, words: &str) -> Case {
    with(name, |case| case.splat = Some(words.to_owned()))
}

fn excuse(head: &str, place: Option<&str>) -> Excuse {
    Excuse {
        head: head.to_owned(),
        place: place.map(str::to_owned),
    }
}

fn known(name: &str) -> Case {
    with(name, |case| {
        case.known = vec![excuse("WARNING: a.c", Some("f+0x1/"))];
    })
}

fn allowing(name: &str, head: &str) -> Case {
    with(name, |case| case.allowed = vec![excuse(head, None)])
}

/// Makes a case that its guest need not outlive.
fn lethal(splat: Option<&str>) -> Case {
    with("a.b", |case| {
        case.needs.fresh = true;
        case.lethal = true;
        case.splat = splat.map(str::to_owned);
    })
}

const GOOD: &str = "\
[    1.0] acc-selftest: begin a.one
ok a.one
[    2.0] acc-selftest: begin a.two
ok a.two
[    2.9] acc-selftest: end
[    3.0] reboot: Power down
";

#[test]
fn all_is_well() {
    let outcomes = judge(&plain(["a.one", "a.two"]), GOOD, End::Gone);
    assert_eq!(outcomes.len(), 2);
    assert!(
        outcomes.iter().all(|(_, why)| why.is_empty()),
        "{outcomes:?}"
    );
}

#[test]
fn data_are_the_cases() {
    let data = |file: &str, n: u32| {
        let value = n.into();
        let file = file.to_owned();
        Message::Data { file, value }.line().unwrap()
    };
    let said = GOOD
        .replace("ok a.one", &format!("{}\nok a.one", data("x", 1)))
        .replace(
            "ok a.two",
            &format!("{}\n{}\nok a.two", data("x", 2), data("y", 3)),
        );
    let mut judge = Judge::new(&plain(["a.one", "a.two"]));
    let mut outcomes: Vec<Outcome> = said
        .lines()
        .flat_map(|line| say(&mut judge, line))
        .collect();
    outcomes.extend(judge.end(End::Gone));
    let data: Vec<_> = outcomes.into_iter().map(|o| o.data).collect();
    let of = |file: &str, n: u32| (file.to_owned(), Value::from(n));
    assert_eq!(data, [vec![of("x", 1)], vec![of("x", 2), of("y", 3)]]);
}

/// The log and the messages come by different ways: a result may come before the log shows the
/// beginning of its case, and the log may be at the next case before the result is there.
#[test]
fn ways_of_different_length() {
    let splat = "[    1.5] BUG: in one\n";
    let one = "[    1.0] acc-selftest: begin a.one\n";
    let two = "[    2.0] acc-selftest: begin a.two\n";
    let end = "[    2.9] acc-selftest: end\n";
    for said in [
        ["ok a.one\nok a.two\n", one, splat, two, end].concat(),
        ["ok a.one\n", one, splat, "ok a.two\n", two, end].concat(),
        [one, splat, two, "ok a.one\nok a.two\n", end].concat(),
        [one, splat, two, end, "ok a.one\nok a.two\n"].concat(),
        [one, splat, two, "ok a.one\n", end, "ok a.two\n"].concat(),
    ] {
        let outcomes = judge(&plain(["a.one", "a.two"]), &said, End::Gone);
        assert_eq!(outcomes.len(), 2, "{said}");
        assert_eq!(outcomes[0].0, "a.one", "{said}");
        assert!(
            outcomes[0].1.contains("BUG: in one"),
            "{said}: {outcomes:?}"
        );
        assert!(outcomes[1].1.is_empty(), "{said}: {outcomes:?}");
    }
}

/// A message that is cut off is no result, and what the guest said last is shown.
#[test]
fn cut_off() {
    let said = GOOD.split("ok a.two").next().unwrap().to_owned() + "{\"Result\":{\"na";
    let outcomes = judge(&plain(["a.one", "a.two"]), &said, End::Gone);
    assert!(outcomes[0].1.is_empty(), "{outcomes:?}");
    let why = &outcomes[1].1;
    assert!(
        why.contains("before its time") && why.contains("{\"Result"),
        "{why}"
    );
}

#[test]
fn failures() {
    let said = GOOD.replace("ok a.one", "fail a.one");
    let outcomes = judge(&plain(["a.one", "a.two"]), &said, End::Gone);
    assert_eq!(outcomes[0].1, "failed in the guest:\nsaid so");
    assert!(outcomes[1].1.is_empty(), "{outcomes:?}");
}

#[test]
fn late_complaints() {
    let late = GOOD.replace("[    3.0] reb", "[    3.0] BUG: late\n[    3.0] reb");
    let outcomes = judge(&plain(["a.one", "a.two"]), &late, End::Gone);
    assert!(outcomes[0].1.is_empty());
    assert!(outcomes[1].1.contains("BUG: late"), "{outcomes:?}");
    // Between a result and the next case: to the former.
    let between = GOOD.replace("[    2.0]", "[    1.5] BUG: between\n[    2.0]");
    let outcomes = judge(&plain(["a.one", "a.two"]), &between, End::Gone);
    assert!(outcomes[0].1.contains("BUG: between"), "{outcomes:?}");
    assert!(outcomes[1].1.is_empty());
}

#[test]
fn hangs_after_its_last_result() {
    for end in [End::TooLong(9), End::Silent(9)] {
        for ended in [GOOD, &GOOD.replace("[    2.9] acc-selftest: end\n", "")] {
            let outcomes = judge(&plain(["a.one", "a.two"]), ended, end);
            assert!(outcomes[0].1.is_empty());
            assert!(outcomes[1].1.contains("9 s"), "{outcomes:?}");
        }
    }
    let outcomes = judge(
        &plain(["a.one", "a.two"]),
        &GOOD.replace("[    2.9] acc-selftest: end\n", ""),
        End::Gone,
    );
    assert!(outcomes[1].1.contains("end mark"), "{outcomes:?}");
}

#[test]
fn hangs_in_a_case() {
    let console = GOOD.split("ok a.two").next().unwrap();
    let outcomes = judge(
        &plain(["a.one", "a.two", "a.three"]),
        console,
        End::Silent(9),
    );
    assert!(outcomes[0].1.is_empty(), "{outcomes:?}");
    assert!(outcomes[1].1.contains("silent for 9 s"), "{outcomes:?}");
    assert!(outcomes[2].1.contains("when it ran a.two"), "{outcomes:?}");
}

#[test]
fn complaints_that_are_wanted() {
    let console = GOOD.replace("ok a.two", "[    2.5] BUG: KASAN: here\nok a.two");
    let outcomes = judge(
        &[Case::new("a.one"), splat("a.two", "KASAN:")],
        &console,
        End::Gone,
    );
    assert!(
        outcomes.iter().all(|(_, why)| why.is_empty()),
        "{outcomes:?}"
    );
    let outcomes = judge(
        &[splat("a.one", "KASAN:"), Case::new("a.two")],
        &console,
        End::Gone,
    );
    assert!(
        outcomes.iter().all(|(_, why)| !why.is_empty()),
        "{outcomes:?}"
    );
}

#[test]
fn guests_that_need_not_outlive_their_case() {
    let over = |case: &Case, console: &str| {
        let case = case.clone();
        let mut judge = Judge::new(&[case]);
        let lines = console.lines();
        let n = lines.take_while(|line| {
            assert!(say(&mut judge, line).is_empty());
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
    let wanted = &lethal(Some("Oops"));
    let (n, why) = over(wanted, &[begin, splat].concat());
    assert_eq!((n, why.as_str()), (1, ""));
    // Complained, then failed.
    let result = "fail a.b\n";
    let (n, why) = over(wanted, &[begin, splat, result].concat());
    assert_eq!((n, why.as_str()), (1, ""));
    let (n, why) = over(wanted, &[begin, result, splat].concat());
    assert_eq!((n, why.as_str()), (2, ""));
    // Did not complain.
    for console in [begin.to_owned(), [begin, "ok a.b\n"].concat()] {
        let (_, why) = over(wanted, &console);
        assert!(why.contains("9 s"), "{why}");
    }
    // Needs not complain: its result is what counts.
    let result = "ok a.b\n";
    let (n, why) = over(&lethal(None), &[begin, result].concat());
    assert_eq!((n, why.as_str()), (1, ""));
    let (_, why) = over(&lethal(None), &[begin, splat].concat());
    assert!(why.contains("9 s"), "{why}");
}

#[test]
fn complaints_that_are_known() {
    let warning =
        "[    2.5] WARNING: a.c:1 at g\n[    2.5]  f+0x1/0x2\n[    2.5] Call trace:\nok a.two";
    let console = GOOD.replace("ok a.two", warning);
    let cases = [Case::new("a.one"), known("a.two")];
    let outcomes = judge(&cases, &console, End::Gone);
    assert!(
        outcomes.iter().all(|(_, why)| why.is_empty()),
        "{outcomes:?}"
    );
    // Another one beside it is not.
    let another = console.replace("ok a.two", "[    2.6] BUG: there\nok a.two");
    let outcomes = judge(&cases, &another, End::Gone);
    assert!(outcomes[1].1.contains("BUG: there"), "{outcomes:?}");
    assert!(!outcomes[1].1.contains("f+0x1"), "{outcomes:?}");
    // It need not come.
    assert!(judge(&cases, GOOD, End::Gone)[1].1.is_empty());
}

/// The same function in another complaint's trace, or the same complaint of another place.
#[test]
fn what_is_known_is_no_more_than_that() {
    let cases = [Case::new("a.one"), known("a.two")];
    for said in [
        "BUG: KASAN: slab-use-after-free in g\n[    2.5]  f+0x1/0x2",
        "WARNING: b.c:1 at g\n[    2.5]  f+0x1/0x2",
        "WARNING: b.c:1 at g\n[    2.5]  WARN a.c f+0x1/0x2",
        "WARNING: a.c:1 at g\n[    2.5]  g+0x1/0x2",
        "------------[ cut here ]------------\n[    2.5] refcount_t: underflow\n[    2.5]  f+0x1/0x2",
    ] {
        let console = GOOD.replace("ok a.two", &format!("[    2.5] {said}\nok a.two"));
        let outcomes = judge(&cases, &console, End::Gone);
        assert!(outcomes[1].1.contains("the kernel complains"), "{said}");
    }
}

/// A complaint that is wanted excuses itself alone, also where the guest ends of it.
#[test]
fn what_is_wanted_excuses_no_other() {
    let wanted = "[    2.5] BUG: KASAN: in here\n[    2.5] Call trace:\n";
    let cases = [Case::new("a.one"), splat("a.two", "in here")];
    let with = |more: &str| {
        let console = GOOD.replace("ok a.two", &[wanted, more, "ok a.two"].concat());
        judge(&cases, &console, End::Gone)[1].1.clone()
    };
    assert_eq!(with(""), "");
    assert!(with("[    2.6] WARNING: there\n").contains("WARNING: there"));
    // It is still wanted where it is allowed as well.
    let mut allowed = splat("a.two", "in here");
    allowed.allowed = vec![excuse("KASAN:", None)];
    let case = [Case::new("a.one"), allowed];
    let console = GOOD.replace("ok a.two", &[wanted, "ok a.two"].concat());
    assert_eq!(judge(&case, &console, End::Gone)[1].1, "");
    assert!(judge(&case, GOOD, End::Gone)[1]
        .1
        .contains("was to complain"));
    // Its words in the trace of another one are not it.
    let console = GOOD.replace("ok a.two", "[    2.5] BUG: x\n[    2.5]  in here\nok a.two");
    assert!(judge(&cases, &console, End::Gone)[1]
        .1
        .contains("was to complain"));

    let mut judge = Judge::new(&[lethal(Some("Oops"))]);
    for line in [
        "[    1.0] acc-selftest: begin a.b",
        "[    2.0] WARNING: suspicious RCU usage",
        "[    2.1] Internal error: Oops: 1",
    ] {
        assert!(say(&mut judge, line).is_empty());
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
        "ok a.two",
        "[    2.5] arm-smmu-v3 9050000.smmuv3: event 0x10 received:\n\
         [    2.5] arm-smmu-v3 9050000.smmuv3: \t0x0000101000000010\n\
         [    2.5] arm-smmu-v3 9050000.smmuv3: event: F_TRANSLATION client: 0000:02:00.1\nok a.two",
    );
    let outcomes = judge(&plain(["a.one", "a.two"]), &console, End::Gone);
    assert!(outcomes[1].1.contains("F_TRANSLATION"), "{outcomes:?}");
    let outcomes = judge(
        &[Case::new("a.one"), allowing("a.two", "event 0x10")],
        &console,
        End::Gone,
    );
    assert_eq!(outcomes[1].1, "");
    let outcomes = judge(
        &[Case::new("a.one"), allowing("a.two", "event 0x13")],
        &console,
        End::Gone,
    );
    assert!(outcomes[1].1.contains("F_TRANSLATION"), "{outcomes:?}");
}

#[test]
fn programs_may_complain() {
    let console = GOOD.replace(
        "[    2.9]",
        "{\"Complaint\":{\"lines\":[\"a leak\"]}}\n[    2.9]",
    );
    let outcomes = judge(&plain(["a.one", "a.two"]), &console, End::Gone);
    assert!(outcomes[1].1.contains("a leak"), "{outcomes:?}");
}

#[test]
fn what_follows_a_complaint_is_kept() {
    let console = GOOD.replace(
        "ok a.two",
        "[    2.4] before\n[    2.5] WARNING: x\n[    2.5]  f+0x1/0x2\nok a.two",
    );
    let outcomes = judge(&plain(["a.one", "a.two"]), &console, End::Gone);
    assert!(outcomes[1].1.contains("f+0x1/0x2"), "{outcomes:?}");
    assert!(!outcomes[1].1.contains("before"), "{outcomes:?}");
}
