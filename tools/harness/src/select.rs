// SPDX-License-Identifier: GPL-2.0

//! Selects cases by patterns.

use crate::store::Kernel;
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

/// Suites that `make check QUICK=1` leaves out: what hardware might do otherwise, packages, and
/// what judges the device model or other drivers.
const SLOW: [&str; 5] = ["guess", "install", "hardware", "twin", "upstream"];

/// Returns whether a case is one of those with which a change is tried first: with our driver, on
/// the older generation, and none that takes long or is slow.
pub fn is_quick(case: &Case) -> bool {
    let other = case.driver() == Some("c") || case.name.ends_with(":v5");
    !case.long && !case.slow && !other && !SLOW.contains(&case.suite())
}

/// Returns the command that runs a case alone. `names` are those of all cases.
pub fn command<'a>(
    name: &str,
    kernel: &Kernel,
    mut names: impl Iterator<Item = &'a str>,
) -> String {
    let mut command = format!("make check T='{name}");
    // A name without a colon stands for all that begin so.
    let others = format!("{name}:");
    if !name.contains(':') && names.any(|other| other.starts_with(&others)) {
        command += &format!(" !{others}*");
    }
    command.push('\'');
    let driver = Case::new(name).driver().unwrap_or_default().to_owned();
    let driver = Some(driver).filter(|driver| ["rust", "c"].contains(&driver.as_str()));
    for (option, value) in [
        ("DRIVER", &driver.unwrap_or_default()),
        ("FLAVOUR", &kernel.flavour),
        ("KERNEL", &kernel.version),
    ] {
        if !value.is_empty() {
            command += &format!(" {option}={value}");
        }
    }
    command
}

#[cfg(test)]
mod tests {
    use super::{command, is_quick};
    use crate::store::Kernel;
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

    #[test]
    fn quick() {
        let of = |name: &str| is_quick(&Case::new(name));
        assert!(of("dirty.reset") && of("migration.idle:rust"));
        assert!(!of("migration.idle:c") && !of("dirty.reset:v5") && !of("guess.old_number"));
        let long = Case {
            long: true,
            ..Case::new("dirty.qemu_precopy")
        };
        assert!(!is_quick(&long));
        let slow = Case {
            slow: true,
            ..Case::new("dirty.user_dies")
        };
        assert!(!is_quick(&slow));
    }

    /// The command runs that case, and no other.
    #[test]
    fn one_case() {
        let names = ["a.x", "a.x:c", "a.x:rust", "a.x:v5", "a.x:rust:v5", "a.y"];
        for name in names {
            let command = command(name, &Kernel::default(), names.into_iter());
            let pattern = command.split('\'').nth(1).unwrap();
            for other in names {
                assert_eq!(matches(pattern, "both", other), name == other, "{command}");
            }
        }
    }

    #[test]
    fn options() {
        let kernel = Kernel::of("debug", "-debug-7.3");
        let of = |name: &str, kernel: &Kernel| command(name, kernel, ["a.x"].into_iter());
        assert_eq!(
            of("a.x:c:v5", &kernel),
            "make check T='a.x:c:v5' DRIVER=c FLAVOUR=debug KERNEL=7.3"
        );
        assert_eq!(of("a.x", &Kernel::default()), "make check T='a.x'");
        assert_eq!(
            of("a.x:vfio-pci", &Kernel::default()),
            "make check T='a.x:vfio-pci'"
        );
    }
}
