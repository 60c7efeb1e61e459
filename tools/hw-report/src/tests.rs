// SPDX-License-Identifier: GPL-2.0

//! A host of files: a bridge with ACS, a PF of ZIP below it, and two VFs.

use crate::{
    questions::{report, BY_HAND, QUESTIONS},
    tree::Tree,
};
use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

const PORT: &str = "0000:08:00.0";
const PF: &str = "0000:09:00.0";
const VFS: [&str; 2] = ["0000:09:00.1", "0000:09:00.2"];

/// The host. Its files go with it.
struct Host {
    root: PathBuf,
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
    }
}

fn put(path: &Path, text: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Configuration space: a PM capability without NoSoftRst, PCIe of a type, and ACS if asked for.
fn config(pcie_type: u8, acs: bool) -> Vec<u8> {
    let mut raw = vec![0; 4096];
    raw[4] = 2;
    raw[0x34] = 0x48;
    raw[0x48..0x4a].copy_from_slice(&[0x1, 0x80]);
    raw[0x80] = 0x10;
    raw[0x82] = pcie_type << 4;
    if acs {
        raw[0x100..0x108].copy_from_slice(&[0xd, 0, 1, 0, 0x1f, 0, 0x1d, 0]);
    }
    raw
}

impl Host {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let n = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("hw-report-{}-{n}", std::process::id());
        let host = Self {
            root: std::env::temp_dir().join(name),
        };
        let port = host.at("sys/devices/pci0000:08").join(PORT);
        put(&port.join("vendor"), "0x19e5\n");
        put(&port.join("device"), "0xa121\n");
        put(&port.join("config"), config(4, true));
        host.list(PORT, &port);
        for (n, address) in [PF].into_iter().chain(VFS).enumerate() {
            let path = port.join(address);
            put(&path.join("vendor"), "0x19e5\n");
            let device = if n == 0 { "0xa250" } else { "0xa251" };
            put(&path.join("device"), device);
            put(&path.join("revision"), "0x30\n");
            put(&path.join("config"), config(0, false));
            let nothing = "0x0 0x0 0x0\n";
            let bar2 = "0x0000200000000000 0x000020000000ffff 0x14220c\n";
            put(
                &path.join("resource"),
                format!("{nothing}{nothing}{bar2}{nothing}"),
            );
            let mut registers = vec![0; 64 << 10];
            registers[0x60] = 1;
            put(&path.join("resource2"), registers);
            put(&path.join("reset"), "");
            if n != 0 {
                symlink(format!("../{PF}"), path.join("physfn")).unwrap();
            }
            let group = host.at(&format!("sys/kernel/iommu_groups/{n}"));
            put(&group.join("devices").join(address), "");
            symlink(&group, path.join("iommu_group")).unwrap();
            host.list(address, &path);
        }
        put(&host.at("proc/sys/kernel/osrelease"), "6.6.0\n");
        put(&host.at("proc/cmdline"), "quiet iommu.passthrough=1\n");
        put(
            &host.at("boot/config-6.6.0"),
            "CONFIG_IOMMUFD=m\nCONFIG_RUST_IS_AVAILABLE=y\n",
        );
        host
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    fn list(&self, address: &str, path: &Path) {
        let devices = self.at("sys/bus/pci/devices");
        fs::create_dir_all(&devices).unwrap();
        symlink(path, devices.join(address)).unwrap();
    }

    fn device(&self, address: &str) -> PathBuf {
        self.at("sys/bus/pci/devices").join(address)
    }

    fn report(&self, reset: Option<&str>) -> Result<String, String> {
        report(&Tree::at(&self.root), reset).map_err(|e| e.to_string())
    }
}

#[test]
fn answers() {
    let text = Host::new().report(None).unwrap();
    for line in [
        "zip PF 0000:09:00.0: Endpoint, below 0000:08:00.0 (Root Port, \
         ACS capability 0x1f control 0x1d)",
        "zip VF 0000:09:00.2: 2, alone",
        "zip VF 0000:09:00.1: NoSoftRst- D0",
        "zip PF 0000:09:00.0: 0x30, can migrate",
        "zip VF 0000:09:00.1: BAR2 0x10000",
        "zip VF 0000:09:00.1: 0x1",
        "zip PF 0000:09:00.0: not readable",
        "zip VF 0000:09:00.1: 0x0 0x0 0x0",
        "release 6.6.0",
        "iommu.passthrough=1",
        "CONFIG_IOMMUFD=m",
        "CONFIG_RUST is not set",
    ] {
        assert!(
            text.contains(&format!("   {line}\n")),
            "no {line:?} in:\n{text}"
        );
    }
    assert!(!text.contains("Reset of"));
}

#[test]
fn what_is_not_there() {
    let host = Host::new();
    fs::remove_dir_all(host.at("sys/kernel/iommu_groups/1")).unwrap();
    fs::write(host.device(PORT).join("config"), config(4, false)).unwrap();
    // What anybody but root can read.
    fs::write(host.device(PF).join("config"), vec![0; 64]).unwrap();
    fs::write(host.device(VFS[0]).join("revision"), "0x21").unwrap();
    fs::write(host.device(VFS[1]).join("revision"), "0x77").unwrap();
    let text = host.report(None).unwrap();
    for line in [
        "zip VF 0000:09:00.1: no IOMMU group",
        "zip VF 0000:09:00.1: Endpoint, below 0000:08:00.0 (Root Port, no ACS)",
        "zip PF 0000:09:00.0: unknown type (not root?), below 0000:08:00.0 (Root Port, no ACS)",
        "zip PF 0000:09:00.0: no PM capability",
        "zip VF 0000:09:00.1: 0x21, cannot migrate",
        "zip VF 0000:09:00.2: 0x77, unknown",
    ] {
        assert!(
            text.contains(&format!("   {line}\n")),
            "no {line:?} in:\n{text}"
        );
    }
    fs::remove_dir_all(host.at("sys/bus")).unwrap();
    assert!(host.report(None).unwrap_err().contains("no PCI here"));
}

/// Registers of a VF that a driver has are not read, and only a VF that is named is reset.
#[test]
fn only_unused_vfs() {
    let host = Host::new();
    let reset = |address: &str| fs::read_to_string(host.device(address).join("reset")).unwrap();
    let text = host.report(Some(VFS[1])).unwrap();
    assert!(
        text.contains("Reset of 0000:09:00.2\n   before: state 0x1 "),
        "{text}"
    );
    assert_eq!(
        (reset(VFS[0]), reset(VFS[1]), reset(PF)),
        (String::new(), "1".into(), String::new())
    );
    symlink("../vfio-pci", host.device(VFS[0]).join("driver")).unwrap();
    let text = host.report(None).unwrap();
    assert!(!text.contains("0000:09:00.1: 0x1\n") && text.contains("0000:09:00.2: 0x1\n"));
    for (address, why) in [
        (VFS[0], "0000:09:00.1 has a driver: vfio-pci"),
        (PF, "0000:09:00.0 is no VF of an accelerator"),
        (PORT, "0000:08:00.0 is no VF of an accelerator"),
        ("0000:09:00", "0000:09:00 is no VF of an accelerator"),
    ] {
        assert_eq!(host.report(Some(address)), Err(why.to_owned()));
    }
    assert_eq!((reset(VFS[0]), reset(PF)), (String::new(), String::new()));
}

/// A list of capabilities that is a circle ends.
#[test]
fn circles_end() {
    let host = Host::new();
    let mut raw = config(0, false);
    raw[0x49] = 0x48;
    raw[0x100..0x104].copy_from_slice(&[0x1, 0, 1, 0x10]);
    fs::write(host.device(VFS[0]).join("config"), raw).unwrap();
    assert!(host.report(None).unwrap().contains("unknown type"));
}

/// Each open question of the documentation is asked, or it is said why not.
#[test]
fn the_documentation_has_the_questions() {
    let text = include_str!("../../../Documentation/selftests/twin-guesses.rst");
    let (_, open) = text.split_once("\nOpen questions\n").unwrap();
    let open = open.split("\nWhat is not modeled\n").next().unwrap();
    let numbers: Vec<u32> = open
        .lines()
        .filter_map(|line| line.split_once(". ")?.0.parse().ok())
        .collect();
    let mut asked: Vec<u32> = QUESTIONS.iter().map(|question| question.number).collect();
    asked.extend(BY_HAND.iter().map(|(number, _)| *number));
    asked.sort_unstable();
    assert_eq!(numbers, asked);
}
