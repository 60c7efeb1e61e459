// SPDX-License-Identifier: GPL-2.0

//! VFIO PCI variant driver for HiSilicon accelerator virtual functions, with live migration.
//!
//! Each module uses those before it only:
//!
//! - [`qm`]: the registers of a VF's queue manager;
//! - [`mailbox`]: its mailbox, which is the guest driver's too;
//! - [`context`]: its migration registers, and its PF;
//! - [`policy`]: whether what it writes is tracked, by the parameter ([`param`]) and the attribute;
//! - [`refusal`]: why a VF does not migrate;
//! - [`state`]: the state of a VF, from its registers and into them;
//! - [`vf`]: the data of one VF;
//! - [`migration`]: what the migration states mean for it;
//! - [`dirty`]: what it writes, for hosts whose IOMMU has no dirty bits;
//! - [`debug`]: its files in debugfs;
//! - [`links`]: the PFs' queue managers, as `hisi_acc_link` publishes them;
//! - [`driver`]: the VFIO driver.
//!
//! The in-tree driver drives the PF all the time. Lock order: the VFIO layer's (`vfio::migration`),
//! then those of [`vf::AccVf`], then `hisi_acc_link`'s.

mod context;
mod debug;
mod dirty;
mod driver;
mod lifeline;
mod links;
mod mailbox;
mod migration;
mod param;
mod policy;
mod qm;
mod refusal;
mod state;
mod vf;

use kernel::{
    auxiliary,
    driver::Registration,
    prelude::*,
    InPlaceModule, //
};

const MODULE_NAME: &CStr = <LocalModule as kernel::ModuleMetadata>::NAME;

#[pin_data]
struct AccVfioModule {
    // In this order, since VFs find the links when they are probed, and drop them first.
    #[pin]
    _vfs: Registration<vfio::pci::Adapter<vf::AccVf>>,
    #[pin]
    _links: Registration<auxiliary::Adapter<links::LinkDriver>>,
}

impl InPlaceModule for AccVfioModule {
    fn init(module: &'static kernel::ThisModule) -> impl PinInit<Self, Error> {
        links::init();
        try_pin_init!(Self {
            _links <- Registration::new(MODULE_NAME, module),
            _vfs <- Registration::new(MODULE_NAME, module),
        })
    }
}

module! {
    type: AccVfioModule,
    name: "hisi_acc_vfio_rs",
    authors: ["The hisi-acc-vfio-rs authors"],
    description: "VFIO PCI driver with live migration for HiSilicon accelerator VFs",
    license: "GPL",
}
