// SPDX-License-Identifier: GPL-2.0

//! The kernel's log, for what a driver says about a VF while a command works.

use std::{
    fs::{File, OpenOptions},
    io::{Read, Seek, SeekFrom},
    os::unix::fs::OpenOptionsExt,
};

/// The log from now on.
pub struct Log(Option<File>);

impl Log {
    /// Begins to listen. A user who may not read the log hears nothing.
    pub fn begin() -> Self {
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open("/dev/kmsg");
        Self(file.ok().and_then(|mut file| {
            file.seek(SeekFrom::End(0)).ok()?;
            Some(file)
        }))
    }

    /// Returns what the kernel has said about a device since then.
    pub fn about(self, address: &str) -> Vec<String> {
        let mut said = Vec::new();
        let Some(mut file) = self.0 else {
            return said;
        };
        let mut record = [0; 8192];
        loop {
            match file.read(&mut record) {
                Ok(0) => break,
                Ok(n) => said.extend(message(&record[..n], address)),
                // The log has overtaken the reader: the next read goes on with what is left.
                Err(e) if e.raw_os_error() == Some(libc::EPIPE) => {}
                Err(_) => break,
            }
        }
        said
    }
}

/// Returns the message of a record if it is about a device, without the names before it.
fn message(record: &[u8], address: &str) -> Option<String> {
    let record = String::from_utf8_lossy(record);
    let (_, text) = record.split_once(';')?;
    let line = text.lines().next()?;
    let (_, said) = line.split_once(&format!("{address}: "))?;
    Some(said.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_a_device() {
        let record =
            b"4,1234,5678,-;hisi_acc_vfio_rs 0000:09:00.1: stream refused: x\n SUBSYSTEM=pci\n";
        let said = message(record, "0000:09:00.1");
        assert_eq!(said.as_deref(), Some("stream refused: x"));
        assert_eq!(message(record, "0000:09:00.2"), None);
        assert_eq!(message(b"no record", "0000:09:00.1"), None);
    }
}
