// SPDX-License-Identifier: GPL-2.0

//! What nested guests say on their consoles, and how long one waits for it.

use acc_vfio_user::{ensure, host, Result};
use std::{
    thread::sleep,
    time::{Duration, Instant},
};

/// The last count of jobs of an engine, and of errors, that a console says.
pub fn jobs(console: &str, engine: &str) -> (u64, u64) {
    let mut last = (0, 0);
    for line in console.lines() {
        let Some((_, rest)) = line.split_once(&format!("acc_load {engine}: ")) else {
            continue;
        };
        if rest.starts_with("ERROR") {
            last.1 += 1;
            continue;
        }
        let numbers: Vec<u64> = rest
            .split(|c: char| !c.is_ascii_digit())
            .filter_map(|word| word.parse().ok())
            .collect();
        if let [jobs, errors] = numbers[..] {
            last = (jobs, errors.max(last.1));
        }
    }
    last
}

/// The counts of jobs of an engine on what consoles said, one after the other: a line may begin on
/// one and end on the next.
pub fn counts(consoles: &[String], engine: &str) -> Vec<u64> {
    consoles
        .concat()
        .lines()
        .filter_map(|line| line.split_once(&format!("acc_load {engine}: ")))
        .filter_map(|(_, rest)| rest.split_once(" jobs,"))
        .filter_map(|(jobs, _)| jobs.parse().ok())
        .collect()
}

/// Fails if a count is missing, or comes twice.
pub fn no_gap(consoles: &[String], engine: &str, every: u32) -> Result<()> {
    let counts = counts(consoles, engine);
    let gap = counts
        .windows(2)
        .find(|pair| pair[1] != pair[0] + u64::from(every));
    ensure!(
        gap.is_none(),
        "{engine}: {gap:?} among the counts {counts:?}"
    );
    Ok(())
}

/// What is typed, so that a guest compares all of its known memory.
pub const WALK: &str = "echo 1 >/sys/module/acc_load/parameters/walk";
/// What a guest says then.
const WALKED: &str = "acc_load memory: ";

/// How often the guest has compared its memory.
pub fn walks(console: &str) -> usize {
    console.matches(WALKED).count()
}

/// What the guest says of its memory when it has compared it once more; `None` before.
pub fn walked(console: &str, before: usize) -> Option<Result<()>> {
    let text = console.split(WALKED).nth(before + 1)?;
    let (text, _) = text.split_once('\n')?;
    if !text.starts_with("ERROR") {
        return Some(Ok(()));
    }
    let wrong: Vec<&str> = console
        .lines()
        .filter(|line| line.contains("acc_load at "))
        .collect();
    Some(Err(format!(
        "the guest's memory: {text}\n{}",
        wrong.join("\n")
    )
    .into()))
}

/// How long one waits.
pub struct Wait {
    begin: Instant,
    limit: Duration,
    said: Duration,
}

impl Wait {
    /// For a guest with so much memory.
    pub fn new(memory_mb: u32) -> Self {
        Self {
            begin: Instant::now(),
            limit: host::seconds(90 + u64::from(memory_mb) / 4),
            said: Duration::ZERO,
        }
    }

    /// A moment more; `false` when it has been long enough. The harness hears of it now and then,
    /// which would take silence for death.
    pub fn goes_on(&mut self, what: &str) -> bool {
        let elapsed = self.begin.elapsed();
        if elapsed - self.said > Duration::from_secs(20) {
            self.said = elapsed;
            eprintln!("acc-selftest: {what}: {} s", elapsed.as_secs());
        }
        sleep(Duration::from_millis(50));
        elapsed < self.limit
    }
}
