// SPDX-License-Identifier: GPL-2.0

//! `struct vfio_device_ops` of a driver: the core's operations. Those that reach a region check
//! first what is hidden of it.

pub(super) mod attributes;
pub(super) mod debugfs;
#[cfg(CONFIG_IOMMUFD)]
mod iommufd;
mod logging;
pub(super) mod migration;

use super::{
    access::{
        self,
        Awake, //
    },
    device::{
        Device,
        OpenDevice,
        DEVICE_RESET, //
    },
    driver::Driver,
    parts, //
};
use crate::{
    bindings,
    dirty::Logging,
    region::{
        self,
        Hidden,
        Parts,
        Position, //
    },
};
use core::{
    marker::PhantomData,
    ptr, //
};
use kernel::{
    bindings as kbindings,
    error::{
        from_result,
        to_result, //
    },
    prelude::*,
    uaccess::{
        UserPtr,
        UserSlice, //
    },
};

/// The table of one driver type.
pub(super) struct Table<D: Driver>(PhantomData<D>);

/// `VFIO_DEVICE_IOEVENTFD`: `_IO(VFIO_TYPE, VFIO_BASE + 16)`.
const IOEVENTFD: u32 = kernel::ioctl::_IO(b';' as u32, 100 + 16);

/// An operation that is `NULL` where the kernel has no iommufd.
macro_rules! iommufd {
    ($function:ident) => {{
        #[cfg(CONFIG_IOMMUFD)]
        {
            Some(Self::$function)
        }
        #[cfg(not(CONFIG_IOMMUFD))]
        {
            None
        }
    }};
}

impl<D: Driver> Table<D> {
    pub(super) const OPS: bindings::vfio_device_ops = bindings::vfio_device_ops {
        name: kernel::str::as_char_ptr_in_const_context(D::NAME).cast_mut(),
        init: Some(bindings::vfio_pci_core_init_dev),
        release: Some(Self::release),
        open_device: Some(Self::open_device),
        close_device: Some(Self::close_device),
        ioctl: Some(Self::ioctl),
        get_region_info_caps: Some(Self::get_region_info_caps),
        device_feature: Some(bindings::vfio_pci_core_ioctl_feature),
        read: Some(Self::read),
        write: Some(Self::write),
        mmap: Some(Self::mmap),
        request: Some(bindings::vfio_pci_core_request),
        match_: Some(bindings::vfio_pci_core_match),
        match_token_uuid: Some(bindings::vfio_pci_core_match_token_uuid),
        bind_iommufd: iommufd!(bind_iommufd),
        unbind_iommufd: iommufd!(unbind_iommufd),
        attach_ioas: iommufd!(attach_ioas),
        detach_ioas: iommufd!(detach_ioas),
        pasid_attach_ioas: None,
        pasid_detach_ioas: None,
        dma_unmap: None,
    };

    /// The last reference is gone.
    ///
    /// # Safety
    ///
    /// To be called by the VFIO core, once.
    unsafe extern "C" fn release(vdev: *mut bindings::vfio_device) {
        // SAFETY: By the safety requirement.
        unsafe {
            Device::<D>::drop_tail(vdev.cast());
            bindings::vfio_pci_core_release_dev(vdev);
        }
    }

    /// Sets whether userspace has DMA logging (`VFIO_DEVICE_FEATURE_DMA_LOGGING_*`).
    ///
    /// # Safety
    ///
    /// The device is being opened or closed: userspace cannot issue ioctls.
    unsafe fn set_logging(dev: &OpenDevice<'_, D>, on: bool) {
        let ops: *const _ = if on {
            &logging::Table::<D>::OPS
        } else {
            ptr::null()
        };
        // The core wants this to be set before the device is registered, and not to change. Only
        // ioctls read it, of which there are none by the safety requirement, and a file in debugfs,
        // which checks whether it is null. SAFETY: The device is valid.
        unsafe { (&raw mut (*dev.as_vfio()).log_ops).write_volatile(ops) };
    }

