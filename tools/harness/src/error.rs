// SPDX-License-Identifier: GPL-2.0

//! Errors of the harness: a text for people.

/// Any failure, as a text.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;
