// SPDX-License-Identifier: GPL-2.0

//! VFIO devices over their character devices, and iommufd: thin typed calls over rust-vmm's
//! bindings, whose structures these are.

mod call;
mod dirty_bits;
mod doors;
pub mod face;
mod iommufd;
mod legacy;
pub mod power;

pub use self::{
    iommufd::Iommufd,
    legacy::{Container, Group},
};

use call::{ioctl, vfio_ioctl, FEATURE};
use std::{
    fs::{File, OpenOptions},
    io::{Error, Result},
    mem::size_of,
    ops::Range,
    os::{
        fd::{AsRawFd, FromRawFd, RawFd},
        unix::fs::FileExt,
    },
    path::Path,
    ptr,
};
use vfio_bindings::bindings::vfio as abi;

const GET_REGION_INFO: libc::c_ulong = vfio_ioctl(8);
const SET_IRQS: libc::c_ulong = vfio_ioctl(10);
const RESET: libc::c_ulong = vfio_ioctl(11);
const PCI_HOT_RESET: libc::c_ulong = vfio_ioctl(13);
const BIND_IOMMUFD: libc::c_ulong = vfio_ioctl(18);
const ATTACH_IOMMUFD_PT: libc::c_ulong = vfio_ioctl(19);
const DETACH_IOMMUFD_PT: libc::c_ulong = vfio_ioctl(20);
const GET_PRECOPY_INFO: libc::c_ulong = vfio_ioctl(21);

/// What `VFIO_DEVICE_GET_REGION_INFO` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    pub index: u32,
    pub size: u64,
    pub offset: u64,
    pub flags: u32,
}

impl Region {
    pub fn can_mmap(&self) -> bool {
        self.flags & abi::VFIO_REGION_INFO_FLAG_MMAP != 0
    }
}

/// A mapped piece of a region.
pub struct Mapping {
    pub address: *mut u8,
    pub len: usize,
}

impl Mapping {
    /// Maps a piece of a file, shared.
    pub fn new(file: &File, at: u64, len: usize, protection: i32) -> Result<Self> {
        let fd = file.as_raw_fd();
        // SAFETY: A new mapping, wherever the kernel puts it.
        let address = unsafe {
            libc::mmap(
                ptr::null_mut(),
                len,
                protection,
                libc::MAP_SHARED,
                fd,
                at as libc::off_t,
            )
        };
        if address == libc::MAP_FAILED {
            return Err(Error::last_os_error());
        }
        Ok(Self {
            address: address.cast(),
            len,
        })
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: Mapped by `new`.
        unsafe { libc::munmap(self.address.cast(), self.len) };
    }
}

/// States of the migration protocol (`enum vfio_device_mig_state`).
pub mod state {
    pub const ERROR: u32 = 0;
    pub const STOP: u32 = 1;
    pub const RUNNING: u32 = 2;
    pub const STOP_COPY: u32 = 3;
    pub const RESUMING: u32 = 4;
    pub const RUNNING_P2P: u32 = 5;
    pub const PRE_COPY: u32 = 6;
    pub const PRE_COPY_P2P: u32 = 7;

    pub fn name(state: u32) -> &'static str {
        [
            "ERROR",
            "STOP",
            "RUNNING",
            "STOP_COPY",
            "RESUMING",
            "RUNNING_P2P",
            "PRE_COPY",
            "PRE_COPY_P2P",
        ]
        .get(state as usize)
        .copied()
        .unwrap_or("?")
    }
}

/// A VFIO device, open.
pub struct Device {
    file: File,
    id: u32,
}

/// Bits of the command register of PCI.
const MEMORY: u16 = 1 << 1;
const MASTER: u16 = 1 << 2;

impl Device {
    /// Opens `/dev/vfio/devices/vfioN`, bound to an iommufd and attached to its address space.
    pub fn open(path: &Path, iommufd: &Iommufd) -> Result<Self> {
        let device = Self::bind(path, iommufd)?;
        device.attach(iommufd.ioas())?;
        Ok(device)
    }

