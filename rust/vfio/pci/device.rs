// SPDX-License-Identifier: GPL-2.0

//! A `struct vfio_pci_core_device` with the driver's data behind it.

use super::{
    bars::Bars,
    dma::Dma,
    ops,
    Driver, //
};
use crate::{
    bindings,
    debug::{
        self,
        Entry, //
    },
    dirty::{
        self,
        Tracker, //
    },
    io::Bar,
    migration::{
        self,
        Machine,
        Operations,
        State, //
    },
    ratelimit::RateLimit,
    region, //
};
use core::{
    cell::UnsafeCell,
    marker::PhantomData,
    mem::MaybeUninit,
    ops::Deref,
    ptr::{
        self,
        NonNull, //
    },
};
use kernel::{
    bindings as kbindings,
    device,
    error::{
        from_err_ptr,
        to_result, //
    },
    pci,
    prelude::*,
    sync::Arc,
    types::Opaque, //
};

/// `VFIO_DEVICE_RESET`: `_IO(VFIO_TYPE, VFIO_BASE + 11)`.
const DEVICE_RESET: u32 = kernel::ioctl::_IO(b';' as u32, 100 + 11);

/// What stands behind the core's structure: the layer's own and the driver's.
#[pin_data]
struct Tail<D> {
    #[pin]
    machine: Machine,
    #[pin]
    ratelimit: RateLimit,
    #[pin]
    tracker: Tracker,
    statistics: Arc<dirty::Statistics>,
    dma: Dma,
    bars: Bars,
    /// The private data of files in debugfs, which are gone before this is
    debug: KVec<Entry>,
    #[pin]
    data: D,
}

/// A VFIO PCI device of the driver `D`, reference-counted by the VFIO core.
///
/// # Invariants
///
/// - It is allocated by `_vfio_alloc_device()` and freed by the core after the last reference.
/// - `tail` is initialised and pinned if `tail_ready`. A `&Device` outside [`Registration::new`]
///   and [`Device::release`] implies that.
#[repr(C)]
pub struct Device<D: Driver> {
    // First: the core frees the allocation by the address of the `struct vfio_device` that
    // `struct vfio_pci_core_device` begins with.
    core: Opaque<bindings::vfio_rs_device>,
    tail_ready: UnsafeCell<bool>,
    tail: UnsafeCell<MaybeUninit<Tail<D>>>,
}

const _: () = assert!(core::mem::offset_of!(bindings::vfio_rs_device, core.vdev) == 0);

impl<D: Driver> Device<D> {
    /// # Safety
    ///
    /// `vdev` must belong to a [`Device`] of this driver, its tail initialised, for `'a`.
    pub(crate) unsafe fn from_vfio<'a>(vdev: *mut bindings::vfio_device) -> &'a Self {
        // SAFETY: By the safety requirement; the structure is at offset 0, asserted above.
        unsafe { &*vdev.cast() }
    }

    /// # Safety
    ///
    /// `pdev` must be bound to this driver, its probe done and its remove not.
    pub(crate) unsafe fn from_pci<'a>(pdev: *mut kbindings::pci_dev) -> &'a Self {
        // SAFETY: `pdev` is valid by the safety requirement.
        let drvdata = unsafe { kbindings::dev_get_drvdata(&raw mut (*pdev).dev) };
        // SAFETY: `Registration::new` put the core's structure there, which is at offset 0.
        unsafe { &*drvdata.cast() }
    }

    pub(super) fn as_core(&self) -> *mut bindings::vfio_pci_core_device {
        self.core.get().cast()
    }

    pub(crate) fn as_vfio(&self) -> *mut bindings::vfio_device {
        self.core.get().cast()
    }

    fn tail(&self) -> Pin<&Tail<D>> {
        // SAFETY: The tail is initialised by the type invariant, and pinned where it is.
        unsafe { Pin::new_unchecked((*self.tail.get()).assume_init_ref()) }
    }

    /// The driver's own data.
    pub fn data(&self) -> Pin<&D> {
        // SAFETY: `data` is structurally pinned.
        unsafe { self.tail().map_unchecked(|tail| &tail.data) }
    }

    pub(crate) fn machine(&self) -> &Machine {
        &self.tail().get_ref().machine
    }

    /// The limit on lines that user space can cause, for
    /// [`dev_warn_ratelimited!`](crate::dev_warn_ratelimited).
    pub fn ratelimit(&self) -> &RateLimit {
        &self.tail().get_ref().ratelimit
    }

    pub(crate) fn tracker(&self) -> &Tracker {
        &self.tail().get_ref().tracker
    }

