// SPDX-License-Identifier: GPL-2.0

//! What a case came to.

use serde_json::Value;
use std::time::Duration;

/// What became of a case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    pub name: String,
    /// What it has to say beside its result, or nothing
    pub remark: String,
    pub took: Duration,
    /// What it has measured, and for which file.
    pub data: Vec<(String, Value)>,
    /// What there is to say against it; it has passed where that is nothing
    pub why: Vec<String>,
}
