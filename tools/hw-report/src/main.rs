// SPDX-License-Identifier: GPL-2.0

//! `hw-report`: prints what a host with HiSilicon accelerators shows of them (see the library).

use clap::Parser;
use hw_report::{report, tree::Tree};
use std::process::ExitCode;

/// Prints what this host shows of HiSilicon accelerators.
#[derive(Parser)]
struct Arguments {
    /// Resets this VF, which no driver may have, and reads its registers before and after.
    #[arg(long, value_name = "ADDRESS")]
    reset_unused_vf: Option<String>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let tree = Tree::of_host();
    match report(&tree, arguments.reset_unused_vf.as_deref()) {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(e) => {
            eprintln!("hw-report: {e}");
            ExitCode::FAILURE
        }
    }
}
