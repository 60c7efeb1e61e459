// SPDX-License-Identifier: GPL-2.0

//! The page of the results of a real run: what must be in it, and what must not.

use acc_cases::store::{read, Entry};
use acc_report::{page::page, recording, results::Results};
use std::{collections::BTreeSet, process::Command};

/// The store after `make check` with cases of several suites, both drivers and both generations.
const STORE: &str = include_str!("store.jsonl");

fn entries() -> Vec<Entry> {
    let entries = read(STORE);
    assert_eq!(
        entries.len(),
        STORE.lines().count() - 1,
        "all but the SPDX line"
    );
    entries
}

fn render(entries: Vec<Entry>) -> String {
    page(&Results::new(entries)).unwrap()
}

/// The values of an attribute.
fn values<'a>(page: &'a str, attribute: &str) -> Vec<&'a str> {
    let begin = format!("{attribute}=\"");
    let parts = page.split(begin.as_str()).skip(1);
    parts.map(|part| part.split('"').next().unwrap()).collect()
}

/// Each result stands in the matrix once.
#[test]
fn each_case_once() {
    let entries = entries();
    let page = render(entries.clone());
    let cells = values(&page, "data-case");
    assert_eq!(cells.len(), entries.len());
    let cells: BTreeSet<&str> = cells.into_iter().collect();
    for entry in &entries {
        assert!(
            cells.contains(format!("{}@plain", entry.name).as_str()),
            "{}",
            entry.name
        );
    }
    // No link leads nowhere.
    let ids: BTreeSet<&str> = values(&page, "id").into_iter().collect();
    for link in values(&page, "href") {
        assert!(ids.contains(link.strip_prefix('#').unwrap()), "{link}");
    }
}

/// Failures that the run had are taken away. One is added, and one of the same case with another
/// kernel.
#[test]
fn failures_stand_out() {
    let mut entries = entries();
    entries.iter_mut().for_each(|entry| entry.why.clear());
    let good = render(entries.clone());
    assert!(!good.contains("class=\"bad\"") && !good.contains("class=\"failure\""));
    assert!(!good.contains("href=\"#failures\""));
    let entry = entries
        .iter_mut()
        .find(|e| e.name == "migration.idle:c:v5")
        .unwrap();
    entry.why = vec![
        "failed in the guest:".to_owned(),
        "a <script>\"&".to_owned(),
    ];
    let mut other = entry.clone();
    other.kernel.flavour = "debug".to_owned();
    entries.push(other);
    let page = render(entries);
    assert_eq!(page.matches("<td class=\"bad\"").count(), 2);
    assert_eq!(page.matches("<div class=\"failure\"").count(), 2);
    for words in [
        "href=\"#migration.idle:c:v5@plain\"",
        "id=\"migration.idle:c:v5@debug\"",
        "make check T='migration.idle:c:v5' DRIVER=c</code>",
        "make check T='migration.idle:c:v5' DRIVER=c FLAVOUR=debug</code>",
        "a &lt;script&gt;&quot;&amp;",
    ] {
        assert!(page.contains(words), "{words}");
    }
}

/// No text of a result is read as HTML, wherever it stands. Nothing is loaded, nothing runs.
#[test]
fn text_is_escaped() {
    const EVIL: &str = "</style></svg><script>alert(1)</script><img src=x>\"'&";
    let mut entries = entries();
    for (n, entry) in entries.iter_mut().enumerate() {
        entry.name += EVIL;
        entry.remark = format!("D{n}: {EVIL}");
        entry.kernel.version = EVIL.to_owned();
        for (_, value) in &mut entry.data {
            for key in ["way", "generation"] {
                value[key] = EVIL.into();
            }
        }
        if n % 2 == 0 {
            entry.remark.insert(0, ' ');
            entry.why = vec![EVIL.to_owned()];
        }
    }
    let evil = render(entries);
    assert!(evil.contains("&lt;script&gt;"));
    let good = render(self::entries());
    for page in [&evil, &good] {
        for words in ["<script", "<img", "<link", "<iframe"] {
            assert!(!page.contains(words), "{words}");
        }
        assert_eq!(page.matches("</style>").count(), 1);
    }
    // Names of namespaces are no addresses.
    let good = good.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
    for words in ["http:", "https:", "src=", "@import", "url("] {
        assert!(!good.contains(words), "{words}");
    }
}

/// What was measured is plotted: each migration that has rounds, and both drivers side by side.
#[test]
fn plots() {
    let entries = entries();
    let data = || entries.iter().flat_map(|entry| &entry.data);
    let migrations = data().filter(|(file, run)| file == "qemu" && run["rounds"].is_array());
    let sides = data().filter(|(file, _)| file == "bench");
    let (migrations, sides) = (migrations.count(), sides.count());
    assert!(
        migrations != 0 && sides != 0 && sides % 2 == 0,
        "{migrations}, {sides}"
    );
    let page = render(entries.clone());
    // Two plots for two sides.
    assert_eq!(page.matches("<svg").count(), migrations + sides);
    let without = entries.into_iter().map(|entry| Entry {
        data: Vec::new(),
        ..entry
    });
    let page = render(without.collect());
    assert!(!page.contains("<svg") && !page.contains("id=\"benchmark\""));
}

/// Differences from the C driver are listed, and marked in the matrix.
#[test]
fn differences() {
    let page = render(entries());
    assert!(page.contains("<sup>D24</sup>"));
    assert!(
        page.contains("<td>D24</td><td>hidden.other_vf:c:v5</td>"),
        "{page}"
    );
}

#[test]
fn recorded() {
    let text = recording::text(&Results::new(entries())).unwrap();
    for command in ["list", "why 0000:02:00.1", "show 0000:02:00.1", "decode "] {
        assert!(text.contains(&format!("\n$ accvf {command}")), "{command}");
    }
}

/// The program writes the page, and without results says what to do.
#[test]
fn program() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("page.html");
    let run = |store: &std::path::Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_acc-report"));
        command.arg("--store").arg(store).arg("--out").arg(&out);
        command.output().unwrap()
    };
    let store = folder.path().join("store.jsonl");
    let none = run(&store);
    assert!(!none.status.success() && !out.exists());
    let said = String::from_utf8(none.stderr).unwrap();
    assert!(
        said.contains("no results yet") && said.contains("make check"),
        "{said}"
    );
    std::fs::write(&store, STORE).unwrap();
    let done = run(&store);
    assert!(done.status.success(), "{done:?}");
    assert_eq!(std::fs::read_to_string(out).unwrap(), render(entries()));
}
