// SPDX-License-Identifier: GPL-2.0

//! `cosim`: random runs, scripts, and what a report costs.

use acc_cosim::{
    costs, defects,
    play::{self, Counts, Limits},
};
use clap::{Parser, Subcommand};
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

#[derive(Parser)]
#[command(about = "Dirty tracking beside the device model, with a random guest")]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Random runs until a limit is reached, or a page is lost
    Run {
        /// A number that makes the runs; by default another one each time
        #[arg(long)]
        seed: Option<u64>,
        #[arg(long)]
        steps: Option<u64>,
        #[arg(long)]
        reports: Option<u64>,
        #[arg(long)]
        seconds: Option<u64>,
    },
    /// Carries out a script
    Replay { file: PathBuf },
    /// What a report costs, beside the walk of its bitmap
    Costs,
    /// Whether random runs find each deliberate defect of the logic
    Defects {
        /// Where a copy of the crates is built
        folder: PathBuf,
        /// Part of a defect's name: only these
        #[arg(default_value = "")]
        pattern: String,
        #[arg(long, default_value_t = 1_000_000)]
        steps: u64,
    },
}

fn look_for_defects(folder: &Path, pattern: &str, steps: u64) -> ExitCode {
    let mut missed = 0;
    let result = defects::look(folder, pattern, steps, |defect, found| match found.steps {
        Some(steps) => println!("ok - {}: found after {steps} steps", defect.id),
        None => {
            missed += 1;
            println!("not ok - {}: not found: {}", defect.id, defect.slip);
        }
    });
    match (result, missed) {
        (Ok(()), 0) => ExitCode::SUCCESS,
        (Ok(()), _) => ExitCode::FAILURE,
        (Err(e), _) => {
            eprintln!("{e}");
            ExitCode::from(2)
        }
    }
}

fn run(seed: u64, limits: Limits) -> ExitCode {
    println!("seed {seed}");
    // A panic is told with its script.
    std::panic::set_hook(Box::new(|_| {}));
    let (counts, failure) = play::random(seed, limits);
    print!("{counts}");
    let seldom = counts.reasons.values().filter(|n| **n < 1000).count();
    println!(
        "{seldom} of {} reasons came less than 1,000 times",
        Counts::possible().len()
    );
    match failure {
        None => ExitCode::SUCCESS,
        Some(failure) => {
            println!("lost after {} steps", failure.steps);
            println!("`cosim replay` takes this script:\n\n{failure}");
            ExitCode::FAILURE
        }
    }
}

fn show_costs() -> ExitCode {
    let title = "a log of 1 TiB in pages of 4 KiB";
    println!(
        "{title:<34} {:>9} {:>10} {:>10} {:>8}",
        "reported", "report", "walk", "ratio"
    );
    match costs::all() {
        Ok(costs) => {
            for cost in costs {
                println!("{cost}");
            }
            ExitCode::SUCCESS
        }
        Err(e) => {
            eprintln!("{e:?}");
            ExitCode::from(2)
        }
    }
}

fn main() -> ExitCode {
    match Args::parse().command {
        Command::Run {
            seed,
            steps,
            reports,
            seconds,
        } => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            let seed = seed.unwrap_or_else(|| now.map_or(0, |now| now.as_millis() as u64));
            let time = seconds.map(Duration::from_secs);
            run(
                seed,
                Limits {
                    steps,
                    reports,
                    time,
                },
            )
        }
        Command::Costs => show_costs(),
        Command::Defects {
            folder,
            pattern,
            steps,
        } => look_for_defects(&folder, &pattern, steps),
        Command::Replay { file } => {
            let script = std::fs::read_to_string(&file)
                .map_err(|e| e.to_string())
                .and_then(|text| {
                    text.parse()
                        .map_err(|e: acc_cosim::step::Bad| e.to_string())
                });
            match script.map(|script| play::replay(&script)) {
                Ok(None) => {
                    println!("no page is lost");
                    ExitCode::SUCCESS
                }
                Ok(Some(lost)) => {
                    println!("{lost}");
                    ExitCode::FAILURE
                }
                Err(e) => {
                    eprintln!("{}: {e}", file.display());
                    ExitCode::from(2)
                }
            }
        }
    }
}
