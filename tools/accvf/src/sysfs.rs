// SPDX-License-Identifier: GPL-2.0

//! Files of sysfs, debugfs and procfs: read, or written to change the host.

use crate::error::{Error, Result};
use std::{fs, io, path::Path};

/// Reads an attribute, without the space around it.
pub fn read_raw(path: &Path) -> io::Result<String> {
    let text = fs::read(path)?;
    Ok(String::from_utf8_lossy(&text).trim().to_owned())
}

/// Reads an attribute that need not be there, or that the user may not read.
pub fn read_optional(path: &Path) -> Option<String> {
    read_raw(path).ok()
}

/// Reads a number that need not be there.
pub fn number(path: &Path) -> Option<u32> {
    let text = read_optional(path)?;
    match text.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

/// Writes an attribute. The file is never created.
pub fn write(path: &Path, value: &str) -> Result<()> {
    let mut file = fs::OpenOptions::new()
        .write(true)
        .truncate(true)
        .open(path)
        .map_err(|e| Error::of_file(path, e))?;
    io::Write::write_all(&mut file, value.as_bytes())
        .map_err(|e| Error::io(format!("{} <- {}", path.display(), value.trim()), e))
}
