// SPDX-License-Identifier: GPL-2.0

//! `dirty.watched`: whichever way the page of the mailbox is reached, the driver sees it, and while
//! it asks the mailbox itself nobody reaches the page.

use crate::support::{
    commands::{query, unread},
    logged::{Logged, Vf},
};
use acc_vfio_user::{
    ensure, host,
    qm::Mailbox,
    vfio::{state, Mapping},
    Result,
};
use hisi_acc_hw::{
    mailbox::{Command, Message},
    regs,
};
use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    ptr,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
};

const PAGE: usize = 4096;
/// A register in the page
const REGISTER: u32 = regs::QM_VF_STATE.offset();

/// Reads the register through a mapping of the page.
fn touch(page: &Mapping) {
    // SAFETY: Within the mapping.
    let _ = unsafe {
        page.address
            .add(REGISTER as usize)
            .cast::<u32>()
            .read_volatile()
    };
}

/// `reach` reaches the page, and the driver sees it: all is dirty, once.
fn seen(log: &Logged, what: &str, reach: impl FnOnce() -> Result<()>) -> Result<()> {
    log.report()?;
    ensure!(
        !log.report()?.is_all(),
        "{what}: all is dirty before the page is reached"
    );
    reach()?;
    ensure!(log.report()?.is_all(), "{what}: the driver has not seen it");
    ensure!(!log.report()?.is_all(), "{what}: all is dirty still");
    Ok(())
}

case!(watched);
fn watched() -> Result<()> {
    let vf = Vf::new()?;
    // An answer that the driver puts back: it leaves nothing of its own in the mailbox, by which it
    // could tell a command from any other access.
    unread(&Mailbox::new(&vf.device)?, query(Command::SqcVftV2))?;
    let log = Logged::start(&vf.device)?;
    let bar2 = vf.device.region(2)?;
    for len in [4, 8] {
        seen(&log, "read()", || {
            let mut bytes = vec![0; len];
            vf.device.read_at(&bar2, REGISTER.into(), &mut bytes)?;
            Ok(())
        })?;
        seen(&log, "write()", || {
            // EQ and AEQ interrupts are not masked.
            let at = match len {
                4 => regs::QM_VF_EQ_INT_MASK.into(),
                _ => u64::from(regs::QM_IFC_INT_STATUS),
            };
            vf.device.write_at(&bar2, at, &vec![0; len])?;
            Ok(())
        })?;
    }
    let page = vf.device.mmap(&bar2, 0, PAGE)?;
    seen(&log, "a mapping", || {
        touch(&page);
        Ok(())
    })?;
    // The driver tries the mailbox at PRE_COPY, and then still knows that the guest was there.
    seen(&log, "a mapping, before PRE_COPY", || {
        touch(&page);
        vf.device.set_state(state::PRE_COPY)?;
        vf.device.set_state(state::RUNNING)?;
        Ok(())
    })?;
    forked(&log, &page)?;
    moved(&log, page)?;
    excluded(&vf, &log)
}

/// A child of the process has the page in its own page table when the driver takes it away.
fn forked(log: &Logged, page: &Mapping) -> Result<()> {
    let (mut wait, mut go) = UnixStream::pair()?;
    touch(page);
    // SAFETY: The child reads a pipe and a register, and ends.
    let child = unsafe { libc::fork() };
    if child == 0 {
        drop(go);
        let result = wait.read_exact(&mut [0]);
        if result.is_ok() {
            touch(page);
        }
        // SAFETY: It ends here.
        unsafe { libc::_exit(i32::from(result.is_err())) };
    }
    ensure!(child > 0, "fork: {}", std::io::Error::last_os_error());
    drop(wait);
    seen(log, "a child of the process", || {
        go.write_all(&[0])?;
        let mut status = 0;
        // SAFETY: The place is valid.
        let ended = unsafe { libc::waitpid(child, &mut status, 0) };
        ensure!(
            ended == child && status == 0,
            "the child ends with {status:#x}"
        );
        Ok(())
    })
}

/// The mapping is moved with the page in it.
fn moved(log: &Logged, mut page: Mapping) -> Result<()> {
    for _ in 0..2 {
        touch(&page);
        // SAFETY: A new mapping, which the next call replaces.
        let to = unsafe {
            libc::mmap(
                ptr::null_mut(),
                PAGE,
                libc::PROT_NONE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        ensure!(to != libc::MAP_FAILED, "no room for a page");
        // SAFETY: Both are whole mappings of ours.
        let at = unsafe {
            libc::mremap(
                page.address.cast(),
                PAGE,
                PAGE,
                libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED,
                to,
            )
        };
        ensure!(at == to, "mremap: {}", std::io::Error::last_os_error());
        page.address = at.cast();
        seen(log, "a mapping that was moved", || {
            touch(&page);
            Ok(())
        })?;
    }
    // It cannot grow over the doorbells.
    // SAFETY: A whole mapping of ours.
    let grown = unsafe { libc::mremap(page.address.cast(), PAGE, 2 * PAGE, libc::MREMAP_MAYMOVE) };
    ensure!(grown == libc::MAP_FAILED, "the mapping grows");
    Ok(())
}

/// A thread that looks at the mailbox all the time sees nothing of what the driver does there,
/// however long that takes: it waits in a fault.
fn excluded(vf: &Vf, log: &Logged) -> Result<()> {
    /// How often the driver finds the mailbox busy with a command of its own
    const POLLS: u64 = 100;
    const REPORTS: u64 = 10;
    let end = AtomicBool::new(false);
    let mailbox = Mailbox::new(&vf.device)?;
    mailbox.send(Message::request(Command::SqcVftV2, 0, 0, true));
    let answer = mailbox.answer()?;
    let device = vf.device.try_clone()?;
    vf.bench
        .twin
        .fault("vf1", &format!("mailbox-polls {POLLS}"))?;
    vf.bench.twin.mark()?;
    let looks = AtomicU64::new(0);
    thread::scope(|scope| -> Result<()> {
        let guest = scope.spawn(|| {
            let look = || -> Result<()> {
                let mailbox = Mailbox::new(&device)?;
                while !end.load(Ordering::Relaxed) {
                    let found = mailbox.look();
                    ensure!(found == answer, "{found:x?} stands in the mailbox");
                    looks.fetch_add(1, Ordering::Relaxed);
                }
                Ok(())
            };
            look().map_err(|e| e.to_string())
        });
        let reports = (0..REPORTS).try_for_each(|_| -> Result<()> {
            // It is at the page when the report begins, and again when the driver is at it.
            let before = looks.load(Ordering::Relaxed);
            host::wait_for("a look at the mailbox", || {
                guest.is_finished() || looks.load(Ordering::Relaxed) > before
            })?;
            log.report().map(|_| ())
        });
        end.store(true, Ordering::Relaxed);
        guest.join().map_err(|_| "panicked")??;
        reports
    })?;
    vf.bench.twin.fault("vf1", "clear")?;
    let asked = vf.bench.twin.counts()?.get("vf1", "mailbox.SQC_BT");
    ensure!(
        asked == REPORTS,
        "the driver asked {asked} times in {REPORTS} reports"
    );
    Ok(())
}
