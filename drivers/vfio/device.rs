// SPDX-License-Identifier: GPL-2.0

//! A virtual function as a VFIO device.

use crate::{
    context::{
        Control,
        Decided, //
    },
    debug,
    dirty::{
        self,
        policy::{
            self,
            Mode,
            Policy, //
        },
        Tracking, //
    },
    links,
    migration::Migration,
    qm::Qm, //
};
use core::ops::Range;
use hisi_acc_hw::{
    ids,
    regs,
    stream::Match, //
};
use hisi_acc_link::PfQm;
use hisi_acc_track::Queues;
use kernel::{
    device::Core,
    new_mutex,
    pci,
    prelude::*,
    sync::{
        atomic::Atomic,
        Arc,
        Mutex, //
    }, //
};
use vfio::{
    debug::Directory,
    dirty::Log,
    pci::{
        iommu_tracks_dirty_pages,
        DeviceId,
        IdTable,
        Isolation,
        OpenDevice,
        Others,
        VirtualFunction, //
    },
    region::{
        self,
        Access, //
    },
    sysfs::Attribute, //
};

/// The BAR of the QM.
pub(crate) const BAR2: u32 = 2;
/// The BAR of the isolated doorbells.
pub(crate) const BAR4: u32 = 4;

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
    pub(crate) control: Decided,
    #[pin]
    pub(crate) known: Mutex<Known>,
    /// Held over each command to its mailbox that is ours.
    #[pin]
    pub(crate) mailbox: Mutex<()>,
    /// Leaf.
    #[pin]
    pub(crate) policy: Mutex<Policy>,
    /// Held over reads of the user's memory.
    #[pin]
    pub(crate) queues: Mutex<Queues>,
    /// It was reset, and `queues` does not say so yet.
    pub(crate) queues_lost: Atomic<bool>,
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
    UnknownId,
    NoGroup,
    SharedGroup(Others),
    NoLink,
    LinkLost,
    Version(u32),
}

impl kernel::fmt::Display for Refusal {
    fn fmt(&self, f: &mut kernel::fmt::Formatter<'_>) -> kernel::fmt::Result {
        match self {
            Self::NotVirtual => f.write_str("it is no virtual function"),
            Self::UnknownId => f.write_str("its ID is not that of an accelerator's VF"),
            Self::NoGroup => f.write_str("it has no IOMMU group, nothing limits its DMA"),
            Self::SharedGroup(others) => {
                f.write_str("it shares its IOMMU group with ")?;
                kernel::fmt::Display::fmt(others, f)?;
                f.write_str(", whose DMA may reach it past the IOMMU (no ACS above them?); ")?;
                f.write_str("it cannot be opened while a host driver uses one of them")
            }
            Self::NoLink => f.write_str("hisi_acc_link publishes no queue manager of its PF"),
            Self::LinkLost => f.write_str("its PF is being unbound"),
            Self::Version(v) => write!(f, "hardware version {v:#x} has no migration registers"),
        }
    }
}

impl Refusal {
    /// Says it in one line: a warning if the host has to be changed for the VF to migrate.
    fn report(&self, pdev: &pci::Device) {
        match self {
            Self::NoGroup | Self::SharedGroup(_) => {
                dev_warn!(pdev, "no migration, plain vfio-pci: {}\n", self);
            }
            _ => dev_info!(pdev, "no migration, plain vfio-pci: {}\n", self),
        }
    }
}

impl AccVf {
    /// What it takes to migrate it. It is `known` if its ID is in the driver's table.
    fn migratable(pdev: &pci::Device<Core<'_>>, known: bool) -> Result<Migratable, Refusal> {
        let vf = VirtualFunction::of(pdev).ok_or(Refusal::NotVirtual)?;
        if !known {
            return Err(Refusal::UnknownId);
        }
        match Isolation::of(pdev) {
            Isolation::NoGroup => return Err(Refusal::NoGroup),
            Isolation::Shared(others) => return Err(Refusal::SharedGroup(others)),
            Isolation::Alone => (),
        }
        let pf = links::find(vf.pf).ok_or(Refusal::NoLink)?;
        let version = pf.version().map_err(|_| Refusal::LinkLost)?;
        if version < ids::QM_HW_V3 {
            return Err(Refusal::Version(version));
        }
        let control = Control::of(&pf).map_err(|_| Refusal::LinkLost)?;
        Ok(Migratable {
            pf,
            function: vf.index.saturating_add(1),
            control,
        })
    }

