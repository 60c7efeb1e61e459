// SPDX-License-Identifier: GPL-2.0

//! Puts cases into guests.

use acc_case::Case;
use std::collections::BTreeMap;

/// The cases of a guest, or those of the host, and its name: that of the suite, or of the case if
/// it is alone.
pub type Group = (String, Vec<Case>);

/// Puts cases into guests: one for each suite and what its guest is to be. `apart`: those with the
/// C driver into others, for the debug kernel may be blind after a complaint (lockdep is).
pub fn groups(cases: Vec<Case>, apart: bool) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let with_c = |case: &Case| apart && case.driver() == Some("c");
    for case in cases {
        let same = groups.iter_mut().find(|(_, cases)| {
            let first = &cases[0];
            !case.needs.fresh
                && first.suite() == case.suite()
                && first.needs == case.needs
                && with_c(first) == with_c(&case)
        });
        if let Some((_, cases)) = same {
            cases.push(case);
            continue;
        }
        let mut name = match (case.needs.fresh, case.needs.hw) {
            (true, _) => case.name.replace(['.', ':'], "-"),
            (false, Some(hw)) => format!("{}-v{hw}", case.suite()),
            (false, None) => case.suite().to_owned(),
        };
        if with_c(&case) && !case.needs.fresh {
            name.push_str("-c");
        }
        let alike = groups
            .iter()
            .filter(|(other, _)| other.strip_prefix(&name).is_some_and(is_number))
            .count();
        if alike != 0 {
            name = format!("{name}-{}", alike + 1);
        }
        groups.push((name, vec![case]));
    }
    groups
}

/// Puts those groups first that take longest, by the seconds that each case took in its last run,
/// so that none runs alone at the end. Without these the guests that run guests are first.
pub fn longest_first(groups: &mut [Group], took: &BTreeMap<String, f64>) {
    let seconds = |cases: &[Case]| -> f64 {
        let each = cases.iter().filter_map(|case| took.get(&case.name));
        each.sum()
    };
    groups.sort_by(|(_, one), (_, other)| {
        let nested = |cases: &[Case]| cases[0].needs.nested;
        let order = seconds(other).total_cmp(&seconds(one));
        order.then(nested(other).cmp(&nested(one)))
    });
}

/// What follows the name of a guest among those named alike: nothing, or `-2` and so on.
fn is_number(rest: &str) -> bool {
    rest.is_empty()
        || rest
            .strip_prefix('-')
            .is_some_and(|n| n.parse::<u32>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use acc_case::Needs;

    #[test]
    fn guests() {
        let with = |name: &str, needs: Needs| Case {
            needs,
            ..Case::new(name)
        };
        let memory = |gib: u32| Needs {
            memory_gib: Some(gib),
            ..Needs::default()
        };
        let v5 = Needs {
            hw: Some(5),
            ..Needs::default()
        };
        let fresh = Needs {
            fresh: true,
            ..Needs::default()
        };
        let cases = vec![
            Case::new("a.one"),
            Case::new("b.one"),
            Case::new("a.two"),
            with("a.one:v5", v5),
            with("a.large", memory(2)),
            with("a.alone", fresh),
            with("a.huge", memory(4)),
            Case::new("a.both:rust"),
            Case::new("a.both:c"),
        ];
        let groups: Vec<(String, usize)> = groups(cases, true)
            .into_iter()
            .map(|(name, cases)| (name, cases.len()))
            .collect();
        let expected = [
            ("a", 3),
            ("b", 1),
            ("a-v5", 1),
            ("a-2", 1),
            ("a-alone", 1),
            ("a-3", 1),
            ("a-c", 1),
        ];
        let expected: Vec<_> = expected.map(|(n, c)| (n.to_owned(), c)).into();
        assert_eq!(groups, expected);
    }

    #[test]
    fn order() {
        let nested = Case {
            needs: Needs {
                nested: true,
                ..Needs::default()
            },
            ..Case::new("c.guest")
        };
        let cases = ["a.one", "b.one", "b.two"].map(Case::new);
        let all = cases.into_iter().chain([nested]).collect();
        let mut groups = groups(all, false);
        let mut order = |took: &[(&str, f64)]| -> Vec<String> {
            let took = took.iter().map(|(name, s)| ((*name).to_owned(), *s));
            longest_first(&mut groups, &took.collect());
            groups.iter().map(|(name, _)| name.clone()).collect()
        };
        assert_eq!(order(&[]), ["c", "a", "b"]);
        let took = [("a.one", 3.0), ("b.one", 2.0), ("b.two", 2.0)];
        assert_eq!(order(&took), ["b", "a", "c"]);
    }
}
