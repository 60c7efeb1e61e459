// SPDX-License-Identifier: GPL-2.0

//! What a guest's console says: results, and complaints of its kernel.

/// Words with which a kernel complains; any of them fails the case during which they come.
const SPLATS: &[&str] = &[
    "WARNING:",
    "Call trace:",
    "BUG:",
    "Oops",
    "Unable to handle",
    "Internal error",
    "Kernel panic",
    "rcu: INFO",
    "self-detected stall",
    "blocked for more than",
    "soft lockup",
    "possible circular locking",
    "possible recursive locking",
    "inconsistent lock state",
    "refcount_t:",
    "KASAN",
    "UBSAN",
    "KCSAN",
    "kmemleak:",
    "Out of memory",
    "list_add corruption",
    "list_del corruption",
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
    /// The kernel complains
    Splat,
    /// The guest has done all it was to do
    End,
    Other,
}

/// The mark at the end of a guest's work.
pub const END: &str = "acc-selftest: end";

/// What the kernel says in a line: all behind its time stamp (`[    1.234567] `). The stamp need
/// not be at the line's begin, for a program may have written half a line before.
fn from_kernel(line: &str) -> Option<&str> {
    line.match_indices('[').find_map(|(at, _)| {
        let (stamp, text) = line[at + 1..].split_once("] ")?;
        let (seconds, fraction) = stamp.trim_start().split_once('.')?;
        let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
        (digits(seconds) && digits(fraction)).then_some(text)
    })
}

/// Reads a line.
pub fn read(line: &str) -> Line<'_> {
    if let Some(text) = from_kernel(line) {
        if let Some((_, name)) = text.split_once("acc-selftest: begin ") {
            return Line::Begin(name.trim());
        }
        if SPLATS.iter().any(|splat| text.contains(splat)) {
            return Line::Splat;
        }
        if line.starts_with('[') {
            return Line::Other;
        }
    }
    if line.contains(END) {
        return Line::End;
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
        assert_eq!(read("[    1.0] WARNING: fs/x.c:1 at f"), Line::Splat);
        assert_eq!(read("[    1.0] ok 1 - kunit"), Line::Other);
        assert_eq!(read("half a l[    1.0] BUG: at f"), Line::Splat);
        assert_eq!(read("[   12.5] Call trace:"), Line::Splat);
        assert_eq!(
            read("# [x] BUG: in words"),
            Line::Diagnostic("[x] BUG: in words")
        );
        assert_eq!(read(END), Line::End);
    }
}
