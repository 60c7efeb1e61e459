// SPDX-License-Identifier: GPL-2.0

//! The sequence of register accesses, mailbox commands and doorbells of our driver beside that of
//! the kernel's C driver (hisi_acc_vfio_pci of Linux 7.2). Where they differ stands in one list,
//! with the reasons: [`list`].
//!
//! The cases `beside_c.*` let both drivers migrate a VF from the same state and compare the logs of
//! the device model. A difference that is not in the list fails the case, and so does an entry that
//! does not show.

pub mod diff;
pub mod difference;
pub mod line;
pub mod list;

pub use difference::{Arc, Count, Difference, SetUp, When, Work};

use diff::{align, hunks, shown, Step};
use line::{Line, Way};
use list::{ALL, WAY};
use std::{collections::BTreeSet, fmt::Write};

/// Compares the accesses of both drivers in an arc. Returns a text of the differences that are not
/// in the list, and of the entries that do not show. Adds the entries that show to `seen`.
pub fn compare(
    arc: Arc,
    set_up: &SetUp,
    c: &[Line],
    ours: &[Line],
    seen: &mut BTreeSet<&'static str>,
) -> String {
    let steps = align(c, ours);
    let mut expected: Vec<&Difference> = ALL
        .iter()
        .filter(|difference| difference.applies(arc, set_up))
        .collect();
    let mut text = String::new();
    for hunk in hunks(&steps) {
        let (mut of_c, mut of_ours) = (&hunk.c[..], &hunk.ours[..]);
        while !of_c.is_empty() || !of_ours.is_empty() {
            let is_at =
                |difference: &&Difference| difference.is_at(set_up, of_c, of_ours, hunk.before);
            let Some(n) = expected.iter().position(is_at) else {
                break;
            };
            let difference = expected.remove(n);
            seen.insert(difference.id);
            of_c = &of_c[difference.c.len()..];
            of_ours = &of_ours[difference.ours.len()..];
        }
        if !of_c.is_empty() || !of_ours.is_empty() {
            text += "not in the list:\n";
            text += &shown(&steps, hunk.at);
        }
    }
    for difference in expected {
        // Writing to a String does not fail.
        let _ = writeln!(text, "{} does not show", difference.id);
    }
    text += &ways(set_up, &steps, seen);
    if text.is_empty() {
        return text;
    }
    format!("{}: {}:\n{text}", set_up.name(), arc.name())
}

/// Compares the ways by which the drivers reach the VF's registers with what [`WAY`] says.
fn ways(set_up: &SetUp, steps: &[Step<'_>], seen: &mut BTreeSet<&'static str>) -> String {
    let mut text = String::new();
    let mut check = |what: &str, line: &Line, wanted: Way| {
        if line.way != wanted {
            // Writing to a String does not fail.
            let _ = writeln!(text, "not the way that {what} goes: {}", line.shown());
        }
    };
    for step in steps {
        let (c, ours) = match step {
            Step::Both(c, ours) => (Some(*c), Some(*ours)),
            Step::C(c) => (Some(*c), None),
            Step::Ours(ours) => (None, Some(*ours)),
        };
        if let Some(line) = c.filter(|line| !line.of_pf) {
            let wanted = if set_up.has_window {
                Way::Window
            } else {
                Way::Bar
            };
            check("C", line, wanted);
        }
        if let Some(line) = ours.filter(|line| !line.of_pf) {
            let window = set_up.has_window && line.is_context;
            check("ours", line, if window { Way::Window } else { Way::Bar });
        }
        if c.zip(ours).is_some_and(|(c, ours)| c.way != ours.way) {
            seen.insert(WAY);
        }
    }
    text
}

/// Returns the entries of which each has to show in some set-up on a generation.
pub fn to_be_seen(has_window: bool) -> BTreeSet<&'static str> {
    let listed = ALL.iter().filter(|difference| match difference.when {
        When::DriverV5 | When::LeavesRunningV5 => has_window,
        When::Always
        | When::Driver
        | When::NoDriver
        | When::NotSetUp
        | When::Begins
        | When::Answer
        | When::Tried
        | When::Untried => true,
    });
    let way = has_window.then_some(WAY);
    listed.map(|difference| difference.id).chain(way).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use acc_vfio_user::host;

    const SET_UP: SetUp = SetUp {
        accelerator: host::ZIP,
        precopy: true,
        work: Work::Idle,
        has_window: false,
    };

    fn line(what: &str, value: Option<u128>) -> Line {
        Line {
            what: what.to_owned(),
            value,
            way: Way::Bar,
            of_pf: what.starts_with("pf "),
            is_context: false,
        }
    }

    fn run(c: &[Line], ours: &[Line]) -> String {
        compare(Arc::Run, &SET_UP, c, ours, &mut BTreeSet::new())
    }

    /// Where the doorbell of the second queue is in what ours does.
    const SECOND: usize = 2;

    /// Both as S15 has them, with two doorbells, and ours with S22.
    fn start() -> (Vec<Line>, Vec<Line>) {
        let listed = |id: &str| ALL.iter().find(|d| d.id == id).unwrap();
        let kick = |n| {
            line(
                &format!("vf write doorbell SQ {n} index 0 priority 1"),
                None,
            )
        };
        let of = |first: &[&str], last: &[&str]| -> Vec<Line> {
            let lines =
                |of: &[&str]| -> Vec<Line> { of.iter().map(|what| line(what, None)).collect() };
            [lines(first), vec![kick(0), kick(1)], lines(last)].concat()
        };
        let (begin, end) = (listed("S15"), listed("S22"));
        (of(begin.c, end.c), of(begin.ours, end.ours))
    }

    #[test]
    fn what_is_listed_is_no_difference() {
        let (c, ours) = start();
        assert_eq!(run(&c, &ours), "");
    }

    #[test]
    fn what_is_not_listed_is_one() {
        let (c, ours) = start();
        let mut lacks = ours.clone();
        lacks.remove(SECOND);
        assert!(run(&c, &lacks).contains("  - vf write doorbell SQ 1"));
        let mut swapped = ours.clone();
        swapped.swap(1, 2);
        assert!(run(&c, &swapped).contains("not in the list"));
        let mut other = ours.clone();
        other[SECOND].value = Some(1);
        assert!(run(&c, &other).contains("not in the list"));
        let mut window = ours;
        window.last_mut().unwrap().way = Way::Window;
        assert!(run(&c, &window).contains("not the way"));
    }

    #[test]
    fn what_does_not_show_is_said() {
        let (c, _) = start();
        assert!(run(&c, &c).contains("S15 does not show"));
    }
}
