// SPDX-License-Identifier: GPL-2.0

//! The VFIO driver: which devices it drives, how they are opened, and what userspace reaches of
//! them.

use crate::{
    context::MigRegs,
    debug,
    dirty::{
        self,
        Tracking, //
    },
    links,
    migration::Migration,
    policy::{
        self,
        Mode, //
    },
    qm::{
        Qm,
        BAR2,
        BAR4, //
    },
    refusal::Refusal,
    vf::AccVf, //
};
use core::ops::Range;
use hisi_acc_hw::{
    regs,
    Engine,
    Generation, //
};
use hisi_acc_track::Last;
use kernel::{
    device::Core,
    fmt::Write,
    page::PAGE_SIZE,
    pci,
    prelude::*,
    sync::atomic::Relaxed, //
};
use vfio::{
    debug::Directory,
    dev_info_ratelimited,
    dirty::{
        Log,
        Pass, //
    },
    pci::{
        iommu_tracks_dirty_pages,
        Device,
        DeviceId,
        IdTable,
        Isolation,
        OpenDevice,
        VirtualFunction, //
    },
    region::{
        self,
        Access, //
    },
    sysfs::{
        Attribute,
        Text, //
    },
};

/// Returns the migration registers of a VF, or why it does not migrate. The driver's table has its
/// ID if it is `known`.
fn migratable(pdev: &pci::Device<Core<'_>>, known: bool) -> Result<MigRegs, Refusal> {
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
    let layout = Generation::of_version(version).and_then(|row| row.layout().migration.as_ref());
    let layout = layout.ok_or(Refusal::Version(version))?;
    let mig = MigRegs::new(pf, vf.index.saturating_add(1), layout).map_err(|e| {
        if e == EIO {
            Refusal::Stopped
        } else {
            Refusal::LinkLost
        }
    })?;
    match mig.hidden_from() {
        // CAST: Widens.
        Some(shown) if shown < PAGE_SIZE as u64 => Err(Refusal::PageSize(shown)),
        _ => Ok(mig),
    }
}

/// Decides whether the doorbells of a VF are mediated while it is open now.
fn decide_tracking(dev: &OpenDevice<'_, AccVf>) -> Result {
    let data = dev.data();
    let possible = data.migrates() && policy::POSSIBLE;
    let mediates = {
        let mut policy = data.policy.lock();
        let wanted = match policy.mode {
            // Only iommufd reads the dirty bits of an IOMMU.
            Mode::Auto => !(dev.uses_iommufd() && iommu_tracks_dirty_pages(dev.as_bound())),
            Mode::On => true,
            Mode::Off => false,
        };
        policy.open(wanted && possible);
        if wanted && data.migrates() && !possible {
            dev_info_ratelimited!(
                dev,
                "dirty tracking is not possible: the mailbox and doorbells are in one page\n"
            );
        }
        policy.mediates
    };
    // Not under the policy's lock, which is taken while memory is read, under the lock of the
    // queues.
    let opened = match mediates {
        true => dirty::open(&data),
        false => Ok(()),
    };
    opened.inspect_err(|_| data.policy.lock().close())
}

/// The attribute `dirty_tracking` of a VF.
const DIRTY_TRACKING: Attribute<AccVf> = Attribute {
    name: c"dirty_tracking",
    show: show_mode,
    store: Some(store_mode),
};

/// Shows the mode.
fn show_mode(dev: &Device<AccVf>, text: &mut Text<'_>) -> Result {
    let mode = dev.data().policy.lock().mode;
    writeln!(text, "{}", mode.name()).map_err(|_| EIO)
}

/// Sets the mode: [`EINVAL`] for another word, [`EBUSY`] while the VF is open.
fn store_mode(dev: &Device<AccVf>, bytes: &[u8]) -> Result {
    let mode = Mode::parse(bytes).ok_or(EINVAL)?;
    let data = dev.data();
    let mut policy = data.policy.lock();
    if policy.open {
        return Err(EBUSY);
    }
    policy.mode = mode;
    Ok(())
}

/// Returns the ID of the VFs of an engine.
const fn id(engine: Engine) -> DeviceId {
    let vf = engine.descriptor().vf;
    // CAST: Widens; `From` is not const.
    DeviceId::from_id(pci::Vendor::HUAWEI, vf as u32)
}

// The table names each engine.
const _: () = assert!(Engine::ALL.len() == 3);

vfio::pci_device_table!(
    PCI_TABLE,
    MODULE_PCI_TABLE,
    <AccVf as vfio::pci::Driver>::IdInfo,
    [
        (id(Engine::Zip), ()),
        (id(Engine::Sec), ()),
        (id(Engine::Hpre), ()),
    ]
);

