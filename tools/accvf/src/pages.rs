// SPDX-License-Identifier: GPL-2.0

//! Manual pages and completion of shells, made of the command line's own description.

use crate::error::{Error, Result};
use clap::Command;
use clap_complete::Shell;
use std::{fs, io, path::Path};

/// Writes a page for the program, and one for each command.
pub fn man(command: Command, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).map_err(|e| Error::of_file(folder, e))?;
    clap_mangen::generate_to(command, folder).map_err(|e| Error::of_file(folder, e))
}

/// Prints the completion for a shell.
pub fn completion(mut command: Command, shell: Shell) {
    clap_complete::generate(shell, &mut command, "accvf", &mut io::stdout());
}