    pub(super) fn bars(&self) -> &Bars {
        &self.tail().get_ref().bars
    }

    pub(super) fn dma(&self) -> &Dma {
        &self.tail().get_ref().dma
    }

    pub(super) fn as_pdev(&self) -> *mut kbindings::pci_dev {
        // SAFETY: `core` is initialised by `vfio_pci_core_init_dev()`, which sets `pdev` for good.
        unsafe { (*self.as_core()).pdev }
    }

    /// The PCI device.
    pub fn as_pci(&self) -> &pci::Device {
        // SAFETY: The core's device holds a reference of its PCI device; `pci::Device` is
        // transparent.
        unsafe { &*self.as_pdev().cast() }
    }

    /// Tells the tracepoint `vfio_rs_command` of something that the device was told to do: a number
    /// for what, and an argument, as the driver has them; and what came of it.
    pub fn trace_command(&self, command: u32, argument: u64, result: Result) {
        let error = result.map_or_else(Error::to_errno, |()| 0);
        // SAFETY: The PCI device is valid.
        unsafe { bindings::vfio_rs_trace_command(self.as_pdev(), command, argument, error) };
    }

    pub(crate) fn trace_state(&self, from: State, to: State, error: c_int) {
        // SAFETY: The PCI device is valid.
        unsafe {
            bindings::vfio_rs_trace_state(self.as_pdev(), from.as_raw(), to.as_raw(), error);
        }
    }

    pub(crate) fn trace_stream(&self, what: &CStr, bytes: usize) {
        // CAST: `usize` is no wider than `u64`.
        // SAFETY: The PCI device and the string are valid.
        unsafe {
            bindings::vfio_rs_trace_stream(self.as_pdev(), what.as_char_ptr(), bytes as u64);
        }
    }

    /// The PCI device as a device, for messages.
    pub fn as_device(&self) -> &device::Device {
        self.as_pci().as_ref()
    }

    /// What DMA logging has done so far.
    pub fn dirty_statistics(&self) -> &dirty::Statistics {
        &self.tail().get_ref().statistics
    }

    pub(crate) fn statistics(&self) -> Arc<dirty::Statistics> {
        self.tail().get_ref().statistics.clone()
    }

    /// How much of a region of `len` bytes the user sees.
    pub(super) fn visible_len(&self, index: region::Index, len: u64) -> u64 {
        D::visible_len(self.data(), index, len).min(len)
    }

    /// The length of a BAR, 0 where there is none.
    pub(super) fn bar_len(&self, bar: u32) -> u64 {
        self.as_pci().resource_len(bar).unwrap_or(0)
    }

    /// How many bytes of a region the user sees, `None` where he sees all of it.
    pub(super) fn limit(&self, index: region::Index) -> Option<u64> {
        let len = self.bar_len(index.as_bar()?);
        let visible = self.visible_len(index, len);
        (visible < len).then_some(visible)
    }

    /// `vfio_device_ops.release`: the last reference is gone.
    ///
    /// # Safety
    ///
    /// To be called by the VFIO core, once.
    pub(super) unsafe extern "C" fn release(vdev: *mut bindings::vfio_device) {
        let this: *mut Self = vdev.cast();
        // SAFETY: Nobody else has a reference any more; the tail is initialised if it says so.
        unsafe {
            if *(*this).tail_ready.get() {
                ptr::drop_in_place((*this).tail.get().cast::<Tail<D>>());
            }
            bindings::vfio_pci_core_release_dev(vdev);
        }
    }
}

// SAFETY: The VFIO core's structure is used under its own locks; `Tail` is `Send` as `D` is.
unsafe impl<D: Driver> Send for Device<D> {}
// SAFETY: As for `Send`; `D` is `Sync`.
unsafe impl<D: Driver> Sync for Device<D> {}

/// A device that a user has open: its BARs are mapped and its registers can be reached.
///
/// Callbacks get it; it cannot be kept.
pub struct OpenDevice<'a, D: Driver> {
    dev: &'a Device<D>,
    _not_kept: PhantomData<*mut ()>,
}

impl<'a, D: Driver> OpenDevice<'a, D> {
    /// # Safety
    ///
    /// The device must stay open for `'a`: `vfio_pci_core_enable()` has been called, and
    /// `vfio_pci_core_disable()` or `_close_device()` will not be during it.
    pub(crate) unsafe fn new(dev: &'a Device<D>) -> Self {
        Self {
            dev,
            _not_kept: PhantomData,
        }
    }

    /// # Safety
    ///
    /// As [`Device::from_vfio`], and [`OpenDevice::new`].
    pub(crate) unsafe fn from_vfio(vdev: *mut bindings::vfio_device) -> Self {
        // SAFETY: By the safety requirement.
        unsafe { Self::new(Device::from_vfio(vdev)) }
    }

