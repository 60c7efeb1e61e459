// SPDX-License-Identifier: GPL-2.0

//! What the program in the guest reports, a JSON line for each message.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Names the port of the guest that messages go to.
pub const RESULTS_PORT: &str = "acc.results";

/// Names the port of the guest that takes the output of its programs, for people to read.
pub const OUTPUT_PORT: &str = "acc.output";

/// Marks the end of the guest's work in the kernel's log.
pub const END: &str = "acc-selftest: end";

/// Begins the line of the kernel's log that says which case begins.
pub const BEGIN: &str = "acc-selftest: begin ";

/// A message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Message {
    /// A case has ended.
    Result {
        name: String,
        /// What the case has to say beside its result. May be empty.
        remark: String,
        /// Why the case failed. `None` if it passed.
        why: Option<String>,
        /// How long it took.
        millis: u64,
    },
    /// The case that runs has measured something, for the results' file of that name.
    Data { file: String, value: Value },
    /// A program that looked at the kernel complains. The lines are one complaint.
    Complaint { lines: Vec<String> },
}

impl Message {
    /// Reads a line.
    pub fn read(line: &str) -> serde_json::Result<Self> {
        serde_json::from_str(line)
    }

    /// Returns the message as a line.
    pub fn line(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        for message in [
            Message::Result {
                name: "a.b:c".to_owned(),
                remark: String::new(),
                why: Some("two\nlines \"\\\t\u{1}".to_owned()),
                millis: 1500,
            },
            Message::Data {
                file: "qemu".to_owned(),
                value: serde_json::json!({ "a": [1.5] }),
            },
            Message::Complaint {
                lines: vec!["a".to_owned(), " b".to_owned()],
            },
        ] {
            let line = message.line().unwrap();
            assert!(!line.contains('\n'), "{line}");
            assert_eq!(Message::read(&line).unwrap(), message);
        }
        assert!(Message::read("{\"Result\":{\"name\":\"a.b\"}}").is_err());
    }
}
