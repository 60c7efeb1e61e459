// SPDX-License-Identifier: GPL-2.0

//! Linux 7.3: regions have a type, and device IDs hold a pointer.

use kernel::{
    device_id::{
        IdTable,
        RawDeviceIdIndex, //
    },
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

/// What has the methods of [`kernel::io::Io`]. The reference to it says how long they can be
/// called: an [`Mmio`] itself can be copied, and the copy outlives the reference.
///
/// # Invariants
///
/// While there is a reference, it names a mapping.
#[repr(transparent)]
pub struct Registers<const SIZE: usize>(RawBar<SIZE>);

/// Returns the registers of a mapping.
///
/// # Safety
///
/// `raw` must be a mapping for as long as the result is used.
pub(crate) unsafe fn registers<const SIZE: usize>(raw: &RawBar<SIZE>) -> &Registers<SIZE> {
    // INVARIANT: By the safety requirement.
    // SAFETY: `Registers` is transparent.
    unsafe { &*core::ptr::from_ref(raw).cast() }
}

impl<'a, const SIZE: usize> IoBase<'a> for &'a Registers<SIZE> {
    type Backend = MmioBackend;
    type Target = Region<SIZE>;

    fn as_view(self) -> Mmio<'a, Region<SIZE>> {
        // SAFETY: By the type invariant.
        unsafe { Mmio::from_raw(self.0) }
    }
}

/// Implements `RawDeviceIdIndex` for a wrapper of a C type, which has a field `driver_data`.
macro_rules! impl_device_id_index {
    ($wrapper:ty, $raw:ty) => {
        // SAFETY: The offset is that of `driver_data`, a `kernel_ulong_t`.
        unsafe impl ::kernel::device_id::RawDeviceIdIndex for $wrapper {
            const DRIVER_DATA_OFFSET: usize = ::core::mem::offset_of!($raw, driver_data);
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
    _table: &'static dyn IdTable<T, U>,
    id: &T,
) -> Option<&'static U> {
    // SAFETY: By the safety requirement, as there is no `IdTable` but `IdArray`.
    unsafe { id.info_unchecked_opt::<U>() }
}

/// Makes an [`IdTable`](crate::pci::IdTable) and its alias for modpost. The last argument is a list
/// of pairs: an ID, and the driver's data of it.
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
