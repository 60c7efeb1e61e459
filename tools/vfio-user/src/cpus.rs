// SPDX-License-Identifier: GPL-2.0

//! The CPUs of the machine.

use crate::Result;
use std::io;

/// Runs this thread on each CPU for a moment: interrupts that were pending there are handled then.
pub fn run_on_each() -> Result<()> {
    // SAFETY: A set of no CPU is all zeroes.
    let mut all: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    let len = std::mem::size_of_val(&all);
    // SAFETY: `all` is of that length; the kernel writes the CPUs of this thread to it.
    if unsafe { libc::sched_getaffinity(0, len, &mut all) } != 0 {
        return Err(io::Error::last_os_error().into());
    }
    // SAFETY: The numbers are less than CPU_SETSIZE.
    let cpus = (0..libc::CPU_SETSIZE as usize).filter(|cpu| unsafe { libc::CPU_ISSET(*cpu, &all) });
    let each = cpus.map(|cpu| {
        // SAFETY: As above.
        let mut one: libc::cpu_set_t = unsafe { std::mem::zeroed() };
        // SAFETY: As above.
        unsafe { libc::CPU_SET(cpu, &mut one) };
        one
    });
    for set in each.chain([all]) {
        // SAFETY: `set` is of that length; the kernel only reads it.
        if unsafe { libc::sched_setaffinity(0, len, &set) } != 0 {
            return Err(io::Error::last_os_error().into());
        }
    }
    Ok(())
}
