// SPDX-License-Identifier: GPL-2.0

//! `stream.*`: what a migration file is not, and how it ends.

use crate::{
    differences::PRECOPY_END,
    support::{
        busy::Busy,
        pair::Pair,
        streams::{comparable, loaded, resuming, saving},
    },
};
use acc_vfio_user::{
    ensure, errno,
    migrate::{self, read_all, Quiet, MATCH, WHOLE},
    vfio::{self, precopy_info_as, state},
    Driver, Result,
};
use std::{
    fs::File,
    io::{Read, Seek, SeekFrom, Write},
    os::{fd::AsRawFd, unix::fs::FileExt},
};

case!(not_a_file, with: [Rust, C], hardware: Some(2));
/// No positions, no other direction, no other ioctls.
fn not_a_file(driver: Driver) -> Result<()> {
    let pair = Pair::new(driver, driver)?;
    let mut out = saving(&pair.source)?;
    let mut into = resuming(&pair.target)?;
    let mut byte = [0];
    for (what, error, wanted) in [
        ("pread", errno(out.read_at(&mut byte, 0)), libc::ESPIPE),
        ("pwrite", errno(into.write_at(&byte, 0)), libc::ESPIPE),
        ("seek", errno(out.seek(SeekFrom::Start(0))), libc::ESPIPE),
        ("seek", errno(into.seek(SeekFrom::End(0))), libc::ESPIPE),
        ("write, saving", errno(out.write(&byte)), libc::EBADF),
        ("read, resuming", errno(into.read(&mut byte)), libc::EBADF),
        ("ioctl, saving", odd_ioctl(&out), libc::ENOTTY),
        ("ioctl, resuming", odd_ioctl(&into), libc::ENOTTY),
        (
            "precopy info, resuming",
            errno(vfio::precopy_info(&into)),
            libc::ENOTTY,
        ),
    ] {
        ensure!(error == wanted, "{what}: errno {error}, not {wanted}");
    }
    // None of it has moved anything.
    let mut stream = Vec::new();
    read_all(&mut out, &mut stream)?;
    ensure!(stream.len() == WHOLE, "{} bytes are left", stream.len());
    into.write_all(&stream)?;
    let now = loaded(&pair.target)?;
    ensure!(
        comparable(&now) == comparable(&stream),
        "another state was loaded"
    );
    Ok(())
}

fn odd_ioctl(file: &File) -> i32 {
    // VFIO_DEVICE_RESET, which this is not for
    // SAFETY: No argument.
    match unsafe { libc::ioctl(file.as_raw_fd(), 0x3b6f as _, 0) } {
        0 => 0,
        _ => std::io::Error::last_os_error().raw_os_error().unwrap_or(-1),
    }
}

case!(precopy_info, with: [Rust, C], hardware: Some(2));
/// `VFIO_MIG_GET_PRECOPY_INFO` as include/uapi/linux/vfio.h has it, with v2 and without.
fn precopy_info(driver: Driver) -> Result<()> {
    const SIZE: u32 = 24;
    const GARBAGE: u32 = 0xffff_ffff;
    let pair = Pair::new(driver, driver)?;
    for v2 in [false, true] {
        if v2 {
            pair.source.set_precopy_info_v2()?;
        }
        let mut file = pair.source.set_state(state::PRE_COPY)?.ok_or("no file")?;
        for argsz in [0, SIZE - 1] {
            let error = errno(precopy_info_as(&file, argsz, 0));
            ensure!(error == libc::EINVAL, "argsz {argsz}: errno {error}");
        }
        // SAFETY: The kernel finds out that nothing is there.
        let null = unsafe { libc::ioctl(file.as_raw_fd(), 0x3b79 as _, 8) };
        let error = std::io::Error::last_os_error().raw_os_error();
        ensure!(null == -1 && error == Some(libc::EFAULT), "null: {error:?}");
        let mut left = MATCH;
        loop {
            // A longer structure, of a kernel to come, is taken for what it begins with.
            let info = precopy_info_as(&file, SIZE + 8, GARBAGE)?;
            ensure!(
                (info.initial_bytes, info.dirty_bytes) == (left as u64, 0),
                "{} and {} of {left} bytes",
                info.initial_bytes,
                info.dirty_bytes
            );
            // Without the opt-in they are reserved, and as the user had them.
            let flags = if v2 { 0 } else { GARBAGE };
            ensure!(info.flags == flags, "flags {:#x}", info.flags);
            if left == 0 {
                break;
            }
            left -= file.read(&mut vec![0; 15.min(left)])?;
        }
        pair.source.set_state(state::STOP_COPY)?;
        let error = errno(vfio::precopy_info(&file));
        ensure!(error == libc::EINVAL, "in STOP_COPY: errno {error}");
        pair.source.set_state(state::STOP)?;
        let error = errno(vfio::precopy_info(&file));
        ensure!(error == libc::EINVAL, "in STOP: errno {error}");
        let direct = saving(&pair.source)?;
        let error = errno(vfio::precopy_info(&direct));
        ensure!(error == libc::EINVAL, "without PRE_COPY: errno {error}");
        pair.source.set_state(state::RUNNING)?;
    }
    // The opt-in is of the one who has it open.
    let Pair {
        bench, source, qm, ..
    } = pair;
    drop((source, qm));
    let device = bench.open(0)?;
    let file = device.set_state(state::PRE_COPY)?.ok_or("no file")?;
    let flags = precopy_info_as(&file, SIZE, GARBAGE)?.flags;
    ensure!(flags == GARBAGE, "v2 is on in the next open");
    Ok(())
}

