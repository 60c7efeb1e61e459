// SPDX-License-Identifier: GPL-2.0

//! `sample.*`: the sample driver, with QEMU's `edu`.

use acc_vfio_user::{
    ensure, errno,
    host::{self, Function},
    migrate::{self, offer, Quiet},
    vfio::{state, Device, Iommufd, Region},
    Result,
};
use std::{
    io::{Read, Write},
    os::fd::AsRawFd,
    time::Duration,
};
use vmm_sys_util::eventfd::EventFd;

const MODULE: &str = "vfio_edu_rs";

/// Registers.
const LIVENESS: u64 = 0x04;
const FACTORIAL: u64 = 0x08;
const STATUS: u64 = 0x20;
const IRQ_PENDING: u64 = 0x24;
const IRQ_RAISE: u64 = 0x60;
const IRQ_ACK: u64 = 0x64;

/// Of the status register.
const COMPUTING: u32 = 0x01;
const IRQ_ON_FACTORIAL: u32 = 0x80;

/// The interrupt at the end of a factorial.
pub const IRQ_FACTORIAL: u32 = 0x01;

/// The bytes of a stream, and what is where.
pub const WHOLE: usize = 28;
const AT_VERSION: usize = 4;
const AT_IDENT: usize = 8;
const AT_FACTORIAL: usize = 16;
const AT_STATUS: usize = 20;

/// A number whose factorial takes a moment to compute, some tens of milliseconds.
const LARGE: u32 = 30_000_000;

/// One that takes seconds: more than the driver waits for (`POLL_TIMEOUT`), which is one. And how
/// long we wait for it: it may have to share the machine.
pub const HUGE: u32 = 3_000_000_000;
const OUR_PATIENCE: Duration = Duration::from_secs(60);

/// An edu that is open.
pub struct Edu {
    pub device: Device,
    region: Region,
}

/// All that a user can see of its state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seen {
    liveness: u32,
    factorial: u32,
    status: u32,
    pending: u32,
}

/// What the driver makes of an edu when it is opened.
const POWER_ON: Seen = Seen {
    liveness: 0,
    factorial: 0,
    status: 0,
    pending: 0,
};

