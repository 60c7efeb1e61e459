// SPDX-License-Identifier: GPL-2.0

//! What tests ask of the model, as text, by a way that the drivers do not see. `FN` is `pf`, `vf1`,
//! `vf2` ...
//!
//! - `ledger mark`: counts begin anew
//! - `ledger`: all counts, a line each
//! - `ledger registers FN`: its register accesses, by offset
//! - `ledger pages FN`: the pages that it wrote by DMA, as ranges
//! - `ledger resets`: resets and their ends in order
//! - `ledger log on|off`: starts an empty log of register accesses, or ends and forgets it
//! - `ledger log`: the accesses of all functions in their order, a line each
//! - `show FN`: its queues as they stand
//! - `guess NAMES`: chooses alternatives, see [`guess`](crate::guess), and resets the model;
//!   `default` chooses none. `guess`: those that are chosen
//! - `fault FN ...`: orders a fault, see [`fault`](crate::fault):
//!   - `clear`: no more of them
//!   - `job-delay NS`: how long each job takes
//!   - `hold-jobs N|off`: N more jobs are done, the next one stays in the engine until this order
//!     ends, as it does by itself when a command waits for the engine
//!   - `mailbox-busy on|off`, `mailbox-late NS`, `mailbox-error all|COMMAND|off`
//!   - `mailbox-hold all|COMMAND|off`: commands are taken, and carried out when this order ends
//!   - `mailbox-polls N`: so many reads of the mailbox find it busy after each command
//!   - `write-back-stuck on|off`
//!   - `ras BITS`, `engine BITS`: what errors of the QM and of the engine there are, now
//!   - `ras-at-pause BITS`, `engine-at-pause BITS`: the same when this function is paused
//!   - `eq-overflow`: its AEQ gets the event that its EQ has no room, now
//!   - `vft-invalid on|off`: the VFT shows its entry without the valid bit
//!   - `message-pending on|off`: its message interrupt is pending, with no message
//!   - `lose-msi N`, `double-msi N`
//!   - `dma-hole ADDRESS LENGTH`: DMA to there fails
//!   - `stray-dma ADDRESS`: it writes a byte there, now
//!   - `gone on|off`: its registers read all ones
//!   - `reset-ignored on|off`: a reset does nothing
//!   - `reset-hold on|off`: after a reset its configuration space has no answer until this order
//!     ends
//!   - `silent-load on|off`: loading the context of an event queue asks for no interrupt for the
//!     events that are in the queue already (the alternative of guess G9)
//! - `at FN COMMAND FN ORDER...`: orders that fault when the first function is next given that
//!   mailbox command, before it is carried out. `at clear`: forgets those that have not happened

use crate::{
    device::Twin,
    fault::{Faults, Trigger, Which},
    guess::Guesses,
};
use hisi_acc_hw::mailbox::Command;

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

impl Faults {
    /// Takes an order; `None` if it is not understood.
    fn order(&mut self, words: &[&str]) -> Option<()> {
        match words {
            ["clear"] => *self = Self::default(),
            ["eq-overflow"] => self.eq_overflow = true,
            ["job-delay", ns] => self.job_delay = number(ns)?,
            ["hold-jobs", "off"] => self.jobs_left = None,
            ["hold-jobs", n] => self.jobs_left = Some(number(n)?),
            ["mailbox-busy", on] => self.mailbox_busy = switch(on)?,
            ["mailbox-late", ns] => self.mailbox_delay = number(ns)?,
            ["mailbox-hold", "off"] => self.held = None,
            ["mailbox-hold", which] => self.held = Some(Which::read(which)?),
            ["mailbox-polls", n] => self.mailbox_polls = number(n)?,
            ["mailbox-error", "off"] => self.refused = None,
            ["mailbox-error", which] => self.refused = Some(Which::read(which)?),
            ["write-back-stuck", on] => self.write_back_stuck = switch(on)?,
            ["ras-at-pause", bits] => self.ras_at_pause = number(bits)?,
            ["engine-at-pause", bits] => self.engine_at_pause = number(bits)?,
            ["lose-msi", n] => self.lost = number(n)?,
            ["double-msi", n] => self.doubled = number(n)?,
            ["dma-hole", at, len] => {
                let at: u64 = number(at)?;
                self.hole = at..at.saturating_add(number(len)?);
            }
            ["stray-dma", at] => self.stray = Some(number(at)?),
            ["gone", on] => self.gone = switch(on)?,
            ["reset-hold", on] => self.reset_held = switch(on)?,
            ["reset-ignored", on] => self.reset_ignored = switch(on)?,
            ["silent-load", on] => self.silent_load = switch(on)?,
            _ => return None,
        }
        Some(())
    }
}

