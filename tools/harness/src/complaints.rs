// SPDX-License-Identifier: GPL-2.0

//! Collects what a kernel complains of, complaint by complaint, and applies excuses.

use acc_case::Excuse;

/// Number of lines that are kept after one with which the kernel complains, number of complaints
/// that are kept with more than their head, and number of lines that are shown.
const BEHIND: usize = 70;
const BLOCKS: usize = 100;
const SHOWN: usize = 200;

/// Begins a complaint of WARN() or BUG(). The next lines say what it is.
const CUT: &str = "[ cut here ]";
/// Name the place in such a complaint.
const AT: &[&str] = &["WARNING:", "kernel BUG at"];
/// Begins an oops. The lines before may have said its reason.
const OOPS: &str = "Internal error";
/// Begin the reason of an oops.
const REASONS: &[&str] = &["Unable to handle", "kernel BUG at", "CFI failure at"];
/// Ends the kernel, after an oops.
const PANIC: &str = "Kernel panic - not syncing";
/// Follows the first complaint, whatever it is.
const LOCKDEP_OFF: &str = "Disabling lock debugging";
const TRACE: &str = "Call trace:";

/// One complaint with all its lines.
#[derive(Debug, Default)]
struct Block(Vec<String>);

impl Block {
    fn has(&self, words: &str) -> bool {
        self.0.iter().any(|line| line.contains(words))
    }

    fn has_any(&self, words: &[&str]) -> bool {
        words.iter().any(|words| self.has(words))
    }

    /// Returns the lines that say what the complaint is: the first one; for WARN() and BUG() the
    /// next ones up to the place.
    fn head(&self) -> &[String] {
        match self.0.as_slice() {
            [first, rest @ ..] if first.contains(CUT) => {
                let is_place = |line: &String| AT.iter().any(|at| line.contains(at));
                let place = rest.iter().position(is_place).unwrap_or(0);
                &rest[..rest.len().min(place + 1)]
            }
            lines => &lines[..lines.len().min(1)],
        }
    }

    /// Returns whether the head of the complaint has these words.
    fn is(&self, head: &str) -> bool {
        self.head().iter().any(|line| line.contains(head))
    }

    fn is_excused_by(&self, excuse: &Excuse) -> bool {
        self.is(&excuse.head) && excuse.place.as_ref().is_none_or(|place| self.has(place))
    }

    /// Returns whether another line with which the kernel complains belongs to this complaint.
    fn goes_on_with(&self, line: &str) -> bool {
        let warns = self.0.first().is_some_and(|first| first.contains(CUT));
        let names_place = AT.iter().any(|at| line.contains(at));
        if line.contains(TRACE) {
            true
        } else if warns && self.0.len() == 1 {
            !line.contains(CUT)
        } else if warns && names_place {
            !self.has_any(AT) && !self.has(TRACE)
        } else if line.contains(OOPS) || line.contains("KASAN: ") && !line.contains("BUG: ") {
            self.has_any(REASONS) && !self.has(OOPS)
        } else if line.contains(PANIC) {
            self.has(OOPS) && !self.has(PANIC)
        } else {
            line.contains(LOCKDEP_OFF)
        }
    }
}

/// All complaints during a case.
#[derive(Debug, Default)]
pub struct Complaints {
    blocks: Vec<Block>,
    /// Number of lines that may still belong to the last one.
    behind: usize,
}

impl Complaints {
    /// Takes a line with which the kernel complains.
    pub fn begin(&mut self, line: &str) {
        let last = self.blocks.last().filter(|_| self.behind != 0);
        if !last.is_some_and(|last| last.goes_on_with(line)) {
            self.blocks.push(Block::default());
        }
        self.behind = BEHIND + 1;
        self.go_on(line);
    }

    /// Takes another line of the kernel, which may belong to the last complaint.
    pub fn go_on(&mut self, line: &str) {
        let many = self.blocks.len() > BLOCKS;
        if let (1.., Some(block)) = (self.behind, self.blocks.last_mut()) {
            self.behind -= 1;
            if !many || block.head().is_empty() {
                block.0.push(line.to_owned());
            }
        }
    }

    /// Adds a complaint of a program.
    pub fn add(&mut self, lines: Vec<String>) {
        self.blocks.push(Block(lines));
        self.behind = 0;
    }

