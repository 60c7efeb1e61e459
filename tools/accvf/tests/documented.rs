// SPDX-License-Identifier: GPL-2.0

//! `Documentation/ABI/testing/accvf-json` names the fields and exit codes that there are.

mod fake;

use accvf::error::Exit;
use fake::{put, Fake, PF, VFS};
use serde_json::Value;
use std::collections::BTreeSet;

const TEXT: &str = include_str!("../../../Documentation/ABI/testing/accvf-json");

/// Collects the names of all fields. Those of `all_memory` are reasons.
fn names(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Array(all) => all.iter().for_each(|one| names(one, found)),
        Value::Object(all) => {
            for (name, value) in all {
                found.insert(name.clone());
                if name != "all_memory" {
                    names(value, found);
                }
            }
        }
        _ => {}
    }
}

/// Returns the words of the text.
fn words() -> BTreeSet<&'static str> {
    TEXT.split(|c: char| !c.is_alphanumeric() && c != '_')
        .collect()
}

#[test]
fn fields() {
    let fake = Fake::new();
    fake.open(17, "/dev/vfio/2");
    let migration = fake.at("sys/kernel/debug/vfio/0000:09:00.1/migration/hisi_acc");
    put(&migration.join("dirty_tracking"), "reports: 1\n");
    put(
        &fake.at("a"),
        [&0xaacc_feed_deca_dedeu64.to_le_bytes()[..], &[0; 168]].concat(),
    );
    put(
        &fake.at("b"),
        [&0xaacc_feed_deca_dedeu64.to_le_bytes()[..], &[1; 168]].concat(),
    );
    put(&fake.at("list.json"), fake.run(&["--json", "list"]).out);
    let at = |name: &str| fake.at(name).display().to_string();
    let mut found = BTreeSet::new();
    for arguments in [
        &["list"][..],
        &["why", VFS[0]],
        &["bind", VFS[0], "--persist"],
        &["show", VFS[0]],
        &["dirty", VFS[0]],
        &["decode", &at("a")],
        &["diff", &at("a"), &at("b")],
        &["plan", &at("list.json"), &at("list.json")],
        &["report"],
        &["why", PF],
    ] {
        names(&fake.json(arguments).1, &mut found);
    }
    assert!(found.len() > 40, "{found:?}");
    let documented = words();
    let missing: Vec<_> = found
        .iter()
        .filter(|name| !documented.contains(name.as_str()))
        .collect();
    assert!(
        missing.is_empty(),
        "not in Documentation/ABI/testing/accvf-json: {missing:?}"
    );
}

#[test]
fn conditions() {
    let documented = words();
    let fake = Fake::new();
    let (_, why) = fake.json(&["why", VFS[0]]);
    for condition in why["conditions"].as_array().unwrap() {
        let name = condition["name"].as_str().unwrap();
        assert!(documented.contains(name), "{name} is not documented");
    }
}

#[test]
fn exit_codes() {
    for (exit, _) in Exit::ALL {
        let line = format!("\n\t\t{}     ", exit as u8);
        assert!(
            TEXT.contains(&line),
            "exit code {} is not documented",
            exit as u8
        );
    }
}
