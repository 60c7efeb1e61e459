// SPDX-License-Identifier: GPL-2.0

//! Two hosts, by the lists that `accvf list --json` prints of them.

mod fake;

use fake::{put, Fake, VFS};
use serde_json::Value;
use std::fs;

/// Writes the list of a host where the other one finds it.
fn list(fake: &Fake, to: &Fake, name: &str) -> String {
    let ran = fake.run(&["--json", "list"]);
    assert_eq!(ran.exit, 0);
    let path = to.at(name);
    put(&path, ran.out);
    path.display().to_string()
}

/// Plans with two hosts: the exit code, and the plan.
fn plan(source: &Fake, target: &Fake, more: &[&str]) -> (i32, Value) {
    let (a, b) = (
        list(source, source, "a.json"),
        list(target, source, "b.json"),
    );
    source.json(&[&["plan", &a, &b], more].concat())
}

fn status<'a>(plan: &'a Value, pair: usize, name: &str) -> &'a str {
    let all = plan["pairs"][pair]["conditions"].as_array().unwrap();
    let found = all.iter().find(|one| one["name"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {plan}"))["status"]
        .as_str()
        .unwrap()
}

#[test]
fn hosts_that_are_alike() {
    let (source, target) = (Fake::new(), Fake::new());
    let (exit, plan) = plan(&source, &target, &[]);
    assert_eq!(exit, 0);
    for (n, vf) in VFS.iter().enumerate() {
        let pair = &plan["pairs"][n];
        assert_eq!(
            (&pair["source"], &pair["target"]),
            (&(*vf).into(), &(*vf).into())
        );
        assert_eq!(pair["migrates"], true, "{plan}");
    }
    assert_eq!(plan["not_compared"].as_array().unwrap().len(), 1);
}

#[test]
fn targets_that_do_not_suit() {
    type Break = fn(&Fake);
    let cases: [(&str, &str, i32, Break); 8] = [
        ("target", "no", 1, |target| {
            for vf in VFS {
                put(&target.device(vf).join("migration_blocker"), "a reason");
            }
        }),
        ("target", "unknown", 0, |target| {
            for vf in VFS {
                target.bind(vf, "hisi_acc_vfio_pci");
                fs::remove_file(target.device(vf).join("migration_blocker")).unwrap();
            }
        }),
        ("queues", "no", 1, |target| {
            put(&target.device(fake::PF).join("sriov_numvfs"), "3");
        }),
        ("queues", "no", 1, |target| {
            put(&target.at("sys/module/hisi_zip/parameters/pf_q_num"), "2");
        }),
        ("queues", "unknown", 0, |target| {
            fs::remove_file(target.at("sys/module/hisi_zip/parameters/pf_q_num")).unwrap();
        }),
        ("generation", "unknown", 0, |target| {
            for vf in VFS {
                put(&target.device(vf).join("revision"), "0x51");
            }
        }),
        ("free", "no", 1, |target| {
            target.open(17, "/dev/vfio/1");
            target.open(18, "/dev/vfio/2");
        }),
        ("kind", "no", 1, |target| {
            for vf in VFS {
                put(&target.device(vf).join("device"), "0xa256");
            }
        }),
    ];
    for (name, wanted, code, damage) in cases {
        let (source, target) = (Fake::new(), Fake::new());
        damage(&target);
        let (exit, plan) = plan(&source, &target, &[]);
        assert_eq!(status(&plan, 0, name), wanted, "{plan}");
        assert_eq!(exit, code, "{name}: {plan}");
    }
}

/// The VF that suits best is taken, and no VF twice.
#[test]
fn chooses_targets() {
    let (source, target) = (Fake::new(), Fake::new());
    target.open(17, "/dev/vfio/1");
    let (exit, chosen) = plan(&source, &target, &["--vf", VFS[1]]);
    assert_eq!((exit, &chosen["pairs"][0]["target"]), (0, &VFS[1].into()));
    let (exit, both) = plan(&source, &target, &[]);
    assert_eq!(exit, 1);
    assert_ne!(both["pairs"][0]["target"], both["pairs"][1]["target"]);
    assert_eq!(plan(&source, &target, &["--vf", "0000:77:00.0"]).0, 3);
}

/// A guest with several VFs needs the P2P states on both sides.
#[test]
fn several_vfs_of_a_guest() {
    let (source, target) = (Fake::new(), Fake::new());
    let guest = ["--vf", VFS[0], "--vf", VFS[1]];
    assert_eq!(plan(&source, &target, &guest).0, 0);
    for vf in VFS {
        target.bind(vf, "hisi_acc_vfio_pci");
        fs::remove_file(target.device(vf).join("migration_blocker")).unwrap();
    }
    let (exit, refused) = plan(&source, &target, &guest);
    assert_eq!((exit, status(&refused, 0, "p2p")), (1, "no"));
    assert_eq!(plan(&source, &target, &[]).0, 0);
}

#[test]
fn files_that_are_no_lists() {
    let fake = Fake::new();
    let good = list(&fake, &fake, "good.json");
    let newer = fs::read_to_string(&good)
        .unwrap()
        .replace("\"schema\":1", "\"schema\":2");
    for (name, text, said) in [
        ("empty", String::new(), "EOF"),
        ("other", "{\"schema\":1}".to_owned(), "missing field"),
        ("newer", newer, "schema 2"),
    ] {
        put(&fake.at(name), text);
        let (exit, error) = fake.json(&["plan", &good, &fake.at(name).display().to_string()]);
        assert_eq!(exit, 6, "{name}");
        assert!(error["error"].as_str().unwrap().contains(said), "{error}");
    }
    assert_eq!(fake.json(&["plan", &good, "/nothing"]).0, 3);
}
