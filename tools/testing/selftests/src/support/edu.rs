// SPDX-License-Identifier: GPL-2.0

//! QEMU's edu device under the sample driver.

use acc_vfio_user::{
    ensure,
    host::{self, Function},
    migrate::{self, Quiet},
    vfio::{state, Device, Iommufd, Region},
    Result,
};
use std::{os::fd::AsRawFd, time::Duration};
use vmm_sys_util::eventfd::EventFd;

pub const MODULE: &str = "vfio_edu_rs";

/// Registers.
pub const LIVENESS: u64 = 0x04;

pub const FACTORIAL: u64 = 0x08;

pub const STATUS: u64 = 0x20;

pub const IRQ_PENDING: u64 = 0x24;

pub const IRQ_RAISE: u64 = 0x60;

pub const IRQ_ACK: u64 = 0x64;

/// Of the status register.
pub const COMPUTING: u32 = 0x01;

pub const IRQ_ON_FACTORIAL: u32 = 0x80;

/// The interrupt at the end of a factorial.
pub const IRQ_FACTORIAL: u32 = 0x01;

/// The bytes of a stream, and what is where.
pub const WHOLE: usize = 28;

pub const AT_VERSION: usize = 4;

pub const AT_IDENT: usize = 8;

pub const AT_FACTORIAL: usize = 16;

pub const AT_STATUS: usize = 20;

/// A number whose factorial takes a moment to compute, some tens of milliseconds.
pub const LARGE: u32 = 30_000_000;

/// One that takes seconds: more than the driver waits for (`POLL_TIMEOUT`), which is one. And how
/// long we wait for it: it may have to share the machine.
pub const HUGE: u32 = 3_000_000_000;

pub const OUR_PATIENCE: Duration = Duration::from_secs(60);

/// An edu that is open.
pub struct Edu {
    pub device: Device,
    pub region: Region,
}

/// All that a user can see of its state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seen {
    pub liveness: u32,
    pub factorial: u32,
    pub status: u32,
    pub pending: u32,
}

/// What the driver makes of an edu when it is opened.
pub const POWER_ON: Seen = Seen {
    liveness: 0,
    factorial: 0,
    status: 0,
    pending: 0,
};

/// n! as a register of 32 bits has it.
pub fn factorial(n: u32) -> u32 {
    (1..=n).fold(1, u32::wrapping_mul)
}

/// The two of the machine, bound: one on the root bus, which nothing can reset, and one behind a
/// port, which its bus can.
pub fn functions() -> Result<(Function, Function)> {
    host::modprobe(MODULE)?;
    let all = Function::all(0x1234, 0x11e8)?;
    for function in &all {
        function.bind(MODULE)?;
    }
    let (root, port): (Vec<_>, Vec<_>) = all
        .into_iter()
        .partition(|function| function.address.starts_with("0000:00:"));
    match (root.as_slice(), port.as_slice()) {
        ([root], [port]) => Ok((root.clone(), port.clone())),
        _ => Err("not one edu on the root bus and one behind a port".into()),
    }
}

/// Both, open.
pub fn pair(iommufd: &Iommufd) -> Result<(Edu, Edu)> {
    let (root, port) = functions()?;
    Ok((Edu::open(&root, iommufd)?, Edu::open(&port, iommufd)?))
}

impl Edu {
    pub fn open(function: &Function, iommufd: &Iommufd) -> Result<Self> {
        let path = function.vfio_path()?;
        let device =
            Device::open(&path, iommufd).map_err(|e| format!("{}: {e}", path.display()))?;
        let region = device.region(0)?;
        Ok(Self { device, region })
    }

    pub fn read(&self, at: u64) -> Result<u32> {
        let mut word = [0; 4];
        let n = self.device.read_at(&self.region, at, &mut word)?;
        ensure!(n == word.len(), "a read at {at:#x} gave {n} bytes");
        Ok(u32::from_le_bytes(word))
    }

    pub fn write(&self, at: u64, value: u32) -> Result<()> {
        let word = value.to_le_bytes();
        let n = self.device.write_at(&self.region, at, &word)?;
        ensure!(n == word.len(), "a write at {at:#x} took {n} bytes");
        Ok(())
    }

    pub fn see(&self) -> Result<Seen> {
        Ok(Seen {
            liveness: self.read(LIVENESS)?,
            factorial: self.read(FACTORIAL)?,
            status: self.read(STATUS)?,
            pending: self.read(IRQ_PENDING)?,
        })
    }

    /// Whether it shows this and is in that state.
    pub fn expect(&self, what: &str, seen: Seen, state: u32) -> Result<()> {
        let now = self.see()?;
        ensure!(now == seen, "{what}: {now:x?}, expected {seen:x?}");
        self.expect_state(what, state)
    }

    pub fn expect_state(&self, what: &str, expected: u32) -> Result<()> {
        let now = self.device.state()?;
        ensure!(
            now == expected,
            "{what}: the state is {}, not {}",
            state::name(now),
            state::name(expected)
        );
        Ok(())
    }

    pub fn computing(&self) -> Result<bool> {
        Ok(self.read(STATUS)? & COMPUTING != 0)
    }

    /// Has a factorial computed, waits for it.
    pub fn compute(&self, n: u32) -> Result<()> {
        self.write(FACTORIAL, n)?;
        host::wait_for("the factorial", || !self.computing().unwrap_or(true))
    }

    /// Has a factorial computed whose end is told by an interrupt, and does not wait for it.
    pub fn begin(&self, n: u32) -> Result<()> {
        self.write(IRQ_ACK, u32::MAX)?;
        self.write(STATUS, IRQ_ON_FACTORIAL)?;
        self.write(FACTORIAL, n)
    }

    /// Waits for an interrupt of a factorial that takes long.
    pub fn wait_for_interrupt(&self, interrupt: u32) -> Result<()> {
        host::wait_long_for("the factorial's interrupt", OUR_PATIENCE, || {
            self.read(IRQ_PENDING).unwrap_or(0) == interrupt
        })
    }

    /// A state that is nowhere that of power-on. The interrupt of the factorial is among those that
    /// are pending.
    pub fn set_up(&self, n: u32) -> Result<Seen> {
        self.write(LIVENESS, 0x1234_5678 + n)?;
        self.write(STATUS, IRQ_ON_FACTORIAL)?;
        self.compute(n)?;
        host::wait_for("the factorial's interrupt", || {
            self.read(IRQ_PENDING).unwrap_or(0) == IRQ_FACTORIAL
        })?;
        self.write(IRQ_RAISE, 0x30)?;
        let seen = Seen {
            liveness: !(0x1234_5678 + n),
            factorial: factorial(n),
            status: IRQ_ON_FACTORIAL,
            pending: IRQ_FACTORIAL | 0x30,
        };
        self.expect("set up", seen, state::RUNNING)?;
        Ok(seen)
    }

    /// Its interrupts arrive there.
    pub fn interrupts(&self) -> Result<EventFd> {
        let event = EventFd::new(libc::EFD_NONBLOCK)?;
        self.device.set_bus_master(true)?;
        self.device.set_msi(&[event.as_raw_fd()])?;
        Ok(event)
    }

    pub fn set_state(&self, state: u32) -> Result<()> {
        self.device.set_state(state)?;
        Ok(())
    }

    pub fn save(&self) -> Result<Vec<u8>> {
        let stream = migrate::save(&self.device, false, &mut Quiet)?;
        ensure!(
            stream.len() == WHOLE,
            "the stream has {} bytes",
            stream.len()
        );
        Ok(stream)
    }
}
