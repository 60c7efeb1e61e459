// SPDX-License-Identifier: GPL-2.0

//! PFs that come and go: an auxiliary device for each.
//!
//! The PCI bus's notifier chain tells of a driver bound (after its probe) and of a driver about to
//! be unbound (before its remove), both with the device lock held. In between the PF is bound and
//! its driver data is valid, which is the time that a [`Pf`] lives.

use crate::{
    bindings,
    pf::PfQm,
    published::{
        Published,
        RegistrationData,
        AUXILIARY_NAME,
        MODULE_NAME, //
    },
    raw::RawQm, //
};
use core::ptr::NonNull;
use hisi_acc_hw::ids;
use kernel::{
    auxiliary,
    bindings as kbindings,
    device,
    error::to_result,
    pci,
    prelude::*,
    sync::{
        global_lock,
        Arc, //
    }, //
};

/// A PF with its auxiliary device.
///
/// # Invariants
///
/// Lives while the PF is bound, or during its unbinding before the driver's remove.
struct Pf {
    qm: Arc<PfQm>,
    registration: auxiliary::Registration<'static, RegistrationData>,
}

impl Pf {
    fn take_away(self) {
        let Self { qm, registration } = self;
        // First no call gets through, then the device goes, and with it the driver bound to it.
        qm.revoke();
        drop(registration);
    }
}

/// The PFs there are.
struct Pfs {
    list: KVec<Pf>,
    /// The module is being unloaded: nothing is published any more.
    closed: bool,
}

global_lock! {
    // SAFETY: Initialised in `Notifier::new`, before anything uses it.
    unsafe(uninit) static PFS: Mutex<Pfs> = Pfs {
        list: KVec::new(),
        closed: false,
    };
}

/// The registration with the PCI bus; the PFs' auxiliary devices go with it.
pub(crate) struct Notifier(());

impl Notifier {
    pub(crate) fn new() -> Result<Self> {
        // SAFETY: Called once, by the module's init.
        unsafe { PFS.init() };
        // SAFETY: Registers the notifier below; undone in `drop`.
        to_result(unsafe { bindings::acc_link_start() })?;
        Ok(Self(()))
    }
}

impl Drop for Notifier {
    fn drop(&mut self) {
        PFS.lock().closed = true;
        // SAFETY: Started in `new`. Takes every PF away under its device lock, so that none can be
        // unbound meanwhile; no callback runs after this.
        unsafe { bindings::acc_link_stop() };
        // Empty by now. Statics are not dropped with the module: the memory goes here.
        PFS.lock().list = KVec::new();
    }
}

fn publish(pdev: NonNull<kbindings::pci_dev>, qm: NonNull<bindings::hisi_qm>) -> Result {
    {
        let pfs = PFS.lock();
        if pfs.closed || pfs.list.iter().any(|pf| pf.qm.is_of_raw(pdev.as_ptr())) {
            return Ok(());
        }
    }
    // SAFETY: The PF is bound: its driver's remove runs after `acc_link_pf_unbind`, which revokes
    // the only holder of this.
    let raw = unsafe { RawQm::new(qm, pdev) };
    // SAFETY: `pdev` is bound and its lock is held; it stays bound until the registration is gone,
    // which `acc_link_pf_unbind` sees to.
    let device: &'static pci::Device<device::Bound> =
        unsafe { &*pdev.as_ptr().cast::<pci::Device<device::Bound>>() };
    let qm = PfQm::new(pdev, raw)?;
    // The number is the PF's own, so that the name says which one it is.
    let id = ids::auxiliary_number(domain(pdev), device.dev_id());
    let registration = auxiliary::Registration::new(
        device.as_ref(),
        AUXILIARY_NAME,
        id,
        MODULE_NAME,
        Published(qm.clone()),
    )?;
    let pf = Pf { qm, registration };
    let mut pfs = PFS.lock();
    let closed = pfs.closed;
    let room = pfs.list.reserve(1, GFP_KERNEL);
    if closed || room.is_err() {
        drop(pfs);
        pf.take_away();
        return if closed { Ok(()) } else { Err(ENOMEM) };
    }
    // Cannot fail: reserved under the same lock.
    pfs.list.push(pf, GFP_KERNEL)?;
    drop(pfs);
    dev_info!(device, "queue manager published\n");
    Ok(())
}

fn domain(pdev: NonNull<kbindings::pci_dev>) -> u16 {
    // SAFETY: `pdev` is valid.
    let domain = unsafe { bindings::acc_link_domain(pdev.as_ptr()) };
    // CAST: Domains have 16 bits, or 32 on some Hyper-V hosts, where these devices are not.
    domain as u16
}

/// A PF was bound.
///
/// # Safety
///
/// To be called for a PF bound to its in-tree driver, with the device lock held, `qm` being its
/// driver data.
#[no_mangle]
unsafe extern "C" fn acc_link_pf_bound(pdev: *mut kbindings::pci_dev, qm: *mut bindings::hisi_qm) {
    let (Some(pdev), Some(qm)) = (NonNull::new(pdev), NonNull::new(qm)) else {
        return;
    };
    if let Err(e) = publish(pdev, qm) {
        // SAFETY: `pdev` is valid.
        let device = unsafe { &*pdev.as_ptr().cast::<pci::Device>() };
        dev_err!(
            device,
            "cannot publish the queue manager ({:?}): its VFs will not migrate\n",
            e
        );
    }
}

/// A PF is about to be unbound.
///
/// # Safety
///
/// To be called before the remove of the PF's driver, with the device lock held.
#[no_mangle]
unsafe extern "C" fn acc_link_pf_unbind(pdev: *mut kbindings::pci_dev) {
    let pf = {
        let mut pfs = PFS.lock();
        match pfs.list.iter().position(|pf| pf.qm.is_of_raw(pdev)) {
            Some(index) => pfs.list.remove(index).ok(),
            None => None,
        }
    };
    if let Some(pf) = pf {
        pf.take_away();
    }
}
