// SPDX-License-Identifier: GPL-2.0

//! What happened, by function: the truth that tests ask for. Keeping it changes nothing that a
//! driver could see.

use crate::log::{name, Log};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

/// The unit in which writes by DMA are noted, in bits.
pub const PAGE_SHIFT: u32 = 12;

/// How many lines on resets are kept since the mark.
const RESETS: usize = 4096;

/// What happened to a function since the mark.
#[derive(Default)]
struct Counts {
    /// By name
    named: BTreeMap<&'static str, u64>,
    /// Register accesses: by whether it was a write, BAR and offset
    registers: BTreeMap<(bool, u8, u64), u64>,
    /// Mailbox commands
    mailbox: BTreeMap<&'static str, u64>,
    /// Mailbox commands that a reset came before the end of
    cut_off: BTreeMap<&'static str, u64>,
    /// Pages written by DMA
    pages: BTreeSet<u64>,
}

/// The ledger of a device.
pub struct Ledger {
    functions: Vec<Counts>,
    /// Resets and their ends in order: of which function, and whether it ended
    resets: Vec<(usize, bool)>,
    /// Functions that were reset, and whose configuration space was not read since
    unread: BTreeSet<usize>,
    /// The order of register accesses; a mark does not touch it.
    pub log: Log,
}

impl Ledger {
    /// Of a device with so many functions.
    pub fn new(functions: usize) -> Self {
        Self {
            functions: (0..functions).map(|_| Counts::default()).collect(),
            resets: Vec::new(),
            unread: BTreeSet::new(),
            log: Log::default(),
        }
    }

    /// Adds to a count of a function. A count that is 0 is not shown.
    pub fn add(&mut self, function: usize, key: &'static str, n: u64) {
        if n == 0 {
            return;
        }
        if let Some(counts) = self.functions.get_mut(function) {
            *counts.named.entry(key).or_default() += n;
        }
    }

    /// A driver's access of a register.
    pub fn register(&mut self, function: usize, write: bool, bar: u8, offset: u64) {
        if let Some(counts) = self.functions.get_mut(function) {
            *counts.registers.entry((write, bar, offset)).or_default() += 1;
        }
    }

    /// A mailbox command.
    pub fn mailbox(&mut self, function: usize, command: &'static str) {
        if let Some(counts) = self.functions.get_mut(function) {
            *counts.mailbox.entry(command).or_default() += 1;
        }
    }

    /// A mailbox command that was not done when its function was reset.
    pub fn cut_off(&mut self, function: usize, command: &'static str) {
        if let Some(counts) = self.functions.get_mut(function) {
            *counts.cut_off.entry(command).or_default() += 1;
        }
    }

    /// A function was reset.
    pub fn reset(&mut self, function: usize) {
        self.unread.insert(function);
        self.resets_go_on(function, false);
    }

    /// The configuration space of a function is read. The first time after a reset, its driver has
    /// waited for the reset to end.
    pub fn config_read(&mut self, function: usize) {
        if self.unread.remove(&function) {
            self.resets_go_on(function, true);
        }
    }

    /// Returns whether the driver of a function still waits for a reset to end.
    pub fn is_in_reset(&self, function: usize) -> bool {
        self.unread.contains(&function)
    }

    fn resets_go_on(&mut self, function: usize, ended: bool) {
        // No test needs more, and a guest may run for long.
        if self.resets.len() < RESETS {
            self.resets.push((function, ended));
        }
    }

    /// Memory was written by DMA.
    pub fn written(&mut self, function: usize, address: u64, len: usize) {
        let Some(last) = (len as u64)
            .checked_sub(1)
            .and_then(|n| address.checked_add(n))
        else {
            return;
        };
        if let Some(counts) = self.functions.get_mut(function) {
            counts
                .pages
                .extend(address >> PAGE_SHIFT..=last >> PAGE_SHIFT);
        }
    }

    /// A count: of [`Self::add`], `mailbox.COMMAND`, `cut_off.COMMAND`, or `pages_written`.
    pub fn get(&self, function: usize, key: &str) -> u64 {
        let Some(counts) = self.functions.get(function) else {
            return 0;
        };
        if key == "pages_written" {
            return counts.pages.len() as u64;
        }
        let (from, key) = match key.split_once('.') {
            Some(("mailbox", command)) => (&counts.mailbox, command),
            Some(("cut_off", command)) => (&counts.cut_off, command),
            _ => (&counts.named, key),
        };
        from.get(key).copied().unwrap_or(0)
    }

    /// How often a register was read or written.
    pub fn accesses(&self, function: usize, write: bool, bar: u8, offset: u64) -> u64 {
        self.functions
            .get(function)
            .and_then(|counts| counts.registers.get(&(write, bar, offset)))
            .copied()
            .unwrap_or(0)
    }

