// SPDX-License-Identifier: GPL-2.0

//! Scripts of what a review found, and random runs: none loses a page.

use acc_cosim::{
    defects,
    play::{self, Counts, Limits},
    step::Script,
};
use std::{fs, path::Path};

fn scripts() -> Vec<(String, Script)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let mut found: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let script = fs::read_to_string(&path).unwrap().parse();
            let script = script.unwrap_or_else(|e| panic!("{name}: {e}"));
            (name, script)
        })
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

/// Each of them lost a page once.
#[test]
fn findings() {
    let scripts = scripts();
    for n in [1, 2, 3, 4, 5, 7] {
        let of = format!("a{n}-");
        assert!(
            scripts.iter().any(|(name, _)| name.starts_with(&of)),
            "{of}"
        );
    }
    for (name, script) in scripts {
        if let Some(lost) = play::replay(&script) {
            panic!("{name}: {lost}");
        }
    }
}

/// A script is what its text says.
#[test]
fn scripts_are_read_as_they_are_written() {
    for (name, script) in scripts() {
        assert_eq!(
            script.to_string().parse::<Script>().unwrap(),
            script,
            "{name}"
        );
    }
    for wrong in [
        "",
        "device zip",
        "device zip 12\nrun",
        "device zip 12\nstop now",
        "start",
    ] {
        assert!(wrong.parse::<Script>().is_err(), "{wrong}");
    }
}

/// Random runs of some seconds lose no page, and come to each reason for which all is dirty. They
/// are the same ones each time; `make soak` has others.
#[test]
fn random_runs() {
    let limits = Limits {
        steps: Some(300_000),
        ..Limits::default()
    };
    let (counts, failure) = play::random(1, limits);
    println!("{counts}");
    if let Some(failure) = failure {
        panic!("`cosim replay` takes this script:\n\n{failure}");
    }
    assert!(counts.precise > 100);
    for (reason, n) in &counts.reasons {
        assert_ne!(*n, 0, "{reason}");
    }
    assert_eq!(counts.reasons.len(), Counts::possible().len());
}

/// The places of the deliberate defects are there. `cosim defects` builds and looks for each.
#[test]
fn defects_have_their_places() {
    let all = defects::all();
    assert!(all.len() >= 12);
    for defect in all {
        let text = fs::read_to_string(defects::top().join(&defect.file)).unwrap();
        let wrong = defect.make(&text);
        assert!(wrong.is_some_and(|wrong| wrong != text), "{}", defect.id);
    }
}