/// n! as a register of 32 bits has it.
fn factorial(n: u32) -> u32 {
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
    fn open(function: &Function, iommufd: &Iommufd) -> Result<Self> {
        let path = function.vfio_path()?;
        let device =
            Device::open(&path, iommufd).map_err(|e| format!("{}: {e}", path.display()))?;
        let region = device.region(0)?;
        Ok(Self { device, region })
    }

    fn read(&self, at: u64) -> Result<u32> {
        let mut word = [0; 4];
        let n = self.device.read_at(&self.region, at, &mut word)?;
        ensure!(n == word.len(), "a read at {at:#x} gave {n} bytes");
        Ok(u32::from_le_bytes(word))
    }

    fn write(&self, at: u64, value: u32) -> Result<()> {
        let word = value.to_le_bytes();
        let n = self.device.write_at(&self.region, at, &word)?;
        ensure!(n == word.len(), "a write at {at:#x} took {n} bytes");
        Ok(())
    }

    fn see(&self) -> Result<Seen> {
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
    fn compute(&self, n: u32) -> Result<()> {
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
    fn interrupts(&self) -> Result<EventFd> {
        let event = EventFd::new(libc::EFD_NONBLOCK)?;
        self.device.set_bus_master(true)?;
        self.device.set_msi(&[event.as_raw_fd()])?;
        Ok(event)
    }

    pub fn set_state(&self, state: u32) -> Result<()> {
        self.device.set_state(state)?;
        Ok(())
    }

    fn save(&self) -> Result<Vec<u8>> {
        let stream = migrate::save(&self.device, false, &mut Quiet)?;
        ensure!(
            stream.len() == WHOLE,
            "the stream has {} bytes",
            stream.len()
        );
        Ok(stream)
    }
}

/// All registers go over, a factorial in computation is finished first, pending interrupts are
/// raised when the target runs and not before; and each value that the factorial register can have.
pub fn edu_migrates() -> Result<()> {
    let iommufd = Iommufd::new()?;
    let (mut source, mut target) = pair(&iommufd)?;
    let seen = source.set_up(10)?;
    target.set_up(5)?;
    let event = target.interrupts()?;
    let stream = source.save()?;

    let mut file = target.device.set_state(state::RESUMING)?.ok_or("no file")?;
    file.write_all(&stream)?;
    target.set_state(state::STOP)?;
    // A stopped device raises no interrupt: none is there, and none has come.
    let stopped = Seen { pending: 0, ..seen };
    target.expect("loaded", stopped, state::STOP)?;
    let early = errno(event.read());
    ensure!(early == libc::EAGAIN, "an interrupt came before RUNNING");
    target.set_state(state::RUNNING)?;
    target.expect("started", seen, state::RUNNING)?;
    host::wait_for("the target's interrupt", || event.read().is_ok())?;
    // It works: the same are not raised again, new ones are.
    target.set_state(state::STOP)?;
    target.set_state(state::RUNNING)?;
    let again = errno(event.read());
    ensure!(again == libc::EAGAIN, "the interrupts came a second time");
    target.write(IRQ_ACK, u32::MAX)?;
    target.compute(6)?;
    host::wait_for("the interrupt of a new factorial", || event.read().is_ok())?;

    // What is still owed when the target is a source itself goes on.
    source.set_state(state::RUNNING)?;
    source.expect("the source goes on", seen, state::RUNNING)?;
    let (write, stop) = offer(&target.device, &stream)?;
    ensure!(
        (write, stop) == (0, 0),
        "a second load: errno {write}, {stop}"
    );
    let next = target.save()?;
    ensure!(next == stream, "{next:x?} of {stream:x?}");
    target.set_state(state::RUNNING)?;

    // A factorial that is on its way when the source is stopped.
    source.write(IRQ_ACK, u32::MAX)?;
    host::wait_for("a factorial on its way", || {
        source.write(FACTORIAL, LARGE).is_ok() && source.computing().unwrap_or(false)
    })?;
    let stream = source.save()?;
    ensure!(!source.computing()?, "the source works in STOP");
    migrate::load(&target.device, &stream, &mut Quiet)?;
    let seen = Seen {
        factorial: 0,
        pending: IRQ_FACTORIAL,
        ..seen
    };
    target.expect("with a factorial on its way", seen, state::RUNNING)?;

    // Each value, there and back.
    for n in 0..=35 {
        target.write(IRQ_ACK, u32::MAX)?;
        let seen = target.set_up(n)?;
        migrate::load(&source.device, &target.save()?, &mut Quiet)?;
        source.expect(&format!("{n}!"), seen, state::RUNNING)?;
        std::mem::swap(&mut source, &mut target);
    }
    Ok(())
}

/// The arcs, single and combined; what there is no way to; a stop that does not come about.
pub fn edu_states() -> Result<()> {
    use state::{RESUMING, RUNNING, RUNNING_P2P, STOP, STOP_COPY};

    let iommufd = Iommufd::new()?;
    let (edu, _) = pair(&iommufd)?;
    let device = &edu.device;
    let flags = device.migration_flags()?;
    ensure!(flags == 3, "migration flags {flags:#x}");
    let size = device.migration_data_size()?;
    ensure!(size == WHOLE as u64, "data size {size}");
    edu.expect("opened", POWER_ON, RUNNING)?;
    let seen = edu.set_up(7)?;

    // Where to, from where it is; whether that opens a file.
    for (to, opens) in [
        (RUNNING_P2P, false),
        (RUNNING, false),
        (RUNNING_P2P, false),
        (STOP, false),
        (STOP_COPY, true),
        (STOP, false),
        (RUNNING_P2P, false),
        (RUNNING, false),
        // By way of others.
        (STOP, false),
        (RUNNING, false),
        (STOP_COPY, true),
        (RUNNING, false),
        // To where it is.
        (RUNNING, false),
    ] {
        let file = device.set_state(to)?;
        ensure!(
            file.is_some() == opens,
            "{}: a file, or none",
            state::name(to)
        );
        edu.expect(state::name(to), seen, to)?;
    }

    let stream = edu.save()?;
    for from in [STOP, RUNNING, RUNNING_P2P, STOP_COPY] {
        edu.set_state(STOP)?;
        let mut saving = device.set_state(from)?;
        let mut file = device.set_state(RESUMING)?.ok_or("no file to write to")?;
        edu.expect_state("RESUMING", RESUMING)?;
        if let Some(saving) = &mut saving {
            let e = errno(saving.read(&mut [0; 1]));
            ensure!(e == libc::ENODEV, "the file to read from: errno {e}");
        }
        file.write_all(&stream)?;
        // RESUMING to anywhere else loads, too.
        edu.set_state(from)?;
        edu.expect_state("loaded", from)?;
        let e = errno(file.write_all(&[0; 1]));
        ensure!(e == libc::ENODEV, "the file to write to: errno {e}");
        edu.set_state(RUNNING)?;
        edu.expect("started", seen, RUNNING)?;
    }

    // ERROR, PRE_COPY, PRE_COPY_P2P, and no states.
    for from in [RUNNING, RUNNING_P2P, STOP, STOP_COPY] {
        edu.set_state(from)?;
        for to in [0, 6, 7, 8, u32::MAX] {
            let e = errno(device.set_state(to));
            ensure!(
                e == libc::EINVAL,
                "{} to state {to}: errno {e}",
                state::name(from)
            );
            edu.expect("refused", seen, from)?;
        }
    }
    // An empty stream is none.
    edu.set_state(RUNNING)?;
    let (_, stop) = offer(device, &[])?;
    ensure!(stop == libc::EINVAL, "an empty stream: errno {stop}");
    edu.expect("after an empty stream", seen, RESUMING)?;
    drop(edu);

    // It cannot be stopped while it computes, and computes on.
    let (edu, _) = pair(&iommufd)?;
    edu.begin(HUGE)?;
    let e = errno(edu.device.set_state(STOP_COPY));
    ensure!(e == libc::ETIMEDOUT, "STOP_COPY: errno {e}");
    edu.expect_state("not stopped", RUNNING)?;
    ensure!(edu.computing()?, "the factorial was too quick");
    edu.wait_for_interrupt(IRQ_FACTORIAL)?;
    edu.set_state(STOP)?;
    edu.expect_state("stopped", STOP)
}

/// What no edu has made is refused, and no register is written.
pub fn edu_bad_stream() -> Result<()> {
    let iommufd = Iommufd::new()?;
    let (source, target) = pair(&iommufd)?;
    source.set_up(10)?;
    let good = source.save()?;
    drop(target);

    // What is wrong, where, with what; whether write() sees it.
    let cases: &[(&str, usize, &[u8], bool)] = &[
        ("magic", 0, b"EDU\0", true),
        ("version", AT_VERSION, &[2], true),
        ("another edu", AT_IDENT + 3, &[2], true),
        ("no factorial", AT_FACTORIAL, &7u32.to_le_bytes(), false),
        ("computing", AT_STATUS, &[0x81], false),
        ("status", AT_STATUS + 3, &[0x80], false),
    ];
    let (_, port) = functions()?;
    for (what, at, bytes, early) in cases {
        let mut stream = good.clone();
        stream[*at..*at + bytes.len()].copy_from_slice(bytes);
        let target = Edu::open(&port, &iommufd)?;
        let seen = target.set_up(5)?;
        // As soon as it is there.
        let (offered, expected) = match early {
            true => (&stream[..*at + bytes.len()], libc::EINVAL),
            false => (&stream[..], 0),
        };
        let (write, stop) = offer(&target.device, offered)?;
        ensure!(
            write == expected,
            "{what}: write() has errno {write}, not {expected}"
        );
        ensure!(
            stop == libc::EINVAL,
            "{what}: RESUMING -> STOP has errno {stop}"
        );
        target.expect(what, seen, state::RESUMING)?;
    }

    let target = Edu::open(&port, &iommufd)?;
    let seen = target.set_up(5)?;
    let (write, stop) = offer(&target.device, &[&good[..], &[0]].concat())?;
    ensure!(
        (write, stop) == (libc::ENOSPC, libc::EINVAL),
        "a long stream: errno {write}, then {stop}"
    );
    target.expect("a long stream", seen, state::RESUMING)?;
    // Nothing of it was taken: the good one still goes, when it is whole.
    target.device.reset()?;
    let mut file = target.device.set_state(state::RESUMING)?.ok_or("no file")?;
    let (head, tail) = good.split_at(WHOLE - 1);
    file.write_all(head)?;
    let stop = errno(target.device.set_state(state::STOP));
    ensure!(stop == libc::EINVAL, "a short stream: errno {stop}");
    target.expect("a short stream", seen, state::RESUMING)?;
    file.write_all(tail)?;
    target.set_state(state::RUNNING)?;
    source.set_state(state::RUNNING)?;
    target.expect("the good stream", source.see()?, state::RUNNING)
}

/// Where edu can be reset that ends a transfer, and where it cannot the next user finds it clean all
/// the same. edu's registers do not mind a reset.
pub fn edu_reset() -> Result<()> {
    let iommufd = Iommufd::new()?;
    let (root, port) = functions()?;
    let edu = Edu::open(&root, &iommufd)?;
    let seen = edu.set_up(10)?;
    let mut file = edu.device.set_state(state::STOP_COPY)?.ok_or("no file")?;
    let e = errno(edu.device.reset());
    ensure!(e == libc::EINVAL, "reset on the root bus: errno {e}");
    edu.expect("not reset", seen, state::STOP_COPY)?;
    let mut stream = Vec::new();
    migrate::read_all(&mut file, &mut stream)?;
    ensure!(stream.len() == WHOLE, "{} bytes read", stream.len());
    drop(edu);
    let edu = Edu::open(&root, &iommufd)?;
    edu.expect("opened again", POWER_ON, state::RUNNING)?;
    // It is not to be had while it computes for somebody who has gone.
    edu.set_up(10)?;
    edu.write(FACTORIAL, HUGE)?;
    drop(edu);
    let e = errno(Device::open(&root.vfio_path()?, &iommufd));
    ensure!(e == libc::ETIMEDOUT, "open of a busy edu: errno {e}");
    host::wait_long_for("the end of it", OUR_PATIENCE, || {
        Device::open(&root.vfio_path().unwrap_or_default(), &iommufd).is_ok()
    })?;
    let edu = Edu::open(&root, &iommufd)?;
    edu.expect("opened when it was done", POWER_ON, state::RUNNING)?;
    drop(edu);

    let edu = Edu::open(&port, &iommufd)?;
    let set_up = edu.set_up(5)?;
    for from in [state::STOP_COPY, state::RESUMING, state::STOP] {
        let file = edu.device.set_state(from)?;
        edu.device.reset()?;
        edu.expect("reset", set_up, state::RUNNING)?;
        if let Some(mut file) = file {
            let e = match from {
                state::RESUMING => errno(file.write(&[0])),
                _ => errno(file.read(&mut [0])),
            };
            ensure!(e == libc::ENODEV, "the file after a reset: errno {e}");
        }
    }
    // Interrupts that were to be raised at the start: there is no such start any more.
    let (write, stop) = offer(&edu.device, &stream)?;
    ensure!((write, stop) == (0, 0), "the load: errno {write}, {stop}");
    edu.device.reset()?;
    edu.set_state(state::STOP)?;
    edu.set_state(state::RUNNING)?;
    let seen = Seen { pending: 0, ..seen };
    edu.expect("reset after a load", seen, state::RUNNING)?;
    migrate::load(&edu.device, &stream, &mut Quiet)?;
    drop(edu);
    let edu = Edu::open(&port, &iommufd)?;
    edu.expect("opened again", POWER_ON, state::RUNNING)
}

/// The DMA engine and its buffer cannot be migrated and are not there.
pub fn edu_hidden() -> Result<()> {
    let iommufd = Iommufd::new()?;
    let (edu, _) = pair(&iommufd)?;
    let (device, region) = (&edu.device, &edu.region);
    ensure!(region.size == 0x80, "BAR0 has {:#x} bytes", region.size);
    ensure!(!region.can_mmap(), "BAR0 can be mapped");
    let e = errno(device.mmap(region, 0, 4096));
    ensure!(e == libc::EINVAL, "mmap: errno {e}");
    for at in [0x80, 0x88, 0x90, 0x98, 0x4_0000, 0x4_0ffc, 0xf_fffc] {
        let e = errno(device.read_at(region, at, &mut [0; 4]));
        ensure!(e == libc::EINVAL, "read at {at:#x}: errno {e}");
        let e = errno(device.write_at(region, at, &[1, 0, 0, 0]));
        ensure!(e == libc::EINVAL, "write at {at:#x}: errno {e}");
        let event = EventFd::new(libc::EFD_NONBLOCK)?;
        let e = errno(device.ioeventfd(region.offset + at, 4, event.as_raw_fd()));
        ensure!(e == libc::EINVAL, "ioeventfd at {at:#x}: errno {e}");
    }
    Ok(())
}
