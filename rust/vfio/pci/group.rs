// SPDX-License-Identifier: GPL-2.0

//! The IOMMU group of a device: whether the IOMMU isolates it, and from which devices it does not.
//!
//! C header: [`include/linux/iommu.h`](srctree/include/linux/iommu.h)

use crate::bindings;
use core::ptr::{
    self,
    NonNull, //
};
use kernel::{
    bindings as kbindings,
    device::{
        self,
        Bound, //
    },
    fmt,
    pci,
    sync::aref::ARef, //
};

/// Number of other devices of a group that are known by name.
const NAMED: usize = 8;

/// How the IOMMU isolates a device from all others.
pub enum Isolation {
    /// The device has no IOMMU group: its DMA reaches all memory and all devices.
    NoGroup,
    /// The device is alone in its group: its DMA, and the DMA of other devices to it, passes the
    /// IOMMU.
    Alone,
    /// The group has other devices: between them and this one, DMA may bypass the IOMMU.
    Shared(Others),
}

impl Isolation {
    /// Returns what holds for `pdev` now. Asked in a driver's `probe`, it holds until the device is
    /// unbound, except that devices may join a group that is shared already.
    pub fn of(pdev: &pci::Device<Bound>) -> Self {
        let mut devices = [ptr::null_mut(); NAMED];
        // CAST: A small constant.
        // SAFETY: `pdev` is bound, so its group stays; `devices` has room for `NAMED` pointers.
        let count = unsafe {
            bindings::vfio_rs_group_others(
                ptr::from_ref(pdev).cast_mut().cast(),
                devices.as_mut_ptr(),
                NAMED as u32,
            )
        };
        match usize::try_from(count) {
            Err(_) => Self::NoGroup,
            Ok(0) => Self::Alone,
            Ok(count) => Self::Shared(Others {
                count,
                named: devices.map(|device| {
                    // SAFETY: Each pointer is null, or has a reference that the call above took.
                    unsafe { own(device) }
                }),
            }),
        }
    }
}

/// Takes over a reference of a device.
///
/// # Safety
///
/// `device` must be null or valid, with a reference that the caller gives away.
unsafe fn own(device: *mut kbindings::device) -> Option<ARef<device::Device>> {
    let device = NonNull::new(device)?;
    // SAFETY: By the safety requirement; `device::Device` is transparent.
    Some(unsafe { ARef::from_raw(device.cast()) })
}

/// The other devices of a group. Shown as their names, of which there may be too many to show all.
pub struct Others {
    named: [Option<ARef<device::Device>>; NAMED],
    count: usize,
}

impl Others {
    /// Returns how many devices there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Returns the first of them.
    pub fn devices(&self) -> impl Iterator<Item = &device::Device> {
        self.named.iter().flatten().map(|device| &**device)
    }
}

impl fmt::Display for Others {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, device) in self.devices().enumerate() {
            if n != 0 {
                f.write_str(", ")?;
            }
            fmt::Display::fmt(device.name(), f)?;
        }
        match self.count.saturating_sub(NAMED) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}
