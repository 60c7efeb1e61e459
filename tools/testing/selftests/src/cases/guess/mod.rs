// SPDX-License-Identifier: GPL-2.0

//! `guess.*`: migration, reset and dirty tracking on hardware that differs from what the model
//! guesses. `Documentation/selftests/twin-guesses.rst` has the alternatives.

/// Registers a case for each alternative, or for several at once.
macro_rules! under {
    ($($case:ident = $names:literal $(, $field:ident: $value:expr)* => $run:expr;)+) => {
        $(
            case!($case $(, $field: $value)*);
            fn $case() -> acc_vfio_user::Result<()> {
                let _guessed = $crate::support::guess::Guessed::new($names)?;
                let run: fn() -> acc_vfio_user::Result<()> = $run;
                run()
            }
        )+

        /// What the cases choose.
        #[cfg(test)]
        pub const NAMES: &[&str] = &[$($names),+];
    };
}

mod each;
mod pairs;
mod start;
mod v5;

use crate::registry::{Flavour, Spec};

/// What all cases of the suite need. What the debug kernel would find, it finds in the suites that
/// these cases are made of.
const SUITE: Spec = Spec {
    flavour: Flavour::Plain,
    ..Spec::NONE
};

#[cfg(test)]
mod tests {
    use acc_twin::guess::ROWS;

    /// Each alternative of the model has a case, and there are no others.
    #[test]
    fn each_alternative_has_a_case() {
        let mut names: Vec<&str> = [super::each::NAMES, super::start::NAMES, super::v5::NAMES]
            .concat()
            .into_iter()
            .chain(
                super::pairs::NAMES
                    .iter()
                    .flat_map(|names| names.split(',')),
            )
            .collect();
        let single = names.len() - super::pairs::NAMES.len();
        assert!(single >= ROWS.len());
        names.sort_unstable();
        names.dedup();
        let mut rows: Vec<&str> = ROWS.iter().map(|row| row.name).collect();
        rows.sort_unstable();
        assert_eq!(names, rows);
    }
}
