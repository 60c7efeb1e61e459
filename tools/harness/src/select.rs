// SPDX-License-Identifier: GPL-2.0

//! Which cases are meant.

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

/// Whether `case` (`SUITE.CASE` or `SUITE.CASE:DRIVER`) is meant by a pattern and a driver's name.
pub fn matches(pattern: &str, driver: &str, case: &str) -> bool {
    let (name, with) = case.split_once(':').unwrap_or((case, driver));
    if driver != "both" && with != driver {
        return false;
    }
    glob(pattern.as_bytes(), case.as_bytes()) || glob(pattern.as_bytes(), name.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns() {
        assert!(matches("*", "both", "twin.sriov"));
        assert!(matches("migration.*", "both", "migration.idle:c"));
        assert!(matches("migration.idle", "both", "migration.idle:c"));
        assert!(matches("*.idle:rust", "both", "migration.idle:rust"));
        assert!(!matches("*.idle:rust", "both", "migration.idle:c"));
        assert!(!matches("hidden.*", "both", "migration.idle:c"));
    }

    #[test]
    fn drivers() {
        assert!(matches("*", "rust", "migration.idle:rust"));
        assert!(!matches("*", "rust", "migration.idle:c"));
        assert!(matches("*", "c", "twin.sriov"));
    }
}
