// SPDX-License-Identifier: GPL-2.0

//! `struct vfio_migration_ops` of a driver, and the state machine's callbacks for its devices.

use crate::{
    bindings,
    migration::{
        Check,
        FileId,
        Lifeline,
        Open,
        Operations,
        Receiver,
        Registered,
        State,
        Stream, //
    },
    pci::{
        access::Awake,
        device::{
            Device,
            OpenDevice, //
        },
        driver::Driver, //
    },
};
use core::marker::PhantomData;
use kernel::{
    bindings as kbindings,
    error::from_result,
    prelude::*,
    sync::Arc, //
};

impl<D: Driver> Registered for Device<D> {
    fn dma_possible(&self) {
        self.tracker().dma_possible();
    }

    fn dma_reset(&self) {
        self.tracker().reset_done(self);
    }

    fn reset(&self) {
        D::Migration::reset(self.data());
    }

    unsafe fn shows_reset(&self) -> bool {
        // SAFETY: By the safety requirement.
        D::shows_reset(&unsafe { OpenDevice::in_reset(self) })
    }
}

impl<D: Driver> Receiver for Device<D> {
    fn precopy_info_v2(&self) -> bool {
        // SAFETY: The device is valid; the core changes the field by ioctl, one byte.
        unsafe { (&raw const (*self.as_vfio()).precopy_info_v2).read_volatile() != 0 }
    }

    unsafe fn receive(&self, file: FileId) -> Result {
        // The core holds the device awake over ioctls only.
        let _awake = Awake::new(self)?;
        // SAFETY: By the safety requirement.
        let open = unsafe { OpenDevice::new(self) };
        self.machine().receive(&open, file)
    }
}

impl<D: Driver> Registered for OpenDevice<'_, D> {
    fn dma_possible(&self) {
        (**self).dma_possible();
    }

    fn dma_reset(&self) {
        (**self).dma_reset();
    }

    fn reset(&self) {
        Registered::reset(&**self);
    }

    unsafe fn shows_reset(&self) -> bool {
        // SAFETY: By the safety requirement.
        unsafe { (**self).shows_reset() }
    }
}

impl<D: Driver> Open for OpenDevice<'_, D> {
    fn stream_max(&self) -> usize {
        <D::Migration as Operations<D>>::STREAM_MAX
    }

    fn quiesce(&self) -> Result {
        D::Migration::quiesce(self)
    }

    fn stop(&self) -> Result {
        D::Migration::stop(self)
    }

    fn start(&self) -> Result {
        D::Migration::start(self)
    }

    fn unquiesce(&self) -> Result {
        D::Migration::unquiesce(self)
    }

    fn pre_copy(&self, stream: &mut Stream) -> Result {
        D::Migration::pre_copy(self, stream)
    }

    fn save(&self, stream: &mut Stream) -> Result {
        D::Migration::save(self, stream)
    }

    fn resume(&self) -> Result<KBox<dyn Check>> {
        D::Migration::resume(self)
    }

    fn load(&self, stream: &[u8]) -> Result {
        D::Migration::load(self, stream)
    }

    fn lifeline(&self) -> Result<Option<Arc<dyn Lifeline>>> {
        D::Migration::lifeline(self)
    }

    fn next_state(&self, current: State, target: State) -> Result<State> {
        // SAFETY: The device is valid.
        unsafe { State::next(self.as_vfio(), current, target) }
    }

    fn dma_quiesced(&self) {
        self.tracker().dma_quiesced();
    }

    fn trace_state(&self, from: State, to: State, error: c_int) {
        // SAFETY: The PCI device is valid.
        unsafe {
            bindings::vfio_rs_trace_state(self.as_pdev(), from.as_raw(), to.as_raw(), error);
        }
    }

    fn trace_stream(&self, what: &CStr, bytes: usize) {
        // CAST: `usize` is no wider than `u64`.
        // SAFETY: The PCI device and the string are valid.
        unsafe {
            bindings::vfio_rs_trace_stream(self.as_pdev(), what.as_char_ptr(), bytes as u64);
        }
    }
}

/// The callbacks of [`OPS`](Table::OPS), for one driver type. States are integers.
pub(in crate::pci) struct Table<D: Driver>(PhantomData<D>);

impl<D: Driver> Table<D> {
    /// The table.
    pub(in crate::pci) const OPS: bindings::vfio_rs_migration = bindings::vfio_rs_migration {
        set_state: Some(Self::set_state),
        get_state: Some(Self::get_state),
        get_data_size: Some(Self::get_data_size),
    };

    /// # Safety
    ///
    /// To be called by the VFIO core for an open device of this driver.
    unsafe extern "C" fn set_state(
        vdev: *mut bindings::vfio_device,
        target: u32,
    ) -> *mut kbindings::file {
        // SAFETY: By the safety requirement; the core calls this by ioctl, so it is open.
        let dev = unsafe { OpenDevice::<D>::from_vfio(vdev) };
        let result = State::from_raw(target).and_then(|target| dev.machine().set(&dev, target));
        match result {
            Ok(Some(file)) => file.as_ptr(),
            Ok(None) => core::ptr::null_mut(),
            Err(e) => e.to_ptr(),
        }
    }

    /// # Safety
    ///
    /// To be called by the VFIO core for a registered device of this driver, open or not (its
    /// debugfs files call it, too); `state` must be valid for writing.
    unsafe extern "C" fn get_state(vdev: *mut bindings::vfio_device, state: *mut u32) -> c_int {
        // SAFETY: By the safety requirement.
        let dev = unsafe { Device::<D>::from_vfio(vdev) };
        let current = dev.machine().get(dev);
        // SAFETY: By the safety requirement.
        unsafe { *state = current.as_raw() };
        0
    }

    /// # Safety
    ///
    /// As [`Self::set_state`]; `length` must be valid for writing.
    unsafe extern "C" fn get_data_size(
        vdev: *mut bindings::vfio_device,
        length: *mut c_ulong,
    ) -> c_int {
        // SAFETY: By the safety requirement; the core calls this by ioctl, so it is open.
        let dev = unsafe { OpenDevice::<D>::from_vfio(vdev) };
        from_result(|| {
            // SAFETY: By the safety requirement.
            unsafe { *length = D::Migration::data_size(&dev)? };
            Ok(0)
        })
    }
}
