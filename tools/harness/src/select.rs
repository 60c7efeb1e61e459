// SPDX-License-Identifier: GPL-2.0

//! Which cases are meant.

use crate::case::Case;

/// Whether `text` is of the form of `pattern`, in which * stands for anything and ? for a letter.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => {
            glob(rest, text) || (!text.is_empty() && glob(pattern, &text[1..]))
        }
        ([b'?', p @ ..], [_, t @ ..]) => glob(p, t),
        ([a, p @ ..], [b, t @ ..]) => a == b && glob(p, t),
        _ => false,
    }
}

/// Returns whether a case matches one of the patterns and none of those that begin with `!`. A
/// pattern may match the name up to its first colon. `driver` is `rust`, `c` or `both`.
pub fn matches(patterns: &str, driver: &str, case: &Case) -> bool {
    if driver != "both" && case.driver().is_some_and(|with| with != driver) {
        return false;
    }
    let name = case.name.split(':').next().unwrap_or_default();
    let is = |pattern: &str| {
        glob(pattern.as_bytes(), case.name.as_bytes()) || glob(pattern.as_bytes(), name.as_bytes())
    };
    let (without, with): (Vec<&str>, Vec<&str>) = patterns
        .split_whitespace()
        .partition(|pattern| pattern.starts_with('!'));
    with.into_iter().any(is) && !without.into_iter().any(|pattern| is(&pattern[1..]))
}

#[cfg(test)]
mod tests {
    use crate::case::Case;

    fn matches(pattern: &str, driver: &str, case: &str) -> bool {
        super::matches(pattern, driver, &Case::new(case))
    }

    #[test]
    fn patterns() {
        assert!(matches("*", "both", "twin.sriov"));
        assert!(matches("migration.*", "both", "migration.idle:c"));
        assert!(matches("migration.idle", "both", "migration.idle:c"));
        assert!(matches("migration.idle", "both", "migration.idle:c:v5"));
        assert!(matches("*.idle:rust", "both", "migration.idle:rust"));
        assert!(!matches("*.idle:rust", "both", "migration.idle:c"));
        assert!(!matches("*.idle:rust", "both", "migration.idle:rust:v5"));
        assert!(matches("*:v5", "both", "migration.idle:rust:v5"));
        assert!(!matches("hidden.*", "both", "migration.idle:c"));
        assert!(matches("hidden.* *.idle", "both", "migration.idle:c"));
        assert!(!matches("*.idle !migration.*", "both", "migration.idle:c"));
        assert!(matches("!*:v5 *", "both", "migration.idle:c"));
        assert!(!matches("!*:v5 *", "both", "migration.idle:c:v5"));
        assert!(!matches("!*:v5", "both", "migration.idle:c"));
    }

    #[test]
    fn drivers() {
        assert!(matches("*", "rust", "migration.idle:rust"));
        assert!(!matches("*", "rust", "migration.idle:c"));
        assert!(!matches("*", "rust", "migration.idle:c:v5"));
        assert!(matches("*", "rust", "migration.bad_stream:v5"));
        assert!(matches("*", "c", "twin.sriov"));
    }
}
