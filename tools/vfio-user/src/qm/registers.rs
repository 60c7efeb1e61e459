// SPDX-License-Identifier: GPL-2.0

//! The registers of a VF as a driver in user space reaches them: mapped where they can be.

use crate::{
    host::Patience,
    vfio::{Device, Mapping, Region},
    Result,
};
use hisi_acc_hw::{
    doorbell::{Doorbell, Kind},
    mailbox::{Command, Message},
    reg::{Function, Reg},
    regs,
};
use std::{
    cell::Cell,
    os::fd::AsRawFd,
    sync::atomic::{fence, Ordering},
    time::Duration,
};
use vmm_sys_util::eventfd::EventFd;

/// MSI vectors of a VF (0x311c, rounded up to a power of two).
const VECTORS: usize = 4;
/// A queue's page in BAR4 (`QM_QP_DB_INTERVAL`).
const DOORBELL_PAGE: u64 = regs::QM_QP_DB_INTERVAL;

/// A BAR: what of it can be mapped is; the rest is written by `write()`.
pub struct Bar {
    device: Device,
    region: Region,
    areas: Vec<(u64, Mapping)>,
    /// How often `write()` was called
    pub writes: Cell<u64>,
}

impl Bar {
    /// The first `len` bytes of a BAR.
    fn new(device: &Device, index: u32, len: u64) -> Result<Self> {
        let region = device.region(index)?;
        let mut areas = Vec::new();
        for area in device.mmap_areas(&region)? {
            let end = area.end.min(len);
            if area.start < end {
                let len = (end - area.start) as usize;
                areas.push((area.start, device.mmap(&region, area.start, len)?));
            }
        }
        Ok(Self {
            device: device.try_clone()?,
            region,
            areas,
            writes: Cell::new(0),
        })
    }

    /// Where `len` bytes at `offset` are mapped, if they are.
    fn at(&self, offset: u64, len: u64) -> Option<*mut u8> {
        let (start, mapping) = self.areas.iter().find(|(start, mapping)| {
            (*start..*start + mapping.len as u64).contains(&offset)
                && offset + len <= *start + mapping.len as u64
        })?;
        // SAFETY: Within the mapping.
        Some(unsafe { mapping.address.add((offset - start) as usize) })
    }

    fn write64(&self, offset: u64, value: u64) {
        match self.at(offset, 8) {
            // SAFETY: Mapped.
            Some(at) => unsafe { at.cast::<u64>().write_volatile(value) },
            None => {
                self.writes.set(self.writes.get() + 1);
                let bytes = value.to_ne_bytes();
                let written = self.device.write_at(&self.region, offset, &bytes);
                assert_eq!(written.expect("a doorbell"), bytes.len());
            }
        }
    }

    /// Where a register is mapped.
    fn register(&self, reg: Reg<Function>) -> *mut u32 {
        let at = self.at(reg.into(), 4);
        at.expect("registers other than doorbells are mapped")
            .cast()
    }

    #[cfg(target_arch = "aarch64")]
    fn mailbox_write(&self, message: Message) {
        let raw = message.into_raw();
        // SAFETY: Within the mapping; one store of 16 bytes, as the mailbox wants it.
        unsafe {
            let at = self.register(regs::QM_MB_CMD_SEND_BASE);
            std::arch::asm!(
                "dmb oshst",
                "stp {lo}, {hi}, [{at}]",
                lo = in(reg) raw as u64,
                hi = in(reg) (raw >> 64) as u64,
                at = in(reg) at,
            );
        }
    }

    #[cfg(not(target_arch = "aarch64"))]
    fn mailbox_write(&self, message: Message) {
        let _ = message;
        unimplemented!("the mailbox wants a 16-byte store, which only arm64 has");
    }

    fn mailbox_read(&self) -> Message {
        // SAFETY: Mapped.
        let read = |reg| unsafe { self.register(reg).read_volatile() };
        let word = |n: u32| u128::from(read(regs::QM_MB_CMD_SEND_BASE.word(n)));
        Message::from_raw(word(0) | (word(1) << 32) | (word(2) << 64) | (word(3) << 96))
    }
}

/// A mapping of the mailbox of its own, for another thread than that of the queues.
pub struct Mailbox(Bar);

impl Mailbox {
    pub fn new(device: &Device) -> Result<Self> {
        Ok(Self(Bar::new(device, 2, 0x1000)?))
    }

    /// Gives a command, and does not wait for its answer.
    pub fn send(&self, message: Message) {
        self.0.mailbox_write(message);
    }

    /// What it shows, busy or not.
    pub fn look(&self) -> Message {
        self.0.mailbox_read()
    }

    /// Waits until the mailbox is not busy; what it shows then.
    pub fn answer(&self) -> Result<Message> {
        let mut patience = Patience::new(Duration::from_secs(5));
        loop {
            let answer = self.look();
            if !answer.is_busy() {
                return Ok(answer);
            }
            if patience.is_over() {
                return Err(format!("the mailbox stays busy: {answer:x?}").into());
            }
        }
    }
}

/// The registers of a VF: its BARs, its interrupts.
pub struct Registers {
    pub bar2: Bar,
    pub bar4: Bar,
    pub interrupts: Vec<EventFd>,
}

impl Registers {
    pub fn new(device: &Device, queues: usize) -> Result<Self> {
        device.set_bus_master(true)?;
        let interrupts = (0..VECTORS)
            .map(|_| EventFd::new(libc::EFD_NONBLOCK))
            .collect::<std::io::Result<Vec<_>>>()?;
        let fds: Vec<_> = interrupts.iter().map(AsRawFd::as_raw_fd).collect();
        device.set_msi(&fds)?;
        Ok(Self {
            bar2: Bar::new(device, 2, regs::QM_MIG_VF_BASE.into())?,
            bar4: Bar::new(device, 4, queues as u64 * DOORBELL_PAGE)?,
            interrupts,
        })
    }

    pub fn read(&self, reg: Reg<Function>) -> u32 {
        // SAFETY: Mapped.
        unsafe { self.bar2.register(reg).read_volatile() }
    }

    pub fn write(&self, reg: Reg<Function>, value: u32) {
        // SAFETY: Mapped.
        unsafe { self.bar2.register(reg).write_volatile(value) };
    }

    pub fn ring(&self, doorbell: Doorbell) {
        self.ring_on(doorbell.queue, doorbell);
    }

    /// Rings on the page of a queue, which may be another one's.
    pub fn ring_on(&self, page: u16, doorbell: Doorbell) {
        fence(Ordering::SeqCst);
        let at = u64::from(doorbell.kind.offset());
        let (bar, at) = match doorbell.kind {
            Kind::Sq | Kind::Cq => (&self.bar4, u64::from(page) * DOORBELL_PAGE + at),
            Kind::Eq | Kind::Aeq => (&self.bar2, at),
        };
        bar.write64(at, doorbell.into_raw());
    }

    pub fn mailbox(&self, command: Command, base: u64, queue: u16, read: bool) -> Result<u64> {
        self.bar2
            .mailbox_write(Message::request(command, base, queue, read));
        let mut patience = Patience::new(Duration::from_secs(5));
        loop {
            let answer = self.bar2.mailbox_read();
            if !answer.is_busy() {
                if answer.has_failed() {
                    return Err(format!("mailbox command {} failed", command.name()).into());
                }
                return Ok(answer.base);
            }
            if patience.is_over() {
                return Err(format!("mailbox command {} does not end", command.name()).into());
            }
        }
    }
}
