// SPDX-License-Identifier: GPL-2.0

//! Commands that look at a host, or change it, on one of files.

mod fake;

use fake::{link, put, Fake, DRIVER, PF, VFS};
use serde_json::Value;
use std::fs;

/// Returns the conditions of a VF: name and status.
fn statuses(why: &Value) -> Vec<(&str, &str)> {
    let all = why["conditions"].as_array().unwrap().iter();
    all.map(|one| {
        (
            one["name"].as_str().unwrap(),
            one["status"].as_str().unwrap(),
        )
    })
    .collect()
}

#[test]
fn list() {
    let fake = Fake::new();
    fake.open(17, "/dev/vfio/devices/vfio1");
    let (exit, list) = fake.json(&["list"]);
    assert_eq!(exit, 0);
    assert_eq!(list["schema"], 1);
    assert_eq!(list["host"]["page_size"], 4096);
    let pf = &list["pfs"][0];
    assert_eq!(
        (&pf["address"], &pf["kind"], &pf["link"]),
        (&PF.into(), &"zip".into(), &true.into())
    );
    assert_eq!((&pf["vfs"], &pf["pf_queues"]), (&2.into(), &256.into()));
    let vf = &list["vfs"][1];
    assert_eq!((&vf["address"], &vf["index"]), (&VFS[1].into(), &1.into()));
    assert_eq!(
        (&vf["migratable"], &vf["blocker"]),
        (&true.into(), &Value::Null)
    );
    assert_eq!(
        (&vf["state"], &vf["users"][0]["pid"]),
        (&"RUNNING".into(), &17.into())
    );
    assert_eq!(list["vfs"][0]["users"], Value::Array(vec![]));
    let text = fake.run(&["list"]).out;
    assert!(
        text.contains("qemu(17)") && text.contains("2 of 63"),
        "{text}"
    );
}

#[test]
fn list_of_vfs_that_do_not_migrate() {
    let fake = Fake::new();
    put(
        &fake.device(VFS[0]).join("migration_blocker"),
        "its PF is being unbound\n",
    );
    fs::remove_file(fake.device(VFS[1]).join("migration_blocker")).unwrap();
    let (_, list) = fake.json(&["list"]);
    assert_eq!(list["vfs"][0]["migratable"], false);
    assert_eq!(list["vfs"][0]["blocker"], "its PF is being unbound");
    assert_eq!(list["vfs"][1]["migratable"], Value::Null);
    for (driver, migratable, why) in [
        ("vfio-pci", Value::Bool(false), "bound to vfio-pci"),
        ("hisi_acc_vfio_pci", Value::Null, "the kernel's log"),
    ] {
        fake.bind(VFS[1], driver);
        let (_, list) = fake.json(&["list"]);
        assert_eq!(list["vfs"][1]["migratable"], migratable);
        assert!(list["vfs"][1]["blocker"].as_str().unwrap().contains(why));
    }
}

#[test]
fn hosts_without_accelerators() {
    let fake = Fake::new();
    let devices = fake.at("sys/bus/pci/devices");
    fs::remove_dir_all(&devices).unwrap();
    fs::create_dir(&devices).unwrap();
    let ran = fake.run(&["list"]);
    assert_eq!((ran.exit, ran.out.lines().count()), (0, 1));
    fs::remove_dir(&devices).unwrap();
    assert_eq!(fake.run(&["list"]).exit, 3);
}

#[test]
fn all_conditions_hold() {
    let fake = Fake::new();
    // The domain may be left out.
    let (exit, why) = fake.json(&["why", "09:00.1"]);
    assert_eq!((exit, &why["migratable"]), (0, &true.into()));
    let all = statuses(&why);
    let names: Vec<_> = all.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        names,
        [
            "kernel",
            "modules",
            "revision",
            "iommu",
            "group",
            "pf",
            "link",
            "driver",
            "migration_blocker",
            "page_size",
            "dirty_tracking"
        ]
    );
    assert!(all.iter().all(|(_, status)| *status == "ok"), "{all:?}");
    let text = fake.run(&["why", VFS[0]]).out;
    assert!(text.ends_with("0000:09:00.1 can migrate\n"), "{text}");
    assert!(!text.contains("->"), "{text}");
}

