// SPDX-License-Identifier: GPL-2.0

//! `debug.*`: the debug flavour of the kernel finds what is provoked here, and the harness sees it.
//! Without these, silence would prove nothing.

use crate::registry::register;
use acc_vfio_user::{ensure, host, Result};
use std::{fs::OpenOptions, io, os::fd::AsRawFd, path::Path};

/// Registers a case that reaches one of lkdtm's crash points, of which the kernel complains in
/// these words.
macro_rules! crash {
    ($name:literal, $point:literal, $words:literal $(, $field:ident: $value:expr)*) => {
        register!(
            $name,
            Alone(|| lkdtm($point).map(|()| String::new())),
            splat: Some($words)
            $(, $field: $value)*
        );
    };
}

/// What the scheduler says of a task that has left the kernel with a spinlock held.
const ATOMIC: &str = "BUG: scheduling while atomic";
const SLEEPS: &str = "BUG: sleeping function called from invalid context";
/// What lockdep says of it.
const HELD: &str = "WARNING: lock held when returning";

crash!(
    "kasan",
    "READ_AFTER_FREE",
    "BUG: KASAN: slab-use-after-free",
    // KASAN taints the kernel.
    allowed: &["Disabling lock debugging"]
);
crash!("ubsan", "ARRAY_BOUNDS", "UBSAN: array-index-out-of-bounds");
crash!(
    "lockdep",
    "SPINLOCKUP",
    "WARNING: lock held when returning to user space!",
    allowed: &[ATOMIC, SLEEPS]
);
crash!(
    "atomic_sleep",
    "SPINLOCKUP",
    "BUG: scheduling while atomic",
    allowed: &[ATOMIC, SLEEPS, HELD]
);
crash!(
    "refcount",
    "REFCOUNT_INC_ZERO",
    "refcount_t: addition on 0; use-after-free"
);
// An indirect call by another type than the function's.
crash!("cfi", "CFI_FORWARD_PROTO", "CFI failure at", lethal: true);
// With a stack, and before the harness ends a guest that is silent.
crash!("hung_task", "HUNG_TASK", "blocked for more than", lethal: true);

case!(
    kmemleak,
    splat: Some("unreferenced object"),
    // The module says what it leaks, and kmemleak how much it has found.
    allowed: &["kmemleak:"]
);
/// The leak is found at the end of the guest.
fn kmemleak() -> Result<()> {
    host::modprobe("kmemleak-test")
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
