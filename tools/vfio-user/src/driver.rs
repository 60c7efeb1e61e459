// SPDX-License-Identifier: GPL-2.0

//! The two VFIO drivers of the VFs.

use clap::ValueEnum;

/// A VFIO driver of the VFs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Driver {
    /// hisi_acc_vfio_rs
    Rust,
    /// hisi_acc_vfio_pci of the kernel
    C,
}

impl Driver {
    /// Returns the name that cases have the driver by.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::C => "c",
        }
    }
}
