// SPDX-License-Identifier: GPL-2.0

//! `iommufd.*`: a VF migrates whatever way it came open in. What is left out: the ioctls of a
//! container on `/dev/iommu` (CONFIG_IOMMUFD_VFIO_CONTAINER), which a kernel has only where it has
//! no containers of its own, and the kernel under test has those.

use crate::{
    hand::Hand,
    support::{bench::Bench, pair::Pair},
};
use acc_vfio_user::{
    ensure, errno, host,
    migrate::{save, Quiet},
    vfio::{state, Container, Device, Group},
    Driver, Result,
};
use std::io::Write;

/// With work in flight there and back, by PRE_COPY and not.
fn migrates(pair: &mut Pair) -> Result<()> {
    pair.work_in_flight()?;
    let stream = save(&pair.source, true, &mut Quiet)?;
    let done = pair.bench.twin.counts()?.get("vf1", "jobs_done");
    pair.arrive(&stream)?;
    pair.go_on_after(done)?;
    std::mem::swap(&mut pair.source, &mut pair.target);
    pair.submit(8)?;
    pair.migrate(false)?;
    pair.finish()?;
    pair.round()
}

case!(hwpt, with: [Rust, C]);
/// A page table made for each device, not the address space.
fn hwpt(driver: Driver) -> Result<()> {
    let bench = Bench::new(&[driver, driver])?;
    let mut devices = Vec::new();
    for vf in 0..2 {
        let device = Device::bind(&bench.vfs[vf].vfio_path()?, &bench.iommufd)?;
        device.attach(bench.iommufd.hwpt(device.id())?)?;
        devices.push(device);
    }
    let target = devices.pop().ok_or("no target")?;
    let source = devices.pop().ok_or("no source")?;
    migrates(&mut Pair::over(host::ZIP, bench, source, target)?)
}

case!(detach, with: [Rust, C]);
/// Detached and attached again, between transfers and in them: an address space is none of the
/// state.
fn detach(driver: Driver) -> Result<()> {
    let mut pair = Pair::new(driver, driver)?;
    let ioas = pair.bench.iommufd.ioas();
    let again = |device: &Device| -> Result<()> {
        device.detach()?;
        device.attach(ioas)?;
        Ok(())
    };
    again(&pair.source)?;
    pair.round()?;
    pair.source.set_state(state::PRE_COPY)?;
    again(&pair.source)?;
    pair.round()?;
    pair.source.set_state(state::RUNNING)?;
    let stream = save(&pair.source, true, &mut Quiet)?;
    again(&pair.source)?;
    again(&pair.target)?;
    // A VF that sees no memory takes the stream; it works when it does. Its interrupts are to be
    // set up after that: without an address space there is none for their messages either.
    pair.target.detach()?;
    let file = pair.target.set_state(state::RESUMING)?;
    file.ok_or("no file")?.write_all(&stream)?;
    pair.target.set_state(state::STOP)?;
    pair.target.attach(ioas)?;
    pair.qm.move_to(&pair.target)?;
    pair.target.set_state(state::RUNNING)?;
    pair.round()?;
    std::mem::swap(&mut pair.source, &mut pair.target);
    migrates_back(&mut pair)
}

fn migrates_back(pair: &mut Pair) -> Result<()> {
    pair.submit(8)?;
    pair.migrate(true)?;
    pair.finish()
}

case!(container, with: [Rust, C]);
/// A container of type1, and groups.
fn container(driver: Driver) -> Result<()> {
    let bench = Bench::new(&[driver, driver])?;
    let container = Container::new()?;
    let mut groups = Vec::new();
    for vf in &bench.vfs[..2] {
        let group = Group::open(&vf.iommu_group()?)?;
        group.set_container(&container)?;
        groups.push(group);
    }
    container.set_type1()?;
    bench.memory.map_into(&container)?;
    let source = groups[0].device(&bench.vfs[0].address)?;
    let target = groups[1].device(&bench.vfs[1].address)?;
    migrates(&mut Pair::over(host::ZIP, bench, source, target)?)
}

case!(second_open, with: [Rust, C]);
/// One at a time: a group or a character device, once.
fn second_open(driver: Driver) -> Result<()> {
    let bench = Bench::new(&[driver])?;
    let number = bench.vfs[0].iommu_group()?;
    {
        let group = Group::open(&number)?;
        let error = errno(Group::open(&number));
        ensure!(error == libc::EBUSY, "a group twice: errno {error}");
        let path = bench.vfs[0].vfio_path()?;
        let error = errno(Device::bind(&path, &bench.iommufd));
        ensure!(error == libc::EBUSY, "beside its group: errno {error}");
        // No device without a container.
        let error = errno(group.device(&bench.vfs[0].address));
        ensure!(error == libc::EINVAL, "without a container: errno {error}");
    }
    let device = bench.open(0)?;
    let error = errno(device.bind_again(&bench.iommufd));
    ensure!(error == libc::EINVAL, "bound twice: errno {error}");
    let path = bench.vfs[0].vfio_path()?;
    let error = errno(Device::bind(&path, &bench.iommufd));
    ensure!(error != 0, "bound by a second descriptor");
    let error = errno(Group::open(&number));
    ensure!(error == libc::EBUSY, "its group: errno {error}");
    // The first one has noticed nothing.
    let file = device.set_state(state::PRE_COPY)?;
    ensure!(file.is_some(), "PRE_COPY gave no file");
    drop((file, device));
    bench.open(0)?;
    Ok(())
}

case!(passed_on, with: [Rust, C]);
/// The descriptors go to another process, which migrates the VF.
fn passed_on(driver: Driver) -> Result<()> {
    let mut pair = Pair::new(driver, driver)?;
    let mut hand = Hand::new()?;
    hand.give(&pair.source)?;
    hand.give(&pair.target)?;
    pair.work_in_flight()?;
    // The target is made ready for its interrupts before it runs.
    hand.save()?;
    let done = pair.bench.twin.counts()?.get("vf1", "jobs_done");
    pair.qm.move_to(&pair.target)?;
    hand.load()?;
    pair.go_on_after(done)?;
    // And back, from here, after the other one has gone.
    drop(hand);
    std::mem::swap(&mut pair.source, &mut pair.target);
    migrates_back(&mut pair)
}
