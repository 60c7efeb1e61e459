// SPDX-License-Identifier: GPL-2.0

//! A `struct vfio_pci_core_device` followed by the layer's and the driver's data.

use super::{
    bars::Bars,
    dma::Dma,
    driver::Driver, //
};
use crate::{
    bindings, compat,
    debug::Entry,
    dirty::{
        self,
        Tracker, //
    },
    handle::Handles,
    io::Bar,
    migration::Machine,
    ratelimit::RateLimit,
    region::{
        self,
        Hidden,
        Parts, //
    },
};
use core::{
    cell::UnsafeCell,
    marker::PhantomData,
    mem::MaybeUninit,
    ops::Deref,
    ptr::{
        self,
        NonNull, //
    }, //
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
pub(super) const DEVICE_RESET: u32 = kernel::ioctl::_IO(b';' as u32, 100 + 11);

/// What follows the core's structure: the data of the layer and of the driver.
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
    /// The private data of the files in debugfs, which are removed before this is dropped.
    debug: KVec<Entry>,
    #[pin]
    data: D,
}

/// A VFIO PCI device of the driver `D`, reference-counted by the VFIO core.
///
/// # Invariants
///
/// - It is allocated by `_vfio_alloc_device()` and freed by the core after the last reference.
/// - `tail` is initialized and pinned if `tail_ready`. A `&Device` implies that, except in
///   `Registration::new()` and in [`Device::drop_tail`].
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
    /// Initializes what follows the core's structure.
    ///
    /// # Safety
    ///
    /// `this` must be a new allocation of a `Device`, of which the core's structure is initialized.
    /// The caller must be the only one that uses it, and must not move it.
    pub(super) unsafe fn init_tail(
        this: *mut Self,
        data: impl PinInit<D, Error>,
        debug: KVec<Entry>,
    ) -> Result {
        // SAFETY: By the safety requirement.
        unsafe {
            let tail = (*this).tail.get().cast::<Tail<D>>();
            let init = try_pin_init!(Tail {
                machine <- Machine::new(),
                ratelimit <- RateLimit::new(),
                tracker <- Tracker::new(),
                statistics: Arc::new(dirty::Statistics::new(), GFP_KERNEL_ACCOUNT)?,
                dma: Dma::new(),
                bars: Bars::new(),
                debug,
                data <- data,
            }? Error);
            compat::init_at(tail, init)?;
            *(*this).tail_ready.get() = true;
        }
        Ok(())
    }

    /// Drops what follows the core's structure, if it was initialized.
    ///
    /// # Safety
    ///
    /// Nobody else may have a reference any more, and this must be called once.
    pub(super) unsafe fn drop_tail(this: *mut Self) {
        // SAFETY: By the safety requirement; the tail is initialized if `tail_ready` says so.
        unsafe {
            if *(*this).tail_ready.get() {
                ptr::drop_in_place((*this).tail.get().cast::<Tail<D>>());
            }
        }
    }

    /// # Safety
    ///
    /// `vdev` must belong to a [`Device`] of this driver, its tail initialized, for `'a`.
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
        // SAFETY: `Registration::new()` put the core's structure there, which is at offset 0.
        unsafe { &*drvdata.cast() }
    }

    pub(super) fn as_core(&self) -> *mut bindings::vfio_pci_core_device {
        self.core.get().cast()
    }

    pub(crate) fn as_vfio(&self) -> *mut bindings::vfio_device {
        self.core.get().cast()
    }

    fn tail(&self) -> Pin<&Tail<D>> {
        // SAFETY: The tail is initialized by the type invariant, and pinned where it is.
        unsafe { Pin::new_unchecked((*self.tail.get()).assume_init_ref()) }
    }

    /// Returns the driver's data.
    pub fn data(&self) -> Pin<&D> {
        // SAFETY: `data` is structurally pinned.
        unsafe { self.tail().map_unchecked(|tail| &tail.data) }
    }

    pub(crate) fn machine(&self) -> &Machine {
        &self.tail().get_ref().machine
    }

    /// Returns the limit on lines that userspace can cause, for
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

    pub(super) fn debug_entries(&self) -> &[Entry] {
        &self.tail().get_ref().debug
    }

    pub(super) fn dma(&self) -> &Dma {
        &self.tail().get_ref().dma
    }

    pub(super) fn as_pdev(&self) -> *mut kbindings::pci_dev {
        // SAFETY: `core` is initialized by `vfio_pci_core_init_dev()`, which sets `pdev` for good.
        unsafe { (*self.as_core()).pdev }
    }

    /// Returns the PCI device.
    pub fn as_pci(&self) -> &pci::Device {
        // SAFETY: The core's device holds a reference of its PCI device; `pci::Device` is
        // transparent.
        unsafe { &*self.as_pdev().cast() }
    }

    /// Traces a command to the device (tracepoint `vfio_rs_command`): the driver's number for it,
    /// an argument, and the result.
    pub fn trace_command(&self, command: u32, argument: u64, result: Result) {
        let error = result.map_or_else(Error::to_errno, |()| 0);
        // SAFETY: The PCI device is valid.
        unsafe { bindings::vfio_rs_trace_command(self.as_pdev(), command, argument, error) };
    }

    /// Returns the PCI device as a device, for messages.
    pub fn as_device(&self) -> &device::Device {
        self.as_pci().as_ref()
    }

    /// Returns what DMA logging has done so far.
    pub fn dirty_statistics(&self) -> &dirty::Statistics {
        &self.tail().get_ref().statistics
    }

    pub(crate) fn statistics(&self) -> Arc<dirty::Statistics> {
        self.tail().get_ref().statistics.clone()
    }

    /// Returns the length of a BAR, 0 if there is none.
    pub(super) fn bar_len(&self, bar: u32) -> u64 {
        self.as_pci().resource_len(bar).unwrap_or(0)
    }

    /// Returns what is hidden of a region of `len` bytes.
    pub(super) fn hidden_of(&self, index: region::Index, len: u64) -> Hidden {
        Hidden::new(D::hidden_from(self.data(), index, len), len)
    }

    /// Returns what is hidden of a BAR. Nothing is hidden of any other region.
    pub(super) fn hidden(&self, index: region::Index) -> Hidden {
        index.as_bar().map_or(Hidden::NOTHING, |bar| {
            self.hidden_of(index, self.bar_len(bar))
        })
    }
}

