// SPDX-License-Identifier: GPL-2.0

//! `hidden.ioeventfd`, `hidden.dma_buf`: ways to the bytes of a BAR that are no read, write or
//! mapping.

use crate::support::{
    bar2::{edge, untouched, PAGE},
    bench::Bench,
    mode::Mode,
};
use acc_vfio_user::{
    ensure, errno, host,
    vfio::{face, Device},
    Driver, Result,
};
use hisi_acc_hw::regs;
use std::os::fd::AsRawFd;
use vmm_sys_util::eventfd::EventFd;

/// Where an eventfd writes in the device file.
fn place(region: u64, at: u64) -> u64 {
    (region << 40) + at
}

/// Asks for eventfds at `places`, each with a name, a region, an offset and a size: all must end in
/// `wanted`. Those that were refused are fired, which must do nothing.
fn all_end(device: &Device, wanted: i32, places: &[(&str, u64, u64, u32)]) -> Result<()> {
    for (what, region, at, size) in places {
        let event = EventFd::new(libc::EFD_NONBLOCK)?;
        let e = errno(device.ioeventfd(place(*region, *at), *size, event.as_raw_fd()));
        ensure!(
            e == wanted,
            "{what} ({size} bytes at {at:#x} of region {region}): errno {e}, not {wanted}"
        );
        if wanted != 0 {
            event.write(1)?;
        }
    }
    Ok(())
}

/// What the driver has of a VF's BARs for itself.
#[derive(Clone, Copy, PartialEq)]
enum Own {
    /// Nothing is hidden or looked at: the core decides.
    Nothing,
    /// A half of BAR2 is hidden.
    Half,
    /// The mailbox is watched.
    Mailbox,
    /// The doorbells are mediated, and the mailbox is watched.
    Doorbells,
}

/// The answers for all of a VF.
fn answers(bench: &Bench, own: Own) -> Result<()> {
    let passes = own == Own::Nothing;
    let device = bench.open(0)?;
    let edge = edge()?;
    let bar4 = device.region(4)?.size;
    let [sq, eq, end] = [
        regs::QM_DOORBELL_SQ_CQ_BASE_V2,
        regs::QM_DOORBELL_EQ_AEQ_BASE_V2,
        regs::QM_DOORBELL_END,
    ]
    .map(u64::from);
    bench.twin.mark()?;
    // What is nowhere, whatever is mediated.
    all_end(
        &device,
        libc::EINVAL,
        &[
            ("the end of what is seen", 2, edge, 4),
            ("across it", 2, edge - 2, 4),
            ("the end of the doorbells", 4, bar4, 4),
            ("a BAR that is not there", 0, 0, 4),
            ("the configuration space", 7, 4, 2),
            ("no region", 12, 0, 4),
        ],
    )?;
    let e = errno(device.ioeventfd_of_nothing());
    ensure!(e == libc::EFAULT, "no argument: errno {e}");
    let wanted = |looks: bool| match (passes, looks) {
        (true, _) => 0,
        (_, true) => libc::EINVAL,
        (_, false) => libc::ENOTTY,
    };
    let mailbox = ("the mailbox", 2, regs::QM_MB_CMD_SEND_BASE.into(), 4);
    let watched = [Own::Mailbox, Own::Doorbells].contains(&own);
    all_end(&device, wanted(watched), &[mailbox])?;
    all_end(
        &device,
        wanted(own == Own::Doorbells),
        &[
            ("the doorbells of SQ and CQ", 2, sq, 4),
            ("those of EQ and AEQ", 2, eq + 4, 4),
            ("their last byte", 2, end - 1, 1),
            ("the first of BAR4", 4, sq, 4),
            ("the last bytes of BAR4", 4, bar4 - 2, 2),
        ],
    )?;
    let mask = u64::from(regs::QM_VF_EQ_INT_MASK);
    all_end(
        &device,
        wanted(false),
        &[
            ("what is behind the doorbells", 2, end, 4),
            ("what is before the edge", 2, edge - 4, 4),
        ],
    )?;
    // The core has no eventfd of eight bytes, nor of a size that is none.
    let odd = if passes { libc::EINVAL } else { libc::ENOTTY };
    all_end(
        &device,
        odd,
        &[
            ("eight bytes", 2, end, 8),
            ("three bytes", 2, end, 3),
            ("no bytes", 2, end, 0),
        ],
    )?;
    if !passes {
        let writes = bench.twin.counts()?.with_prefix("vf1", "reg_write");
        ensure!(writes == 0, "{writes} registers were written");
        return Ok(());
    }
    // Where it is taken it works.
    let event = EventFd::new(libc::EFD_NONBLOCK)?;
    device.ioeventfd(place(2, mask), 4, event.as_raw_fd())?;
    event.write(1)?;
    host::wait_for("the write by an eventfd", || {
        bench
            .twin
            .register("vf1", true, 2, mask)
            .is_ok_and(|n| n == 1)
    })
}

