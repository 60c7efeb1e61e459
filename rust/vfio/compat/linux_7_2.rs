// SPDX-License-Identifier: GPL-2.0

//! Linux 7.2: regions have a size and no type, and device IDs hold an index.

use kernel::{
    device_id::{
        IdTable,
        RawDeviceIdIndex, //
    },
    io::{
        Mmio,
        MmioRaw, //
    },
    module_param::ModuleParamAccess,
    prelude::*, //
};

/// A mapping of at least `SIZE` bytes.
pub(crate) type RawBar<const SIZE: usize> = MmioRaw<SIZE>;

/// Returns a mapping of `len` bytes. [`EINVAL`] if it is shorter than `SIZE`.
pub(crate) fn raw_bar<const SIZE: usize>(addr: usize, len: usize) -> Result<RawBar<SIZE>> {
    MmioRaw::new(addr, len)
}

/// Returns the length of a mapping.
pub(crate) fn raw_len<const SIZE: usize>(raw: &RawBar<SIZE>) -> usize {
    raw.maxsize()
}

/// What has the methods of [`kernel::io::Io`]. The reference to it says how long they can be
/// called.
pub(crate) type Registers<const SIZE: usize> = Mmio<SIZE>;

/// Returns the registers of a mapping.
///
/// # Safety
///
/// `raw` must be a mapping for as long as the result is used.
pub(crate) unsafe fn registers<const SIZE: usize>(raw: &RawBar<SIZE>) -> &Registers<SIZE> {
    // SAFETY: By the safety requirement.
    unsafe { Mmio::from_raw(raw) }
}

/// Implements `RawDeviceIdIndex` for a wrapper of a C type, which has a field `driver_data`.
macro_rules! impl_device_id_index {
    ($wrapper:ty, $raw:ty) => {
        // SAFETY: The offset is that of `driver_data`, a `kernel_ulong_t`.
        unsafe impl ::kernel::device_id::RawDeviceIdIndex for $wrapper {
            const DRIVER_DATA_OFFSET: usize = ::core::mem::offset_of!($raw, driver_data);

            fn index(&self) -> usize {
                self.0.driver_data
            }
        }
    };
}
pub(crate) use impl_device_id_index;

/// Returns the driver's data of an ID.
///
/// # Safety
///
/// The driver data of `id` must be those of an ID in `table`, or 0.
pub(crate) unsafe fn info<T: RawDeviceIdIndex, U>(
    table: &'static dyn IdTable<T, U>,
    id: &T,
) -> Option<&'static U> {
    Some(table.info(id.index()))
}

/// Makes an [`IdTable`](crate::pci::IdTable) and its alias for modpost. The last argument is a list
/// of pairs: an ID, and the driver's data of it.
#[macro_export]
macro_rules! pci_device_table {
    ($table:ident, $module_table:ident, $info:ty, $list:expr $(,)?) => {
        const $table: ::kernel::device_id::IdArray<$crate::pci::DeviceId, $info, { $list.len() }> =
            ::kernel::device_id::IdArray::new($list);

        ::kernel::module_device_table!("pci", $module_table, $table);
    };
}

/// The kernel's macro of this name.
#[macro_export]
macro_rules! auxiliary_device_table {
    ($table:ident, $module_table:ident, $info:ty, $list:expr $(,)?) => {
        ::kernel::auxiliary_device_table!($table, $module_table, $info, $list);
    };
}

/// Returns the value of a parameter of a module.
pub fn parameter<T: Copy>(parameter: &ModuleParamAccess<T>) -> T {
    *parameter.value()
}

/// Runs an initializer.
///
/// # Safety
///
/// `slot` must be valid for writing and must not move afterwards. If this fails, what is there is
/// not initialized.
pub(crate) unsafe fn init_at<T, E>(slot: *mut T, init: impl PinInit<T, E>) -> Result<(), E> {
    // SAFETY: By the safety requirement.
    unsafe { init.__pinned_init(slot) }
}
