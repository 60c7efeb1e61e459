// SPDX-License-Identifier: GPL-2.0

//! What a difference of the two sequences is, and for which set-ups it is expected.

use crate::sequence::line::Line;
use acc_vfio_user::host::Accelerator;

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
    /// `write()` of the stream in RESUMING, then `RESUMING -> STOP`
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
            Self::Load => "write(), RESUMING -> STOP",
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

    pub fn has_driver(&self) -> bool {
        self.work != Work::NoDriver
    }

    /// The PF's status register of the engine.
    pub fn engine_status(&self) -> &'static str {
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
    /// No driver has set the source up
    NoDriver,
    /// No driver has set the VF up: the source, or any target before it is loaded
    NotSetUp,
    /// The migration begins with the arc
    Begins,
    /// A driver has set the source up, and it is a V5
    DriverV5,
    /// The mailbox holds an answer to the guest
    Answer,
    /// A driver has set the source up, and PRE_COPY has looked at the mailbox
    Tried,
    /// A driver has set the source up, and there was no PRE_COPY
    Untried,
    /// V5, and the arc begins in RUNNING
    LeavesRunningV5,
}

impl When {
    fn holds(self, arc: Arc, set_up: &SetUp) -> bool {
        match self {
            Self::Always => true,
            Self::Driver => set_up.has_driver(),
            Self::NoDriver => !set_up.has_driver(),
            Self::NotSetUp => arc.is_target() || !set_up.has_driver(),
            Self::Begins => arc == Arc::PreCopy || !set_up.precopy,
            Self::DriverV5 => set_up.has_driver() && set_up.has_window,
            Self::Answer => set_up.work == Work::Answer,
            Self::Tried => set_up.has_driver() && set_up.precopy,
            Self::Untried => set_up.has_driver() && !set_up.precopy,
            Self::LeavesRunningV5 => set_up.has_window && (arc != Arc::StopCopy || !set_up.precopy),
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::Driver => "if the source has a driver",
            Self::NoDriver => "if the source has no driver",
            Self::NotSetUp => "if no driver has set the VF up",
            Self::Begins => "if the migration begins with the arc",
            Self::DriverV5 => "V5, if the source has a driver",
            Self::Answer => "if the mailbox holds an answer to the guest",
            Self::Tried => "PRE_COPY, if the source has a driver",
            Self::Untried => "without PRE_COPY, if the source has a driver",
            Self::LeavesRunningV5 => "V5, from RUNNING",
        }
    }
}

impl Difference {
    pub fn applies(&self, arc: Arc, set_up: &SetUp) -> bool {
        self.arcs.contains(&arc) && self.when.holds(arc, set_up)
    }

    /// Returns whether a hunk begins with the accesses of this difference.
    pub fn is_at(
        &self,
        set_up: &SetUp,
        c: &[&Line],
        ours: &[&Line],
        before: Option<&Line>,
    ) -> bool {
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
