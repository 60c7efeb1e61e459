// SPDX-License-Identifier: GPL-2.0

//! VFIO PCI variant driver for HiSilicon accelerator virtual functions, with live migration.
//!
//! - [`device`]: a VF, and what it is as a VFIO device;
//! - [`qm`]: the registers of a VF's queue manager;
//! - [`mailbox`]: its mailbox, which is the guest driver's too;
//! - [`migration`]: what the migration states mean for it;
//! - [`dirty`]: what it writes, for hosts whose IOMMU cannot tell;
//! - [`links`]: the PFs' queue managers, as `hisi_acc_link` publishes them.
//!
//! Each PF is driven by its in-tree driver all the while. Lock order: the VFIO layer's
//! (`vfio::migration`), then [`device::AccVf`]'s, then `hisi_acc_link`'s.

mod context;
mod debug;
mod device;
mod dirty;
mod links;
mod mailbox;
mod migration;
mod param;
mod qm;

use kernel::{
    auxiliary,
    driver,
    prelude::*,
    InPlaceModule, //
};

const MODULE_NAME: &CStr = <LocalModule as kernel::ModuleMetadata>::NAME;

#[pin_data]
struct AccVfioModule {
    // In this order: VFs find the links when they are probed, and let go of them first.
    #[pin]
    _vfs: driver::Registration<vfio::pci::Adapter<device::AccVf>>,
    #[pin]
    _links: driver::Registration<auxiliary::Adapter<links::LinkDriver>>,
}

impl InPlaceModule for AccVfioModule {
    fn init(module: &'static kernel::ThisModule) -> impl PinInit<Self, Error> {
        links::init();
        try_pin_init!(Self {
            _links <- driver::Registration::new(MODULE_NAME, module),
            _vfs <- driver::Registration::new(MODULE_NAME, module),
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
