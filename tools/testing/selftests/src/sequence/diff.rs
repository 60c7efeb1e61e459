// SPDX-License-Identifier: GPL-2.0

//! Two sequences beside each other: what both have in common, in order, and what only one has.

use crate::sequence::line::Line;
use std::fmt::Write;

/// A place in two sequences.
#[derive(Clone, Copy, Debug)]
pub enum Step<'a> {
    Both(&'a Line, &'a Line),
    C(&'a Line),
    Ours(&'a Line),
}

/// What lies between two accesses that both make.
#[derive(Debug)]
pub struct Hunk<'a> {
    /// Where it begins in the list of steps
    pub at: usize,
    pub c: Vec<&'a Line>,
    pub ours: Vec<&'a Line>,
    /// The access of both that follows, if one does
    pub before: Option<&'a Line>,
}

/// Aligns two sequences such that as many accesses as possible are those of both.
pub fn align<'a>(c: &'a [Line], ours: &'a [Line]) -> Vec<Step<'a>> {
    // How many of c[i..] and ours[j..] are common.
    let mut common = vec![vec![0u32; ours.len() + 1]; c.len() + 1];
    for i in (0..c.len()).rev() {
        for j in (0..ours.len()).rev() {
            common[i][j] = if c[i].is_same(&ours[j]) {
                common[i + 1][j + 1] + 1
            } else {
                common[i + 1][j].max(common[i][j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut steps = Vec::new();
    while i < c.len() || j < ours.len() {
        steps.push(match (c.get(i), ours.get(j)) {
            (Some(a), Some(b)) if a.is_same(b) => {
                i += 1;
                j += 1;
                Step::Both(a, b)
            }
            (Some(a), Some(_)) if common[i + 1][j] >= common[i][j + 1] => {
                i += 1;
                Step::C(a)
            }
            (_, Some(b)) => {
                j += 1;
                Step::Ours(b)
            }
            (Some(a), None) => {
                i += 1;
                Step::C(a)
            }
            (None, None) => break,
        });
    }
    steps
}

/// Where the two differ.
pub fn hunks<'a>(steps: &[Step<'a>]) -> Vec<Hunk<'a>> {
    let mut hunks: Vec<Hunk<'a>> = Vec::new();
    let mut open = false;
    for (at, step) in steps.iter().enumerate() {
        if let Step::Both(line, _) = step {
            if let (true, Some(last)) = (open, hunks.last_mut()) {
                last.before = Some(line);
            }
            open = false;
            continue;
        }
        if !open {
            hunks.push(Hunk {
                at,
                c: Vec::new(),
                ours: Vec::new(),
                before: None,
            });
            open = true;
        }
        if let Some(last) = hunks.last_mut() {
            match step {
                Step::C(line) => last.c.push(line),
                Step::Ours(line) => last.ours.push(line),
                Step::Both(..) => {}
            }
        }
    }
    hunks
}

/// How many common accesses are shown around a difference.
const AROUND: usize = 3;

/// The steps around `at`: a minus is C's alone, a plus ours alone.
pub fn shown(steps: &[Step<'_>], at: usize) -> String {
    let is_common = |step: &Step<'_>| matches!(step, Step::Both(..));
    let end = (at..steps.len())
        .find(|n| is_common(&steps[*n]))
        .unwrap_or(steps.len());
    let around = at.saturating_sub(AROUND)..(end + AROUND).min(steps.len());
    let mut text = String::new();
    for step in &steps[around] {
        // Writing to a String does not fail.
        let _ = match step {
            Step::Both(line, _) => writeln!(text, "    {}", line.shown()),
            Step::C(line) => writeln!(text, "  - {}", line.shown()),
            Step::Ours(line) => writeln!(text, "  + {}", line.shown()),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sequence::line::Way;

    fn lines(text: &str) -> Vec<Line> {
        text.split(' ')
            .map(|what| Line {
                what: what.to_owned(),
                value: None,
                way: Way::Bar,
                of_pf: false,
                is_context: false,
            })
            .collect()
    }

    fn text(c: &str, ours: &str) -> String {
        let (c, ours) = (lines(c), lines(ours));
        align(&c, &ours)
            .iter()
            .map(|step| match step {
                Step::Both(line, _) => line.what.clone(),
                Step::C(line) => format!("-{}", line.what),
                Step::Ours(line) => format!("+{}", line.what),
            })
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn what_is_common_stays_in_order() {
        assert_eq!(text("a b c", "a b c"), "a b c");
        assert_eq!(text("a b c", "a c"), "a -b c");
        assert_eq!(text("a c", "a b c d"), "a +b c +d");
        assert_eq!(text("a b", "b a"), "-a b +a");
    }

    #[test]
    fn a_hunk_ends_at_what_both_do() {
        let (c, ours) = (lines("a x b c"), lines("a y b z"));
        let steps = align(&c, &ours);
        let hunks = hunks(&steps);
        let before: Vec<_> = hunks
            .iter()
            .map(|hunk| hunk.before.map(|line| line.what.as_str()))
            .collect();
        assert_eq!(before, [Some("b"), None]);
        assert_eq!(
            (hunks[0].at, hunks[0].c.len(), hunks[1].ours.len()),
            (1, 1, 1)
        );
        assert_eq!(
            shown(&steps, 1),
            "    a\n  - x\n  + y\n    b\n  - c\n  + z\n"
        );
    }
}