/// One condition after another does not hold.
#[test]
fn each_condition_can_fail() {
    type Break = fn(&Fake);
    let cases: [(&str, &str, i32, Break); 13] = [
        ("kernel", "no", 1, |fake| {
            fs::remove_dir(fake.at("sys/module").join(DRIVER)).unwrap();
            put(
                &fake.at("boot/config-7.2.0"),
                "CONFIG_VFIO_PCI_CORE=m\nCONFIG_RUST=y\n",
            );
        }),
        ("kernel", "ok", 1, |fake| {
            fs::remove_dir(fake.at("sys/module").join(DRIVER)).unwrap();
            put(
                &fake.at("boot/config-7.2.0"),
                "CONFIG_VFIO_PCI_CORE=m\nCONFIG_RUST=y\nCONFIG_CRYPTO_DEV_HISI_QM=m\n\
                 # CONFIG_IOMMUFD is not set\nCONFIG_VFIO_CONTAINER=y\n",
            );
        }),
        ("modules", "no", 1, |fake| {
            fs::remove_dir(fake.at("sys/module").join(DRIVER)).unwrap();
        }),
        ("revision", "no", 1, |fake| {
            put(&fake.device(VFS[0]).join("revision"), "0x21\n")
        }),
        ("iommu", "no", 1, |fake| {
            fs::remove_file(fake.device(VFS[0]).join("iommu_group")).unwrap();
        }),
        ("group", "no", 1, |fake| {
            put(
                &fake.at("sys/kernel/iommu_groups/1/devices/0000:08:00.0"),
                "",
            );
        }),
        ("pf", "no", 1, |fake| fake.bind(PF, "vfio-pci")),
        ("pf", "no", 1, |fake| fake.unbind(PF)),
        ("link", "no", 1, |fake| {
            fs::remove_dir_all(fake.device(PF).join("hisi_acc_link.qm.0")).unwrap();
        }),
        ("driver", "no", 1, |fake| fake.unbind(VFS[0])),
        ("migration_blocker", "no", 1, |fake| {
            put(&fake.device(VFS[0]).join("migration_blocker"), "a reason\n");
        }),
        ("page_size", "unknown", 0, |fake| fake.page_size(65536)),
        ("dirty_tracking", "unknown", 0, |fake| {
            put(&fake.device(VFS[0]).join("dirty_tracking"), "off\n");
        }),
    ];
    for (name, status, wanted, damage) in cases {
        let fake = Fake::new();
        damage(&fake);
        let (exit, why) = fake.json(&["why", VFS[0]]);
        let all = statuses(&why);
        assert!(all.contains(&(name, status)), "{name}: {all:?}");
        assert_eq!(exit, wanted, "{name}");
        // What does not hold comes with what to do.
        for one in why["conditions"].as_array().unwrap() {
            if one["status"] == "no" {
                assert_ne!(one["advice"], "", "{name}");
            }
        }
    }
}

/// An older driver has no migration_blocker. The other conditions hold, so the answer is not no.
#[test]
fn an_older_driver() {
    let fake = Fake::new();
    fs::remove_file(fake.device(VFS[0]).join("migration_blocker")).unwrap();
    let (exit, why) = fake.json(&["why", VFS[0]]);
    assert_eq!((exit, &why["migratable"]), (0, &Value::Null));
    assert!(statuses(&why).contains(&("migration_blocker", "unknown")));
}

#[test]
fn modules_that_are_installed() {
    let fake = Fake::new();
    fs::remove_dir(fake.at("sys/module").join(DRIVER)).unwrap();
    put(
        &fake.at("lib/modules/7.2.0/modules.dep"),
        "updates/hisi_acc_vfio_rs.ko.xz: updates/vfio_rs.ko.xz\n",
    );
    let text = fake.run(&["why", VFS[0]]).out;
    assert!(
        text.contains("-> load it: modprobe hisi_acc_vfio_rs"),
        "{text}"
    );
}