    /// Adds the complaints of another case.
    pub fn append(&mut self, other: Self) {
        self.blocks.extend(other.blocks);
        self.behind = 0;
    }

    /// Returns whether the head of a complaint has these words.
    pub fn has(&self, head: &str) -> bool {
        self.blocks.iter().any(|block| block.is(head))
    }

    /// Removes the complaints that an excuse covers. Returns whether there were any.
    pub fn excuse(&mut self, excuse: &Excuse) -> bool {
        let before = self.blocks.len();
        self.blocks.retain(|block| !block.is_excused_by(excuse));
        self.blocks.len() != before
    }

    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// Returns the lines to show.
    pub fn lines(self) -> impl Iterator<Item = String> {
        self.blocks
            .into_iter()
            .flat_map(|block| block.0)
            .take(SHOWN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::{read, Line};

    /// Returns the heads of the complaints on a console.
    fn heads(console: &str) -> Vec<String> {
        let mut complaints = Complaints::default();
        for line in console.lines() {
            match read(line) {
                Line::Splat => complaints.begin(line),
                Line::Kernel => complaints.go_on(line),
                _ => {}
            }
        }
        complaints
            .blocks
            .iter()
            .map(|block| block.head().join("\n"))
            .collect()
    }

    #[test]
    fn a_warning_is_one() {
        let heads = heads(
            "[    1.0] ------------[ cut here ]------------\n\
             [    1.0] refcount_t: underflow; use-after-free.\n\
             [    1.0] WARNING: lib/refcount.c:28 at f+0x1/0x2, CPU#0: a/1\n\
             [    1.0] Modules linked in: x\n\
             [    1.0] Call trace:\n\
             [    1.0]  f+0x1/0x2\n\
             [    1.0] ---[ end trace 0000000000000000 ]---\n\
             [    1.1] WARNING: another\n",
        );
        assert_eq!(heads.len(), 2, "{heads:?}");
        assert!(heads[0].contains("refcount_t:") && heads[0].contains("lib/refcount.c"));
        assert!(!heads[0].contains("Modules"), "{heads:?}");
    }

    #[test]
    fn an_oops_is_one() {
        let heads = heads(
            "[    1.0] Unable to handle kernel paging request at virtual address dfff800000000000\n\
             [    1.0] KASAN: null-ptr-deref in range [0x0000000000000000-0x0000000000000007]\n\
             [    1.0] Mem abort info:\n\
             [    1.0] Internal error: Oops: 0000000096000004 [#1]  SMP\n\
             [    1.0] Call trace:\n\
             [    1.0]  f+0x1/0x2\n\
             [    1.0] Disabling lock debugging due to kernel taint\n\
             [    1.0] Kernel panic - not syncing: Oops: Fatal exception\n\
             [    1.1] Kernel panic - not syncing: another\n",
        );
        assert_eq!(heads.len(), 2, "{heads:?}");
    }

    /// A complaint does not become part of the one before it.
    #[test]
    fn another_is_another() {
        for line in [
            "BUG: KASAN: slab-use-after-free in f+0x1/0x2",
            "Unable to handle kernel NULL pointer dereference at virtual address 0",
            "Internal error: Oops: 0000000096000004 [#1]  SMP",
            "Kernel panic - not syncing: x",
            "------------[ cut here ]------------",
            "WARNING: suspicious RCU usage",
            "INFO: task a:1 blocked for more than 30 seconds.",
            "arm-smmu-v3 9050000.smmuv3: event 0x10 received:",
        ] {
            let heads = heads(&format!(
                "[    1.0] WARNING: drivers/pci/remove.c:1 at f+0x1/0x2\n\
                 [    1.0] Call trace:\n\
                 [    1.0]  g+0x1/0x2\n\
                 [    1.1] {line}\n"
            ));
            assert_eq!(heads.len(), 2, "{line}: {heads:?}");
        }
    }

    /// Each of very many complaints needs its excuse.
    #[test]
    fn many() {
        let mut complaints = Complaints::default();
        for n in 0..=BLOCKS {
            complaints.begin(&format!("BUG: KASAN: {n}"));
            complaints.go_on(" f+0x1/0x2");
        }
        complaints.begin("BUG: another");
        let excuse = Excuse {
            head: "KASAN:".to_owned(),
            place: None,
        };
        assert!(complaints.excuse(&excuse));
        assert_eq!(complaints.lines().collect::<Vec<_>>(), ["BUG: another"]);
    }
}
