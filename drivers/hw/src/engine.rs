// SPDX-License-Identifier: GPL-2.0

//! The engines: one row for each, with all that differs between them.
//!
//! The folder of an engine has the format of its requests, and `dma.rs`, which decodes what it
//! writes.

pub mod hpre;
pub mod sec;
pub mod zip;

use crate::{
    dma::types::Decoder,
    reg::{
        Pf,
        Reg, //
    },
};

/// An engine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Engine {
    /// Compresses.
    Zip,
    /// Ciphers and authenticates.
    Sec,
    /// RSA, DH, elliptic curves.
    Hpre,
}

/// The facts about an engine.
pub struct Descriptor {
    /// The name that the device model and the tests use.
    pub name: &'static str,
    /// The module of the in-tree driver, which is also the driver's name.
    pub module: &'static str,
    /// PCI device ID of the PF.
    pub pf: u16,
    /// PCI device ID of a VF.
    pub vf: u16,
    /// The size of an SQE, in bytes: a power of two, [`SQE_MAX`] at most.
    pub sqe_size: usize,
    /// The first algorithm type (of the SQC) whose SQEs the decoder does not understand.
    pub queue_types: u8,
    /// The registers of the engine's errors.
    pub errors: ErrorRegisters,
    pub(crate) decoder: Decoder,
}

/// The registers of an engine's errors.
pub struct ErrorRegisters {
    /// The kernel's name of the status register.
    pub status_name: &'static str,
    /// Pending errors that the mask lets through.
    pub status: Reg<Pf>,
    /// Pending errors. Write 1 to clear.
    pub source: Reg<Pf>,
    /// Which errors reach the status.
    pub mask: Reg<Pf>,
    /// Write 1 to set an error. `None` if no driver shows such a register.
    pub set: Option<Reg<Pf>>,
    /// Whether a bit of the mask lets its error through or holds it back.
    pub mask_enables: bool,
}

/// IDs: `PCI_DEVICE_ID_HUAWEI_ZIP_PF` of `zip/zip_main.c`, `PCI_DEVICE_ID_HUAWEI_ZIP_VF` of
/// `linux/pci_ids.h`. Errors: `HZIP_CORE_INT_*` of `zip/zip_main.c`, the status
/// `HZIP_CORE_INT_STATUS` of hisi_acc_vfio_pci.h. Queue types: `HZIP_ALG_TYPE_COMP` and `_DECOMP`;
/// type 2 is the data analysis engine, whose SQEs are others (`DAE_SQC_ALG_TYPE` of UADK's
/// `hisi_dae.h`).
const ZIP: Descriptor = Descriptor {
    name: "zip",
    module: "hisi_zip",
    pf: 0xa250,
    vf: 0xa251,
    sqe_size: zip::SQE_SIZE,
    queue_types: 2,
    errors: ErrorRegisters {
        status_name: "HZIP_CORE_INT_STATUS",
        status: Reg::at(0x30_10ac),
        source: Reg::at(0x30_10a0),
        mask: Reg::at(0x30_10a4),
        set: Some(Reg::at(0x30_10a8)),
        mask_enables: false,
    },
    decoder: zip::DECODER,
};

/// IDs: `PCI_DEVICE_ID_HUAWEI_SEC_*`. Errors: `SEC_CORE_INT_*` of `sec2/sec_main.c`, the status
/// `SEC_CORE_INT_STATUS` of hisi_acc_vfio_pci.h. Queue types: 0, all that drivers use.
const SEC: Descriptor = Descriptor {
    name: "sec",
    module: "hisi_sec2",
    pf: 0xa255,
    vf: 0xa256,
    sqe_size: sec::SQE_SIZE,
    queue_types: 1,
    errors: ErrorRegisters {
        status_name: "SEC_CORE_INT_STATUS",
        status: Reg::at(0x30_1008),
        source: Reg::at(0x30_1010),
        mask: Reg::at(0x30_1000),
        set: None,
        mask_enables: true,
    },
    decoder: sec::DECODER,
};

/// IDs: `PCI_DEVICE_ID_HUAWEI_HPRE_*`. Errors: `HPRE_INT_*` and `HPRE_HAC_*` of `hpre/hpre_main.c`,
/// the status `HPRE_HAC_INT_STATUS` of hisi_acc_vfio_pci.h. Queue types: `HPRE_V2_ALG_TYPE`,
/// `HPRE_V3_ECC_ALG_TYPE`.
const HPRE: Descriptor = Descriptor {
    name: "hpre",
    module: "hisi_hpre",
    pf: 0xa258,
    vf: 0xa259,
    sqe_size: hpre::SQE_SIZE,
    queue_types: 2,
    errors: ErrorRegisters {
        status_name: "HPRE_HAC_INT_STATUS",
        status: Reg::at(0x30_1800),
        source: Reg::at(0x30_1600),
        mask: Reg::at(0x30_1400),
        set: Some(Reg::at(0x30_1500)),
        mask_enables: false,
    },
    decoder: hpre::DECODER,
};

/// The largest [`Descriptor::sqe_size`].
pub const SQE_MAX: usize = 128;

impl Engine {
    /// All engines.
    pub const ALL: [Self; 3] = [Self::Zip, Self::Sec, Self::Hpre];

    /// Returns the row of the engine.
    pub const fn descriptor(self) -> &'static Descriptor {
        match self {
            Self::Zip => &ZIP,
            Self::Sec => &SEC,
            Self::Hpre => &HPRE,
        }
    }

    /// Returns the engine whose PF or VF has the PCI device ID `id`.
    pub fn of_device(id: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|engine| {
            let row = engine.descriptor();
            id == row.pf || id == row.vf
        })
    }

    /// Returns the size of an SQE, in bytes.
    pub const fn sqe_size(self) -> usize {
        self.descriptor().sqe_size
    }

    /// Returns whether the SQEs of a queue with this algorithm type (of the SQC) are what the
    /// decoder takes them for.
    pub const fn takes_queue_type(self, alg_type: u8) -> bool {
        alg_type < self.descriptor().queue_types
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `HZIP_CORE_INT_STATUS`, `SEC_CORE_INT_STATUS`, `HPRE_HAC_INT_STATUS` of hisi_acc_vfio_pci.h.
    #[test]
    fn engines_by_device() {
        for (engine, pf, vf, status) in [
            (Engine::Zip, 0xa250, 0xa251, 0x30_10ac),
            (Engine::Sec, 0xa255, 0xa256, 0x30_1008),
            (Engine::Hpre, 0xa258, 0xa259, 0x30_1800),
        ] {
            assert_eq!(Engine::of_device(pf), Some(engine));
            assert_eq!(Engine::of_device(vf), Some(engine));
            assert_eq!(engine.descriptor().errors.status.offset(), status);
        }
        assert_eq!(Engine::of_device(0xa252), None);
    }

    #[test]
    fn rows_differ() {
        for engine in Engine::ALL {
            let row = engine.descriptor();
            assert!(row.sqe_size.is_power_of_two() && row.sqe_size <= SQE_MAX);
            assert!(engine.takes_queue_type(0) && !engine.takes_queue_type(row.queue_types));
            assert_eq!(Engine::of_device(row.pf), Some(engine));
            assert_eq!(Engine::of_device(row.vf), Some(engine));
            assert_ne!(row.pf, row.vf);
        }
    }
}
