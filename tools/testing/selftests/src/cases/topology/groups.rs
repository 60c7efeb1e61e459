// SPDX-License-Identifier: GPL-2.0

//! `topology.shared_group`, `topology.no_group`, `topology.noiommu`: VFs that the IOMMU does not
//! isolate.

use crate::support::{
    bench::{Bench, VFS},
    refused::{no_migration_in_debugfs, reason, refused, register},
};
use acc_case::Topology;
use acc_vfio_user::{
    ensure, errno,
    host::{self, Function},
    vfio::{Container, Device, Group},
    Driver, Result,
};
use hisi_acc_hw::regs;
use std::ops::Deref;

/// `VFIO_PCI`'s token of the PF, by which the PF's user lets another one have its VFs.
const TOKEN: &str = "6d696772-6174-696f-6e20-6f6620564673";

/// Why a VF does not migrate if no IOMMU limits its DMA.
const NO_GROUP: &str = "it has no IOMMU group, nothing limits its DMA";

/// How many devices the driver names.
const NAMED: usize = 8;

/// A device that was opened by its group.
struct ByGroup {
    device: Device,
    _group: Group,
    _container: Container,
}

impl Deref for ByGroup {
    type Target = Device;

    fn deref(&self) -> &Device {
        &self.device
    }
}

impl ByGroup {
    /// Opens the device that `name` names in a group, in a container that `set` makes one.
    fn new(
        group: &str,
        name: &str,
        set: impl FnOnce(&Container) -> std::io::Result<()>,
    ) -> Result<Self> {
        let container = Container::new()?;
        let group = Group::open(group)?;
        group.set_container(&container)?;
        set(&container)?;
        Ok(Self {
            device: group.device(name)?,
            _group: group,
            _container: container,
        })
    }
}

/// Opens a function with the token.
fn open(function: &Function, _: &Bench) -> Result<ByGroup> {
    let name = format!("{} vf_token={TOKEN}", function.address);
    ByGroup::new(&function.iommu_group()?, &name, Container::set_type1)
}

/// Opens a function whose group VFIO has made up, since it has no IOMMU.
fn open_noiommu(function: &Function, _: &Bench) -> Result<ByGroup> {
    let group = format!("noiommu-{}", function.iommu_group()?);
    ByGroup::new(&group, &function.address, Container::set_noiommu)
}

/// A VF's registers can be read, and it is as a reset leaves it.
fn is_not_ready(device: &Device, _: &mut Bench) -> Result<()> {
    let bar = device.region(2)?;
    let state = register(device, &bar, u64::from(regs::QM_VF_STATE))?;
    ensure!(state == regs::QM_NOT_READY, "the VF's state is {state:#x}");
    Ok(())
}

/// The reason names the others, as far as there is room.
fn names_others(said: &str, function: &Function) -> Result<()> {
    let begin = "it shares its IOMMU group with ";
    let rest = said
        .strip_prefix(begin)
        .ok_or_else(|| format!("not '{begin}...' in the log: '{said}'"))?;
    ensure!(
        said.ends_with("it cannot be opened while a host driver uses one of them"),
        "the log says '{said}'"
    );
    let members = function.group_members()?;
    let named: Vec<&str> = rest
        .split([',', ' '])
        .take_while(|word| *word != "whose")
        .filter(|word| word.contains(':'))
        .collect();
    let foreign = |name: &&&str| **name != function.address && members.iter().any(|m| m == *name);
    ensure!(
        named.len() == NAMED && named.iter().filter(foreign).count() == NAMED,
        "of {members:?} the log names {named:?}"
    );
    let more = format!(" and {} more,", members.len() - 1 - NAMED);
    ensure!(rest.contains(&more), "not '{more}' in the log: '{said}'");
    Ok(())
}

