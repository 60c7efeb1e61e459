// SPDX-License-Identifier: GPL-2.0

//! Faults to order. What was ordered for a function stays over its resets, till it is cleared.

use crate::device::Twin;
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
    fn read(word: &str) -> Option<Self> {
        if word == "all" {
            return Some(Self::All);
        }
        let command = Command::ALL.into_iter().find(|c| c.name() == word)?;
        Some(Self::One(command))
    }
}

/// What was ordered for a function.
#[derive(Clone, Default)]
pub struct Faults {
    /// How long each job takes, in nanoseconds
    pub job_delay: u64,
    /// So many jobs are done, and the next one stays in the engine; `None`: no job is held. Ends when a
    /// command waits for the engine
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
    /// So many interrupts are not sent
    pub lost: u32,
    /// So many interrupts are sent twice
    pub doubled: u32,
    /// DMA to here fails
    pub hole: Range<u64>,
    /// Registers read all ones, writes go nowhere, no DMA, no interrupts
    pub gone: bool,
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

fn number<T: TryFrom<u64>>(word: &str) -> Option<T> {
    let value = match word.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16),
        None => word.parse(),
    };
    value.ok().and_then(|value| value.try_into().ok())
}

fn switch(word: &str) -> Option<bool> {
    match word {
        "on" => Some(true),
        "off" => Some(false),
        _ => None,
    }
}

impl Twin {
    /// Takes an order for function `f`; `None` where it is not understood. See
    /// [`control`](crate::control).
    pub(crate) fn order(&mut self, f: usize, words: &[&str]) -> Option<()> {
        let faults = self.faults.get_mut(f)?;
        match words {
            ["clear"] => *faults = Faults::default(),
            ["job-delay", ns] => faults.job_delay = number(ns)?,
            ["hold-jobs", "off"] => faults.jobs_left = None,
            ["hold-jobs", n] => faults.jobs_left = Some(number(n)?),
            ["mailbox-busy", on] => faults.mailbox_busy = switch(on)?,
            ["mailbox-late", ns] => faults.mailbox_delay = number(ns)?,
            ["mailbox-hold", "off"] => faults.held = None,
            ["mailbox-hold", which] => faults.held = Some(Which::read(which)?),
            ["mailbox-polls", n] => faults.mailbox_polls = number(n)?,
            ["mailbox-error", "off"] => faults.refused = None,
            ["mailbox-error", which] => faults.refused = Some(Which::read(which)?),
            ["write-back-stuck", on] => faults.write_back_stuck = switch(on)?,
            ["ras-at-pause", bits] => faults.ras_at_pause = number(bits)?,
            ["engine-at-pause", bits] => faults.engine_at_pause = number(bits)?,
            ["lose-msi", n] => faults.lost = number(n)?,
            ["double-msi", n] => faults.doubled = number(n)?,
            ["dma-hole", at, len] => {
                let at: u64 = number(at)?;
                faults.hole = at..at.saturating_add(number(len)?);
            }
            ["gone", on] => faults.gone = switch(on)?,
            ["silent-load", on] => faults.silent_load = switch(on)?,
            // Not kept, and nothing to clear: the state of registers, now.
            ["message-pending", on] => {
                let on = u32::from(switch(on)?);
                self.functions.get_mut(f)?.message_status = on;
            }
            ["ras", bits] => self.qm_errors.set(number(bits)?),
            ["engine", bits] => self.engine_errors.set(number(bits)?),
            _ => return None,
        }
        Some(())
    }
}
