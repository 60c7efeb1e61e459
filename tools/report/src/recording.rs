// SPDX-License-Identifier: GPL-2.0

//! `make recording`: what the case `cli.recording` saw on its terminal, as the text that stands in
//! the documentation.

use crate::results::Results;

const HEAD: &str = "# SPDX-License-Identifier: GPL-2.0
# Recorded by `make recording`, in a guest with the device model (the case cli.recording).

";

/// Returns the text.
pub fn text(results: &Results) -> Result<String, String> {
    let recordings = results.measured("recording");
    let newest = recordings.iter().max_by_key(|(entry, _)| entry.at);
    let (_, recording) = newest.ok_or("no recording: run `make check T=cli.recording`")?;
    let mut text = HEAD.to_owned();
    let commands = recording["commands"].as_array();
    for command in commands.ok_or("the recording has no commands")? {
        let part = |key: &str| command[key].as_str().unwrap_or_default();
        text += &format!("$ {}\n", part("command"));
        for line in part("output").lines() {
            text += line.trim_end();
            text.push('\n');
        }
        match command["exit"].as_i64() {
            Some(0) => {}
            exit => text += &format!("[exit code {}]\n", exit.unwrap_or(-1)),
        }
        text.push('\n');
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use acc_cases::store::Entry;
    use serde_json::json;

    #[test]
    fn commands() {
        assert!(text(&Results::new(Vec::new())).is_err());
        let recording = json!({ "commands": [
            { "command": "accvf list", "exit": 0, "output": "a  \n\nb\n" },
            { "command": "accvf why x", "exit": 1, "output": "NO\n" },
        ]});
        let entry = |at, value| Entry {
            at,
            data: vec![("recording".to_owned(), value)],
            ..Entry::default()
        };
        let entries = vec![entry(2, recording), entry(1, json!({ "commands": [] }))];
        let text = text(&Results::new(entries)).unwrap();
        let body = text.strip_prefix(HEAD).unwrap();
        assert_eq!(
            body,
            "$ accvf list\na\n\nb\n\n$ accvf why x\nNO\n[exit code 1]\n"
        );
    }
}
