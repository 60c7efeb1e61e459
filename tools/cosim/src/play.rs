// SPDX-License-Identifier: GPL-2.0

//! Random runs. One that loses a page shrinks, and becomes a script.

use crate::{
    cosim::{Cosim, Lost},
    guest::Player,
    step::{Device, Script, Step},
};
use hisi_acc_hw::{dma::Why, Engine};
use hisi_acc_track::Reason;
use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner},
};
use std::{
    cell::RefCell,
    collections::BTreeMap,
    fmt,
    panic::{catch_unwind, AssertUnwindSafe},
    time::{Duration, Instant},
};

/// How many moves a run has at most.
const MOVES: usize = 400;
/// How many runs there are between two looks at the limits.
const BATCH: u32 = 16;
/// How many runs are tried to make a failing one shorter.
const SHRINKS: u32 = 20_000;

/// What was done so far.
#[derive(Default, Clone)]
pub struct Counts {
    pub runs: u64,
    pub steps: u64,
    pub reports: u64,
    /// Reports before which the VF had written something
    pub meaningful: u64,
    /// Those of them that do not have all memory
    pub precise: u64,
    pub jobs: u64,
    /// How often each reason came for which all is dirty
    pub reasons: BTreeMap<String, u64>,
}

impl Counts {
    /// The reasons that can come. The size of an SQE always fits, nobody stops the decoder
    /// (`TooMany`), what is wrong with a context counts as a queue without a ring, and no doorbell
    /// here announces more than is read for one.
    pub fn possible() -> Vec<Reason> {
        let whys = Why::ALL.into_iter().map(Reason::Why);
        let own = Reason::own().map(|(_, reason)| reason);
        let never = |reason: &Reason| match reason {
            Reason::Why(why) => {
                matches!(why, Why::SqeSize | Why::TooMany) || why.name().starts_with("queue_")
            }
            reason => *reason == Reason::TooLong,
        };
        whys.chain(own).filter(|reason| !never(reason)).collect()
    }

    fn add(&mut self, cosim: &Cosim, steps: u64) {
        self.runs += 1;
        self.steps += steps;
        self.reports += cosim.reports;
        self.meaningful += cosim.meaningful;
        self.precise += cosim.precise;
        self.jobs += cosim
            .vf
            .borrow()
            .twin
            .ledger
            .get(crate::vf::VF, "jobs_done");
        for reason in Self::possible() {
            let n = cosim.statistics.whole(reason.number());
            *self.reasons.entry(reason.to_string()).or_default() += n;
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} runs, {} steps, {} jobs",
            self.runs, self.steps, self.jobs
        )?;
        writeln!(
            f,
            "{} reports compared, {} of them after a write, {} of these without all memory",
            self.reports, self.meaningful, self.precise
        )?;
        for (reason, n) in &self.reasons {
            writeln!(f, "{n:>10}  {reason}")?;
        }
        Ok(())
    }
}

/// A run that failed.
pub struct Failure {
    pub script: Script,
    /// The page that it loses, or what the logic says that panicked
    pub why: String,
    /// After how many steps of all runs it came, before it was made shorter
    pub steps: u64,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "# SPDX-License-Identifier: GPL-2.0")?;
        for line in self.why.lines() {
            writeln!(f, "# {line}")?;
        }
        write!(f, "{}", self.script)
    }
}

/// Carries out a step; a panic is an error, too.
fn step(cosim: &mut Cosim, step: &Step) -> Result<(), String> {
    match catch_unwind(AssertUnwindSafe(|| cosim.step(step))) {
        Ok(result) => result.map_err(|lost| lost.to_string()),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            Err(format!("panic: {}", text.unwrap_or_default()))
        }
    }
}

/// Carries out a script; returns the page that it loses.
pub fn replay(script: &Script) -> Option<Lost> {
    let mut cosim = Cosim::new(script.device);
    script.steps.iter().find_map(|step| cosim.step(step).err())
}

/// How logging begins in most runs.
fn beginning(moves: &[u64]) -> Vec<Step> {
    match moves.first() {
        Some(first) if first >> 63 != 0 => vec![],
        _ => vec![Step::Start],
    }
}

/// Carries out moves, which become a script.
fn play(device: Device, moves: &[u64], counts: &mut Counts) -> Result<(), Failure> {
    let mut cosim = Cosim::new(device);
    let mut player = Player::new(moves.first().copied().unwrap_or(0));
    let mut steps = Vec::new();
    let mut failed = Ok(());
    let mut next = Some(beginning(moves));
    let mut moves = moves.iter();
    while let Some(new) = next.take() {
        for new in new {
            failed = failed.and_then(|()| {
                let result = step(&mut cosim, &new);
                steps.push(new);
                result
            });
        }
        if failed.is_ok() {
            next = moves.next().map(|raw| player.steps(*raw, &cosim));
        }
    }
    counts.add(&cosim, steps.len() as u64);
    failed.map_err(|why| Failure {
        script: Script { device, steps },
        why,
        steps: counts.steps,
    })
}

/// When random runs end: each limit that there is.
#[derive(Clone, Copy, Default)]
pub struct Limits {
    pub steps: Option<u64>,
    pub reports: Option<u64>,
    pub time: Option<Duration>,
}

impl Limits {
    fn reached(&self, counts: &Counts, begin: Instant) -> bool {
        self.steps.is_some_and(|n| counts.steps >= n)
            || self.reports.is_some_and(|n| counts.reports >= n)
            || self.time.is_some_and(|time| begin.elapsed() >= time)
    }
}

/// A runner for some runs.
fn runner(seed: u64, batch: u64) -> TestRunner {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..16].copy_from_slice(&batch.to_le_bytes());
    let config = Config {
        cases: BATCH,
        max_shrink_iters: SHRINKS,
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
}

/// Random runs of a seed until a limit is reached, or one fails.
pub fn random(seed: u64, limits: Limits) -> (Counts, Option<Failure>) {
    let begin = Instant::now();
    let mut counts = Counts::default();
    let shift = prop_oneof![Just(7u32), Just(12)];
    let moves = prop::collection::vec(any::<u64>(), 1..MOVES);
    let strategy = (prop::sample::select(&Engine::ALL[..]), shift, moves);
    for batch in 0u64.. {
        // What comes after the first failure is there to make it shorter, and does not count.
        let state = RefCell::new((&mut counts, None));
        let result = runner(seed, batch).run(&strategy, |(engine, shift, moves)| {
            let device = Device { engine, shift };
            let (counts, first) = &mut *state.borrow_mut();
            let failure = match first {
                None => play(device, &moves, counts),
                Some(_) => play(device, &moves, &mut Counts::default()),
            };
            failure.map_err(|failure| {
                first.get_or_insert(failure.steps);
                TestCaseError::fail(failure.why)
            })
        });
        let (_, first) = state.into_inner();
        match result {
            Ok(()) => {}
            Err(TestError::Fail(_, (engine, shift, moves))) => {
                let device = Device { engine, shift };
                let failure = play(device, &moves, &mut Counts::default()).err();
                let failure = failure.map(|failure| Failure {
                    steps: first.unwrap_or(failure.steps),
                    ..failure
                });
                return (counts, failure);
            }
            Err(TestError::Abort(reason)) => panic!("no runs: {reason}"),
        }
        if limits.reached(&counts, begin) {
            break;
        }
    }
    (counts, None)
}
