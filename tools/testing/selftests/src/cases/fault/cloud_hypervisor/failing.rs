// SPDX-License-Identifier: GPL-2.0

//! The calls of a migration, one of which fails.

use crate::support::inject::Countdown;
use acc_vfio_user::Result;
use std::{cell::Cell, io};

/// A call of a migration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Call {
    Stop,
    Save,
    Read,
    EndSave,
    Resume,
    Write,
    Start,
}

impl Call {
    /// All, in their order.
    pub const ALL: [Self; 7] = [
        Self::Stop,
        Self::Save,
        Self::Read,
        Self::EndSave,
        Self::Resume,
        Self::Write,
        Self::Start,
    ];
}

/// Which call fails, at which of its allocations and copies.
#[derive(Default)]
pub struct Failing {
    next: Cell<Option<(Call, u32)>>,
    /// Whether the failure has come.
    pub come: Cell<bool>,
    /// The error of that call.
    pub error: Cell<Option<i32>>,
}

impl Failing {
    pub fn set(&self, call: Call, n: u32) {
        self.next.set(Some((call, n)));
        self.come.set(false);
        self.error.set(None);
    }

    /// Makes a call. If it is the one that fails, it does so once.
    pub fn of<T>(&self, call: Call, make: impl FnOnce() -> io::Result<T>) -> Result<io::Result<T>> {
        let n = match self.next.get() {
            Some((which, n)) if which == call => n,
            _ => return Ok(make()),
        };
        self.next.set(None);
        let (result, come) = Countdown::new()?.over(n, make)?;
        self.come.set(come);
        let error = result.as_ref().err();
        self.error.set(error.and_then(io::Error::raw_os_error));
        Ok(result)
    }
}