case!(precopy_end, with: [Rust, C], hardware: Some(2));
/// What is read where all has been read, in PRE_COPY and at the end of all.
fn precopy_end(driver: Driver) -> Result<()> {
    let pair = Pair::new(driver, driver)?;
    let mut file = pair.source.set_state(state::PRE_COPY)?.ok_or("no file")?;
    file.read_exact(&mut [0; MATCH])?;
    for size in [1, WHOLE] {
        let error = errno(file.read(&mut vec![0; size]));
        let wanted = PRECOPY_END.of(driver);
        ensure!(error == wanted, "in PRE_COPY: errno {error}, not {wanted}");
    }
    pair.source.set_state(state::STOP_COPY)?;
    file.read_exact(&mut [0; WHOLE - MATCH])?;
    ensure!(file.read(&mut [0])? == 0, "there is more than all");
    Ok(())
}

case!(closed, with: [Rust, C], hardware: Some(2));
/// The user closes the file early, in each phase: the device goes on.
fn closed(driver: Driver) -> Result<()> {
    let mut pair = Pair::new(driver, driver)?;
    drop(pair.source.set_state(state::PRE_COPY)?);
    pair.round()?;
    pair.source.set_state(state::STOP_COPY)?;
    pair.source.set_state(state::STOP)?;
    let mut half = [0; WHOLE / 2];
    let mut file = saving(&pair.source)?;
    file.read_exact(&mut half)?;
    drop(file);
    let stream = migrate::save(&pair.source, false, &mut Quiet);
    // The state is STOP_COPY still: no second transfer of it, so it is left and entered again.
    ensure!(stream.is_err(), "STOP_COPY gave a file twice");
    pair.source.set_state(state::STOP)?;
    let stream = migrate::save(&pair.source, false, &mut Quiet)?;
    // Half of it, and never the rest.
    let mut file = resuming(&pair.target)?;
    file.write_all(&half)?;
    drop(file);
    let error = errno(pair.target.set_state(state::STOP));
    ensure!(error == libc::EINVAL, "half a stream: errno {error}");
    pair.target.reset()?;
    pair.arrive(&stream)?;
    pair.round()
}

case!(duplicated, with: [Rust, C], hardware: Some(2));
/// One of two descriptors of a file is closed while the other is read; the state is left meanwhile.
fn duplicated(driver: Driver) -> Result<()> {
    let mut pair = Pair::new(driver, driver)?;
    let whole = migrate::save(&pair.source, false, &mut Quiet)?;
    for _ in 0..10 {
        let mut file = saving(&pair.source)?;
        let mut second = file.try_clone()?;
        let mut stream = vec![0; 60];
        file.read_exact(&mut stream[..20])?;
        second.read_exact(&mut stream[20..])?;
        drop(file);
        read_all(&mut second, &mut stream)?;
        ensure!(stream == whole, "the two have not one position");
        // A reader at work when it ends.
        let busy = Busy::new(second, None);
        busy.begun()?;
        pair.source.set_state(state::STOP)?;
        let error = busy.ended()?;
        ensure!(error == libc::ENODEV, "errno {error}");

        let file = resuming(&pair.target)?;
        let mut second = file.try_clone()?;
        drop(file);
        second.write_all(&whole)?;
        let busy = Busy::new(second, Some(whole.clone()));
        busy.begun()?;
        pair.target.set_state(state::STOP)?;
        let error = busy.ended()?;
        ensure!(error == libc::ENODEV, "errno {error}");
    }
    pair.arrive(&whole)?;
    pair.round()
}
