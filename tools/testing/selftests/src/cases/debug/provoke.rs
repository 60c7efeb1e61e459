// SPDX-License-Identifier: GPL-2.0

//! `debug.*`: the debug flavour of the kernel finds what is provoked here, and the harness sees it.
//! Without these, silence would prove nothing.

use acc_vfio_user::{ensure, host, Result};
use std::{fs::OpenOptions, io, os::fd::AsRawFd, path::Path};

/// How to provoke something.
#[derive(Clone, Copy)]
enum Provoke {
    /// One of lkdtm's crash points
    Lkdtm(&'static str),
    /// By loading a module; what comes of it is seen at the end of the guest
    Module(&'static str),
}

/// The cases, and the words that the harness has to see.
const CASES: &[(&str, Provoke, &str)] = &[
    (
        "debug.kasan",
        Provoke::Lkdtm("READ_AFTER_FREE"),
        "BUG: KASAN: slab-use-after-free",
    ),
    (
        "debug.ubsan",
        Provoke::Lkdtm("ARRAY_BOUNDS"),
        "UBSAN: array-index-out-of-bounds",
    ),
    // A lock is left held.
    (
        "debug.lockdep",
        Provoke::Lkdtm("SPINLOCKUP"),
        "WARNING: lock held when returning to user space!",
    ),
    (
        "debug.atomic_sleep",
        Provoke::Lkdtm("SPINLOCKUP"),
        "BUG: scheduling while atomic",
    ),
    (
        "debug.refcount",
        Provoke::Lkdtm("REFCOUNT_INC_ZERO"),
        "refcount_t: addition on 0; use-after-free",
    ),
    // An indirect call by another type than the function's.
    (
        "debug.cfi",
        Provoke::Lkdtm("CFI_FORWARD_PROTO"),
        "CFI failure at",
    ),
    // With a stack, and before the harness ends a guest that is silent.
    (
        "debug.hung_task",
        Provoke::Lkdtm("HUNG_TASK"),
        "blocked for more than",
    ),
    (
        "debug.kmemleak",
        Provoke::Module("kmemleak-test"),
        "unreferenced object",
    ),
];

pub fn names() -> impl Iterator<Item = String> {
    CASES.iter().map(|(name, ..)| (*name).to_owned())
}

/// The words with which the kernel has to complain in a case.
pub fn splat(name: &str) -> Option<&'static str> {
    let (.., words) = CASES.iter().find(|(n, ..)| *n == name)?;
    Some(words)
}

/// A case by its name.
pub fn find(name: &str) -> Option<impl Fn() -> Result<()>> {
    let (_, provoke, _) = CASES.iter().find(|(n, ..)| *n == name)?;
    Some(move || match provoke {
        Provoke::Lkdtm(point) => lkdtm(point),
        Provoke::Module(name) => host::modprobe(name),
    })
}

fn lkdtm(point: &str) -> Result<()> {
    host::modprobe("lkdtm")?;
    let direct = "/sys/kernel/debug/provoke-crash/DIRECT";
    ensure!(Path::new(direct).exists(), "no {direct}");
    let file = OpenOptions::new().write(true).open(direct)?;
    // By a process of its own, which may not survive it. Where it holds a spinlock afterwards, a
    // page that is not there yet would end it before the scheduler complains. SAFETY: The child
    // makes system calls only, with memory that it has a copy of.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error().into()),
        // SAFETY: As above.
        0 => unsafe {
            libc::mlockall(libc::MCL_CURRENT | libc::MCL_FUTURE);
            libc::write(file.as_raw_fd(), point.as_ptr().cast(), point.len());
            libc::sched_yield();
            libc::_exit(0)
        },
        child => {
            // SAFETY: A child of this process; no status is asked for.
            unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
            Ok(())
        }
    }
}
