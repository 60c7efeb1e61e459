// SPDX-License-Identifier: GPL-2.0

//! Failures of the kernel's own on request: of an allocation, or of a copy from or to user memory.
//! Only the debug flavour has them (`CONFIG_FAULT_INJECTION`); a case that uses them needs
//! `flavour=debug`.

use acc_vfio_user::{host::write, Result};
use std::{
    fs::{File, OpenOptions},
    io::{Read, Write},
    path::Path,
};

/// What can fail, by its folder in debugfs, and what there is to be set for that.
const WAYS: &[(&str, &[(&str, &str)])] = &[
    ("failslab", &[("ignore-gfp-wait", "N")]),
    // Pages of user memory (highmem) do not fail: the program itself faults them in.
    (
        "fail_page_alloc",
        &[("ignore-gfp-wait", "N"), ("min-order", "0")],
    ),
    ("fail_usercopy", &[]),
];
/// More failing points than any call here has.
const MANY: u32 = 5000;

/// Has the kernel fail without a line in the log, also where it may wait for memory.
pub fn prepare() -> Result<()> {
    for (way, settings) in WAYS {
        let folder = Path::new("/sys/kernel/debug").join(way);
        write(folder.join("verbose"), "0")?;
        for (name, value) in *settings {
            write(folder.join(name), value)?;
        }
    }
    Ok(())
}

/// `fail-nth` of this thread. The kernel counts down whatever the thread does, so that as little as
/// can be comes between setting it and the call.
pub struct Countdown(File);

impl Countdown {
    pub fn new() -> Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open("/proc/thread-self/fail-nth")?;
        Ok(Self(file))
    }

    /// Has `call` fail at its `n`-th allocation or copy. Returns what came of it, and whether the
    /// failure has come.
    pub fn over<T>(&mut self, n: u32, call: impl FnOnce() -> T) -> Result<(T, bool)> {
        self.set(n)?;
        let result = call();
        Ok((result, self.end()?))
    }

    fn set(&mut self, n: u32) -> Result<()> {
        Ok(self.0.write_all(n.to_string().as_bytes())?)
    }

    /// Ends it; whether the failure has come.
    fn end(&mut self) -> Result<bool> {
        let mut left = [0; 16];
        // The answer itself can be what fails.
        let come = match self.0.read(&mut left) {
            Ok(n) => left[..n].starts_with(b"0\n"),
            Err(_) => false,
        };
        self.set(0).or_else(|_| self.set(0))?;
        // From its beginning the next time.
        *self = Self::new()?;
        Ok(come)
    }
}

/// Has `call` fail at its first allocation or copy, then at its second, and so on until none is
/// left. Around each call, with no failures: `before`, and `after` with what came of it and which
/// point failed, `None` in the last run, in which none did. Returns how many points there are.
pub fn each<C, T>(
    on: &mut C,
    mut before: impl FnMut(&mut C) -> Result<()>,
    mut call: impl FnMut(&mut C) -> T,
    mut after: impl FnMut(&mut C, T, Option<u32>) -> Result<()>,
) -> Result<u32> {
    prepare()?;
    let mut countdown = Countdown::new()?;
    for n in 1..MANY {
        before(on)?;
        let (result, come) = countdown.over(n, || call(on))?;
        let failed = come.then_some(n);
        after(on, result, failed).map_err(|e| format!("failure {n}: {e}"))?;
        if failed.is_none() {
            return Ok(n - 1);
        }
    }
    Err(format!("more than {MANY} points can fail").into())
}
