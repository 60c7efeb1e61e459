// SPDX-License-Identifier: GPL-2.0

//! What a guest's console says: the log of its kernel.

use acc_case::{BEGIN, END};

/// Words with which a kernel complains; any of them fails the case during which they come.
const SPLATS: &[&str] = &[
    "[ cut here ]",
    "WARNING:",
    "Call trace:",
    // "BUG: KASAN: …", "kernel BUG at …", SLUB's "BUG kmalloc-64 (…): …"
    "BUG:",
    "BUG ",
    "Oops",
    "Unable to handle",
    "Internal error",
    "Kernel panic",
    "Disabling lock debugging",
    "rcu: INFO",
    "self-detected stall",
    "blocked for more than",
    "soft lockup",
    "possible circular locking",
    "possible recursive locking",
    "inconsistent lock state",
    "refcount_t:",
    "KASAN:",
    "UBSAN:",
    "KCSAN:",
    "ODEBUG:",
    "kmemleak:",
    "Out of memory",
    "page allocation failure",
    "list_add corruption",
    "list_del corruption",
    "sysfs: cannot create duplicate",
    "kobject_add_internal failed for",
    // debugfs, in the words of two versions
    "already exists in '",
    "already present!",
    "CFI failure at",
    // KUnit
    "EXPECTATION FAILED",
    "ASSERTION FAILED",
    // The SMMU: a device has touched what it must not, or too often to tell
    "smmuv3: event 0x",
    "EVTQ overflow detected",
    "rust_kernel: panicked at",
];

/// What has one of these words and is no complaint.
const HARMLESS: &[&str] = &[
    "kmemleak: Kernel memory leak detector initialized",
    "kmemleak: Automatic memory scanning thread",
];

/// What a line of the console is.
#[derive(Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// A case begins.
    Begin(&'a str),
    /// The kernel complains.
    Splat,
    /// The kernel says something else.
    Kernel,
    /// The guest has done all that it was to do.
    End,
    /// Not from the kernel.
    Other,
}

/// Returns what the kernel says behind its time stamp (`[    1.234567] `).
fn from_kernel(line: &str) -> Option<&str> {
    let (stamp, text) = line.strip_prefix('[')?.split_once("] ")?;
    let (seconds, fraction) = stamp.trim_start().split_once('.')?;
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    (digits(seconds) && digits(fraction)).then_some(text)
}

fn has(text: &str, words: &[&str]) -> bool {
    words.iter().any(|word| text.contains(word))
}

/// Reads a line.
pub fn read(line: &str) -> Line<'_> {
    let Some(text) = from_kernel(line) else {
        return Line::Other;
    };
    if let Some(name) = text.strip_prefix(BEGIN) {
        return Line::Begin(name.trim());
    }
    match text.trim() {
        END => Line::End,
        text if has(text, SPLATS) && !has(text, HARMLESS) => Line::Splat,
        _ => Line::Kernel,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        assert_eq!(
            read("[    1.234567] acc-selftest: begin twin.sriov"),
            Line::Begin("twin.sriov")
        );
        assert_eq!(read("[    1.2] acc-selftest: end"), Line::End);
        assert_eq!(read("[    1.0] WARNING: fs/x.c:1 at f"), Line::Splat);
        assert_eq!(read("[    1.0] ok 1 - kunit"), Line::Kernel);
        assert_eq!(read("[   12.5] Call trace:"), Line::Splat);
        for other in ["[x] BUG: in words", "BUG: without a stamp", END, ""] {
            assert_eq!(read(other), Line::Other, "{other}");
        }
    }

    /// What kernels have said.
    #[test]
    fn splats() {
        for text in [
            "BUG: KASAN: slab-use-after-free in lkdtm_READ_AFTER_FREE+0x1d0/0x1d4 [lkdtm]",
            "UBSAN: array-index-out-of-bounds in drivers/misc/lkdtm/bugs.c:458:16",
            "WARNING: possible circular locking dependency detected",
            "WARNING: possible recursive locking detected",
            "WARNING: lock held when returning to user space!",
            "WARNING: bad unlock balance detected!",
            "WARNING: suspicious RCU usage",
            "[ BUG: Invalid wait context ]",
            "BUG: scheduling while atomic: sh/51/0x00000002",
            "BUG: sleeping function called from invalid context at mm/slub.c:1",
            "refcount_t: addition on 0; use-after-free.",
            "ODEBUG: free active (active state 0) object: 00000000 object type: work_struct hint: f",
            "BUG kmalloc-64 (Tainted: G           O): Right Redzone overwritten",
            "kernel BUG at mm/slub.c:1!",
            "------------[ cut here ]------------",
            "WARNING: drivers/pci/remove.c:127 at pci_stop_and_remove_bus_device+0x80/0x98, CPU#0: a/1",
            "Disabling lock debugging due to kernel taint",
            "kmemleak: 2 new suspected memory leaks (see /sys/kernel/debug/kmemleak)",
            "kmemleak: Memory pool empty, consider increasing CONFIG_DEBUG_KMEMLEAK_MEM_POOL_SIZE",
            "watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [acc-selftest:1]",
            "rcu: INFO: rcu_preempt self-detected stall on CPU",
            "INFO: task acc-selftest:1 blocked for more than 120 seconds.",
            "rust_kernel: panicked at rust/kernel/print.rs:1:1:",
            "debugfs: 'vf_data' already exists in '0000:02:00.1'",
            "debugfs: File 'vf_data' in directory 'x' already present!",
            "kobject: kobject_add_internal failed for x with -EEXIST, don't try to register things with the same name in the same directory.",
            "    # bits: EXPECTATION FAILED at lib/bits_test.c:1",
            "    # bits: ASSERTION FAILED at rust/vfio/region.rs:1",
            "CFI failure at f+0x1/0x2 (target: g+0x0/0x8; expected type: 0x1)",
            "arm-smmu-v3 9050000.smmuv3: event 0x10 received:",
            "arm-smmu-v3 9050000.smmuv3: EVTQ overflow detected -- events lost",
        ] {
            assert_eq!(read(&format!("[   12.345678] {text}")), Line::Splat, "{text}");
        }
        for text in [
            "kmemleak: Kernel memory leak detector initialized (mem pool available: 39842)",
            "DMA-API: preallocated 65536 debug entries",
            "Lock dependency validator: Copyright (c) 2006 Red Hat, Inc., Ingo Molnar",
            "vfio_rs: loading out-of-tree module taints kernel.",
            "rcu: \tRCU lockdep checking is enabled.",
            "kasan: KernelAddressSanitizer initialized (generic)",
            "hisi_acc_vfio_pci 0000:00:10.4: failed to match VF qp num",
        ] {
            assert_eq!(
                read(&format!("[   12.345678] {text}")),
                Line::Kernel,
                "{text}"
            );
        }
    }
}
