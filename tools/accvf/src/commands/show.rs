// SPDX-License-Identifier: GPL-2.0

//! `accvf show`: a VF, what a migration would save of it now, and the counters of dirty tracking.

use crate::{
    commands::dirty::Tracking,
    decode::{Decoded, Source},
    facts::{users, Vf},
    host::{Accelerator, Host},
    output::or_dash,
    sysfs,
};
use serde::Serialize;
use std::{fs, io, path::Path};

/// A VF, with what debugfs says.
#[derive(Serialize)]
pub struct Show {
    #[serde(flatten)]
    pub vf: Vf,
    /// What a migration would save now. Only while the VF is open and set up.
    pub would_save: Option<Decoded>,
    /// The last stream that was saved or loaded.
    pub last_stream: Option<Decoded>,
    pub tracking: Option<Tracking>,
    /// Why nothing of debugfs is here.
    pub note: Option<String>,
}

/// Reads the bytes of a hex dump: lines of a prefix, an offset, bytes.
fn dumped(text: &str, prefix: &str) -> Vec<u8> {
    text.lines()
        .filter_map(|line| line.strip_prefix(prefix)?.split_once(": "))
        .flat_map(|(_, bytes)| bytes.split_whitespace())
        .filter_map(|byte| u8::from_str_radix(byte, 16).ok())
        .collect()
}

/// Decodes the stream that a file of debugfs shows.
fn stream(path: &Path, prefix: &str) -> Option<Decoded> {
    let text = sysfs::read_optional(path)?;
    let source = Source {
        device: None,
        bytes: dumped(&text, prefix),
    };
    Some(Decoded::of(&source))
}

/// Says why debugfs shows nothing of a VF.
fn note(host: &Host, folder: &Path) -> Option<String> {
    if folder.join("state").exists() {
        return None;
    }
    let root = host.path("sys/kernel/debug");
    let entries = fs::read_dir(&root).map(Iterator::count);
    Some(match entries {
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
            "only root can read debugfs: state and counters are not shown".to_owned()
        }
        Err(_) | Ok(0) => {
            "debugfs is not mounted: mount -t debugfs debugfs /sys/kernel/debug".to_owned()
        }
        Ok(_) => "its driver shows no migration state in debugfs".to_owned(),
    })
}

impl Show {
    /// Reads it.
    pub fn of(host: &Host, vf: &Accelerator) -> Self {
        let folder = vf.debugfs(host);
        let files = folder.join("hisi_acc");
        Self {
            vf: Vf::of(host, vf),
            would_save: stream(&files.join("dev_data"), "Dev Data:"),
            last_stream: stream(&files.join("migf_data"), "Mig Data:"),
            tracking: Tracking::read(&files.join("dirty_tracking")).ok(),
            note: note(host, &folder),
        }
    }

    /// Returns it as a text.
    pub fn text(&self) -> String {
        let vf = &self.vf;
        let migrates = match (vf.migratable, &vf.blocker) {
            (Some(true), _) => "yes".to_owned(),
            (Some(false), why) => format!("no: {}", or_dash(why)),
            (None, why) => format!("unknown: {}", or_dash(why)),
        };
        let mut text = String::new();
        let mut line = |name: &str, value: String| text += &format!("{name:<16} {value}\n");
        line("VF", format!("{} ({})", vf.address, vf.kind));
        line("PF", or_dash(&vf.pf));
        line("driver", or_dash(&vf.driver));
        line("migrates", migrates);
        line("state", or_dash(&vf.state));
        line("dirty tracking", or_dash(&vf.dirty_tracking));
        line("open in", users(&vf.users));
        if let Some(note) = &self.note {
            line("note", note.clone());
        }
        if let Some(tracking) = &self.tracking {
            text += "\ntracking since the driver was bound\n";
            text += &tracking.text();
        }
        for (title, stream) in [
            ("a migration would save now", &self.would_save),
            ("last stream saved or loaded", &self.last_stream),
        ] {
            if let Some(stream) = stream {
                text += &format!("\n{title}: {}", stream.text());
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_dumps() {
        let text = "Dev Data:00000000: de ad\nguest driver load: 0\nDev Data:00000010: be\n";
        assert_eq!(dumped(text, "Dev Data:"), [0xde, 0xad, 0xbe]);
        assert_eq!(dumped(text, "Mig Data:"), [0; 0]);
    }
}
