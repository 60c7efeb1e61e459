// SPDX-License-Identifier: GPL-2.0

//! What tests ask of the model, as text, by a way that the drivers do not see.
//!
//! - `ledger mark`: counts begin anew
//! - `ledger`: all counts, a line each
//! - `set FN job-delay-ns N`: how long each job of function `FN` (`pf`, `vf1` ...) takes

use crate::Twin;

impl Twin {
    /// Answers a request; the answer to one that is not understood begins with `error:`.
    pub fn control(&mut self, request: &str) -> String {
        let words: Vec<&str> = request.split_whitespace().collect();
        match words.as_slice() {
            ["ledger", "mark"] => {
                self.ledger.mark();
                "ok\n".to_owned()
            }
            ["ledger"] => self.ledger.to_text(),
            ["set", function, "job-delay-ns", value] => {
                let function = match *function {
                    "pf" => Some(0),
                    vf => vf.strip_prefix("vf").and_then(|n| n.parse::<usize>().ok()),
                };
                let function = function.and_then(|f| self.functions.get_mut(f));
                match (function, value.parse()) {
                    (Some(function), Ok(value)) => {
                        function.job_delay = value;
                        "ok\n".to_owned()
                    }
                    _ => "error: no such function, or no number\n".to_owned(),
                }
            }
            _ => "error: unknown request\n".to_owned(),
        }
    }
}
