// SPDX-License-Identifier: GPL-2.0

//! The way from a VFIO driver of accelerator VFs to the queue manager (QM) of their PF.
//!
//! The PF is driven by the in-tree `hisi_zip`, `hisi_sec2` or `hisi_hpre`. For each such PF this
//! module publishes an auxiliary device `hisi_acc_link.qm.N`, whose registration data is a
//! [`Published`]: whoever binds it takes from there an [`Arc`](kernel::sync::Arc) of [`PfQm`], the
//! handle by which the PF's registers are reached. The auxiliary device is gone, and every call of
//! the handle returns [`ENODEV`], before the PF's driver unbinds: a handle never dangles, however
//! long it is kept.
//!
//! Unsafe code is in `notify.rs` (the bus notifier), `raw.rs` (the pointer to `struct hisi_qm`) and
//! `poll.rs` (delayed work).

mod bindings;
mod compat;
mod notify;
mod pf;
mod poll;
mod published;
mod raw;

pub use self::{
    pf::{
        PfQm,
        Vft,
        Watch, //
    },
    published::{
        Published,
        RegistrationData,
        AUXILIARY_NAME,
        MODULE_NAME, //
    },
};

use kernel::prelude::*;

struct LinkModule {
    _notifier: notify::Notifier,
}

impl kernel::Module for LinkModule {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Self {
            _notifier: notify::Notifier::new()?,
        })
    }
}

module! {
    type: LinkModule,
    name: "hisi_acc_link",
    authors: ["The hisi-acc-vfio-rs authors"],
    description: "Auxiliary devices for the queue managers of HiSilicon accelerator PFs",
    license: "GPL",
}
