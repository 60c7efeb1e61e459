// SPDX-License-Identifier: GPL-2.0

//! The trait of a variant driver, and its device IDs.

use super::device::{
    Device,
    OpenDevice, //
};
use crate::{
    compat,
    debug,
    dirty,
    migration,
    region,
    sysfs, //
};
use core::ops::Range;
use kernel::{
    bindings as kbindings,
    device::Core,
    device_id::RawDeviceId,
    pci,
    prelude::*, //
};

const PCI_ANY_ID: u32 = !0;

/// A PCI device ID that matches by `driver_override` only, and shows as `vfio_pci:...` among the
/// module's aliases, where libvirt and driverctl look for variant drivers.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub struct DeviceId(kbindings::pci_device_id);

impl DeviceId {
    /// A device by its vendor and device ID: C's `PCI_DRIVER_OVERRIDE_DEVICE_VFIO`.
    pub const fn from_id(vendor: pci::Vendor, device: u32) -> Self {
        // CAST: Widens; `From` is not const.
        Self::new(vendor.as_raw() as u32, device)
    }

    /// A device whose vendor has no name in `<linux/pci_ids.h>`, and so no [`pci::Vendor`].
    pub const fn from_raw_id(vendor: u16, device: u16) -> Self {
        // CAST: Widens; `From` is not const.
        Self::new(vendor as u32, device as u32)
    }

    const fn new(vendor: u32, device: u32) -> Self {
        Self(kbindings::pci_device_id {
            vendor,
            device,
            subvendor: PCI_ANY_ID,
            subdevice: PCI_ANY_ID,
            class: 0,
            class_mask: 0,
            driver_data: 0,
            // `PCI_ID_F_VFIO_DRIVER_OVERRIDE` of <linux/mod_devicetable.h>.
            override_only: 1,
        })
    }

    /// Says whether the ID names a device, as all in a table do. It does not if the device is in no
    /// table, and matches because of `driver_override` alone (`pci_device_id_any` of the PCI core),
    /// or if an administrator has added such an ID (`new_id`).
    pub(super) fn is_specific(&self) -> bool {
        self.0.vendor != PCI_ANY_ID
    }
}

// SAFETY: `DeviceId` is a transparent wrapper of `struct pci_device_id`.
unsafe impl RawDeviceId for DeviceId {
    type RawType = kbindings::pci_device_id;
}

compat::impl_device_id_index!(DeviceId, kbindings::pci_device_id);

/// A table of them, made by [`pci_device_table!`](crate::pci_device_table).
pub type IdTable<T> = &'static dyn kernel::device_id::IdTable<DeviceId, T>;

