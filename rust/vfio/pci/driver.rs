// SPDX-License-Identifier: GPL-2.0

//! The trait of a variant driver, and its device IDs.

use super::device::OpenDevice;
use crate::{
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
    device_id::{
        RawDeviceId,
        RawDeviceIdIndex, //
    },
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

// SAFETY: The offset is that of `driver_data`, a `kernel_ulong_t`.
unsafe impl RawDeviceIdIndex for DeviceId {
    const DRIVER_DATA_OFFSET: usize = core::mem::offset_of!(kbindings::pci_device_id, driver_data);

    fn index(&self) -> usize {
        self.0.driver_data
    }
}

/// A table of them, made by [`pci_device_table!`](crate::pci_device_table).
pub type IdTable<T> = &'static dyn kernel::device_id::IdTable<DeviceId, T>;

/// Makes an [`IdTable`] and its alias for modpost.
#[macro_export]
macro_rules! pci_device_table {
    ($table_name:ident, $module_table_name:ident, $id_info_type:ty, $table_data:expr) => {
        const $table_name: ::kernel::device_id::IdArray<
            $crate::pci::DeviceId,
            $id_info_type,
            { $table_data.len() },
        > = ::kernel::device_id::IdArray::new($table_data);

        ::kernel::module_device_table!("pci", $module_table_name, $table_name);
    };
}

/// A VFIO PCI variant driver. The implementing type is the driver's data of one device.
pub trait Driver: Send + Sync + Sized + 'static {
    /// What user space is told as the driver's name.
    const NAME: &'static CStr;

    /// What the driver knows of each device ID.
    type IdInfo: 'static;

    /// The devices it can drive.
    const ID_TABLE: IdTable<Self::IdInfo>;

    /// How its devices migrate; [`migration::NotMigratable`] if they do not.
    type Migration: migration::Operations<Self>;

    /// How the pages that its devices write are logged; [`dirty::NotLogging`] if they are not.
    type Logging: dirty::Logging<Self>;

    /// What it shows of its migrating devices in debugfs.
    const DEBUG: Option<debug::Directory<Self>> = None;

    /// The attributes that it adds to its devices in sysfs, at most [`sysfs::MAX`].
    const ATTRIBUTES: &'static [sysfs::Attribute<Self>] = &[];

    /// The PCI core found a device, by `driver_override`. Returns the data of it; the layer
    /// registers it with VFIO then.
    ///
    /// `driver_override` matches any device. `info` is `None` if the device is not in the table. A
    /// driver must refuse such a device (an error), or leave it as it is (no migration, no access).
    fn probe<'a>(
        pdev: &'a pci::Device<Core<'_>>,
        info: Option<&'a Self::IdInfo>,
    ) -> impl PinInit<Self, Error> + 'a;

    /// A user opens the device. It is enabled, and its BARs are mapped.
    fn open(_dev: &OpenDevice<'_, Self>) -> Result {
        Ok(())
    }

    /// The user has closed it. It is still enabled.
    fn close(_dev: &OpenDevice<'_, Self>) {}

    /// How many bytes of a region of `len` bytes, from its start, the user may see. What is beyond
    /// is hidden on every path.
    fn visible_len(self: Pin<&Self>, _index: region::Index, len: u64) -> u64 {
        len
    }

    /// The part of a memory BAR of `len` bytes that the user writes by `write()` only, so that the
    /// driver sees what he writes ([`Driver::write_mediated`]). Made longer to whole pages, of
    /// which region info says that they cannot be mapped; reading is left as it is. Who maps them
    /// all the same, since he does not know of sparse mappings, has no logging. The MSI-X table is
    /// never among it. Asked when the device is opened, after [`Driver::open`]; the answer holds
    /// till it is closed.
    fn mediated(self: Pin<&Self>, _index: region::Index, _len: u64) -> Option<Range<u64>> {
        None
    }

    /// The user writes to a mediated part; the device has not seen it yet, and sees it when this
    /// returns, if it takes accesses at all. A `write()` of more bytes comes as several accesses,
    /// each as wide as its place and length let it be. Process context, may sleep; the tracker's
    /// lock is held, see [`migration`], and the log comes with it, where logging is on.
    ///
    /// Called once more for the same access where the device was reset meanwhile, after
    /// [`dirty::Logging::reset`]: whether it was before the access or after is not known.
    fn write_mediated(
        _dev: &OpenDevice<'_, Self>,
        _index: region::Index,
        _access: region::Access,
        _log: Option<&mut dirty::Log>,
    ) {
    }

    /// The part of a memory BAR of `len` bytes of which the driver can tell whether the user has
    /// reached it, by whatever way ([`OpenDevice::touched`]), and which it can keep from him for a
    /// while ([`OpenDevice::exclude`]). Made longer to whole pages. Asked when the device is
    /// opened, after [`Driver::open`]; the answer holds till it is closed.
    fn watched(self: Pin<&Self>, _index: region::Index, _len: u64) -> Option<Range<u64>> {
        None
    }

    /// Whether the driver wants to read the user's memory ([`OpenDevice::read_dma`]). Asked when
    /// the device is bound to an iommufd, before [`Driver::open`].
    fn reads_dma(self: Pin<&Self>) -> bool {
        false
    }

    /// A reset of the device is about to be made (`pci_error_handlers.reset_prepare`). May sleep.
    fn reset_prepare(self: Pin<&Self>) {}

    /// It has been made. The migration state is `RUNNING` afterwards.
    fn reset_done(self: Pin<&Self>) {}
}
