// SPDX-License-Identifier: GPL-2.0

//! Tests that the harness understands the needs of each case, and that CI runs each case in the
//! plain suite or in a slice (tools/kernel/flavours).

use acc_cases::{case::Case, flavours::Flavours};

/// Returns all cases as the harness reads them.
fn all() -> Vec<Case> {
    super::names()
        .iter()
        .map(|name| Case::read(&format!("{name}{}", super::needs(name))).unwrap())
        .collect()
}

fn flavours() -> Flavours {
    Flavours::read(include_str!("../../../../kernel/flavours")).unwrap()
}

#[test]
fn needs_are_understood() {
    let cases = all();
    assert!(cases.len() > 100);
    let mut names: Vec<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), cases.len(), "two cases have the same name");
}

/// A slice of the debug flavour has each case that can run there with our driver.
#[test]
fn debug_slices_have_all() {
    let slices = flavours().slices;
    let debug: Vec<_> = slices.iter().filter(|s| s.flavour == "debug").collect();
    let missing: Vec<String> = all()
        .into_iter()
        .filter(|case| match &case.flavour {
            Some(flavour) => flavour == "debug",
            None => case.driver().is_none_or(|driver| driver == "rust"),
        })
        .filter(|case| !debug.iter().any(|slice| slice.has(case)))
        .map(|case| case.name)
        .collect();
    assert!(
        missing.is_empty(),
        "in no slice of the debug flavour: {missing:?}"
    );
}

/// A slice of the plain flavour has each case that the plain suite leaves out.
#[test]
fn plain_slices_have_the_rest() {
    let slices = flavours().slices;
    let plain: Vec<_> = slices.iter().filter(|s| s.flavour == "plain").collect();
    let missing: Vec<String> = all()
        .into_iter()
        .filter(|case| {
            case.long
                && case
                    .flavour
                    .as_ref()
                    .is_none_or(|flavour| flavour.is_empty())
        })
        .filter(|case| !plain.iter().any(|slice| slice.has(case)))
        .map(|case| case.name)
        .collect();
    assert!(
        missing.is_empty(),
        "in no slice of the plain flavour: {missing:?}"
    );
}
