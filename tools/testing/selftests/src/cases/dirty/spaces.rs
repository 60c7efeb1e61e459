// SPDX-License-Identifier: GPL-2.0

//! `dirty.address_spaces`: a process with more than one address space: the driver reads entries
//! from the one that the device has, or from none.

use crate::support::logged::{bench, covers, Logged, Pages, Vf, ARENA, PAGE};
use acc_vfio_user::{
    ensure, host,
    memory::{Memory, IOVA},
    qm::Qm,
    vfio::Device,
    work, Result,
};
use hisi_acc_hw::zip::{Format, Sqe};

/// The queue that compresses.
const QUEUE: u16 = 0;
const SOURCE: u32 = 64;

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
        known(&mut vf, false, "a page table, two address spaces")?;
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
