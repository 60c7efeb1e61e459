// SPDX-License-Identifier: GPL-2.0

//! `dirty.address_spaces`, `dirty.detached`, `dirty.two_spaces`: a process with more than one
//! address space: the driver reads entries from the one that the device has, or from none.

use crate::{
    cases::dirty::room::Shown,
    support::logged::{bench, covers, Logged, Pages, Vf, ARENA, JOBS, PAGE},
};
use acc_vfio_user::{
    ensure, errno, host,
    memory::{Memory, IOVA},
    qm::Qm,
    vfio::Device,
    work::{self, Workload},
    Result,
};
use hisi_acc_hw::zip::{Format, Sqe};

/// The queue that compresses.
const QUEUE: u16 = 0;
const SOURCE: u32 = 64;
/// More pages than the tables and the event queues have, which each report contains
const QUIET: u64 = 32;
/// What debugfs counts while the driver cannot read memory, and what it must not count then
const NO_SPACE: &str = "all memory, the address space of the VF is not known";
const RESET: &str = "all memory, the VF was reset, or its state was loaded";

case!(address_spaces);
/// A page table says nothing of its address space: with one there is no doubt, with two nothing is
/// read. A device that is attached to one of the two by its number is read from that one.
fn address_spaces() -> Result<()> {
    let first = bench(host::ZIP, 1)?;
    let device = Device::bind(&first.vfs[0].vfio_path()?, &first.iommufd)?;
    let table = first.iommufd.hwpt(device.id())?;
    let second = first.iommufd.empty_ioas()?;
    device.attach(table)?;
    let mut vf = Vf::over(first, device)?;
    {
        let log = Logged::start(&vf.device)?;
        let known = |vf: &mut Vf, wanted: bool, when: &str| -> Result<()> {
            vf.round()?;
            log.report()?;
            vf.bench.twin.mark()?;
            vf.round()?;
            let dirty = log.report()?;
            ensure!(
                dirty.is_all() != wanted,
                "{when}: {} pages are dirty",
                dirty.len()
            );
            covers(&dirty, &vf.written()?, when)
        };
        let before = Shown::of(&vf.bench.vfs[0])?;
        known(&mut vf, false, "a page table, two address spaces")?;
        let shown = Shown::of(&vf.bench.vfs[0])?;
        let new = |name| shown.get(name) - before.get(name);
        ensure!(
            new(NO_SPACE) > 0 && new(RESET) == 0,
            "the reason is another one: no space {}, reset {}",
            new(NO_SPACE),
            new(RESET)
        );
        vf.device.attach(vf.bench.iommufd.ioas())?;
        known(&mut vf, true, "one of the two by its number")?;
        vf.device.attach(table)?;
        known(&mut vf, false, "the page table again")?;
        vf.bench.iommufd.destroy(second)?;
        vf.device.attach(vf.bench.iommufd.ioas())?;
        vf.device.attach(table)?;
        known(&mut vf, true, "a page table, one address space")?;
    }
    drop(vf);
    the_right_one()
}

/// Two address spaces with other memory at the same addresses, and another request at the same
/// place of the same ring: the device is in the second.
fn the_right_one() -> Result<()> {
    let mut bench = bench(host::ZIP, 1)?;
    let second = bench.iommufd.empty_ioas()?;
    let mut memory = Memory::new(&bench.iommufd.space(second), ARENA)?;
    let device = Device::bind(&bench.vfs[0].vfio_path()?, &bench.iommufd)?;
    let other = {
        device.attach(bench.iommufd.ioas())?;
        let mut qm = Qm::new(&device, &mut bench.memory, &work::Zip)?;
        request(&mut qm, &mut bench.memory, 1)
    };
    device.reset()?;
    device.attach(second)?;
    let mut qm = Qm::new(&device, &mut memory, &work::Zip)?;
    let log = Logged::start(&device)?;
    log.report()?;
    bench.twin.mark()?;
    let (ring, _) = qm.sq_ring(QUEUE);
    let dest = request(&mut qm, &mut memory, 100);
    ensure!(
        dest != other && ring >= IOVA,
        "the two requests are the same"
    );
    qm.ring(QUEUE, QUEUE);
    host::wait_for("the job", || {
        qm.look();
        !qm.poll(&memory).is_empty()
    })?;
    let written = Pages::written(&bench.twin, "vf1")?;
    ensure!(written.has(dest), "the job has written nothing");
    let dirty = log.report()?;
    ensure!(!dirty.is_all(), "all is dirty");
    covers(&dirty, &written, "the second address space")?;
    ensure!(
        !dirty.has(other),
        "what a request of another address space writes is dirty"
    );
    Ok(())
}