case!(ioeventfd, with: [Rust, C]);
/// D1: the way that the C driver leaves open; then the answers for all of the device, with
/// doorbells that are mediated and without.
fn ioeventfd(driver: Driver) -> Result<()> {
    let bench = Bench::new(&[driver])?;
    hidden_half(&bench)?;
    if driver == Driver::C {
        return match host::has_window()? {
            true => answers(&bench, Own::Nothing),
            false => answers(&bench, Own::Half),
        };
    }
    for (word, own) in [("off", Own::Mailbox), ("on", Own::Doorbells)] {
        let _mode = Mode::new(&bench.vfs[0], word)?;
        answers(&bench, own).map_err(|e| format!("{word}: {e}"))?;
    }
    Ok(())
}

fn hidden_half(bench: &Bench) -> Result<()> {
    let device = bench.open(0)?;
    let region = device.region(2)?;
    let edge = edge()?;
    bench.twin.mark()?;
    let mut taken = Vec::new();
    for size in [1, 2, 4, 8] {
        let across = edge - u64::from(size) / 2;
        let places = [edge, edge + 8, 2 * edge - 8, across];
        // A byte is never across.
        for at in places.into_iter().take(if size == 1 { 3 } else { 4 }) {
            let event = EventFd::new(libc::EFD_NONBLOCK)?;
            let e = errno(device.ioeventfd(region.offset + at, size, event.as_raw_fd()));
            match e {
                0 => taken.push((size, at, event)),
                e => ensure!(e == libc::EINVAL, "{size} bytes at {at:#x}: errno {e}"),
            }
        }
    }
    // Of those that the model takes: the bus has no others.
    for (size, at, event) in &taken {
        if *size == 4 && at % 4 == 0 {
            event.write(1)?;
        }
    }
    untouched(bench, "vf1").map_err(|e| format!("{} were taken, {e}", taken.len()))?;
    ensure!(taken.is_empty(), "{} were taken", taken.len());
    Ok(())
}

case!(dma_buf, with: [Rust, C]);
/// A DMA-BUF would hand part of a BAR to other devices: none is to be had, of no BAR. The kernel
/// can: plain vfio-pci does.
fn dma_buf(driver: Driver) -> Result<()> {
    let bench = Bench::new(&[driver])?;
    host::modprobe("vfio-pci")?;
    bench.vfs[1].bind("vfio-pci")?;
    let plain = bench.open(1)?;
    let works = |e: std::io::Error| format!("vfio-pci, which is to show that it works: {e}");
    plain.probe_feature(face::DMA_BUF).map_err(works)?;
    plain.dma_buf(2, 0, PAGE).map_err(works)?;
    plain.dma_buf(4, 0, PAGE).map_err(works)?;
    let device = bench.open(0)?;
    let edge = edge()?;
    bench.twin.mark()?;
    let e = errno(device.probe_feature(face::DMA_BUF));
    ensure!(e == libc::EOPNOTSUPP, "whether there are any: errno {e}");
    for (bar, at, len) in [
        (2, edge, PAGE),
        (2, edge - PAGE, 2 * PAGE),
        (2, 0, 2 * edge),
        (2, 0, edge),
        (2, 0, PAGE),
        (2, 0x1000, PAGE),
        (4, 0, PAGE),
        (0, 0, PAGE),
        (7, 0, PAGE),
    ] {
        let e = errno(device.dma_buf(bar, at, len));
        ensure!(
            e == libc::EOPNOTSUPP,
            "{len:#x} bytes at {at:#x} of BAR{bar}: errno {e}"
        );
    }
    untouched(&bench, "vf1")
}
