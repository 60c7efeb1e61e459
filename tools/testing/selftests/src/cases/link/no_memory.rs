// SPDX-License-Identifier: GPL-2.0

//! `link.no_memory`: each allocation fails once while a VF is bound, and while `hisi_acc_link` is
//! loaded, which publishes the queue managers of the PFs that are there.

use crate::support::{bench::Bench, inject};
use acc_vfio_user::{
    ensure,
    host::{self, delete_module, is_loaded, Function},
    Driver, Result,
};
use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::fd::AsRawFd,
    process::Command,
};

const DRIVER: &str = "/sys/bus/pci/drivers/hisi_acc_vfio_rs";
const LINK: &str = "hisi_acc_link";
/// Says why a PF's VFs will not migrate. The name of the error follows, if the kernel has it.
const REFUSED: &str = "cannot publish the queue manager (";
/// What the kernel says of an object that it cannot add, and of a probe.
const NO_OBJECT: &str = "kobject_add_internal failed for ";
const NO_PROBE: &str = "failed with error -12";
/// What it says with a trace where a module finds no room.
const NO_ROOM: &str = "vmalloc error: size";
/// What kmemleak says where it has no memory itself.
const NO_SCAN: &str = "kmemleak: Cannot allocate a scan area";

/// Fails where the call failed otherwise than for memory or a copy, or failed for nothing.
fn for_memory<T>(result: &io::Result<T>, failed: Option<u32>) -> Result<()> {
    let expected = [Some(libc::ENOMEM), Some(libc::EFAULT)];
    match result {
        Ok(_) => Ok(()),
        Err(e) if failed.is_some() && expected.contains(&e.raw_os_error()) => Ok(()),
        Err(e) => Err(format!("{e}, with a failure: {}", failed.is_some()).into()),
    }
}

/// Binds the VF, with nothing that fails: it migrates.
fn migrates(vf: &Function) -> Result<()> {
    vf.unbind()?;
    vf.bind(Driver::Rust.pci_name())?;
    let why = vf.migration_blocker()?;
    ensure!(why.is_empty(), "the VF does not migrate: {why}");
    Ok(())
}

/// Returns how many allocations a probe makes.
fn probe(vf: &Function) -> Result<u32> {
    migrates(vf)?;
    let mut file = None;
    inject::each(
        &mut file,
        |file| {
            vf.unbind()?;
            *file = Some(
                OpenOptions::new()
                    .write(true)
                    .open(format!("{DRIVER}/bind"))?,
            );
            Ok(())
        },
        |file: &mut Option<File>| match file {
            Some(file) => file.write(vf.address.as_bytes()),
            None => Err(io::ErrorKind::NotFound.into()),
        },
        |_, result, failed| {
            for_memory(&result, failed)?;
            let bound = vf.driver().is_some();
            ensure!(bound == result.is_ok(), "bound: {bound}, and {result:?}");
            migrates(vf)
        },
    )
}

/// Loads a module from a file.
fn load(file: &File) -> io::Result<()> {
    // SAFETY: The parameters are a string.
    let loaded =
        unsafe { libc::syscall(libc::SYS_finit_module, file.as_raw_fd(), c"".as_ptr(), 0) };
    match loaded {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn unload() -> Result<()> {
    for module in ["hisi_acc_vfio_rs", LINK] {
        if is_loaded(module) {
            delete_module(module).map_err(|e| format!("rmmod {module}: {e}"))?;
        }
    }
    Ok(())
}

/// Returns how many allocations the load of the module makes, and how many of them are those of a
/// PF that is not published without them.
fn publish() -> Result<(u32, u32)> {
    let output = Command::new("modinfo").args(["-n", LINK]).output()?;
    let path = String::from_utf8(output.stdout)?;
    let mut file = File::open(path.trim())?;
    let mark = "acc-selftest: hisi_acc_link is loaded";
    let pf = host::pf()?;
    let mut refused = 0;
    let points = inject::each(
        &mut file,
        |_| {
            unload()?;
            host::say(mark)
        },
        |file| load(file),
        |_, result, failed| {
            for_memory(&result, failed)?;
            ensure!(is_loaded(LINK) == result.is_ok(), "loaded, and {result:?}");
            let said = host::log_after(mark)?;
            let is_refused = said
                .lines()
                .any(|l| l.contains(REFUSED) && l.contains(&pf.address));
            let is_published = pf.link().is_some();
            ensure!(
                is_published == (result.is_ok() && !is_refused),
                "published: {is_published}, and {result:?} with the log:\n{said}"
            );
            refused += u32::from(is_refused);
            Ok(())
        },
    )?;
    Ok((points, refused))
}

// Only that flavour fails on request.
case!(
    no_memory,
    flavour: Debug,
    generations: One(V3),
    known: &[VFIO_GROUP_KEPT],
    allowed: &[NO_OBJECT, NO_PROBE, NO_ROOM, NO_SCAN],
);
fn no_memory() -> Result<String> {
    let vf = {
        let bench = Bench::new(&[Driver::Rust])?;
        bench.vfs[0].clone()
    };
    let probe = probe(&vf)?;
    vf.unbind()?;
    let (loads, refused) = publish()?;
    // The registration, and the list.
    ensure!(
        refused >= 2,
        "only {refused} of {loads} failures were of a PF"
    );
    unload()?;
    host::modprobe(Driver::Rust.module())?;
    migrates(&vf)?;
    Ok(format!(
        "a probe allocates {probe} times, a load {loads} times, {refused} of them for a PF"
    ))
}
