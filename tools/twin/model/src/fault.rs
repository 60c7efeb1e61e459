// SPDX-License-Identifier: GPL-2.0

//! Faults to order. What was ordered for a function stays over its resets, until it is cleared.

use hisi_acc_hw::mailbox::Command;
use std::ops::Range;

/// Which mailbox commands an order is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Which {
    All,
    One(Command),
}

impl Which {
    /// Whether the order is for a command; one that there is not is only among all.
    pub fn has(self, command: Option<Command>) -> bool {
        match self {
            Self::All => true,
            Self::One(which) => command == Some(which),
        }
    }

    /// Reads `all`, or the name of a command.
    pub(crate) fn read(word: &str) -> Option<Self> {
        if word == "all" {
            return Some(Self::All);
        }
        let command = Command::ALL.into_iter().find(|c| c.name() == word)?;
        Some(Self::One(command))
    }
}

/// An order for the moment at which a function is given a mailbox command.
#[derive(Clone)]
pub(crate) struct Trigger {
    pub(crate) f: usize,
    pub(crate) command: Command,
    /// The function that the order is for.
    pub(crate) of: usize,
    pub(crate) order: String,
}

/// What was ordered for a function.
#[derive(Clone, Default)]
pub struct Faults {
    /// How long each job takes, in nanoseconds
    pub job_delay: u64,
    /// So many jobs are done, and the next one stays in the engine; `None`: no job is held. Ends
    /// when a command waits for the engine
    pub jobs_left: Option<u64>,
    /// Commands are taken and never carried out
    pub mailbox_busy: bool,
    /// Commands are carried out so many nanoseconds late
    pub mailbox_delay: u64,
    /// Commands are taken, and carried out when the order ends
    pub held: Option<Which>,
    /// So many reads of the mailbox find it busy after each command, though that is carried out
    pub mailbox_polls: u32,
    /// Commands are answered with an error and not carried out
    pub refused: Option<Which>,
    /// `QM_CACHE_WB_DONE` stays 0
    pub write_back_stuck: bool,
    /// Set in the PF's `QM_ABNORMAL_INT_SOURCE` when this function is paused
    pub ras_at_pause: u32,
    /// The same of the engine
    pub engine_at_pause: u32,
    /// The AEQ is about to get the event that the EQ has no room, though it has
    pub eq_overflow: bool,
    /// The function is about to write here, whatever it works on
    pub stray: Option<u64>,
    /// So many interrupts are not sent
    pub lost: u32,
    /// So many interrupts are sent twice
    pub doubled: u32,
    /// DMA to here fails
    pub hole: Range<u64>,
    /// Registers read all ones, writes go nowhere, no DMA, no interrupts
    pub gone: bool,
    /// After a reset the function is not ready until this order ends
    pub reset_held: bool,
    /// A reset does nothing
    pub reset_ignored: bool,
    /// A loaded context of an event queue asks for no interrupt for the events it has already
    pub silent_load: bool,
}

impl Faults {
    /// Whether DMA is to be refused.
    pub fn blocks(&self, address: u64, len: usize) -> bool {
        let end = address.saturating_add(len as u64);
        self.gone || (address < self.hole.end && self.hole.start < end)
    }
}
