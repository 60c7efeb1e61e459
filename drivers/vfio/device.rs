// SPDX-License-Identifier: GPL-2.0

//! A virtual function as a VFIO device.

use crate::{
    context::Control,
    debug,
    links,
    migration::Migration,
    qm::Qm, //
};
use hisi_acc_hw::{
    ids,
    regs,
    stream::Match, //
};
use hisi_acc_link::PfQm;
use kernel::{
    device::Core,
    new_mutex,
    pci,
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    }, //
};
use vfio::{
    debug::Directory,
    dirty::NotLogging,
    pci::{
        is_integrated_endpoint,
        DeviceId,
        IdTable,
        OpenDevice,
        VirtualFunction, //
    },
    region, //
};

/// The BAR of the QM.
const BAR2: u32 = 2;

/// What is known of a VF while it is used.
#[derive(Default)]
pub(crate) struct Known {
    /// Its driver had it set up when it was stopped, or the stream says so: to go on it must be
    /// told so.
    pub(crate) ready: bool,
    /// A reset of it holds the PF's interlock.
    resetting: bool,
}

/// A VF.
#[pin_data]
pub(crate) struct AccVf {
    /// Its PCI device ID, which says of what kind it is.
    pub(crate) device_id: u16,
    /// Its number as the PF's QM counts functions: the PF is 0.
    pub(crate) function: u32,
    /// Its PF's QM, where it can migrate.
    pub(crate) pf: Option<Arc<PfQm>>,
    /// Where its migration registers are.
    pub(crate) control: Control,
    #[pin]
    pub(crate) known: Mutex<Known>,
}

/// What there is to know of a VF that can migrate.
struct Migratable {
    pf: Arc<PfQm>,
    function: u32,
    control: Control,
}

/// Why a VF does not migrate.
enum Refusal {
    NotVirtual,
    NotIntegrated,
    NoLink,
    LinkLost,
    Version(u32),
}

impl kernel::fmt::Display for Refusal {
    fn fmt(&self, f: &mut kernel::fmt::Formatter<'_>) -> kernel::fmt::Result {
        match self {
            Self::NotVirtual => f.write_str("it is no virtual function"),
            Self::NotIntegrated => f.write_str("it is no root-complex integrated endpoint"),
            Self::NoLink => f.write_str("hisi_acc_link publishes no queue manager of its PF"),
            Self::LinkLost => f.write_str("its PF is being unbound"),
            Self::Version(v) => write!(f, "hardware version {v:#x} has no migration registers"),
        }
    }
}

impl AccVf {
    /// What it takes to migrate it.
    fn migratable(pdev: &pci::Device<Core<'_>>) -> Result<Migratable, Refusal> {
        let vf = VirtualFunction::of(pdev).ok_or(Refusal::NotVirtual)?;
        if !is_integrated_endpoint(pdev) {
            return Err(Refusal::NotIntegrated);
        }
        let pf = links::find(vf.pf).ok_or(Refusal::NoLink)?;
        let version = pf.version().map_err(|_| Refusal::LinkLost)?;
        if version < ids::QM_HW_V3 {
            return Err(Refusal::Version(version));
        }
        let control = match pf.has_window().map_err(|_| Refusal::LinkLost)? {
            true => Control::Pf,
            false => Control::Vf,
        };
        Ok(Migratable {
            pf,
            function: vf.index.saturating_add(1),
            control,
        })
    }

    /// The QM of an open VF.
    pub(crate) fn qm<'a>(dev: &'a OpenDevice<'_, Self>) -> Result<Qm<'a>> {
        Ok(Qm::new(dev, dev.bar(BAR2)?))
    }

    /// The PF's QM: [`ENOTTY`] where the VF does not migrate.
    pub(crate) fn pf_qm(&self) -> Result<&PfQm> {
        self.pf.as_deref().ok_or(ENOTTY)
    }

    /// The match data of the VF here and now. The number of queues is asked of the PF: the VF's own
    /// registers are the guest's to change.
    pub(crate) fn match_data(&self) -> Result<Match> {
        let pf = self.pf_qm()?;
        let vft = pf.vft(self.function)?;
        let isolation = pf.read32(regs::QM_QUE_ISO_CFG_V)?;
        Ok(Match::current(self.device_id, vft.num, vft.base, isolation))
    }
}

vfio::pci_device_table!(
    PCI_TABLE,
    MODULE_PCI_TABLE,
    <AccVf as vfio::pci::Driver>::IdInfo,
    [
        (
            DeviceId::from_id(pci::Vendor::HUAWEI, ids::SEC_VF as u32),
            ()
        ),
        (
            DeviceId::from_id(pci::Vendor::HUAWEI, ids::HPRE_VF as u32),
            ()
        ),
        (
            DeviceId::from_id(pci::Vendor::HUAWEI, ids::ZIP_VF as u32),
            ()
        ),
    ]
);

impl vfio::pci::Driver for AccVf {
    const NAME: &'static CStr = c"hisi-acc-vfio-rs";

    type IdInfo = ();

    const ID_TABLE: IdTable<Self::IdInfo> = &PCI_TABLE;

    type Migration = Migration;

    type Logging = NotLogging;

    const DEBUG: Option<Directory<Self>> = Some(debug::DIRECTORY);

    fn probe<'a>(
        pdev: &'a pci::Device<Core<'_>>,
        _info: &'a Self::IdInfo,
    ) -> impl PinInit<Self, Error> + 'a {
        let (pf, function, control) = match Self::migratable(pdev) {
            Ok(vf) => (Some(vf.pf), vf.function, vf.control),
            Err(why) => {
                dev_info!(pdev, "no migration, plain vfio-pci: {}\n", why);
                (None, 0, Control::Vf)
            }
        };
        try_pin_init!(Self {
            device_id: pdev.device_id(),
            function,
            pf,
            control,
            known <- new_mutex!(Known::default(), "hisi_acc_vfio::known"),
        }? Error)
    }

    fn open(dev: &OpenDevice<'_, Self>) -> Result {
        dev.data().known.lock().ready = false;
        Ok(())
    }

    /// The upper half of BAR2 holds the migration registers, where they are not in the PF's; they are
    /// not the guest's. A VF that does not migrate shows all of it: nothing that the host relies on
    /// is there.
    fn visible_len(self: Pin<&Self>, index: region::Index, len: u64) -> u64 {
        let hides = self.pf.is_some() && self.control == Control::Vf;
        if index.as_bar() == Some(BAR2) && hides {
            len / 2
        } else {
            len
        }
    }

    /// Resets of the functions of a device go one after another, as the in-tree drivers do it.
    fn reset_prepare(self: Pin<&Self>) {
        if let Some(pf) = &self.pf {
            let begun = pf.reset_begin().is_ok();
            self.known.lock().resetting = begun;
        }
    }

    fn reset_done(self: Pin<&Self>) {
        let begun = core::mem::take(&mut self.known.lock().resetting);
        if let (Some(pf), true) = (&self.pf, begun) {
            pf.reset_end();
        }
    }
}
