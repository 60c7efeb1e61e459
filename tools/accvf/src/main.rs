// SPDX-License-Identifier: GPL-2.0

//! `accvf` (see the library).

use std::process::ExitCode;

fn main() -> ExitCode {
    accvf::cli::main()
}
