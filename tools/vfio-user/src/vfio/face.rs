// SPDX-License-Identifier: GPL-2.0

//! What a device shows of itself, to hold one driver's beside another's.

use crate::vfio::{
    call::{ioctl, vfio_ioctl, FEATURE},
    Device,
};
use std::{io::Result, mem::size_of};
use vfio_bindings::bindings::vfio as abi;

const GET_INFO: libc::c_ulong = vfio_ioctl(7);
const GET_IRQ_INFO: libc::c_ulong = vfio_ioctl(9);
const GET_PCI_HOT_RESET_INFO: libc::c_ulong = vfio_ioctl(12);

/// The features there are (`VFIO_DEVICE_FEATURE_*`), and some that there are not.
const FEATURES: u32 = 16;
/// `VFIO_DEVICE_FEATURE_DMA_BUF`
pub const DMA_BUF: u32 = 11;

/// All of it: what it is, and what is said of it.
#[derive(PartialEq, Eq)]
pub struct Face(Vec<(String, String)>);

impl Face {
    /// What differs in another one: nothing, or a text.
    pub fn differences(&self, other: &Self) -> String {
        let differ = self.0.iter().zip(&other.0).filter(|(a, b)| a != b);
        differ
            .map(|((what, this), (_, other))| format!("{what}: {this}, not {other}\n"))
            .collect::<Vec<_>>()
            .concat()
    }
}

impl Device {
    pub fn face(&self) -> Result<Face> {
        // SAFETY: A structure of integers.
        let mut info: abi::vfio_device_info = unsafe { std::mem::zeroed() };
        info.argsz = size_of::<abi::vfio_device_info>() as u32;
        // SAFETY: The structure is the request's.
        unsafe { ioctl(self.fd(), GET_INFO, &mut info)? };
        let mut face = vec![("flags".to_owned(), format!("{:#x}", info.flags))];
        let mut add = |what: String, shown: String| face.push((what, shown));
        for n in 0..abi::VFIO_PCI_NUM_REGIONS {
            add(format!("region {n}"), format!("{:x?}", self.region(n)));
        }
        for n in 0..abi::VFIO_PCI_NUM_IRQS {
            add(
                format!("interrupts {n}"),
                format!("{:x?}", self.interrupts(n)),
            );
        }
        // Documentation/driver-api/driver.rst: that one is not offered.
        for n in (0..FEATURES).filter(|n| *n != DMA_BUF) {
            add(
                format!("feature {n}"),
                format!("{:?}", self.probe_feature(n)),
            );
        }
        add(
            "hot reset".to_owned(),
            format!("{:x?}", self.hot_reset_info()),
        );
        Ok(Face(face))
    }

    fn interrupts(&self, index: u32) -> Result<[u32; 2]> {
        // SAFETY: A structure of integers.
        let mut info: abi::vfio_irq_info = unsafe { std::mem::zeroed() };
        info.argsz = size_of::<abi::vfio_irq_info>() as u32;
        info.index = index;
        // SAFETY: The structure is the request's.
        unsafe { ioctl(self.fd(), GET_IRQ_INFO, &mut info)? };
        Ok([info.flags, info.count])
    }

    /// `VFIO_DEVICE_FEATURE_PROBE`: whether a feature is there.
    pub fn probe_feature(&self, feature: u32) -> Result<()> {
        let mut arg = [8, abi::VFIO_DEVICE_FEATURE_PROBE | feature];
        // SAFETY: The buffer is as long as its first word says.
        unsafe { ioctl(self.fd(), FEATURE, arg.as_mut_ptr()).map(|_| ()) }
    }

    /// `VFIO_DEVICE_GET_PCI_HOT_RESET_INFO`: where the functions are that would be reset.
    pub fn hot_reset_info(&self) -> Result<Vec<u32>> {
        // struct vfio_pci_hot_reset_info with room for more functions than there are, two words
        // each
        let mut arg = vec![0u32; 3 + 2 * 256];
        arg[0] = (arg.len() * 4) as u32;
        // SAFETY: The buffer is as long as its first word says.
        unsafe { ioctl(self.fd(), GET_PCI_HOT_RESET_INFO, arg.as_mut_ptr())? };
        // The first of the two says who owns it, which is not the device's.
        let functions = arg[3..].chunks(2).take(arg[2] as usize);
        Ok(functions.map(|function| function[1]).collect())
    }
}