#[test]
fn devices_that_are_no_vf() {
    let fake = Fake::new();
    put(&fake.device("0000:00:01.0").join("vendor"), "0x8086\n");
    for (address, said) in [
        (PF, "is a PF, not a VF"),
        ("0000:00:01.0", "is no accelerator"),
        ("0000:77:00.0", "there is no PCI device"),
        ("nonsense", "there is no PCI device"),
        ("../../etc", "there is no PCI device"),
    ] {
        for command in ["why", "show", "dirty", "bind", "unbind"] {
            let (exit, error) = fake.json(&[command, address]);
            assert_eq!(exit, 3, "{command} {address}");
            assert_eq!(error["exit"], 3);
            assert!(error["error"].as_str().unwrap().contains(said), "{error}");
            assert_ne!(error["advice"], "");
        }
    }
    assert_eq!(fake.run(&["setup", VFS[0], "--vfs", "1"]).exit, 3);
}

/// Nothing but the files of sysfs that bind a VF is written.
#[test]
fn unbind() {
    let fake = Fake::new();
    let rules = fake.at("etc/udev/rules.d/70-accvf-0000:09:00.1.rules");
    put(&rules, "a rule");
    assert_eq!(fake.run(&["unbind", VFS[0]]).exit, 0);
    let read = |path| fs::read_to_string(path).unwrap();
    assert_eq!(read(fake.device(VFS[0]).join("driver/unbind")), VFS[0]);
    assert_eq!(read(fake.device(VFS[0]).join("driver_override")), "\n");
    assert!(!rules.exists());
    fake.open(17, "/dev/vfio/1");
    let ran = fake.run(&["unbind", VFS[0]]);
    assert_eq!(ran.exit, 5);
    assert!(ran.err.contains("is open in qemu(17)"), "{}", ran.err);
}

#[test]
fn bind() {
    let fake = Fake::new();
    // It has the driver already.
    let (exit, bound) = fake.json(&["bind", VFS[0], "--persist"]);
    assert_eq!((exit, &bound["vfs"][0]["driver"]), (0, &DRIVER.into()));
    let rule = fs::read_to_string(bound["rules"][0].as_str().unwrap()).unwrap();
    assert!(
        rule.contains("KERNEL==\"0000:09:00.1\", ATTR{device}==\"0xa251\", RUN+=\"/"),
        "{rule}"
    );
    assert!(rule
        .trim_end()
        .ends_with("bind --driver hisi_acc_vfio_rs 0000:09:00.1\""));
    // Nobody binds it here: there is no kernel.
    fake.unbind(VFS[0]);
    let ran = fake.run(&["bind", VFS[0]]);
    assert_eq!(ran.exit, 7);
    assert!(ran.err.contains("did not take 0000:09:00.1"), "{}", ran.err);
    let read = |path| fs::read_to_string(path).unwrap();
    assert_eq!(read(fake.device(VFS[0]).join("driver_override")), DRIVER);
    assert_eq!(read(fake.at("sys/bus/pci/drivers_probe")), VFS[0]);
}

#[test]
fn bind_looks_first() {
    let untouched = |fake: &Fake| {
        let text = fs::read_to_string(fake.device(VFS[0]).join("driver_override")).unwrap();
        assert_eq!(text, "(null)\n");
    };
    let fake = Fake::new();
    fake.bind(VFS[0], "hisi_zip");
    let ran = fake.run(&["bind", VFS[0]]);
    assert_eq!(ran.exit, 5);
    assert!(ran.err.contains("--force"), "{}", ran.err);
    untouched(&fake);
    // The second of two could not migrate: the first is not bound.
    VFS.iter().for_each(|vf| fake.unbind(vf));
    put(&fake.device(VFS[1]).join("revision"), "0x21\n");
    let ran = fake.run(&["bind", VFS[0], VFS[1]]);
    assert_eq!(ran.exit, 7);
    assert!(
        ran.err.contains("0000:09:00.2 could not migrate"),
        "{}",
        ran.err
    );
    untouched(&fake);
}

