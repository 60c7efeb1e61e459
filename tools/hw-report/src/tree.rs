// SPDX-License-Identifier: GPL-2.0

//! The files of the host: its own, or those that a test has made up.

use crate::function::{names, Function};
use acc_vfio_user::Result;
use hisi_acc_hw::{ids, Engine};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Where `/sys`, `/proc` and `/boot` are.
pub struct Tree {
    root: PathBuf,
}

impl Tree {
    /// Returns those of the host.
    pub fn of_host() -> Self {
        Self::at(Path::new("/"))
    }

    /// Returns those below a folder.
    pub fn at(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    /// Returns the path of a file, which is given without the first slash.
    pub fn path(&self, file: &str) -> PathBuf {
        self.root.join(file)
    }

    /// Reads a file as text, without the space around it.
    pub fn read(&self, file: &str) -> Option<String> {
        let text = fs::read(self.path(file)).ok()?;
        Some(String::from_utf8_lossy(&text).trim().to_owned())
    }

    /// Returns a PCI function.
    pub fn function(&self, address: &str) -> Function {
        let path = self.path("sys/bus/pci/devices").join(address);
        Function {
            address: address.to_owned(),
            path,
        }
    }

    /// Returns all accelerators: their PFs and VFs, by their IDs.
    pub fn accelerators(&self) -> Result<Vec<(Engine, bool, Function)>> {
        let devices = self.path("sys/bus/pci/devices");
        if !devices.is_dir() {
            return Err(format!("{}: no PCI here", devices.display()).into());
        }
        let mut found = Vec::new();
        for address in names(&devices) {
            let function = self.function(&address);
            if function.id("vendor") != Some(ids::VENDOR_HUAWEI) {
                continue;
            }
            let id = function.id("device");
            for engine in Engine::ALL {
                let row = engine.descriptor();
                if id == Some(row.pf) || id == Some(row.vf) {
                    found.push((engine, id == Some(row.vf), function.clone()));
                }
            }
        }
        Ok(found)
    }
}