    /// Opens it, attached to nothing yet.
    pub fn bind(path: &Path, iommufd: &Iommufd) -> Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let mut device = Self::from_file(file);
        device.id = device.bind_again(iommufd)?;
        Ok(device)
    }

    /// Binds an open file to an iommufd.
    pub fn bind_again(&self, iommufd: &Iommufd) -> Result<u32> {
        // SAFETY: A structure of integers.
        let mut bind: abi::vfio_device_bind_iommufd = unsafe { std::mem::zeroed() };
        bind.argsz = size_of::<abi::vfio_device_bind_iommufd>() as u32;
        bind.iommufd = iommufd.fd();
        // SAFETY: The structure is the request's.
        unsafe { ioctl(self.fd(), BIND_IOMMUFD, &mut bind)? };
        Ok(bind.out_devid)
    }

    /// One that came open from elsewhere.
    pub fn from_file(file: File) -> Self {
        Self { file, id: 0 }
    }

    /// Attaches it to an address space or page table.
    pub fn attach(&self, table: u32) -> Result<()> {
        // SAFETY: A structure of integers.
        let mut attach: abi::vfio_device_attach_iommufd_pt = unsafe { std::mem::zeroed() };
        // Without `pasid`.
        attach.argsz = 12;
        attach.pt_id = table;
        // SAFETY: The structure is the request's.
        unsafe { ioctl(self.fd(), ATTACH_IOMMUFD_PT, &mut attach).map(|_| ()) }
    }

    pub fn detach(&self) -> Result<()> {
        // SAFETY: A structure of integers.
        let mut detach: abi::vfio_device_detach_iommufd_pt = unsafe { std::mem::zeroed() };
        // Without `pasid`.
        detach.argsz = 8;
        // SAFETY: The structure is the request's.
        unsafe { ioctl(self.fd(), DETACH_IOMMUFD_PT, &mut detach).map(|_| ()) }
    }

    /// Its number in the iommufd that it is bound to.
    pub fn id(&self) -> u32 {
        self.id
    }

    pub fn fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }

    pub fn region(&self, index: u32) -> Result<Region> {
        // SAFETY: A structure of integers.
        let mut info: abi::vfio_region_info = unsafe { std::mem::zeroed() };
        info.argsz = size_of::<abi::vfio_region_info>() as u32;
        info.index = index;
        // SAFETY: The structure is the request's.
        unsafe { ioctl(self.fd(), GET_REGION_INFO, &mut info)? };
        Ok(Region {
            index,
            size: info.size,
            offset: info.offset,
            flags: info.flags,
        })
    }

    /// The parts of a region that can be mapped: by its VFIO_REGION_INFO_CAP_SPARSE_MMAP, or all of
    /// it, or nothing.
    pub fn mmap_areas(&self, region: &Region) -> Result<Vec<Range<u64>>> {
        if !region.can_mmap() {
            return Ok(Vec::new());
        }
        let mut buffer = vec![0u32; 1024];
        buffer[0] = 4096;
        buffer[2] = region.index;
        // SAFETY: The buffer is as long as its first word says.
        unsafe { ioctl(self.fd(), GET_REGION_INFO, buffer.as_mut_ptr())? };
        let bytes: Vec<u8> = buffer.iter().flat_map(|word| word.to_ne_bytes()).collect();
        let (word, long) = (
            |at: usize| u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap()),
            |at: usize| u64::from_ne_bytes(bytes[at..at + 8].try_into().unwrap()),
        );
        // struct vfio_region_info: flags at 4, cap_offset at 12
        let mut at = match word(4) & abi::VFIO_REGION_INFO_FLAG_CAPS {
            0 => 0,
            _ => word(12) as usize,
        };
        while at != 0 {
            // struct vfio_info_cap_header: id, version, next
            if word(at) & 0xffff == abi::VFIO_REGION_INFO_CAP_SPARSE_MMAP {
                let areas = (0..word(at + 8) as usize).map(|n| at + 16 + 16 * n);
                let areas = areas.map(|at| long(at)..long(at) + long(at + 8));
                return Ok(areas.collect());
            }
            at = word(at + 4) as usize;
        }
        Ok(std::iter::once(0..region.size).collect())
    }

    /// One more descriptor of it.
    pub fn try_clone(&self) -> Result<Self> {
        Ok(Self {
            file: self.file.try_clone()?,
            id: self.id,
        })
    }

    pub fn mmap(&self, region: &Region, at: u64, len: usize) -> Result<Mapping> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        Mapping::new(&self.file, region.offset + at, len, protection)
    }

    pub fn read_at(&self, region: &Region, at: u64, to: &mut [u8]) -> Result<usize> {
        self.file.read_at(to, region.offset + at)
    }

    pub fn write_at(&self, region: &Region, at: u64, from: &[u8]) -> Result<usize> {
        self.file.write_at(from, region.offset + at)
    }

    /// Changes the command register of PCI.
    fn change_command(&self, change: impl FnOnce(u16) -> u16) -> Result<()> {
        let config = self.region(abi::VFIO_PCI_CONFIG_REGION_INDEX)?;
        let mut command = [0; 2];
        self.read_at(&config, 4, &mut command)?;
        let command = change(u16::from_le_bytes(command));
        self.write_at(&config, 4, &command.to_le_bytes())?;
        Ok(())
    }

    /// Lets the device master the bus, as a driver does, or no more.
    pub fn set_bus_master(&self, on: bool) -> Result<()> {
        self.change_command(|command| match on {
            true => command | MEMORY | MASTER,
            false => (command & !MASTER) | MEMORY,
        })
    }

    /// Has the device decode its memory BARs, as a driver does, or no more.
    pub fn set_memory(&self, on: bool) -> Result<()> {
        self.change_command(|command| match on {
            true => command | MEMORY,
            false => command & !MEMORY,
        })
    }

    /// Connects the MSI vectors, from the first on, with eventfds.
    pub fn set_msi(&self, eventfds: &[RawFd]) -> Result<()> {
        self.set_irqs(abi::VFIO_PCI_MSI_IRQ_INDEX, eventfds)
    }

    /// Connects with an eventfd what tells the user to let go of the device.
    pub fn set_request(&self, eventfd: RawFd) -> Result<()> {
        self.set_irqs(abi::VFIO_PCI_REQ_IRQ_INDEX, &[eventfd])
    }

    fn set_irqs(&self, index: u32, eventfds: &[RawFd]) -> Result<()> {
        let head = size_of::<abi::vfio_irq_set>();
        let mut buffer = vec![0u32; head / 4 + eventfds.len()];
        buffer[0] = (buffer.len() * 4) as u32;
        buffer[1] = abi::VFIO_IRQ_SET_DATA_EVENTFD | abi::VFIO_IRQ_SET_ACTION_TRIGGER;
        buffer[2] = index;
        buffer[3] = 0;
        buffer[4] = eventfds.len() as u32;
        for (to, fd) in buffer[head / 4..].iter_mut().zip(eventfds) {
            *to = *fd as u32;
        }
        // SAFETY: The buffer is as long as its first word says.
        unsafe { ioctl(self.fd(), SET_IRQS, buffer.as_mut_ptr()).map(|_| ()) }
    }

    pub fn reset(&self) -> Result<()> {
        // SAFETY: No argument.
        unsafe { ioctl(self.fd(), RESET, ptr::null_mut::<u8>()).map(|_| ()) }
    }

    /// Where a PCI capability is in the configuration space.
    fn capability(&self, id: u8) -> Result<u64> {
        let config = self.region(abi::VFIO_PCI_CONFIG_REGION_INDEX)?;
        // PCI_CAPABILITY_LIST; then each names the next
        let mut at = 0x34 - 1;
        loop {
            let mut next = [0];
            self.read_at(&config, at + 1, &mut next)?;
            let mut is = [0];
            at = u64::from(next[0]);
            self.read_at(&config, at, &mut is)?;
            match (at, is[0]) {
                (0, _) => return Err(Error::other(format!("no capability {id:#x}"))),
                (_, is) if is == id => return Ok(at),
                _ => {}
            }
        }
    }

    /// As a guest resets it: the FLR bit of its PCIe capability.
    pub fn guest_reset(&self) -> Result<()> {
        let config = self.region(abi::VFIO_PCI_CONFIG_REGION_INDEX)?;
        // PCI_CAP_ID_EXP, PCI_EXP_DEVCTL, PCI_EXP_DEVCTL_BCR_FLR
        let at = self.capability(0x10)? + 8;
        let mut control = [0; 2];
        self.read_at(&config, at, &mut control)?;
        control[1] |= 0x80;
        self.write_at(&config, at, &control)?;
        Ok(())
    }

    /// `VFIO_DEVICE_PCI_HOT_RESET` with a length and flags, of groups, or with none of all that
    /// this iommufd owns.
    pub fn hot_reset(&self, len: u32, flags: u32, groups: &[RawFd]) -> Result<()> {
        let mut arg = vec![len, flags, groups.len() as u32];
        arg.extend(groups.iter().map(|fd| *fd as u32));
        // SAFETY: `struct vfio_pci_hot_reset` with as many groups as it says.
        unsafe { ioctl(self.fd(), PCI_HOT_RESET, arg.as_mut_ptr()).map(|_| ()) }
    }

    /// A feature: `data` goes in and comes back.
    fn feature(&self, flags: u32, data: &mut [u32]) -> Result<()> {
        let mut buffer = vec![0u32; 2 + data.len()];
        buffer[0] = (buffer.len() * 4) as u32;
        buffer[1] = flags;
        buffer[2..].copy_from_slice(data);
        // SAFETY: The buffer is as long as its first word says.
        unsafe { ioctl(self.fd(), FEATURE, buffer.as_mut_ptr())? };
        data.copy_from_slice(&buffer[2..]);
        Ok(())
    }

    /// `VFIO_DEVICE_FEATURE_DMA_LOGGING_START` for ranges of IOVA.
    pub fn start_logging(&self, page_size: u64, ranges: &[Range<u64>]) -> Result<()> {
        let ranges: Vec<u64> = ranges
            .iter()
            .flat_map(|r| [r.start, r.end - r.start])
            .collect();
        self.start_logging_at(page_size, (ranges.len() / 2) as u32, ranges.as_ptr())
    }

    /// The same, with the ranges wherever the user says that they are.
    pub fn start_logging_at(&self, page_size: u64, count: u32, ranges: *const u64) -> Result<()> {
        // struct vfio_device_feature_dma_logging_control
        let address = ranges as u64;
        let mut data = [
            page_size as u32,
            (page_size >> 32) as u32,
            count,
            0,
            address as u32,
            (address >> 32) as u32,
        ];
        let flags = abi::VFIO_DEVICE_FEATURE_SET | abi::VFIO_DEVICE_FEATURE_DMA_LOGGING_START;
        self.feature(flags, &mut data)
    }

    /// `VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP`
    pub fn stop_logging(&self) -> Result<()> {
        let flags = abi::VFIO_DEVICE_FEATURE_SET | abi::VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP;
        self.feature(flags, &mut [])
    }

    /// `VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT`: sets the bits of what is dirty in `bitmap`.
    pub fn report_logging(
        &self,
        page_size: u64,
        range: Range<u64>,
        bitmap: &mut [u64],
    ) -> Result<()> {
        let address = bitmap.as_mut_ptr() as u64;
        let length = range.end - range.start;
        assert!(bitmap.len() as u64 * 64 * page_size >= length);
        let mut data = [0; 8];
        for (pair, value) in data
            .chunks_exact_mut(2)
            .zip([range.start, length, page_size, address])
        {
            pair.copy_from_slice(&[value as u32, (value >> 32) as u32]);
        }
        let flags = abi::VFIO_DEVICE_FEATURE_GET | abi::VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT;
        self.feature(flags, &mut data)
    }

    /// Whether it offers DMA logging.
    pub fn has_logging(&self) -> bool {
        let flags = abi::VFIO_DEVICE_FEATURE_PROBE
            | abi::VFIO_DEVICE_FEATURE_SET
            | abi::VFIO_DEVICE_FEATURE_DMA_LOGGING_START;
        self.feature(flags, &mut []).is_ok()
    }

    /// `VFIO_DEVICE_FEATURE_MIGRATION`
    pub fn migration_flags(&self) -> Result<u64> {
        let mut data = [0; 2];
        let flags = abi::VFIO_DEVICE_FEATURE_GET | abi::VFIO_DEVICE_FEATURE_MIGRATION;
        self.feature(flags, &mut data)?;
        Ok(u64::from(data[0]) | (u64::from(data[1]) << 32))
    }

    /// `VFIO_DEVICE_FEATURE_MIG_DATA_SIZE`
    pub fn migration_data_size(&self) -> Result<u64> {
        let mut data = [0; 2];
        let flags = abi::VFIO_DEVICE_FEATURE_GET | abi::VFIO_DEVICE_FEATURE_MIG_DATA_SIZE;
        self.feature(flags, &mut data)?;
        Ok(u64::from(data[0]) | (u64::from(data[1]) << 32))
    }

    /// `VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2`
    pub fn set_precopy_info_v2(&self) -> Result<()> {
        const PRECOPY_INFO_V2: u32 = 12;
        self.feature(abi::VFIO_DEVICE_FEATURE_SET | PRECOPY_INFO_V2, &mut [])
    }

    pub fn state(&self) -> Result<u32> {
        let mut data = [0; 2];
        let flags = abi::VFIO_DEVICE_FEATURE_GET | abi::VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE;
        self.feature(flags, &mut data)?;
        Ok(data[0])
    }

    /// Goes to a state; the file is there if the way ends in a transfer.
    pub fn set_state(&self, state: u32) -> Result<Option<File>> {
        let mut data = [state, u32::MAX];
        let flags = abi::VFIO_DEVICE_FEATURE_SET | abi::VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE;
        self.feature(flags, &mut data)?;
        let fd = data[1] as i32;
        // SAFETY: The kernel has just installed it for us.
        Ok((fd >= 0).then(|| unsafe { File::from_raw_fd(fd) }))
    }
}

/// `VFIO_MIG_GET_PRECOPY_INFO`: initial and dirty bytes.
pub fn precopy_info(file: &File) -> Result<(u64, u64)> {
    let info = precopy_info_as(file, size_of::<abi::vfio_precopy_info>() as u32, 0)?;
    Ok((info.initial_bytes, info.dirty_bytes))
}

/// The same, with what the user had put there.
pub fn precopy_info_as(file: &File, argsz: u32, flags: u32) -> Result<abi::vfio_precopy_info> {
    // SAFETY: A structure of integers.
    let mut info: abi::vfio_precopy_info = unsafe { std::mem::zeroed() };
    info.argsz = argsz;
    info.flags = flags;
    // SAFETY: The structure is the request's.
    unsafe { ioctl(file.as_raw_fd(), GET_PRECOPY_INFO, &mut info)? };
    Ok(info)
}
