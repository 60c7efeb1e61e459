// SPDX-License-Identifier: GPL-2.0

//! Scripts of what a review found, and random runs: none loses a page.

use acc_cosim::{
    cosim::Cosim,
    defects,
    play::{self, Counts, Limits},
    step::{Device, Script, Step},
};
use hisi_acc_hw::{doorbell::Kind, Engine};
use hisi_acc_track::Reason;
use std::{fs, path::Path};

fn scripts() -> Vec<(String, Script)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let mut found: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
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
    for n in [1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14] {
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

/// Requests of a guest that behaves, with reports while some are in flight, for each engine: few
/// more pages are reported than were written, beyond those that each report has, and never all.
#[test]
fn good_guests_are_known_precisely() {
    for engine in Engine::ALL {
        let device = Device { engine, shift: 12 };
        let setup = "ready on\nevents 0\ntables 0\n\
             queue 0 place 0 depth 32 head 0 tail 0 cq-tail 0 type 0 odd 0 zeroed on\n\
             start\nreport\nreport\njob-delay 200";
        let text = format!("device {} 12\n{setup}", engine.descriptor().name);
        let mut cosim = Cosim::new(device);
        for step in text.parse::<Script>().unwrap().steps {
            cosim.step(&step).unwrap();
        }
        cosim.pages = (0, 0);
        cosim.step(&Step::Report(None)).unwrap();
        let (_, quiet) = std::mem::take(&mut cosim.pages);
        let before = cosim.reports;
        for n in 0..2000u16 {
            let (slot, next) = (n % 32, (n + 1) % 32);
            // Odd, so that each is understood.
            let seed = u32::from(n).wrapping_mul(0x9e37_79b9) | 1;
            let mut good = vec![
                Step::Place(0, slot, seed),
                Step::Ring(Kind::Sq, 0, next, 0),
                Step::Run(if n % 3 == 0 { 50 } else { 1_000 }),
            ];
            if n % 8 == 0 {
                good.push(Step::Report(None));
            }
            good.push(Step::Run(1_000));
            good.push(Step::Ring(Kind::Cq, 0, next, 1));
            for step in good {
                cosim.step(&step).unwrap();
            }
        }
        let reports = cosim.reports - before;
        let (written, reported) = cosim.pages;
        let reported = reported - quiet * reports;
        println!("{engine:?}: {written} pages written, {reported} reported");
        assert!(reports == 250 && written > 1000, "{engine:?}");
        assert!(
            reported * 10 <= written * 25,
            "{engine:?}: {reported} of {written}"
        );
        for (number, reason) in Counts::possible().into_iter().map(|r| (r.number(), r)) {
            let expected = u64::from(reason == Reason::Mailbox);
            assert!(
                cosim.statistics.whole(number) <= expected,
                "{engine:?}: {reason}"
            );
        }
    }
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