case!(shared_group, with: [Rust, C], topology: Topology::NoAcs);
/// D15: without ACS above them a PF, its VFs and the port are one group. While the PF has its own
/// driver, VFIO lets nobody open a VF, whatever driver that has.
fn shared_group(driver: Driver) -> Result<()> {
    let mut bench = Bench::new(&[])?;
    let vf = bench.vfs[0].clone();
    let pf = host::pf()?;
    let members = vf.group_members()?;
    ensure!(
        members.len() == 1 + 1 + VFS && members.contains(&pf.address),
        "its group has {members:?}"
    );
    host::modprobe("vfio-pci")?;
    vf.bind("vfio-pci")?;
    let path = vf.vfio_path()?;
    let wanted = errno(Device::open(&path, &bench.iommufd));
    ensure!(wanted == libc::EPERM, "with vfio-pci errno {wanted}");
    vf.unbind()?;
    let mark = "acc-selftest: a group is shared";
    host::say(mark)?;
    host::bind(&vf, driver)?;
    let error = errno(Device::open(&vf.vfio_path()?, &bench.iommufd));
    ensure!(error == wanted, "errno {error}");
    no_migration_in_debugfs(&vf)?;
    vf.unbind()?;
    names_others(&reason(&vf, mark)?, &vf)?;

    // With all of the group in the hands of VFIO's drivers it can be opened.
    let numvfs = pf.path().join("sriov_numvfs");
    host::write(&numvfs, "0")?;
    pf.bind("vfio-pci")?;
    host::write("/sys/module/vfio_pci/parameters/enable_sriov", "1")?;
    drop(open(&pf, &bench)?);
    host::write(pf.path().join("sriov_drivers_autoprobe"), "0")?;
    host::write(&numvfs, &VFS.to_string())?;
    let checked = refused(driver, &vf, &mut bench, open, is_not_ready)
        .and_then(|said| names_others(&said, &vf))
        .map_err(|e| format!("with vfio-pci on the PF: {e}"));
    host::write(&numvfs, "0")?;
    pf.bind(host::ZIP.module)?;
    Ok(checked?)
}

// The case ends before the kernel's own tests of the engines would, which complain of that.
case!(no_group, topology: Topology::NoIommu, kernel: &["cryptomgr.notests=1"]);
/// Without an IOMMU there is no group, and VFIO takes no device: neither from vfio-pci nor from us.
fn no_group() -> Result<()> {
    let vf = host::vfs(VFS)?[0].clone();
    ensure!(vf.iommu_group().is_err(), "it has a group");
    host::modprobe("vfio-pci")?;
    host::modprobe(Driver::Rust.module())?;
    let mark = "acc-selftest: there is no group";
    host::say(mark)?;
    for driver in ["vfio-pci", Driver::Rust.pci_name()] {
        let bound = vf.bind(driver);
        ensure!(bound.is_err() && vf.driver().is_none(), "{driver} is bound");
        let failed = format!(
            "{}: probe with driver {driver} failed with error -22",
            vf.address
        );
        ensure!(
            host::log_after(mark)?.contains(&failed),
            "not in the log: '{failed}'"
        );
    }
    let said = reason(&vf, mark)?;
    ensure!(said == NO_GROUP, "the log says '{said}'");
    Ok(())
}

case!(
    noiommu,
    topology: Topology::NoIommu,
    kernel: &["cryptomgr.notests=1", "vfio.enable_unsafe_noiommu_mode=1"],
    flavour: Host,
);
/// VFIO's mode without an IOMMU, which distributions build, and an administrator switches on. VFIO
/// makes up a group for each device; nothing limits the DMA of a VF, and it does not migrate.
fn noiommu() -> Result<()> {
    let mut bench = Bench::new(&[])?;
    let vf = bench.vfs[0].clone();
    ensure!(vf.iommu_group().is_err(), "it has a group");
    let said = refused(Driver::Rust, &vf, &mut bench, open_noiommu, is_not_ready)?;
    ensure!(said == NO_GROUP, "the log says '{said}'");
    Ok(())
}
