// SPDX-License-Identifier: GPL-2.0

//! What a guest's console says: results, and complaints of its kernel.

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
    /// A case begins
    Begin(&'a str),
    /// It has passed or failed
    Result {
        passed: bool,
        name: &'a str,
        /// What it has to say beside that, or nothing
        remark: &'a str,
    },
    /// Says why one failed
    Diagnostic(&'a str),
    /// What the case that runs has measured: JSON, for the results' file of that name
    Data {
        file: &'a str,
        json: &'a str,
    },
    /// The kernel complains, or a program that looked at it
    Splat,
    /// The kernel says something else
    Kernel,
    /// The guest has done all it was to do
    End,
    Other,
}

/// The mark at the end of a guest's work.
pub const END: &str = "acc-selftest: end";

/// With this a program of the guest speaks against the case that ran last.
const COMPLAINT: &str = "acc-selftest: complaint: ";
/// What it says behind the first line of it.
pub const GOES_ON: &str = "acc-selftest: complaint:  ";
/// With this a case hands over what it has measured.
const DATA: &str = "acc-selftest: data ";

/// Where the kernel begins to speak in a line, and what it says behind its time stamp
/// (`[    1.234567] `). The stamp need not be at the line's begin, for a program may have written
/// half a line before.
fn stamp(line: &str) -> Option<(usize, &str)> {
    line.match_indices('[').find_map(|(at, _)| {
        let (stamp, text) = line[at + 1..].split_once("] ")?;
        let (seconds, fraction) = stamp.trim_start().split_once('.')?;
        let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
        (digits(seconds) && digits(fraction)).then_some((at, text))
    })
}

fn from_kernel(line: &str) -> Option<&str> {
    stamp(line).map(|(_, text)| text)
}

/// Puts lines of programs together again, into the midst of which the kernel has put some of its
/// own: a result's line would not be known for one otherwise.
#[derive(Default)]
pub struct Joiner {
    /// What a program has begun
    half: String,
}

impl Joiner {
    /// The line that is now whole.
    pub fn join(&mut self, line: &str) -> String {
        match stamp(line) {
            Some((0, _)) => line.to_owned(),
            // A diagnostic may quote the kernel's log, and nothing depends on it.
            Some((at, _)) if !line.starts_with('#') => {
                self.half.push_str(&line[..at]);
                line[at..].to_owned()
            }
            _ => std::mem::take(&mut self.half) + line,
        }
    }
}

fn has(text: &str, words: &[&str]) -> bool {
    words.iter().any(|word| text.contains(word))
}

/// Reads a line.
pub fn read(line: &str) -> Line<'_> {
    if let Some(text) = from_kernel(line) {
        if let Some((_, name)) = text.split_once("acc-selftest: begin ") {
            return Line::Begin(name.trim());
        }
        if has(text, SPLATS) && !has(text, HARMLESS) {
            return Line::Splat;
        }
        if line.starts_with('[') {
            return Line::Kernel;
        }
    }
    if line.starts_with(COMPLAINT) {
        return Line::Splat;
    }
    if line.contains(END) {
        return Line::End;
    }
    if let Some((file, json)) = line
        .strip_prefix(DATA)
        .and_then(|rest| rest.split_once(' '))
    {
        return Line::Data { file, json };
    }
    for (prefix, passed) in [("ok ", true), ("not ok ", false)] {
        if let Some((_, name)) = line
            .strip_prefix(prefix)
            .and_then(|rest| rest.split_once(" - "))
        {
            let (name, remark) = name.split_once(" # ").unwrap_or((name, ""));
            return Line::Result {
                passed,
                name: name.trim(),
                remark: remark.trim(),
            };
        }
    }
    match line.strip_prefix("# ") {
        Some(text) => Line::Diagnostic(text),
        None => Line::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves() {
        let mut joiner = Joiner::default();
        let mut whole = |line| joiner.join(line);
        assert_eq!(whole("ok 1 - a.b"), "ok 1 - a.b");
        assert_eq!(whole("ok 2 - a[    1.5] x: y"), "[    1.5] x: y");
        assert_eq!(whole("[    1.6] x: z"), "[    1.6] x: z");
        assert_eq!(whole(".c"), "ok 2 - a.c");
        assert_eq!(whole("# [    1.5] quoted"), "# [    1.5] quoted");
        assert_eq!(whole("ok 3 - a.d"), "ok 3 - a.d");
    }

    #[test]
    fn lines() {
        assert_eq!(
            read("[    1.234567] acc-selftest: begin twin.sriov"),
            Line::Begin("twin.sriov")
        );
        assert_eq!(
            read("not ok 3 - hidden.mmap:c"),
            Line::Result {
                passed: false,
                name: "hidden.mmap:c",
                remark: ""
            }
        );
        assert_eq!(
            read("ok 4 - upstream.x:rust # 3 passed, 2 skipped"),
            Line::Result {
                passed: true,
                name: "upstream.x:rust",
                remark: "3 passed, 2 skipped"
            }
        );
        assert_eq!(read("# errno 0"), Line::Diagnostic("errno 0"));
        assert_eq!(
            read("acc-selftest: data qemu {\"a\":[1.5]}"),
            Line::Data {
                file: "qemu",
                json: "{\"a\":[1.5]}"
            }
        );
        assert_eq!(read("[    1.0] WARNING: fs/x.c:1 at f"), Line::Splat);
        assert_eq!(read("[    1.0] ok 1 - kunit"), Line::Kernel);
        assert_eq!(read("half a l[    1.0] BUG: at f"), Line::Splat);
        assert_eq!(read("[   12.5] Call trace:"), Line::Splat);
        assert_eq!(
            read("# [x] BUG: in words"),
            Line::Diagnostic("[x] BUG: in words")
        );
        assert_eq!(read(END), Line::End);
        assert_eq!(
            read("acc-selftest: complaint: unreferenced object"),
            Line::Splat
        );
        assert_eq!(read("acc-selftest: complains"), Line::Other);
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