case!(detached);
/// The VF is detached and attached again while it is logged: to its address space by its number, to
/// a page table of it, to another address space that begins empty. What it writes is known
/// whenever it can write. Once it is detached, nothing of the driver holds the address space.
fn detached() -> Result<()> {
    let first = bench(host::ZIP, 1)?;
    let ioas = first.iommufd.ioas();
    let device = Device::bind(&first.vfs[0].vfio_path()?, &first.iommufd)?;
    let table = first.iommufd.hwpt(device.id())?;
    device.attach(ioas)?;
    let mut vf = Vf::over(first, device)?;
    let log = Logged::start(&vf.device)?;
    for to in [ioas, table, ioas, ioas, table, table] {
        vf.device.detach()?;
        // It writes nothing now, and has nothing in flight.
        log.report()?;
        vf.device.attach(to)?;
        vf.round()?;
        vf.is_known(&log, &format!("attached to {to}"))?;
    }
    vf.device.detach()?;
    vf.bench.iommufd.destroy(table)?;
    let second = vf.bench.iommufd.empty_ioas()?;
    vf.device.attach(second)?;
    let e = errno(vf.bench.iommufd.destroy(second));
    ensure!(e == libc::EBUSY, "in use, and destroyed: errno {e}");
    vf.device.detach()?;
    vf.bench.iommufd.destroy(second)?;
    vf.device.attach(ioas)?;
    vf.device.reset()?;
    vf.set_up()?;
    vf.is_known(&log, "set up anew")
}

case!(two_spaces);
/// Two VFs of a process in two address spaces, with other memory at the same addresses: what each
/// writes is known, and the other one's log has nothing of it.
fn two_spaces() -> Result<()> {
    let mut bench = bench(host::ZIP, 2)?;
    let second = bench.iommufd.empty_ioas()?;
    let mut other = Memory::new(&bench.iommufd.space(second), ARENA)?;
    // Rings and outputs of the two are at other addresses.
    other.alloc(1 << 20);
    let mut devices = Vec::new();
    for (vf, ioas) in [(0, bench.iommufd.ioas()), (1, second)] {
        let device = Device::bind(&bench.vfs[vf].vfio_path()?, &bench.iommufd)?;
        device.attach(ioas)?;
        devices.push(device);
    }
    let mut sides = Vec::new();
    for (device, memory) in devices.iter().zip([&mut bench.memory, &mut other]) {
        let mut qm = Qm::new(device, memory, &work::Zip)?;
        let mut work = Workload::new(&work::Zip, memory, JOBS);
        work.round(&mut qm, memory, JOBS)?;
        sides.push((Logged::start(device)?, qm, work, memory));
    }
    for works in [0, 1, 1, 0] {
        for (log, ..) in &sides {
            log.report()?;
        }
        bench.twin.mark()?;
        let (_, qm, work, memory) = &mut sides[works];
        work.round(qm, memory, JOBS)?;
        for (n, (log, ..)) in sides.iter().enumerate() {
            let function = format!("vf{}", n + 1);
            let written = Pages::written(&bench.twin, &function)?;
            let dirty = log.report()?;
            ensure!(!dirty.is_all(), "{function}: all is dirty");
            covers(&dirty, &written, &function)?;
            ensure!(
                (n == works) == (dirty.len() > QUIET),
                "VF {} works, and {} pages of {function} are dirty",
                works + 1,
                dirty.len()
            );
        }
    }
    Ok(())
}

/// Puts a request into the first place of the ring; where it writes.
fn request(qm: &mut Qm, memory: &mut Memory, page: usize) -> u64 {
    let source = memory.alloc(SOURCE as usize);
    let dest = memory.alloc((page + 1) * PAGE as usize) + page as u64 * PAGE;
    let sqe = Sqe::request(
        Format::Zlib,
        false,
        source,
        SOURCE,
        dest,
        PAGE as u32,
        page as u64,
    );
    qm.place(memory, QUEUE, &sqe.to_bytes());
    dest
}