    /// # Safety
    ///
    /// To be called by the VFIO core for a registered device of this driver that is not open.
    unsafe extern "C" fn open_device(vdev: *mut bindings::vfio_device) -> c_int {
        // SAFETY: By the safety requirement.
        let dev = unsafe { Device::<D>::from_vfio(vdev) };
        from_result(|| {
            // SAFETY: The device is registered and not enabled.
            to_result(unsafe { bindings::vfio_pci_core_enable(dev.as_core()) })?;
            // SAFETY: It is enabled now, and stays so while `open` is in use.
            let open = unsafe { OpenDevice::new(dev) };
            if let Err(e) = D::open(&open) {
                // SAFETY: Enabled above.
                unsafe { bindings::vfio_pci_core_disable(dev.as_core()) };
                return Err(e);
            }
            open.tracker().open();
            // SAFETY: Userspace does not reach the device before this returns.
            unsafe { parts::set(&open) };
            // Without this option the core gives drivers no bitmap for a report.
            let logs = cfg!(CONFIG_IOMMUFD_DRIVER) && D::Logging::offered(dev.data());
            // SAFETY: As above.
            unsafe { Self::set_logging(&open, logs) };
            // SAFETY: Enabled above; `close_device` closes the machine first.
            unsafe { dev.machine().open(dev) };
            // SAFETY: Enabled above.
            unsafe { bindings::vfio_pci_core_finish_enable(dev.as_core()) };
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// To be called by the VFIO core for an open device of this driver.
    unsafe extern "C" fn close_device(vdev: *mut bindings::vfio_device) {
        // SAFETY: By the safety requirement; the device is open until the call at the end.
        let open = unsafe { OpenDevice::<D>::from_vfio(vdev) };
        // The core holds the device awake over ioctls only. If it cannot be woken, its registers
        // read all ones.
        let awake = Awake::new(&open);
        open.machine().close(&*open);
        logging::stop(&open);
        // SAFETY: The device is being closed.
        unsafe { Self::set_logging(&open, false) };
        D::close(&open);
        drop(awake);
        // SAFETY: The device is open.
        unsafe { bindings::vfio_pci_core_close_device(vdev) };
    }

    /// # Safety
    ///
    /// To be called by the VFIO core for an open device of this driver.
    unsafe extern "C" fn ioctl(
        vdev: *mut bindings::vfio_device,
        cmd: c_uint,
        arg: c_ulong,
    ) -> c_long {
        // SAFETY: By the safety requirement.
        let dev = unsafe { OpenDevice::<D>::from_vfio(vdev) };
        if cmd == IOEVENTFD {
            if let Err(e) = Self::check_ioeventfd(&dev, arg) {
                // CAST: Widens.
                return e.to_errno() as c_long;
            }
        }
        // SAFETY: By the safety requirement.
        let ret = unsafe { bindings::vfio_pci_core_ioctl(vdev, cmd, arg) };
        if cmd == DEVICE_RESET && ret == 0 {
            dev.machine().reset_succeeded(&*dev);
        }
        ret
    }

    /// Refuses `VFIO_DEVICE_IOEVENTFD` on a device that hides, mediates or watches part of a BAR:
    /// with [`EINVAL`] if the ioctl names such a part, else with [`ENOTTY`], as a kernel without
    /// it. The core copies its argument from userspace a second time, so the check of the first
    /// copy proves nothing about the second.
    fn check_ioeventfd(dev: &OpenDevice<'_, D>, arg: usize) -> Result {
        let ordinary = (0..).map_while(region::Index::bar).all(|index| {
            dev.hidden(index) == Hidden::NOTHING && !dev.parts(index).is_some_and(Parts::any)
        });
        if ordinary {
            return Ok(());
        }
        let mut raw = [0u8; 16];
        UserSlice::new(UserPtr::from_addr(arg), raw.len())
            .reader()
            .read_slice(&mut raw)?;
        let [_, _, _, _, f0, f1, f2, f3, offset @ ..] = raw;
        let flags = u32::from_ne_bytes([f0, f1, f2, f3]);
        // The low bits of the flags say how many bytes are written.
        let size = u64::from(flags & bindings::VFIO_DEVICE_IOEVENTFD_SIZE_MASK);
        let pos = Position::from_file_offset(u64::from_ne_bytes(offset));
        let Some(bar) = pos.index.as_bar() else {
            return Err(EINVAL);
        };
        let range = pos.range(size)?;
        let end = dev
            .hidden(pos.index)
            .from()
            .unwrap_or_else(|| dev.bar_len(bar));
        let why = if range.end > end {
            "out of what the user may see"
        } else if dev.parts(pos.index).is_some_and(|p| p.overlaps(range)) {
            "the driver looks at what is done there"
        } else {
            return Err(ENOTTY);
        };
        crate::dev_warn_ratelimited!(
            dev,
            "ioeventfd at {:#x} of BAR{} refused: {}\n",
            pos.offset,
            bar,
            why
        );
        Err(EINVAL)
    }

    /// # Safety
    ///
    /// To be called by the VFIO core for an open device of this driver, `info` being its copy of
    /// userspace's structure, `caps` the capabilities that go with it.
    unsafe extern "C" fn get_region_info_caps(
        vdev: *mut bindings::vfio_device,
        info: *mut bindings::vfio_region_info,
        caps: *mut bindings::vfio_info_cap,
    ) -> c_int {
        from_result(|| {
            // SAFETY: By the safety requirement.
            to_result(unsafe { bindings::vfio_pci_ioctl_get_region_info(vdev, info, caps) })?;
            // SAFETY: As above; and the core has just filled it in.
            let (dev, index, info) = unsafe {
                let index = region::Index::from_raw((*info).index);
                (
                    OpenDevice::<D>::from_vfio(vdev),
                    index,
                    region::Info::from_raw(info),
                )
            };
            // As in `hidden()`: what is reported is what is enforced.
            if index.as_bar().is_some() {
                info.hide(dev.hidden_of(index, info.size()));
            }
            if let Some(parts) = dev.parts(index) {
                // SAFETY: By the safety requirement.
                unsafe { info.leave_out(parts.mediated, caps) }?;
            }
            Ok(0)
        })
    }

    /// Returns how many of `count` bytes at `*ppos` are not hidden.
    ///
    /// # Safety
    ///
    /// `ppos` must be valid for reading.
    unsafe fn reachable(
        dev: &Device<D>,
        ppos: *const kbindings::loff_t,
        count: usize,
    ) -> Result<usize> {
        // SAFETY: By the safety requirement. The sign bit is part of the region's index.
        let pos = Position::from_file_offset(unsafe { *ppos } as u64);
        dev.hidden(pos.index).clip(pos.offset, count)
    }

    /// # Safety
    ///
    /// To be called by the VFIO core for an open device of this driver.
    unsafe extern "C" fn read(
        vdev: *mut bindings::vfio_device,
        buf: *mut c_char,
        count: usize,
        ppos: *mut kbindings::loff_t,
    ) -> isize {
        // SAFETY: By the safety requirement.
        let dev = unsafe { OpenDevice::<D>::from_vfio(vdev) };
        access::from_length(
            // SAFETY: By the safety requirement.
            unsafe { Self::reachable(&dev, ppos, count) }
                // SAFETY: As above.
                .and_then(|count| unsafe { access::read(&dev, buf, count, ppos) }),
        )
    }

    /// # Safety
    ///
    /// To be called by the VFIO core for an open device of this driver.
    unsafe extern "C" fn write(
        vdev: *mut bindings::vfio_device,
        buf: *const c_char,
        count: usize,
        ppos: *mut kbindings::loff_t,
    ) -> isize {
        // SAFETY: By the safety requirement.
        let dev = unsafe { OpenDevice::<D>::from_vfio(vdev) };
        access::from_length(
            // SAFETY: By the safety requirement.
            unsafe { Self::reachable(&dev, ppos, count) }
                // SAFETY: As above.
                .and_then(|count| unsafe { access::write(&dev, buf, count, ppos) }),
        )
    }

    /// # Safety
    ///
    /// To be called by the VFIO core for an open device of this driver, `vma` being set up by it.
    unsafe extern "C" fn mmap(
        vdev: *mut bindings::vfio_device,
        vma: *mut kbindings::vm_area_struct,
    ) -> c_int {
        // SAFETY: By the safety requirement.
        let dev = unsafe { OpenDevice::<D>::from_vfio(vdev) };
        let (mut pgoff, mut len) = (0, 0);
        // SAFETY: `vma` is valid; the two places are valid for writing.
        unsafe { bindings::vfio_rs_vma_range(vma, &mut pgoff, &mut len) };
        from_result(|| {
            let mediated = Self::map(&dev, pgoff, len)?;
            // SAFETY: By the safety requirement.
            let mapped = to_result(unsafe { bindings::vfio_pci_core_mmap(vdev, vma) }).and_then(
                // SAFETY: As above; the core has just set up `vma`.
                |()| to_result(unsafe { bindings::vfio_rs_watch_vma(dev.as_core(), vma) }),
            );
            match (mapped, mediated) {
                (Err(_), true) => dev.tracker().mediated_unmapped(),
                (Ok(()), true) => {
                    if dev.tracker().mediated_mapped() {
                        dev_info!(dev.as_device(), "mapped past the driver: no DMA logging\n");
                    }
                }
                _ => (),
            }
            mapped.map(|()| 0)
        })
    }

    /// Decides whether userspace may map `len` bytes at page `pgoff` of the device file. Returns
    /// whether a mediated part is among them, which rules out DMA logging once it is mapped.
    fn map(dev: &OpenDevice<'_, D>, pgoff: u64, len: u64) -> Result<bool> {
        // CAST: `usize` is no wider than `u64`.
        let offset = pgoff
            .checked_mul(kernel::page::PAGE_SIZE as u64)
            .ok_or(EINVAL)?;
        let pos = Position::from_file_offset(offset);
        let range = pos.range(len)?;
        dev.hidden(pos.index).check_mmap(&range)?;
        let mediated = dev.parts(pos.index).map(|parts| parts.mediated);
        let mediated = mediated.is_some_and(|part| part.overlaps(range));
        if mediated {
            dev.tracker().map_mediated()?;
        }
        Ok(mediated)
    }
}
