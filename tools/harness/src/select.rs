// SPDX-License-Identifier: GPL-2.0

//! Selects cases by patterns.

use acc_case::Case;
use globset::Glob;

/// Returns whether a text is of the form of a pattern, in which * stands for any text and ? for a
/// letter.
fn glob(pattern: &str, text: &str) -> bool {
    // What is no pattern matches nothing.
    Glob::new(pattern).is_ok_and(|glob| glob.compile_matcher().is_match(text))
}

/// Returns whether a case matches one of the patterns and none of those that begin with `!`. A
/// pattern may match the name up to its first colon. `driver` is `rust`, `c` or `both`.
pub fn matches(patterns: &str, driver: &str, case: &Case) -> bool {
    if driver != "both" && case.driver().is_some_and(|with| with != driver) {
        return false;
    }
    let name = case.name.split(':').next().unwrap_or_default();
    let is = |pattern: &str| glob(pattern, &case.name) || glob(pattern, name);
    let (without, with): (Vec<&str>, Vec<&str>) = patterns
        .split_whitespace()
        .partition(|pattern| pattern.starts_with('!'));
    with.into_iter().any(is) && !without.into_iter().any(|pattern| is(&pattern[1..]))
}

#[cfg(test)]
mod tests {
    use acc_case::Case;

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