/// A VFIO PCI variant driver. The implementing type is the driver's data of one device.
pub trait Driver: Send + Sync + Sized + 'static {
    /// The driver's name.
    const NAME: &'static CStr;

    /// The data of a device ID.
    type IdInfo: 'static;

    /// The devices it can drive.
    const ID_TABLE: IdTable<Self::IdInfo>;

    /// How the devices migrate; [`migration::NotMigratable`] if they do not.
    type Migration: migration::Operations<Self>;

    /// How the pages that the devices write are logged; [`dirty::NotLogging`] if they are not.
    type Logging: dirty::Logging<Self>;

    /// What the driver shows of its migrating devices in debugfs.
    const DEBUG: Option<debug::Directory<Self>> = None;

    /// The attributes that the driver adds to its devices in sysfs, at most [`sysfs::MAX`].
    const ATTRIBUTES: &'static [sysfs::Attribute<Self>] = &[];

    /// The PCI core found a device, by `driver_override`. Returns the driver's data of it. The
    /// layer then registers the device with VFIO.
    ///
    /// `driver_override` matches any device. `info` is `None` if the device is not in the table. A
    /// driver must refuse such a device (an error), or leave it as it is (no migration, no access).
    fn probe<'a>(
        pdev: &'a pci::Device<Core<'_>>,
        info: Option<&'a Self::IdInfo>,
    ) -> impl PinInit<Self, Error> + 'a;

    /// Writes why the device does not migrate now, as a line without its end; nothing if it
    /// migrates. The attribute `migration_blocker` of the device in sysfs shows it. The device may
    /// be closed.
    fn migration_blocker(_dev: &Device<Self>, _text: &mut sysfs::Text<'_>) -> Result {
        Ok(())
    }

    /// Userspace opens the device. It is enabled, and its BARs are mapped.
    fn open(_dev: &OpenDevice<'_, Self>) -> Result {
        Ok(())
    }

    /// Userspace has closed the device. It is still enabled.
    fn close(_dev: &OpenDevice<'_, Self>) {}

    /// Returns the byte from which on a BAR of `len` bytes is hidden: userspace never reaches the
    /// rest of the BAR, by no path. `None` if nothing is hidden. The layer does not ask for other
    /// regions.
    fn hidden_from(self: Pin<&Self>, _index: region::Index, _len: u64) -> Option<u64> {
        None
    }

    /// Returns the mediated part of a memory BAR of `len` bytes: the driver sees what userspace
    /// writes there ([`Driver::write_mediated`]). The layer extends the part to whole pages, and
    /// reports in region info that these cannot be mapped. Reading is not affected. Userspace that
    /// ignores sparse mmap and maps the part cannot start DMA logging. The MSI-X table is never
    /// part of it. Called when the device is opened, after [`Driver::open`]. The answer holds until
    /// the device is closed.
    fn mediated(self: Pin<&Self>, _index: region::Index, _len: u64) -> Option<Range<u64>> {
        None
    }

    /// Userspace writes to a mediated part. If the driver lets it pass, the device receives the
    /// write when this returns, if it takes accesses at all. A longer `write()` comes as several
    /// accesses, each as wide as its place and length allow. Runs in process context under the
    /// tracker's lock, see [`migration`], and may sleep. `_log` is `None` if logging is off.
    ///
    /// If the device is reset meanwhile, the layer calls this again for the same access, after
    /// [`dirty::Logging::reset`]: it does not know which of the two came first.
    fn write_mediated(
        _dev: &OpenDevice<'_, Self>,
        _index: region::Index,
        _access: region::Access,
        _log: Option<&mut dirty::Log>,
    ) -> dirty::Pass {
        dirty::Pass::Yes
    }

    /// Returns the watched part of a memory BAR of `len` bytes: the driver learns whether userspace
    /// has reached it, by any path ([`OpenDevice::touched`]), and can keep userspace away from it
    /// for a while ([`OpenDevice::exclude`]). The layer extends the part to whole pages. Called
    /// when the device is opened, after [`Driver::open`]. The answer holds until the device is
    /// closed.
    fn watched(self: Pin<&Self>, _index: region::Index, _len: u64) -> Option<Range<u64>> {
        None
    }

    /// Returns whether the driver wants to read userspace's memory ([`OpenDevice::read_dma`]).
    /// Called when the device is bound to an iommufd, before [`Driver::open`].
    fn reads_dma(self: Pin<&Self>) -> bool {
        false
    }

    /// The device is about to be reset (`pci_error_handlers.reset_prepare`). May sleep, but the
    /// core may hold its `memory_lock` for writing: a lock that the driver takes here or in
    /// [`Driver::reset_done`] must not be held over an access to user memory or to a register
    /// ([`Bar::live`](crate::io::Bar::live)).
    fn reset_prepare(self: Pin<&Self>) {}

    /// The attempt to reset the device is over (`pci_error_handlers.reset_done`). The PCI core
    /// calls this also if the reset has failed, see [`Driver::shows_reset`].
    fn reset_done(self: Pin<&Self>) {}

    /// Returns whether the registers of an open device show that it was reset. The PCI core does
    /// not say so: it calls `reset_done` whatever the reset returned. If this returns `false`, the
    /// migration state becomes `ERROR`, and what is in flight stays so. Otherwise the state becomes
    /// `RUNNING`. A reset that userspace asks for by `VFIO_DEVICE_RESET`, and that succeeds, leads
    /// to `RUNNING` in any case.
    ///
    /// Called after [`Driver::reset_done`], under a spinlock: must not sleep.
    fn shows_reset(_dev: &OpenDevice<'_, Self>) -> bool {
        true
    }
}