impl Twin {
    /// Answers a request; the answer to one that is not understood begins with `error:`.
    pub fn control(&mut self, request: &str) -> String {
        let words: Vec<&str> = request.split_whitespace().collect();
        let answer = match words.as_slice() {
            ["ledger", "mark"] => {
                self.ledger.mark();
                Some(String::new())
            }
            ["ledger"] => Some(self.ledger.to_text()),
            ["ledger", "log"] => Some(self.ledger.log.to_text()),
            ["ledger", "log", on @ ("on" | "off")] => {
                self.ledger.log.switch(*on == "on");
                Some(String::new())
            }
            ["ledger", "registers", f] => self
                .number(f)
                .map(|function| self.ledger.registers_to_text(function)),
            ["ledger", "pages", f] => self
                .number(f)
                .map(|function| self.ledger.pages_to_text(function)),
            ["ledger", "resets"] => Some(self.ledger.resets_to_text()),
            ["show", f] => self.number(f).map(|function| self.show(function)),
            ["guess"] => Some(format!("{}\n", self.guesses)),
            ["guess", names] => self.guess(names).map(|()| String::new()),
            ["fault", f, order @ ..] => self
                .number(f)
                .and_then(|function| self.order(function, order))
                .map(|()| String::new()),
            ["at", "clear"] => {
                self.triggers.clear();
                Some(String::new())
            }
            ["at", f, command, of, order @ ..] => {
                self.trigger(f, command, of, order).map(|()| String::new())
            }
            _ => None,
        };
        answer.unwrap_or_else(|| format!("error: not understood: {request}\n"))
    }

    /// Chooses alternatives; those that only the property can choose stay chosen. `None` if one of
    /// these is new, and the model is used already.
    fn guess(&mut self, names: &str) -> Option<()> {
        let at_start = self.guesses.at_start();
        let chosen = Guesses::read(names)?.and(at_start);
        if self.is_used && chosen.at_start() != at_start {
            return None;
        }
        self.choose(chosen);
        Some(())
    }

    /// Takes an order for function `f`; `None` if it is not understood.
    fn order(&mut self, f: usize, words: &[&str]) -> Option<()> {
        match words {
            // Not kept, and nothing to clear: the state of registers, now.
            ["message-pending", on] => {
                let on = u32::from(switch(on)?);
                self.functions.get_mut(f)?.message_status = on;
            }
            ["ras", bits] => self.pf.qm_errors.set(number(bits)?),
            ["engine", bits] => self.pf.engine_errors.set(number(bits)?),
            ["vft-invalid", on] => self.pf.set_invalid(f, switch(on)?),
            ["clear"] => {
                self.pf.set_invalid(f, false);
                self.faults.get_mut(f)?.order(words)?;
            }
            _ => self.faults.get_mut(f)?.order(words)?,
        }
        Some(())
    }

    /// Takes an order for later; `None` if it is not understood.
    fn trigger(&mut self, f: &str, command: &str, of: &str, words: &[&str]) -> Option<()> {
        let (f, of) = (self.number(f)?, self.number(of)?);
        let command = Command::ALL.into_iter().find(|c| c.name() == command)?;
        match words {
            ["message-pending", on] => drop(switch(on)?),
            ["ras" | "engine", bits] => drop(number::<u32>(bits)?),
            _ => self.faults.get(of)?.clone().order(words)?,
        }
        self.triggers.push(Trigger {
            f,
            command,
            of,
            order: words.join(" "),
        });
        Some(())
    }

    /// Orders what was to be ordered when function `f` is given a command.
    pub(crate) fn trigger_at(&mut self, f: usize, command: Option<Command>) {
        let (now, later): (Vec<_>, Vec<_>) = std::mem::take(&mut self.triggers)
            .into_iter()
            .partition(|trigger| trigger.f == f && Some(trigger.command) == command);
        self.triggers = later;
        for trigger in now {
            let words: Vec<&str> = trigger.order.split(' ').collect();
            // It was understood when it was given.
            let _ = self.order(trigger.of, &words);
        }
    }

    /// Shows a function's queues, for a reader who looks for something that was lost.
    fn show(&self, f: usize) -> String {
        let function = &self.functions[f];
        let mut text = format!(
            "paused {} current {:?} active {:?} broken {:?}\n",
            function.paused, function.current, function.active, function.broken
        );
        for (name, queue) in [("eq", &function.eq), ("aeq", &function.aeq)] {
            let context = &queue.context;
            text += &format!(
                "{name} base {:#x} dw6 {:#x} head {} tail {} armed {} mask {} source {}\n",
                context.base(),
                context.eqc_dw6(),
                context.head(),
                context.tail(),
                queue.armed,
                queue.mask,
                queue.source
            );
        }
        for (queue, sqc) in &function.sqc {
            text += &format!(
                "sq {queue} head {} tail {} cq {}\n",
                sqc.head(),
                sqc.tail(),
                sqc.cq_num()
            );
        }
        for (queue, cqc) in &function.cqc {
            text += &format!(
                "cq {queue} head {} tail {} dw6 {:#x}\n",
                cqc.head(),
                cqc.tail(),
                cqc.cqc_dw6()
            );
        }
        text
    }

    /// The number of a function, by its name.
    fn number(&self, name: &str) -> Option<usize> {
        let f = match name {
            "pf" => 0,
            vf => vf
                .strip_prefix("vf")?
                .parse()
                .ok()
                .filter(|n: &usize| *n != 0)?,
        };
        (f < self.functions.len()).then_some(f)
    }
}
