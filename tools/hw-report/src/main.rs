// SPDX-License-Identifier: GPL-2.0

//! `hw-report`: asks a host with HiSilicon accelerators what the in-tree drivers do not show, and
//! prints a text to mail. `Documentation/selftests/twin-guesses.rst` has the questions.
//!
//! It only reads: sysfs, configuration space, and registers of VFs that no driver has. With
//! `--reset-unused-vf ADDRESS` it also resets that one VF.

mod function;
mod questions;
#[cfg(test)]
mod tests;
mod tree;

use crate::tree::Tree;
use clap::Parser;
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
    match questions::report(&tree, arguments.reset_unused_vf.as_deref()) {
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