// SAFETY: The VFIO core's structure is used under its own locks; `Tail` is `Send` as `D` is.
unsafe impl<D: Driver> Send for Device<D> {}
// SAFETY: As for `Send`; `D` is `Sync`.
unsafe impl<D: Driver> Sync for Device<D> {}

/// A device that userspace has open: its BARs are mapped.
///
/// Callbacks get it; it cannot be kept.
pub struct OpenDevice<'a, D: Driver> {
    dev: &'a Device<D>,
    /// This thread resets the device.
    resets: bool,
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
            resets: false,
            _not_kept: PhantomData,
        }
    }

    /// Returns the device as a callback of its reset gets it, which may run under the core's
    /// `memory_lock`, and a spinlock.
    ///
    /// # Safety
    ///
    /// As for [`OpenDevice::new`].
    pub(crate) unsafe fn in_reset(dev: &'a Device<D>) -> Self {
        Self {
            dev,
            resets: true,
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

    /// Returns the PCI device, which is bound: its driver is unbound after userspace has closed it.
    pub fn as_bound(&self) -> &pci::Device<device::Bound> {
        // SAFETY: `remove` waits until userspace closes the device, before the PCI core unbinds it
        // (`Registration::drop()`), and it is open as long as `self` lives. `pci::Device` is
        // transparent.
        unsafe { &*self.as_pdev().cast() }
    }

    /// Returns whether userspace has the device by an iommufd. Else it has it by a container of
    /// type 1, which has no use for what the IOMMU knows of dirty pages. A container that is an
    /// iommufd (`CONFIG_IOMMUFD_VFIO_CONTAINER`) counts as iommufd.
    pub fn uses_iommufd(&self) -> bool {
        // SAFETY: The device is open. It is bound to an iommufd before it is opened, and unbound
        // after it is closed.
        unsafe { bindings::vfio_rs_uses_iommufd(self.as_vfio()) }
    }

    /// Returns the mapping of BAR `index`: [`ENODEV`] if the device has no such memory BAR,
    /// [`EINVAL`] for a number over 5.
    pub fn bar(&self, index: u32) -> Result<Bar<'_>> {
        self.bar_sized(index)
    }

    /// As [`OpenDevice::bar`], for a BAR of at least `SIZE` bytes: [`EINVAL`] if it is shorter.
    /// Accesses to these bytes are checked when they are compiled and cannot fail.
    pub fn bar_sized<const SIZE: usize>(&self, index: u32) -> Result<Bar<'_, SIZE>> {
        let slot = usize::try_from(index).map_err(|_| EINVAL)?;
        // SAFETY: `as_core` is valid; the map is set up while the device is open.
        let map = unsafe { &(*self.dev.as_core()).barmap };
        let addr = *map.get(slot).ok_or(EINVAL)?;
        // SAFETY: The PCI device is valid; it has a BAR of each number that the map has.
        if addr.is_null() || !unsafe { bindings::vfio_rs_is_memory(self.as_pdev(), index) } {
            return Err(ENODEV);
        }
        // `vfio_pci_core_enable()` leaves an ERR_PTR where the mapping failed.
        let addr = from_err_ptr(addr)?;
        let len = usize::try_from(self.dev.bar_len(index)).map_err(|_| EINVAL)?;
        let core = NonNull::new(self.dev.as_core()).filter(|_| !self.resets);
        // SAFETY: The core keeps the mapping of the whole BAR while the device is open, which it
        // is for as long as `self` lives.
        unsafe { Bar::from_raw(addr, len, core) }
    }

    /// Runs `f` under the tracker's lock, see [`migration`](crate::migration), with the log if
    /// logging is on. For what the driver learns elsewhere, for example in a state change.
    ///
    /// The callbacks of [`dirty::Logging`] and [`Driver::write_mediated`] run under the lock
    /// already.
    pub fn with_log<T>(&self, f: impl FnOnce(Option<&mut dirty::Log>) -> T) -> T {
        self.tracker().with_log(self.dev, f)
    }

    /// Returns whether the device is quiesced: it writes only if something makes it go on.
    pub fn is_quiesced(&self) -> bool {
        self.tracker().quiesced_period().is_some()
    }

    /// Reads the memory of userspace as the device would, at an IOVA.
    ///
    /// [`ENODEV`] if there is no way to read: the driver did not want it ([`Driver::reads_dma`]),
    /// or userspace has the device attached to nothing, or to a page table of which the layer does
    /// not know the IOAS. Any other error if part of the memory is not mapped or not readable; then
    /// the content of `to` is unspecified. An empty read is [`EINVAL`].
    ///
    /// Waits for user memory, also for as long as userspace wants (`userfaultfd`). With a legacy
    /// container, the memory is that of the calling process, or the read fails. A process that
    /// closes the device because it exits has no memory any more.
    pub fn read_dma(&self, iova: u64, to: &mut [u8]) -> Result {
        if !D::reads_dma(self.data()) {
            return Err(ENODEV);
        }
        // SAFETY: The device is open.
        unsafe { self.dma().read(self.as_vfio(), iova, to) }
    }

    /// Returns whether there is a way to read the memory of userspace: without one,
    /// [`read_dma`](Self::read_dma) returns [`ENODEV`].
    pub fn can_read_dma(&self) -> bool {
        D::reads_dma(self.data()) && self.dma().knows_space()
    }

    /// Returns the parts of a region, if it is a BAR.
    pub(super) fn parts(&self, index: region::Index) -> Option<&Parts> {
        // SAFETY: The device is open as long as `self` lives.
        unsafe { self.bars().get(index) }
    }

    /// Says that the device is in no known state: the migration state becomes `ERROR` once the
    /// callback has returned.
    ///
    /// To be called by the callbacks of [`Operations`](crate::migration::Operations).
    pub fn lose(&self) {
        self.machine().lose(self.dev);
    }

    /// Resets the device, as `VFIO_DEVICE_RESET` does: [`ENODEV`] if it has no reset, [`EAGAIN`] if
    /// another reset is under way. Calls [`Driver::reset_done`]. If it fails, the migration state
    /// becomes `ERROR` once the callback has returned.
    ///
    /// To be called by the callbacks of [`Operations`](crate::migration::Operations).
    pub fn reset(&self) -> Result {
        // SAFETY: The device is open. The core takes its `memory_lock`, and our callbacks wait for
        // no lock that is held here.
        let ret = unsafe { bindings::vfio_pci_core_ioctl(self.as_vfio(), DEVICE_RESET, 0) };
        // CAST: An error number, or 0.
        to_result(ret as c_int).inspect_err(|_| self.lose())?;
        self.machine().reset_succeeded(self.dev);
        Ok(())
    }
}

impl<D: Driver> Handles for D {
    type Device = Device<D>;
    type Open<'a> = OpenDevice<'a, D>;
}

impl<D: Driver> Deref for OpenDevice<'_, D> {
    type Target = Device<D>;

    fn deref(&self) -> &Device<D> {
        self.dev
    }
}
