// SPDX-License-Identifier: GPL-2.0

//! Errors. Each has an exit code, a text that says what happened, and what to do about it.

use serde::Serialize;
use std::{io, path::Path, process::ExitCode};

/// The result of what can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// Exit codes. `Documentation/ABI/testing/accvf-json` and the manual page list them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Exit {
    /// Done, or the answer is yes.
    Ok = 0,
    /// The answer is no: the VF cannot migrate, the stream is refused, two streams differ.
    No = 1,
    /// The command line is wrong. clap exits with this code itself.
    Usage = 2,
    /// There is no such device, file or driver.
    NotFound = 3,
    /// The user may not do this.
    Denied = 4,
    /// A process or a driver uses the VF.
    Busy = 5,
    /// A file is no stream, or no output of `accvf list --json`.
    Malformed = 6,
    /// The kernel refused, or a read or write failed.
    Failed = 7,
}

impl Exit {
    /// All codes, with their meanings for the manual page.
    pub const ALL: [(Self, &'static str); 8] = [
        (Self::Ok, "done, or the answer is yes"),
        (
            Self::No,
            "the answer is no: the VF cannot migrate, the stream is refused, two streams differ",
        ),
        (Self::Usage, "the command line is wrong"),
        (Self::NotFound, "there is no such device, file or driver"),
        (Self::Denied, "permission denied: run it as root"),
        (Self::Busy, "a process or a driver uses the VF"),
        (
            Self::Malformed,
            "a file is no migration stream, or no output of accvf list --json",
        ),
        (
            Self::Failed,
            "the kernel refused a request, or a read or write failed",
        ),
    ];
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{what}")]
    NotFound { what: String, advice: String },
    #[error("{what}: permission denied")]
    Denied { what: String },
    #[error("{what}")]
    Busy { what: String, advice: String },
    #[error("{what}")]
    Malformed { what: String, advice: String },
    #[error("{what}")]
    Refused { what: String, advice: String },
    #[error("{what}: {error}")]
    Io { what: String, error: io::Error },
}

impl Error {
    /// A device, file or driver is not there.
    pub fn not_found(what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::NotFound {
            what: what.into(),
            advice: advice.into(),
        }
    }

    /// Something is in use.
    pub fn busy(what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::Busy {
            what: what.into(),
            advice: advice.into(),
        }
    }

    /// A file does not have the format that is needed.
    pub fn malformed(what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::Malformed {
            what: what.into(),
            advice: advice.into(),
        }
    }

    /// A condition does not hold, or the kernel did something else than it was asked for.
    pub fn refused(what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::Refused {
            what: what.into(),
            advice: advice.into(),
        }
    }

    /// A read or write of `what` failed.
    pub fn io(what: impl Into<String>, error: io::Error) -> Self {
        let what = what.into();
        match error.kind() {
            io::ErrorKind::PermissionDenied => Self::Denied { what },
            io::ErrorKind::NotFound => Self::not_found(format!("{what}: no such file"), ""),
            _ => match error.raw_os_error() {
                Some(libc::EBUSY) => Self::busy(
                    format!("{what}: {error}"),
                    "stop the guest or program that uses the VF",
                ),
                _ => Self::Io { what, error },
            },
        }
    }

    /// A read or write of a file failed.
    pub fn of_file(path: &Path, error: io::Error) -> Self {
        Self::io(path.display().to_string(), error)
    }

    /// Returns the exit code.
    pub fn exit(&self) -> Exit {
        match self {
            Self::NotFound { .. } => Exit::NotFound,
            Self::Denied { .. } => Exit::Denied,
            Self::Busy { .. } => Exit::Busy,
            Self::Malformed { .. } => Exit::Malformed,
            Self::Refused { .. } | Self::Io { .. } => Exit::Failed,
        }
    }

    /// Returns what to do about it; nothing if the text says it already.
    pub fn advice(&self) -> &str {
        match self {
            Self::NotFound { advice, .. }
            | Self::Busy { advice, .. }
            | Self::Malformed { advice, .. }
            | Self::Refused { advice, .. } => advice,
            Self::Denied { .. } => "run it as root",
            Self::Io { .. } => "look at the kernel's log (dmesg)",
        }
    }

    /// Returns it as `--json` prints it.
    pub fn json(&self) -> ErrorJson {
        ErrorJson {
            error: self.to_string(),
            advice: self.advice().to_owned(),
            exit: self.exit() as u8,
        }
    }
}

/// An error as `--json` prints it, on standard error.
#[derive(Serialize)]
pub struct ErrorJson {
    error: String,
    advice: String,
    exit: u8,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_places() {
        for (n, (exit, _)) in Exit::ALL.iter().enumerate() {
            assert_eq!(*exit as usize, n);
        }
    }

    #[test]
    fn errors_of_the_kernel() {
        for (errno, exit, advice) in [
            (libc::EACCES, Exit::Denied, "root"),
            (libc::EPERM, Exit::Denied, "root"),
            (libc::ENOENT, Exit::NotFound, ""),
            (libc::EBUSY, Exit::Busy, "stop the guest"),
            (libc::EIO, Exit::Failed, "dmesg"),
        ] {
            let error = Error::io("what", io::Error::from_raw_os_error(errno));
            assert_eq!(error.exit(), exit);
            assert!(error.advice().contains(advice), "{errno}");
        }
    }
}