impl vfio::pci::Driver for AccVf {
    const NAME: &'static CStr = c"hisi-acc-vfio-rs";

    type IdInfo = ();

    const ID_TABLE: IdTable<Self::IdInfo> = &PCI_TABLE;

    type Migration = Migration;

    type Logging = Tracking;

    const DEBUG: Option<Directory<Self>> = Some(debug::DIRECTORY);

    const ATTRIBUTES: &'static [Attribute<Self>] = &[DIRTY_TRACKING];

    fn probe<'a>(
        pdev: &'a pci::Device<Core<'_>>,
        info: Option<&'a Self::IdInfo>,
    ) -> impl PinInit<Self, Error> + 'a {
        let mig = migratable(pdev, info.is_some()).inspect_err(|why| why.report(pdev));
        AccVf::new(pdev.device_id(), mig)
    }

    fn migration_blocker(dev: &Device<Self>, text: &mut Text<'_>) -> Result {
        let data = dev.data();
        let written = match (data.refusal(), data.mig()) {
            (Some(why), _) => text.write_fmt(fmt!("{why}")),
            (None, Ok(mig)) => {
                let open = data.policy.lock().open;
                text.write_str(mig.blocker(open).unwrap_or(""))
            }
            (None, Err(e)) => return Err(e),
        };
        written.map_err(|_| EIO)
    }

    fn open(dev: &OpenDevice<'_, Self>) -> Result {
        let data = dev.data();
        data.known.lock().reset();
        data.was_touched.store(false, Relaxed);
        *data.mailbox.lock() = Last::default();
        if let Ok(mig) = data.mig() {
            mig.decide();
            data.lifeline.prepare(&mig.pf);
        }
        decide_tracking(dev)
    }

    fn close(dev: &OpenDevice<'_, Self>) {
        let data = dev.data();
        data.policy.lock().close();
        data.queues.lock().close();
    }

    /// If its writes are tracked, mediates the doorbells: those of BAR2, and all of BAR4.
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
    ) -> Pass {
        dirty::written(dev, index, &access, log)
    }

    /// Reads requests, if its writes are tracked.
    fn reads_dma(self: Pin<&Self>) -> bool {
        self.migrates() && policy::POSSIBLE && self.policy.lock().mode != Mode::Off
    }

    /// Watches the page of the mailbox of a VF that migrates, which is tried at PRE_COPY. It stays
    /// mapped, so that a watch costs a guest nothing until then.
    fn watched(self: Pin<&Self>, index: region::Index, _len: u64) -> Option<Range<u64>> {
        let watches = index.as_bar() == Some(BAR2) && self.migrates() && policy::POSSIBLE;
        watches.then_some(0..u64::from(regs::QM_DOORBELL_SQ_CQ_BASE_V2))
    }

    /// Hides the part of BAR2 that holds the migration registers, unless the PF's BAR2 holds them.
    /// A VF that does not migrate shows all of it: nothing that the host relies on is there.
    fn hidden_from(self: Pin<&Self>, index: region::Index, _len: u64) -> Option<u64> {
        let mig = self.mig().ok().filter(|_| index.as_bar() == Some(BAR2))?;
        mig.hidden_from()
    }

    /// Waits for the interlock: functions of a device are reset one after another, as the in-tree
    /// drivers do it.
    fn reset_prepare(self: Pin<&Self>) {
        if let Ok(mig) = self.mig() {
            let begun = mig.pf.reset_begin().is_ok();
            self.known.lock().resetting = begun;
        }
    }

    fn reset_done(self: Pin<&Self>) {
        let begun = core::mem::take(&mut self.known.lock().resetting);
        if let (Ok(mig), true) = (self.mig(), begun) {
            mig.pf.reset_end();
        }
    }

    /// Returns whether `QM_VF_STATE` or the mailbox shows a reset. A guest driver writes `QM_READY`
    /// to the first when it has set the VF up, by commands that stay in the second. It is a guess
    /// that a reset clears the first (G4 of `Documentation/selftests/twin-guesses.rst`). A VF that
    /// was not set up has nothing to lose. One whose registers cannot be reached was not reset.
    fn shows_reset(dev: &OpenDevice<'_, Self>) -> bool {
        if !dev.data().migrates() {
            return true;
        }
        let shows = |qm: Qm<'_>| -> Result<bool> {
            let state = qm.read(regs::QM_VF_STATE)?;
            let lacks_driver = state != u32::MAX && !regs::VfState(state).is_ready();
            Ok(lacks_driver || qm.is_unused()?)
        };
        AccVf::qm(dev).and_then(shows).unwrap_or(false)
    }
}
