// SPDX-License-Identifier: GPL-2.0

//! VFs, an address space and memory: what most cases need.

use crate::twin::Twin;
use acc_vfio_user::{
    host::{self, Accelerator, Function},
    memory::Memory,
    vfio::{Device, Iommufd},
    Driver, Result,
};
use std::thread;

/// How many VFs the cases work with.
pub const VFS: usize = 8;

/// What most cases need: VFs bound to drivers, an address space, memory in it.
pub struct Bench {
    pub iommufd: Iommufd,
    pub memory: Memory,
    pub vfs: Vec<Function>,
    pub twin: Twin,
}

impl Bench {
    /// VF n of the ZIP is bound to `drivers[n]`.
    pub fn new(drivers: &[Driver]) -> Result<Self> {
        Self::of(host::ZIP, drivers)
    }

    /// VF n of an accelerator is bound to `drivers[n]`.
    pub fn of(accelerator: Accelerator, drivers: &[Driver]) -> Result<Self> {
        Self::with_memory(accelerator, drivers, 32 << 20)
    }

    /// The same, with so many bytes of memory.
    pub fn with_memory(
        accelerator: Accelerator,
        drivers: &[Driver],
        memory: usize,
    ) -> Result<Self> {
        let vfs = accelerator.vfs(VFS)?;
        for (vf, driver) in vfs.iter().zip(drivers) {
            host::bind(vf, *driver)?;
        }
        let iommufd = Iommufd::new()?;
        let memory = Memory::new(&iommufd, memory)?;
        let twin = Twin::of(accelerator.name);
        if accelerator.named().is_none() {
            // What an earlier case has ordered and not taken back, since it failed.
            for function in (1..=VFS).map(|n| format!("vf{n}")).chain(["pf".into()]) {
                twin.fault(&function, "clear")?;
            }
        }
        Ok(Self {
            iommufd,
            memory,
            vfs,
            twin,
        })
    }

    /// Opens a VF.
    pub fn open(&self, vf: usize) -> Result<Device> {
        let path = self.vfs[vf].vfio_path()?;
        Device::open(&path, &self.iommufd).map_err(|e| format!("{}: {e}", path.display()).into())
    }

    /// Opens all of them that there can be.
    pub fn open_all(&self) -> Result<Vec<Device>> {
        (0..VFS).map(|n| self.open(n)).collect()
    }
}

/// Runs a case for all accelerators at a time, where the in-tree drivers wait by the second. The
/// device model's control device is not for that: it takes one request at a time.
pub fn at_once(case: impl Fn(Accelerator) -> Result<()> + Sync) -> Result<()> {
    let case = |accelerator: Accelerator| {
        case(accelerator).map_err(|e| format!("{}: {e}", accelerator.name))
    };
    let case = &case;
    let results = thread::scope(|scope| {
        host::ALL
            .map(|accelerator| scope.spawn(move || case(accelerator)))
            .map(|thread| thread.join().unwrap_or_else(|_| Err("panicked".into())))
    });
    for result in results {
        result?;
    }
    Ok(())
}
