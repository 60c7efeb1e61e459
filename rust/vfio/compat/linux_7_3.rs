// SPDX-License-Identifier: GPL-2.0

//! Linux 7.3: regions have a type, and device IDs hold a pointer.

use crate::{
    io::Live,
    pci::{
        DeviceId,
        Driver, //
    }, //
};
use kernel::{
    bindings as kbindings,
    device_id::RawDeviceIdIndex,
    io::{
        IoBase,
        Mmio,
        MmioBackend,
        MmioRaw,
        Region, //
    },
    module_param::ModuleParamAccess,
    prelude::*, //
};

/// A mapping of at least `SIZE` bytes.
pub(crate) type RawBar<const SIZE: usize> = MmioRaw<Region<SIZE>>;

/// Returns a mapping of `len` bytes. [`EINVAL`] if it is shorter than `SIZE`.
pub(crate) fn raw_bar<const SIZE: usize>(addr: usize, len: usize) -> Result<RawBar<SIZE>> {
    MmioRaw::new_region(addr, len)
}

/// Returns the length of a mapping.
pub(crate) fn raw_len<const SIZE: usize>(raw: &RawBar<SIZE>) -> usize {
    raw.size()
}

// For a reference: what it makes lives no longer than the guard.
impl<'a, const SIZE: usize> IoBase<'a> for &'a Live<'_, SIZE> {
    type Backend = MmioBackend;
    type Target = Region<SIZE>;

    fn as_view(self) -> Mmio<'a, Region<SIZE>> {
        // SAFETY: By the invariant of `Bar`, `raw` is a mapping, which lives for `'a`.
        unsafe { Mmio::from_raw(*self.raw()) }
    }
}

// SAFETY: The offset is that of `driver_data`, a `kernel_ulong_t`.
unsafe impl RawDeviceIdIndex for DeviceId {
    const DRIVER_DATA_OFFSET: usize = core::mem::offset_of!(kbindings::pci_device_id, driver_data);
}

/// Returns the driver's data of an ID.
///
/// # Safety
///
/// The driver data of `id` must be those of an ID in the table of `D`, or 0.
pub(crate) unsafe fn info<D: Driver>(id: &DeviceId) -> Option<&'static D::IdInfo> {
    // SAFETY: By the safety requirement: the table is an `IdArray<DeviceId, D::IdInfo>`.
    unsafe { id.info_unchecked_opt::<D::IdInfo>() }
}

/// Makes an [`IdTable`](crate::pci::IdTable) and its alias for modpost. The last argument is a list of
/// pairs: an ID, and the driver's data of it.
#[macro_export]
macro_rules! pci_device_table {
    ($table:ident, $module_table:ident, $info:ty, $($list:tt)+) => {
        ::kernel::module_device_table!("pci", $crate::pci::DeviceId, $table, $info, $($list)+);
    };
}

/// The kernel's macro of this name.
#[macro_export]
macro_rules! auxiliary_device_table {
    ($table:ident, $module_table:ident, $info:ty, $($list:tt)+) => {
        ::kernel::auxiliary_device_table!($table, $info, $($list)+);
    };
}

/// Returns the value of a parameter of a module.
pub fn parameter<T: Copy>(parameter: &ModuleParamAccess<T>) -> T {
    parameter.value()
}

/// Runs an initializer.
///
/// # Safety
///
/// `slot` must be valid for writing and must not move afterwards. If this fails, what is there is
/// not initialized.
pub(crate) unsafe fn init_at<T, E>(slot: *mut T, init: impl PinInit<T, E>) -> Result<(), E> {
    // SAFETY: By the safety requirement.
    unsafe { pin_init::raw_try_init(slot, init) }
}
