// SPDX-License-Identifier: GPL-2.0

//! A host of files, for tests: a PF of ZIP with two VFs.

// Each test program uses a part of it.
#![allow(dead_code)]

use serde_json::Value;
use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;

pub const DRIVER: &str = "hisi_acc_vfio_rs";

pub const PF: &str = "0000:09:00.0";
pub const VFS: [&str; 2] = ["0000:09:00.1", "0000:09:00.2"];

/// The host. Its files go with it.
pub struct Fake {
    folder: TempDir,
}

/// Writes a file, with the folders above it.
pub fn put(path: &Path, text: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Makes a link, or another one in its place.
pub fn link(target: impl AsRef<Path>, path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let _ = fs::remove_file(path);
    symlink(target, path).unwrap();
}

impl Fake {
    /// Returns a host on which both VFs can migrate.
    pub fn new() -> Self {
        let fake = Self {
            folder: TempDir::new().unwrap(),
        };
        let bus = fake.at("sys/devices/pci0000:08");
        for (n, address) in [PF].into_iter().chain(VFS).enumerate() {
            let path = bus.join(address);
            put(&path.join("vendor"), "0x19e5\n");
            put(
                &path.join("device"),
                if n == 0 { "0xa250\n" } else { "0xa251\n" },
            );
            put(&path.join("revision"), "0x30\n");
            put(&path.join("driver_override"), "(null)\n");
            let group = fake.at(&format!("sys/kernel/iommu_groups/{n}"));
            put(&group.join("devices").join(address), "");
            link(&group, &path.join("iommu_group"));
            link(&path, &fake.device(address));
        }
        for (n, address) in VFS.iter().enumerate() {
            let vf = fake.device(address);
            link(format!("../{PF}"), &vf.join("physfn"));
            link(
                format!("../{address}"),
                &fake.device(PF).join(format!("virtfn{n}")),
            );
            fake.bind(address, DRIVER);
            put(&vf.join("migration_blocker"), "\n");
            put(&vf.join("dirty_tracking"), "auto\n");
            put(&vf.join(format!("vfio-dev/vfio{n}/dev")), "");
            let debugfs = fake
                .at("sys/kernel/debug/vfio")
                .join(address)
                .join("migration");
            put(&debugfs.join("state"), "RUNNING\n");
        }
        fake.bind(PF, "hisi_zip");
        let pf = fake.device(PF);
        put(&pf.join("sriov_numvfs"), "2\n");
        put(&pf.join("sriov_totalvfs"), "63\n");
        put(&pf.join("sriov_drivers_autoprobe"), "1\n");
        put(&pf.join("hisi_acc_link.qm.0/driver/bind"), "");
        put(&fake.at("sys/bus/pci/drivers_probe"), "");
        put(&fake.at("sys/module/hisi_zip/parameters/pf_q_num"), "256\n");
        fs::create_dir_all(fake.at("sys/module").join(DRIVER)).unwrap();
        put(&fake.at("proc/sys/kernel/osrelease"), "7.2.0\n");
        put(&fake.at("proc/sys/kernel/hostname"), "fake\n");
        fake.page_size(4096);
        fake
    }

    /// Returns the root.
    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    pub fn at(&self, path: &str) -> PathBuf {
        self.root().join(path)
    }

    /// Returns the folder of a PCI device.
    pub fn device(&self, address: &str) -> PathBuf {
        self.at("sys/bus/pci/devices").join(address)
    }

    /// Binds a device.
    pub fn bind(&self, address: &str, driver: &str) {
        let folder = self.at("sys/bus/pci/drivers").join(driver);
        put(&folder.join("unbind"), "");
        link(&folder, &self.device(address).join("driver"));
    }

    /// Takes the driver of a device away.
    pub fn unbind(&self, address: &str) {
        fs::remove_file(self.device(address).join("driver")).unwrap();
    }

    /// Sets the page size of the kernel.
    pub fn page_size(&self, size: u64) {
        let words = [3, 0x40, 6, size, 0, 0];
        let raw: Vec<u8> = words
            .iter()
            .flat_map(|word: &u64| word.to_ne_bytes())
            .collect();
        put(&self.at("proc/self/auxv"), raw);
    }

    /// Lets a process have a VF open.
    pub fn open(&self, pid: u32, file: &str) {
        let process = self.at(&format!("proc/{pid}"));
        put(&process.join("comm"), "qemu\n");
        link(file, &process.join("fd/7"));
    }

    /// Runs `accvf` on this host.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        run_at(self.root(), arguments)
    }

    /// The same with `--json`. Returns the exit code, and what it prints.
    pub fn json(&self, arguments: &[&str]) -> (i32, Value) {
        let ran = self.run(&[&["--json"], arguments].concat());
        let text = match ran.out.is_empty() {
            true => &ran.err,
            false => &ran.out,
        };
        let value = serde_json::from_str(text);
        (ran.exit, value.unwrap_or_else(|e| panic!("{e}: {ran:?}")))
    }
}

/// What a run of the program came to.
#[derive(Debug)]
pub struct Ran {
    pub exit: i32,
    pub out: String,
    pub err: String,
}

/// Runs `accvf` with a root.
pub fn run_at(root: &Path, arguments: &[&str]) -> Ran {
    let output = Command::new(env!("CARGO_BIN_EXE_accvf"))
        .arg("--root")
        .arg(root)
        .args(arguments)
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran {
        exit: output.status.code().unwrap(),
        out: text(output.stdout),
        err: text(output.stderr),
    }
}