    /// The pages that a function wrote by DMA: addresses divided by 4096.
    pub fn pages(&self, function: usize) -> impl Iterator<Item = u64> + '_ {
        self.functions
            .get(function)
            .into_iter()
            .flat_map(|counts| counts.pages.iter().copied())
    }

    /// Sets all to nothing.
    pub fn mark(&mut self) {
        self.functions.fill_with(Counts::default);
        self.resets.clear();
        self.unread.clear();
    }

    /// All counts but registers by offset, a line each: `pf KEY VALUE`, `vf1 KEY VALUE` ...
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for (f, counts) in self.functions.iter().enumerate() {
            let name = name(f);
            for (key, n) in &counts.named {
                let _ = writeln!(text, "{name} {key} {n}");
            }
            for (command, n) in &counts.mailbox {
                let _ = writeln!(text, "{name} mailbox.{command} {n}");
            }
            for (command, n) in &counts.cut_off {
                let _ = writeln!(text, "{name} cut_off.{command} {n}");
            }
            if !counts.pages.is_empty() {
                let _ = writeln!(text, "{name} pages_written {}", counts.pages.len());
            }
        }
        text
    }

    /// Resets and their ends in order: `vf1 reset`, `vf1 ended` ...
    pub fn resets_to_text(&self) -> String {
        let mut text = String::new();
        for (function, ended) in &self.resets {
            let what = if *ended { "ended" } else { "reset" };
            let _ = writeln!(text, "{} {what}", name(*function));
        }
        text
    }

    /// Register accesses of a function: `read BAR OFFSET N`, `write BAR OFFSET N`.
    pub fn registers_to_text(&self, function: usize) -> String {
        let mut text = String::new();
        for ((write, bar, offset), n) in self
            .functions
            .get(function)
            .iter()
            .flat_map(|counts| &counts.registers)
        {
            let what = if *write { "write" } else { "read" };
            let _ = writeln!(text, "{what} {bar} {offset:#x} {n}");
        }
        text
    }

    /// The pages that a function wrote by DMA, as ranges: `FIRST COUNT`, in units of 4 KiB.
    pub fn pages_to_text(&self, function: usize) -> String {
        let mut text = String::new();
        let mut range: Option<(u64, u64)> = None;
        for page in self.pages(function) {
            range = Some(match range {
                Some((first, n)) if first + n == page => (first, n + 1),
                Some((first, n)) => {
                    let _ = writeln!(text, "{first:#x} {n}");
                    (page, 1)
                }
                None => (page, 1),
            });
        }
        if let Some((first, n)) = range {
            let _ = writeln!(text, "{first:#x} {n}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_exact() {
        let mut ledger = Ledger::new(2);
        ledger.written(1, 0x1fff, 2);
        ledger.written(1, 0x3000, 0x1000);
        ledger.written(1, 0x9000, 0);
        ledger.written(1, u64::MAX, 2);
        assert_eq!(ledger.pages(1).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(ledger.pages_to_text(1), "0x1 3\n");
        assert_eq!(ledger.get(1, "pages_written"), 3);
        assert_eq!(ledger.pages(0).count(), 0);
        ledger.mark();
        assert_eq!(ledger.to_text(), "");
    }

    #[test]
    fn counts_by_name_and_offset() {
        let mut ledger = Ledger::new(2);
        ledger.add(0, "msi", 2);
        ledger.mailbox(1, "PAUSE_QM");
        ledger.cut_off(1, "PAUSE_QM");
        ledger.config_read(1);
        ledger.reset(1);
        ledger.reset(0);
        ledger.config_read(1);
        ledger.config_read(1);
        ledger.register(1, true, 2, 0x300);
        ledger.register(1, true, 2, 0x300);
        // A function that there is not counts nothing.
        ledger.add(7, "msi", 1);
        assert_eq!(
            ledger.to_text(),
            "pf msi 2\nvf1 mailbox.PAUSE_QM 1\nvf1 cut_off.PAUSE_QM 1\n"
        );
        assert_eq!(ledger.resets_to_text(), "vf1 reset\npf reset\nvf1 ended\n");
        assert_eq!(ledger.get(1, "cut_off.PAUSE_QM"), 1);
        assert_eq!(ledger.registers_to_text(1), "write 2 0x300 2\n");
        assert_eq!(ledger.accesses(1, true, 2, 0x300), 2);
        assert_eq!(ledger.accesses(1, false, 2, 0x300), 0);
        assert_eq!(ledger.get(1, "mailbox.PAUSE_QM"), 1);
    }
}
