// SPDX-License-Identifier: GPL-2.0

//! The sequence of register accesses, mailbox commands and doorbells of our driver beside that of
//! the kernel's C driver (hisi_acc_vfio_pci of Linux 7.2). Where they differ stands in one list,
//! with the reasons: [`list`].
//!
//! The cases `beside_c.*` let both drivers migrate a VF from the same state and compare the logs of
//! the device model. A difference that is not in the list fails the case, and so does an entry that
//! does not show.

pub mod diff;
pub mod line;
pub mod list;

use acc_vfio_user::host::Accelerator;
use diff::{align, hunks, shown, Step};
use line::{Line, Way};
use list::{ALL, WAY};
use std::{collections::BTreeSet, fmt::Write};

/// A change of state, or what is done in a state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arc {
    /// `RUNNING -> PRE_COPY`
    PreCopy,
    /// `PRE_COPY -> STOP_COPY`, or `RUNNING -> STOP_COPY`
    StopCopy,
    /// `STOP_COPY -> STOP`
    Stop,
    /// `RUNNING -> RESUMING`, of a target that no driver has set up
    Resuming,
    /// `write()` of the stream in RESUMING
    Write,
    /// `RESUMING -> STOP`
    Load,
    /// `STOP -> RUNNING`, of the target
    Run,
}

impl Arc {
    pub fn name(self) -> &'static str {
        match self {
            Self::PreCopy => "RUNNING -> PRE_COPY",
            Self::StopCopy => "-> STOP_COPY",
            Self::Stop => "STOP_COPY -> STOP",
            Self::Resuming => "RUNNING -> RESUMING",
            Self::Write => "write() in RESUMING",
            Self::Load => "RESUMING -> STOP",
            Self::Run => "STOP -> RUNNING",
        }
    }

    /// Whether it is the target's.
    pub fn is_target(self) -> bool {
        !matches!(self, Self::PreCopy | Self::StopCopy | Self::Stop)
    }
}

/// The state of the source when it is migrated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Work {
    /// No driver has set the VF up
    NoDriver,
    /// The guest has consumed all completions
    Idle,
    /// There are completions and an error of a queue that the guest has not looked into
    Unread,
    /// There are the same completions, a request in the engine, others behind it
    Busy,
    /// The guest has consumed all completions; the mailbox holds the answer to its last command
    Answer,
}

/// The state from which both drivers migrate a VF.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SetUp {
    pub accelerator: Accelerator,
    /// Whether the migration goes by PRE_COPY
    pub precopy: bool,
    pub work: Work,
    /// Whether the generation has the migration window, as V5
    pub has_window: bool,
}

impl SetUp {
    pub fn name(&self) -> String {
        format!(
            "{}, {:?}{}",
            self.accelerator.name,
            self.work,
            if self.precopy {
                ""
            } else {
                ", without PRE_COPY"
            }
        )
    }

    fn has_driver(&self) -> bool {
        self.work != Work::NoDriver
    }

    /// The PF's status register of the engine.
    fn engine_status(&self) -> &'static str {
        self.accelerator.errors.status_name
    }
}

/// A difference. Accesses are named without the value that they read. A star at the end stands for
/// any value that is written, `{engine}` for the status register of the engine.
pub struct Difference {
    pub id: &'static str,
    pub arcs: &'static [Arc],
    /// For which set-ups
    pub when: When,
    /// What only the C driver does
    pub c: &'static [&'static str],
    /// What only ours does
    pub ours: &'static [&'static str],
    /// The access that both make next: one of these; the empty one if there is none
    pub before: &'static [&'static str],
    pub why: &'static str,
}

/// For which set-ups a difference is expected.
#[derive(Clone, Copy)]
pub enum When {
    Always,
    /// A driver has set the source up
    Driver,
    /// The same on V5 only
    DriverV5,
    /// The mailbox holds an answer to the guest
    Answer,
    /// V5, and the arc begins in RUNNING
    LeavesRunningV5,
}

impl When {
    fn holds(self, arc: Arc, set_up: &SetUp) -> bool {
        match self {
            Self::Always => true,
            Self::Driver => set_up.has_driver(),
            Self::DriverV5 => set_up.has_driver() && set_up.has_window,
            Self::Answer => set_up.work == Work::Answer,
            Self::LeavesRunningV5 => set_up.has_window && (arc != Arc::StopCopy || !set_up.precopy),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::Driver => "if the source has a driver",
            Self::DriverV5 => "V5, if the source has a driver",
            Self::Answer => "if the mailbox holds an answer to the guest",
            Self::LeavesRunningV5 => "V5, from RUNNING",
        }
    }
}

impl Difference {
    fn applies(&self, arc: Arc, set_up: &SetUp) -> bool {
        self.arcs.contains(&arc) && self.when.holds(arc, set_up)
    }

    /// Returns whether a hunk begins with the accesses of this difference.
    fn is_at(&self, set_up: &SetUp, c: &[&Line], ours: &[&Line], before: Option<&Line>) -> bool {
        let begins = |lines: &[&Line], with: &[&str]| {
            lines.len() >= with.len()
                && lines
                    .iter()
                    .zip(with)
                    .all(|(line, pattern)| fits(set_up, pattern, &line.what))
        };
        let before = before.map_or("", |line| line.what.as_str());
        let follows = self
            .before
            .iter()
            .any(|pattern| fits(set_up, pattern, before));
        follows && begins(c, self.c) && begins(ours, self.ours)
    }
}

fn fits(set_up: &SetUp, pattern: &str, what: &str) -> bool {
    let pattern = pattern.replace("{engine}", set_up.engine_status());
    match pattern.strip_suffix('*') {
        Some(begin) => what.starts_with(begin),
        None => what == pattern,
    }
}

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
        When::Always | When::Driver | When::Answer => true,
    });
    let way = has_window.then_some(WAY);
    listed.map(|difference| difference.id).chain(way).collect()
}

/// The number of accesses of the PF's and of the VF's registers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Count {
    pub pf: usize,
    pub vf: usize,
}

impl Count {
    pub fn of(lines: &[&Line]) -> Self {
        let pf = lines.iter().filter(|line| line.of_pf).count();
        Self {
            pf,
            vf: lines.len() - pf,
        }
    }
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

    /// Both as S15 has them, with a doorbell.
    fn start() -> (Vec<Line>, Vec<Line>) {
        let listed = ALL.iter().find(|d| d.id == "S15").unwrap();
        let kick = |n| {
            line(
                &format!("vf write doorbell SQ {n} index 0 priority 1"),
                None,
            )
        };
        let of = |lines: &[&str]| -> Vec<Line> {
            let lines = lines.iter().map(|what| line(what, None));
            lines.chain([kick(0), kick(1)]).collect()
        };
        (of(listed.c), of(listed.ours))
    }

    #[test]
    fn what_is_listed_is_no_difference() {
        let (c, ours) = start();
        assert_eq!(run(&c, &ours), "");
    }

    #[test]
    fn what_is_not_listed_is_one() {
        let (c, ours) = start();
        let lacks = &ours[..ours.len() - 1];
        assert!(run(&c, lacks).contains("  - vf write doorbell SQ 1"));
        let mut swapped = ours.clone();
        swapped.swap(1, 2);
        assert!(run(&c, &swapped).contains("not in the list"));
        let mut other = ours.clone();
        other[ours.len() - 1].value = Some(1);
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