    /// The PCI device, which is bound: its driver is unbound after the user has closed it.
    pub fn as_bound(&self) -> &pci::Device<device::Bound> {
        // SAFETY: `remove` waits for the user to close the device before the PCI core unbinds it
        // (`Registration::drop`), and it is open as long as `self` lives. `pci::Device` is
        // transparent.
        unsafe { &*self.as_pdev().cast() }
    }

    /// The mapping of BAR `index`: [`ENODEV`] where the device has none, [`EINVAL`] for a number
    /// over 5.
    pub fn bar(&self, index: u32) -> Result<Bar<'_>> {
        self.bar_sized(index)
    }

    /// As [`OpenDevice::bar`], for a BAR that has `SIZE` bytes at least: [`EINVAL`] where it has
    /// not. Accesses to these are checked when they are compiled and cannot fail.
    pub fn bar_sized<const SIZE: usize>(&self, index: u32) -> Result<Bar<'_, SIZE>> {
        let slot = usize::try_from(index).map_err(|_| EINVAL)?;
        // SAFETY: `as_core` is valid; the map is set up while the device is open.
        let map = unsafe { &(*self.dev.as_core()).barmap };
        let addr = *map.get(slot).ok_or(EINVAL)?;
        if addr.is_null() {
            return Err(ENODEV);
        }
        // `vfio_pci_core_enable()` leaves an ERR_PTR where the mapping failed.
        let addr = from_err_ptr(addr)?;
        let len = usize::try_from(self.dev.bar_len(index)).map_err(|_| EINVAL)?;
        // SAFETY: The core keeps the mapping of the whole BAR while the device is open, which it
        // is for as long as `self` lives.
        unsafe { Bar::from_raw(addr, len) }
    }

    /// Runs `f` under the tracker's lock, see [`migration`], with the log where logging is on. For what
    /// the driver learns elsewhere, in a state change, say.
    ///
    /// The callbacks of [`dirty::Logging`] and [`Driver::write_mediated`] have the lock already.
    pub fn with_log<T>(&self, f: impl FnOnce(Option<&mut dirty::Log>) -> T) -> T {
        self.tracker().with_log(self, f)
    }

    /// Whether the user has DMA logging (`VFIO_DEVICE_FEATURE_DMA_LOGGING_*`).
    ///
    /// # Safety
    ///
    /// As [`OpenDevice::set_parts`].
    pub(super) unsafe fn set_logging(&self, on: bool) {
        let ops: *const _ = if on {
            &dirty::Table::<D>::OPS
        } else {
            ptr::null()
        };
        // The core says that it is set before the device is registered and stays; all that looks at it
        // is ioctls, by the safety requirement there are none, and a file in debugfs, which looks at
        // whether it is null.
        // SAFETY: The device is valid.
        unsafe { (&raw mut (*self.as_vfio()).log_ops).write_volatile(ops) };
    }

    /// Resets the device, as `VFIO_DEVICE_RESET` does: [`ENODEV`] where it has no reset, [`EAGAIN`]
    /// where somebody else is at it. [`Driver::reset_done`] is called within.
    pub fn reset(&self) -> Result {
        // SAFETY: The device is open. The core takes its `memory_lock`, and our callbacks wait for
        // no lock that is held here.
        let ret = unsafe { bindings::vfio_pci_core_ioctl(self.as_vfio(), DEVICE_RESET, 0) };
        // CAST: An error number, or 0.
        to_result(ret as c_int)
    }

    /// Whether the user wants v2 of `VFIO_MIG_GET_PRECOPY_INFO`.
    pub(crate) fn precopy_info_v2(&self) -> bool {
        // SAFETY: The device is valid; the core changes the field by ioctl, one byte.
        unsafe { (&raw const (*self.dev.as_vfio()).precopy_info_v2).read_volatile() != 0 }
    }
}

impl<D: Driver> Deref for OpenDevice<'_, D> {
    type Target = Device<D>;

    fn deref(&self) -> &Device<D> {
        self.dev
    }
}

/// A device that is registered with VFIO; unregistered when dropped, which waits for its user.
///
/// # Invariants
///
/// The device is registered, and this owns the reference that `_vfio_alloc_device()` returned.
pub(crate) struct Registration<D: Driver>(NonNull<Device<D>>);