#[test]
fn setup_looks_first() {
    let fake = Fake::new();
    let numvfs = || fs::read_to_string(fake.device(PF).join("sriov_numvfs")).unwrap();
    let ran = fake.run(&["setup", PF, "--vfs", "64"]);
    assert_eq!(ran.exit, 7);
    assert!(ran.err.contains("at most 63 VFs"), "{}", ran.err);
    fake.open(17, "/dev/vfio/2");
    assert_eq!(fake.run(&["setup", PF, "--vfs", "4"]).exit, 5);
    fake.unbind(PF);
    assert_eq!(fake.run(&["setup", PF, "--vfs", "4"]).exit, 7);
    assert_eq!(numvfs(), "2\n");
    assert_eq!(fake.run(&["setup", PF]).exit, 2);
    // As many as there are: they are bound already.
    fake.bind(PF, "hisi_zip");
    let (exit, bound) = fake.json(&["setup", PF, "--vfs", "2"]);
    assert_eq!(exit, 0);
    assert_eq!(bound["vfs"].as_array().unwrap().len(), 2);
    assert_eq!(numvfs(), "2\n");
}

#[test]
fn show() {
    let fake = Fake::new();
    let files = fake.at("sys/kernel/debug/vfio/0000:09:00.1/migration/hisi_acc");
    put(&files.join("dirty_tracking"), "reports: 1\npages: 2\n");
    put(&files.join("migf_data"), "Mig Data:00000000: de ad\n");
    let (exit, shown) = fake.json(&["show", VFS[0]]);
    assert_eq!(
        (exit, &shown["state"], &shown["note"]),
        (0, &"RUNNING".into(), &Value::Null)
    );
    assert_eq!(shown["tracking"]["pages"], 2);
    assert_eq!(shown["last_stream"]["bytes"], 2);
    assert_eq!(shown["would_save"], Value::Null);
    fs::remove_dir_all(fake.at("sys/kernel/debug")).unwrap();
    let (exit, shown) = fake.json(&["show", VFS[0]]);
    assert_eq!(exit, 0);
    assert!(shown["note"].as_str().unwrap().contains("not mounted"));
}

#[test]
fn watches() {
    let fake = Fake::new();
    let path = "sys/kernel/debug/vfio/0000:09:00.1/migration/hisi_acc/dirty_tracking";
    let ran = fake.run(&["dirty", VFS[0]]);
    assert_eq!(ran.exit, 3);
    put(
        &fake.at(path),
        "reports: 1\npages: 2\nall memory, memory cannot be read: 4\n",
    );
    let watch = [
        "--json",
        "dirty",
        VFS[0],
        "-w",
        "--count",
        "3",
        "--interval",
        "0.01",
    ];
    let ran = fake.run(&watch);
    let lines: Vec<Value> = ran
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!((ran.exit, lines.len()), (0, 3));
    assert_eq!(
        (&lines[0]["pages"], &lines[0]["seconds"]),
        (&2.into(), &Value::Null)
    );
    assert_eq!(lines[0]["all_memory"]["memory cannot be read"], 4);
    assert_eq!(
        (&lines[2]["pages"], &lines[2]["pages_per_second"]),
        (&0.into(), &0.0.into())
    );
    for bad in [
        &["--interval", "0"][..],
        &["--count", "1"],
        &["--count", "x", "-w"],
    ] {
        assert_eq!(
            fake.run(&[&["dirty", VFS[0]], bad].concat()).exit,
            2,
            "{bad:?}"
        );
    }
}

#[test]
fn report() {
    let fake = Fake::new();
    let ran = fake.run(&["report"]);
    assert_eq!(ran.exit, 0);
    assert!(
        ran.out.contains("zip VF 0000:09:00.1: 0x30, can migrate"),
        "{}",
        ran.out
    );
    assert!(fake.json(&["report"]).1["report"].as_str().unwrap() == ran.out);
    assert_eq!(fake.run(&["report", "--reset-unused-vf", PF]).exit, 7);
}

/// A link that leads nowhere, and attributes that are no numbers, are unknown.
#[test]
fn broken_files() {
    let fake = Fake::new();
    put(&fake.device(VFS[0]).join("revision"), "later");
    link("../nowhere", &fake.device(VFS[0]).join("iommu_group"));
    put(&fake.device(PF).join("sriov_numvfs"), [0xff, 0xfe]);
    let (exit, list) = fake.json(&["list"]);
    assert_eq!(exit, 0);
    assert_eq!(list["vfs"][0]["revision"], Value::Null);
    assert_eq!(list["pfs"][0]["vfs"], Value::Null);
}
