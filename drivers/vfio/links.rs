// SPDX-License-Identifier: GPL-2.0

//! The QMs of the PFs: an auxiliary driver that binds what `hisi_acc_link` publishes.

use hisi_acc_link::{
    PfQm,
    RegistrationData, //
};
use kernel::{
    auxiliary,
    device::{
        Core,
        DeviceContext, //
    },
    pci,
    prelude::*,
    sync::{
        global_lock,
        Arc, //
    }, //
};

global_lock! {
    // SAFETY: Initialized by `init`, before the drivers that use it are registered.
    unsafe(uninit) static LINKS: Mutex<KVec<Arc<PfQm>>> = KVec::new();
}

/// Initializes the list. To be called once, before the module's drivers are registered.
pub(crate) fn init() {
    // SAFETY: Called once, by the module's init.
    unsafe { LINKS.init() };
}

/// Returns the QM of `pf`, `None` if it is not published.
pub(crate) fn find<Ctx: DeviceContext>(pf: &pci::Device<Ctx>) -> Option<Arc<PfQm>> {
    LINKS.lock().iter().find(|qm| qm.is_of(pf)).cloned()
}

pub(crate) struct LinkDriver(Arc<PfQm>);

vfio::auxiliary_device_table!(
    AUX_TABLE,
    MODULE_AUX_TABLE,
    <LinkDriver as auxiliary::Driver>::IdInfo,
    [(
        auxiliary::DeviceId::new(hisi_acc_link::MODULE_NAME, hisi_acc_link::AUXILIARY_NAME),
        ()
    )]
);

impl auxiliary::Driver for LinkDriver {
    type IdInfo = ();
    type Data<'bound> = Self;

    const ID_TABLE: auxiliary::IdTable<Self::IdInfo> = &AUX_TABLE;

    fn probe<'bound>(
        adev: &'bound auxiliary::Device<Core<'_>>,
        _info: &'bound Self::IdInfo,
    ) -> impl PinInit<Self, Error> + 'bound {
        let qm = adev.registration_data::<RegistrationData>()?.handle();
        LINKS.lock().push(qm.clone(), GFP_KERNEL)?;
        Ok(Self(qm))
    }

    fn unbind<'bound>(_adev: &'bound auxiliary::Device<Core<'_>>, this: Pin<&Self>) {
        let mut links = LINKS.lock();
        links.retain(|qm| !Arc::ptr_eq(qm, &this.0));
        if links.is_empty() {
            // Statics are not dropped with the module, so the memory is freed here.
            *links = KVec::new();
        }
    }
}
