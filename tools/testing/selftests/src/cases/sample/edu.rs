// SPDX-License-Identifier: GPL-2.0

//! `sample.*`: the sample driver, with QEMU's `edu`.

use crate::support::edu::{
    functions, pair, Edu, Seen, AT_FACTORIAL, AT_IDENT, AT_STATUS, AT_VERSION, FACTORIAL, HUGE,
    IRQ_ACK, IRQ_FACTORIAL, LARGE, OUR_PATIENCE, POWER_ON, WHOLE,
};
use acc_vfio_user::{
    ensure, errno,
    host::{self},
    migrate::{self, offer, Quiet},
    vfio::{state, Device, Iommufd},
    Result,
};
use std::{
    io::{Read, Write},
    os::fd::AsRawFd,
};
use vmm_sys_util::eventfd::EventFd;

case!(edu_migrates);
/// All registers go over, a factorial in computation is finished first, pending interrupts are
/// raised when the target runs and not before; and each value that the factorial register can have.
fn edu_migrates() -> Result<()> {
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

case!(edu_memory_off);
/// Userspace has switched the memory of the device off: no arc that needs registers is taken, no
/// register is touched, and with memory all goes on.
fn edu_memory_off() -> Result<()> {
    let iommufd = Iommufd::new()?;
    let (source, target) = pair(&iommufd)?;
    let seen = source.set_up(7)?;
    let stream = source.save()?;
    source.set_state(state::RUNNING)?;
    for edu in [&source, &target] {
        edu.device.set_memory(false)?;
    }
    for to in [state::STOP, state::STOP_COPY, state::RESUMING] {
        let error = errno(source.device.set_state(to));
        ensure!(error == libc::EIO, "to {}: errno {error}", state::name(to));
        source.expect_state("memory is off", state::RUNNING)?;
    }
    source.device.set_memory(true)?;
    source.expect("memory is on", seen, state::RUNNING)?;

    // It goes off when the stream is on its way.
    target.device.set_memory(true)?;
    let mut file = target.device.set_state(state::RESUMING)?.ok_or("no file")?;
    target.device.set_memory(false)?;
    let error = errno(file.write_all(&stream));
    ensure!(error == libc::EIO, "write(): errno {error}");
    target.device.set_memory(true)?;
    file.write_all(&stream)?;
    target.set_state(state::STOP)?;
    target.set_state(state::RUNNING)?;
    target.expect("loaded", seen, state::RUNNING)
}

case!(edu_states);
/// The arcs, single and combined; what there is no way to; a stop that does not come about.
fn edu_states() -> Result<()> {
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
        // It is loaded, whatever state comes next.
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

case!(edu_bad_stream);
/// What no edu has made is refused, and no register is written.
fn edu_bad_stream() -> Result<()> {
    let iommufd = Iommufd::new()?;
    let (source, target) = pair(&iommufd)?;
    source.set_up(10)?;
    let good = source.save()?;
    drop(target);

    // What is wrong, where, with what; whether write() sees it before the stream is whole.
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
            false => (&stream[..], libc::EINVAL),
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

case!(edu_reset);
/// Where edu can be reset that ends a transfer, and where it cannot the next user finds it clean,
/// too. edu's registers do not mind a reset.
fn edu_reset() -> Result<()> {
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

case!(edu_hidden);
/// The DMA engine and its buffer cannot be migrated and are not there.
fn edu_hidden() -> Result<()> {
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
