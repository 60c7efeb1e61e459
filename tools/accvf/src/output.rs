// SPDX-License-Identifier: GPL-2.0

//! Output: text for people, JSON for programs.

use crate::error::{Error, Result};
use comfy_table::{presets, Table};
use serde::Serialize;
use std::io::{self, Write};

/// The version of all JSON objects: `Documentation/ABI/testing/accvf-json`.
pub const SCHEMA: u32 = 1;

/// An object with the version of the schema.
#[derive(Serialize)]
struct Versioned<'a, T> {
    schema: u32,
    #[serde(flatten)]
    object: &'a T,
}

/// How a command prints.
#[derive(Clone, Copy)]
pub struct Output {
    pub json: bool,
}

impl Output {
    /// Prints an object on one line, or its text.
    pub fn print<T: Serialize>(self, object: &T, text: impl FnOnce(&T) -> String) -> Result<()> {
        let mut shown = match self.json {
            true => json(object)?,
            false => text(object),
        };
        if !shown.is_empty() && !shown.ends_with('\n') {
            shown.push('\n');
        }
        let mut out = io::stdout().lock();
        let done = out.write_all(shown.as_bytes()).and_then(|()| out.flush());
        match done {
            // The reader has seen enough (`accvf list | head -1`).
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
            done => done.map_err(|e| Error::io("standard output", e)),
        }
    }
}

/// Returns an object as JSON, with the version of the schema.
pub fn json<T: Serialize>(object: &T) -> Result<String> {
    let versioned = Versioned {
        schema: SCHEMA,
        object,
    };
    serde_json::to_string(&versioned).map_err(|e| Error::io("JSON", e.into()))
}

/// Lays out a table without lines.
pub fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(head);
    table.add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let lines: Vec<String> = table.lines().map(|l| l.trim_end().to_owned()).collect();
    lines.join("\n")
}

/// Shows what may be unknown.
pub fn or_dash<T: ToString>(value: &Option<T>) -> String {
    value
        .as_ref()
        .map_or_else(|| "-".to_owned(), ToString::to_string)
}
