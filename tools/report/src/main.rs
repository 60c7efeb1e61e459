// SPDX-License-Identifier: GPL-2.0

//! `make report`: renders the results that are kept of all runs as one page. `make recording`:
//! writes what the command line tool said.

use acc_report::{page, recording, results::Results};
use clap::Parser;
use std::{fs, path::PathBuf, process::ExitCode};

/// Renders the results of the tests as one page of HTML.
#[derive(Parser)]
struct Arguments {
    /// Where the results are kept
    #[arg(long, default_value = "build/results/store.jsonl")]
    store: PathBuf,
    /// The page, or the recording
    #[arg(long, default_value = "build/report.html")]
    out: PathBuf,
    /// Writes the recording of `accvf` instead of the page
    #[arg(long)]
    recording: bool,
}

fn render(arguments: &Arguments) -> Result<(), String> {
    let store = arguments.store.display();
    let entries = acc_cases::store::load(&arguments.store).map_err(|e| format!("{store}: {e}"))?;
    if entries.is_empty() {
        return Err(format!(
            "no results yet ({store}): run `make check`, or some cases with \
             `make check T='migration.*'`"
        ));
    }
    let out = arguments.out.display();
    let results = Results::new(entries);
    let text = match arguments.recording {
        true => recording::text(&results)?,
        false => page::page(&results).map_err(|e| format!("{out}: {e}"))?,
    };
    fs::write(&arguments.out, text).map_err(|e| format!("{out}: {e}"))
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match render(&arguments) {
        Ok(()) => {
            println!("{}", arguments.out.display());
            ExitCode::SUCCESS
        }
        Err(e) => {
            eprintln!("error: {e}");
            ExitCode::FAILURE
        }
    }
}
