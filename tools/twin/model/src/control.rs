// SPDX-License-Identifier: GPL-2.0

//! What tests ask of the model, as text, by a way that the drivers do not see. `FN` is `pf`, `vf1`,
//! `vf2` ...
//!
//! - `ledger mark`: counts begin anew
//! - `ledger`: all counts, a line each
//! - `ledger registers FN`: its register accesses, by offset
//! - `ledger pages FN`: the pages that it wrote by DMA, as ranges
//! - `fault FN ...`: orders a fault, see [`fault`](crate::fault):
//!   - `clear`: no more of them
//!   - `job-delay NS`: how long each job takes
//!   - `mailbox-busy on|off`, `mailbox-late NS`, `mailbox-error all|COMMAND|off`
//!   - `write-back-stuck on|off`
//!   - `ras BITS`, `engine BITS`: what errors of the QM and of the engine there are, now
//!   - `ras-at-pause BITS`, `engine-at-pause BITS`: the same when this function is paused
//!   - `message-pending on|off`: its message interrupt is pending, with no message
//!   - `lose-msi N`, `double-msi N`
//!   - `dma-hole ADDRESS LENGTH`: DMA to there fails
//!   - `gone on|off`: its registers read all ones

use crate::Twin;

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
            ["ledger", "registers", f] => self
                .number(f)
                .map(|function| self.ledger.registers_to_text(function)),
            ["ledger", "pages", f] => self
                .number(f)
                .map(|function| self.ledger.pages_to_text(function)),
            ["fault", f, order @ ..] => self
                .number(f)
                .and_then(|function| self.order(function, order))
                .map(|()| String::new()),
            _ => None,
        };
        answer.unwrap_or_else(|| format!("error: not understood: {request}\n"))
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
