// SPDX-License-Identifier: GPL-2.0

//! Commands that look again and again (`--watch`).

use crate::error::Result;
use clap::Args;
use std::{
    io::{self, IsTerminal, Write},
    thread,
    time::{Duration, Instant},
};

/// How often to look.
#[derive(Args, Clone)]
pub struct Watch {
    /// Look again and again, until it is interrupted
    #[arg(long, short)]
    watch: bool,
    /// Seconds between two looks
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    interval: Duration,
    /// Stop after this many looks
    #[arg(long, value_name = "N", requires = "watch")]
    count: Option<u64>,
}

/// Reads a number of seconds that is not null.
fn seconds(text: &str) -> std::result::Result<Duration, String> {
    let seconds: f64 = text
        .parse()
        .map_err(|_| "no number of seconds".to_owned())?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(duration) if duration >= Duration::from_millis(1) => Ok(duration),
        _ => Err("must be at least 0.001".to_owned()),
    }
}

impl Watch {
    /// Calls `look` as often as wanted, with the time since the last call.
    pub fn each(&self, clear: bool, mut look: impl FnMut(Duration) -> Result<()>) -> Result<()> {
        let limit = match self.watch {
            true => self.count.unwrap_or(u64::MAX),
            false => 1,
        };
        let mut last = Instant::now();
        for n in 0..limit {
            if n != 0 {
                thread::sleep(self.interval);
            }
            let since = last.elapsed();
            last = Instant::now();
            if self.watch && clear && io::stdout().is_terminal() {
                // Goes to the first line and clears what is below. An error comes with the next
                // line.
                let _ = io::stdout().write_all(b"\x1b[H\x1b[J");
            }
            look(since)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals() {
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        for bad in ["0", "-1", "NaN", "inf", "1e30", "soon", ""] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }
}