impl<D: Driver> Registration<D> {
    /// Allocates, initialises and registers the device of `pdev`.
    pub(crate) fn new(
        pdev: &pci::Device<device::Core<'_>>,
        data: impl PinInit<D, Error>,
    ) -> Result<Self> {
        let dev = ptr::from_ref::<device::Device>(pdev.as_ref())
            .cast_mut()
            .cast::<kbindings::device>();
        // SAFETY: `dev` is the device being probed; the size is that of a type which begins with
        // a `struct vfio_device`; the operations are static and fit the type. The callback `init`
        // touches nothing but the core's part.
        let vdev = from_err_ptr(unsafe {
            bindings::_vfio_alloc_device(
                core::mem::size_of::<Device<D>>(),
                dev,
                &ops::Table::<D>::OPS,
            )
        })?;
        let this: NonNull<Device<D>> = NonNull::new(vdev.cast()).ok_or(ENOMEM)?;
        // From here on `put` cleans up.
        let unregistered = Unregistered(this);
        // SAFETY: `this` begins with a `struct vfio_rs_device`.
        unsafe { bindings::vfio_rs_watch_init(vdev.cast()) };
        // SAFETY: The allocation is ours alone until it is registered, and does not move.
        unsafe {
            let tail = (*this.as_ptr()).tail.get().cast::<Tail<D>>();
            try_pin_init!(Tail {
                machine <- Machine::new(),
                ratelimit <- RateLimit::new(),
                tracker <- Tracker::new(),
                statistics: Arc::new(dirty::Statistics::new(), GFP_KERNEL_ACCOUNT)?,
                dma: Dma::new(),
                bars: Bars::new(),
                debug: Entry::all::<D>(this.as_ptr())?,
                data <- data,
            }? Error)
            .__pinned_init(tail)?;
            *(*this.as_ptr()).tail_ready.get() = true;
        }
        // SAFETY: The tail is initialised.
        let device = unsafe { this.as_ref() };
        if let Some(flags) = D::Migration::flags(device.data()) {
            // SAFETY: Not registered yet: nobody else looks at the fields.
            unsafe {
                (*vdev).migration_flags = flags.as_raw();
                (*vdev).mig_ops = &raw const bindings::vfio_rs_mig_ops;
                (*vdev.cast::<bindings::vfio_rs_device>()).migration =
                    &migration::vtable::Table::<D>::OPS;
            }
        }
        // `vfio_pci_core_register_device()` wants to find itself there.
        // SAFETY: `dev` is valid, and being probed: its driver data are ours.
        unsafe { kbindings::dev_set_drvdata(dev, vdev.cast()) };
        // SAFETY: The device is initialised.
        let ret = unsafe { bindings::vfio_pci_core_register_device(device.as_core()) };
        if let Err(e) = to_result(ret) {
            // SAFETY: As above.
            unsafe { kbindings::dev_set_drvdata(dev, ptr::null_mut()) };
            return Err(e);
        }
        if D::Migration::flags(device.data()).is_some() {
            // SAFETY: Registered. The entries stay as they are till the device is released.
            unsafe { debug::create::<D>(vdev, &device.tail().get_ref().debug) };
        }
        core::mem::forget(unregistered);
        // INVARIANT: Just registered.
        Ok(Self(this))
    }

    /// Gives the registration to the PCI device, whose driver data name it.
    pub(crate) fn into_drvdata(self) {
        core::mem::forget(self);
    }

    /// Takes it back.
    ///
    /// # Safety
    ///
    /// `pdev` must be bound to this driver, with a registration given to it by
    /// [`Registration::into_drvdata`], and nobody may take it a second time.
    pub(crate) unsafe fn from_drvdata(pdev: *mut kbindings::pci_dev) -> Self {
        // SAFETY: By the safety requirement.
        let device = unsafe { Device::<D>::from_pci(pdev) };
        // INVARIANT: By the safety requirement.
        Self(NonNull::from(device))
    }
}

impl<D: Driver> Drop for Registration<D> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the device is registered and a reference is ours. The
        // driver data go when nobody can ask for them any more.
        unsafe {
            let device = self.0.as_ref();
            let dev = &raw mut (*device.as_pdev()).dev;
            bindings::vfio_pci_core_unregister_device(device.as_core());
            kbindings::dev_set_drvdata(dev, ptr::null_mut());
            bindings::vfio_rs_put_device(device.as_vfio());
        }
    }
}

/// A device on the way to its registration; put when dropped.
struct Unregistered<D: Driver>(NonNull<Device<D>>);

impl<D: Driver> Drop for Unregistered<D> {
    fn drop(&mut self) {
        // SAFETY: The reference is ours; `release` looks at whether the tail is initialised.
        unsafe { bindings::vfio_rs_put_device(self.0.as_ptr().cast()) };
    }
}