    /// Whether its doorbells are mediated while it is open now.
    fn decide_tracking(&self, dev: &OpenDevice<'_, Self>) -> Result {
        let possible = self.pf.is_some() && policy::POSSIBLE;
        let mediates = {
            let mut policy = self.policy.lock();
            let wanted = match policy.mode {
                Mode::Auto => !iommu_tracks_dirty_pages(dev.as_bound()),
                Mode::On => true,
                Mode::Off => false,
            };
            policy.open(wanted && possible);
            policy.mediates
        };
        // Not under the policy's lock, which is taken where memory is read, under that of the queues.
        let opened = match mediates {
            true => self.open_queues(),
            false => Ok(()),
        };
        opened.inspect_err(|_| self.policy.lock().close())
    }

    fn open_queues(&self) -> Result {
        let num = self.pf_qm()?.vft(self.function)?.num;
        self.queues.lock().open(num)
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

    type Logging = Tracking;

    const DEBUG: Option<Directory<Self>> = Some(debug::DIRECTORY);

    const ATTRIBUTES: &'static [Attribute<Self>] = &[policy::ATTRIBUTE];

    fn probe<'a>(
        pdev: &'a pci::Device<Core<'_>>,
        info: Option<&'a Self::IdInfo>,
    ) -> impl PinInit<Self, Error> + 'a {
        let (pf, function, control) = match Self::migratable(pdev, info.is_some()) {
            Ok(vf) => (Some(vf.pf), vf.function, vf.control),
            Err(why) => {
                why.report(pdev);
                (None, 0, Control::Vf)
            }
        };
        try_pin_init!(Self {
            device_id: pdev.device_id(),
            function,
            pf,
            control: Decided::new(control),
            known <- new_mutex!(Known::default(), "hisi_acc_vfio::known"),
            mailbox <- new_mutex!((), "hisi_acc_vfio::mailbox"),
            policy <- new_mutex!(Policy::new(Mode::of_module()), "hisi_acc_vfio::policy"),
            queues <- new_mutex!(Queues::default(), "hisi_acc_vfio::queues"),
            queues_lost: Atomic::new(false),
        }? Error)
    }

    fn open(dev: &OpenDevice<'_, Self>) -> Result {
        let data = dev.data();
        data.known.lock().ready = false;
        // If the PF is being unbound, the VF is going too, and stays as it is until then.
        if let Some(Ok(control)) = data.pf.as_deref().map(Control::of) {
            data.control.set(control);
        }
        data.decide_tracking(dev)
    }

    fn close(dev: &OpenDevice<'_, Self>) {
        let data = dev.data();
        data.policy.lock().close();
        data.queues.lock().close();
    }

    /// Doorbells, where what the VF writes is tracked: those of BAR2, and all of BAR4.
    fn mediated(self: Pin<&Self>, index: region::Index, len: u64) -> Option<Range<u64>> {
        if !self.policy.lock().mediates {
            return None;
        }
        match index.as_bar()? {
            BAR2 => {
                Some(u64::from(regs::QM_DOORBELL_SQ_CQ_BASE_V2)..u64::from(regs::QM_DOORBELL_END))
            }
            BAR4 => Some(0..len),
            _ => None,
        }
    }

    fn write_mediated(
        dev: &OpenDevice<'_, Self>,
        index: region::Index,
        access: Access,
        log: Option<&mut Log>,
    ) {
        dirty::written(dev, index, &access, log);
    }

    /// Descriptors, where what it writes is tracked.
    fn reads_dma(self: Pin<&Self>) -> bool {
        self.pf.is_some() && policy::POSSIBLE && self.policy.lock().mode != Mode::Off
    }

    /// The page of the mailbox.
    fn watched(self: Pin<&Self>, index: region::Index, _len: u64) -> Option<Range<u64>> {
        let watches = index.as_bar() == Some(BAR2) && self.policy.lock().mediates;
        watches.then_some(0..u64::from(regs::QM_DOORBELL_SQ_CQ_BASE_V2))
    }

    /// The upper half of BAR2 holds the migration registers, where they are not in the PF's; they are
    /// not the guest's. A VF that does not migrate shows all of it: nothing that the host relies on
    /// is there.
    fn visible_len(self: Pin<&Self>, index: region::Index, len: u64) -> u64 {
        let hides = self.pf.is_some() && self.control.get() == Control::Vf;
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
