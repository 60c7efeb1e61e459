// SPDX-License-Identifier: GPL-2.0

//! The trait of a variant driver, and its `struct pci_driver`.

use super::{
    Device,
    OpenDevice,
    Registration, //
};
use crate::{
    bindings,
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
    driver,
    error::{
        from_result,
        to_result, //
    },
    pci,
    prelude::*,
    types::Opaque,
    ThisModule, //
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
    /// table, and matches because of `driver_override` alone (`pci_device_id_any` of the PCI core), or
    /// if an administrator has added such an ID (`new_id`).
    fn is_specific(&self) -> bool {
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

/// Declares a module that is one variant driver and nothing else: C's `module_pci_driver()`.
///
/// ```ignore
/// vfio::module_vfio_pci_driver! {
///     type: MyDriver,
///     name: "my_vfio_driver",
///     authors: ["Me"],
///     description: "VFIO PCI driver with live migration for my device",
///     license: "GPL",
/// }
/// ```
#[macro_export]
macro_rules! module_vfio_pci_driver {
    ($($f:tt)*) => {
        ::kernel::module_driver!(<T>, $crate::pci::Adapter<T>, { $($f)* });
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
    /// driver sees what he writes ([`Driver::write_mediated`]). Made longer to whole pages, of which
    /// region info says that they cannot be mapped; reading is left as it is. Who maps them all the
    /// same, since he does not know of sparse mappings, has no logging. The MSI-X table is never among
    /// it. Asked when the device is opened, after [`Driver::open`]; the answer holds till it is closed.
    fn mediated(self: Pin<&Self>, _index: region::Index, _len: u64) -> Option<Range<u64>> {
        None
    }

    /// The user writes to a mediated part; the device has not seen it yet, and sees it when this
    /// returns, if it takes accesses at all. A `write()` of more bytes comes as several accesses, each
    /// as wide as its place and length let it be. Process context, may sleep; the tracker's lock is
    /// held, see [`migration`], and the log comes with it, where logging is on.
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

    /// The part of a memory BAR of `len` bytes of which the driver can tell whether the user has reached
    /// it, by whatever way ([`OpenDevice::touched`]), and which it can keep from him for a while
    /// ([`OpenDevice::exclude`]). Made longer to whole pages. Asked when the device is
    /// opened, after [`Driver::open`]; the answer holds till it is closed.
    fn watched(self: Pin<&Self>, _index: region::Index, _len: u64) -> Option<Range<u64>> {
        None
    }

    /// Whether the driver wants to read the user's memory ([`OpenDevice::read_dma`]). Asked when the
    /// device is bound to an iommufd, before [`Driver::open`].
    fn reads_dma(self: Pin<&Self>) -> bool {
        false
    }

    /// A reset of the device is about to be made (`pci_error_handlers.reset_prepare`). May sleep.
    fn reset_prepare(self: Pin<&Self>) {}

    /// It has been made. The migration state is `RUNNING` afterwards.
    fn reset_done(self: Pin<&Self>) {}
}

/// The `struct pci_driver` of a [`Driver`]: `driver::Registration<vfio::pci::Adapter<T>>` is what a
/// module holds.
pub struct Adapter<D: Driver>(D);

// SAFETY:
// - `struct pci_driver` is a C type, with a `struct device_driver` at the offset given;
// - the driver data are gone by the time the driver core looks for them (`Registration::drop`), so
//   their type does not matter.
unsafe impl<D: Driver> driver::DriverLayout for Adapter<D> {
    type DriverType = kbindings::pci_driver;
    type DriverData<'bound> = ();
    const DEVICE_DRIVER_OFFSET: usize = core::mem::offset_of!(kbindings::pci_driver, driver);
}

// SAFETY: `unregister` is valid after a successful `register`.
unsafe impl<D: Driver> driver::RegistrationOps for Adapter<D> {
    unsafe fn register(
        pdrv: &Opaque<Self::DriverType>,
        name: &'static CStr,
        module: &'static ThisModule,
    ) -> Result {
        // SAFETY: Not registered yet: the fields may be set.
        unsafe {
            let pdrv = pdrv.get();
            (*pdrv).name = name.as_char_ptr();
            (*pdrv).probe = Some(Self::probe_callback);
            (*pdrv).remove = Some(Self::remove_callback);
            (*pdrv).id_table = D::ID_TABLE.as_ptr();
            (*pdrv).err_handler = &Self::ERROR_HANDLERS;
            (*pdrv).dev_groups = sysfs::Table::<D>::GROUPS.as_ptr().cast_mut();
            // The user owns the DMA of the device: the group's default domain is not for us.
            (*pdrv).driver_managed_dma = true;
        }
        // SAFETY: `pdrv` is set up and stays where it is.
        to_result(unsafe {
            kbindings::__pci_register_driver(pdrv.get(), module.as_ptr(), name.as_char_ptr())
        })
    }

    unsafe fn unregister(pdrv: &Opaque<Self::DriverType>) {
        // SAFETY: Registered by the safety requirement.
        unsafe { kbindings::pci_unregister_driver(pdrv.get()) }
    }
}

impl<D: Driver> Adapter<D> {
    const ERROR_HANDLERS: kbindings::pci_error_handlers = kbindings::pci_error_handlers {
        error_detected: Some(bindings::vfio_pci_core_aer_err_detected),
        reset_prepare: Some(Self::reset_prepare_callback),
        reset_done: Some(Self::reset_done_callback),
        ..pin_init::zeroed()
    };

    /// # Safety
    ///
    /// To be called by the PCI core for a device that matches this driver.
    unsafe extern "C" fn probe_callback(
        pdev: *mut kbindings::pci_dev,
        id: *const kbindings::pci_device_id,
    ) -> c_int {
        // SAFETY: The PCI core calls this with a valid device, under its lock. `pci::Device` is
        // transparent.
        let pdev = unsafe { &*pdev.cast::<pci::Device<Core<'_>>>() };
        // SAFETY: `DeviceId` is transparent, and the PCI core passes a valid ID.
        let id = unsafe { &*id.cast::<DeviceId>() };
        from_result(|| {
            // An ID that an administrator has added has the data of one of the table, as the PCI core
            // sees to it (`new_id_store()`).
            let info = id.is_specific().then(|| D::ID_TABLE.info(id.index()));
            Registration::<D>::new(pdev, D::probe(pdev, info))?.into_drvdata();
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// To be called by the PCI core for a device bound to this driver.
    unsafe extern "C" fn remove_callback(pdev: *mut kbindings::pci_dev) {
        // SAFETY: Probe gave the registration away; remove is called once.
        drop(unsafe { Registration::<D>::from_drvdata(pdev) });
    }

    /// # Safety
    ///
    /// To be called by the PCI core for a device bound to this driver.
    unsafe extern "C" fn reset_prepare_callback(pdev: *mut kbindings::pci_dev) {
        // SAFETY: Bound, under the device lock: probe is done and remove is not.
        let dev = unsafe { Device::<D>::from_pci(pdev) };
        D::reset_prepare(dev.data());
    }

    /// # Safety
    ///
    /// To be called by the PCI core for a device bound to this driver.
    unsafe extern "C" fn reset_done_callback(pdev: *mut kbindings::pci_dev) {
        // SAFETY: As for `reset_prepare_callback`.
        let dev = unsafe { Device::<D>::from_pci(pdev) };
        D::reset_done(dev.data());
        dev.tracker().reset_done(dev);
        dev.machine().reset_done(dev);
    }
}
