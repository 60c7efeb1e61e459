// SPDX-License-Identifier: GPL-2.0

//! The machine that the tests run on: PCI functions, their drivers, modules, the kernel's log.

use crate::{vfio::Mapping, Driver, Result};
use hisi_acc_hw::{generation::Migration, ids, Descriptor, Engine, Generation};
use std::{
    ffi::CString,
    fs::{self, File, OpenOptions},
    io,
    ops::Deref,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    thread::sleep,
    time::{Duration, Instant},
};

/// Where PCI devices are.
const DEVICES: &str = "/sys/bus/pci/devices";

pub fn read(path: impl AsRef<Path>) -> Result<String> {
    let path = path.as_ref();
    fs::read_to_string(path)
        .map(|text| text.trim().to_owned())
        .map_err(|e| format!("{}: {e}", path.display()).into())
}

pub fn write(path: impl AsRef<Path>, value: &str) -> Result<()> {
    let path = path.as_ref();
    fs::write(path, value).map_err(|e| format!("{} <- {value}: {e}", path.display()).into())
}

/// By how much this kernel is slower than a plain one, as the harness says it on its command line.
pub fn slowness() -> u32 {
    parameter("acc.slowness=").unwrap_or(1)
}

/// For how many seconds a case that can go on for long is to go on; `None` where it is to be short.
pub fn soak() -> Option<u32> {
    parameter("acc.soak=")
}

/// A number of the kernel's command line.
fn parameter(name: &str) -> Option<u32> {
    let command_line = fs::read_to_string("/proc/cmdline").unwrap_or_default();
    command_line
        .split_whitespace()
        .find_map(|word| word.strip_prefix(name)?.parse().ok())
}

/// So many seconds, or more where the kernel is slow.
pub fn seconds(n: u64) -> Duration {
    Duration::from_secs(n) * slowness()
}

/// How long a case waits for something that must come. A machine with other things to do can stop
/// the guest for many seconds, in which nothing comes: so it does not count how long one look after
/// another came, beyond `Patience::TURN`.
pub struct Patience {
    left: Duration,
    last: Instant,
}

impl Patience {
    /// The most that one look counts for.
    const TURN: Duration = Duration::from_millis(100);

    /// Waits that long, or longer where the kernel is slow.
    pub fn new(limit: Duration) -> Self {
        Self {
            left: limit * slowness(),
            last: Instant::now(),
        }
    }

    /// Returns whether it is over. To be asked each time that nothing came.
    pub fn is_over(&mut self) -> bool {
        let turn = self.last.elapsed().min(Self::TURN);
        self.last = Instant::now();
        self.left = self.left.saturating_sub(turn);
        self.left.is_zero()
    }
}

/// Waits for something to become true: a moment, or longer on a machine with other things to do.
pub fn wait_for(what: &str, ready: impl FnMut() -> bool) -> Result<()> {
    wait_long_for(what, Duration::from_secs(30), ready)
}

/// Waits that long.
pub fn wait_long_for(what: &str, limit: Duration, mut ready: impl FnMut() -> bool) -> Result<()> {
    let mut patience = Patience::new(limit);
    while !ready() {
        if patience.is_over() {
            return Err(format!("{what}: not in time").into());
        }
        sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// Loads a module and what it needs.
pub fn modprobe(name: &str) -> Result<()> {
    let output = Command::new("modprobe").arg(name).output()?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(format!("modprobe {name}: {text}").into());
    }
    Ok(())
}

/// Unloads one.
pub fn rmmod(name: &str) -> Result<()> {
    let output = Command::new("rmmod").arg(name).output()?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(format!("rmmod {name}: {text}").into());
    }
    Ok(())
}

/// Unloads one that nobody uses: the error as the kernel has it.
pub fn delete_module(name: &str) -> io::Result<()> {
    let name = CString::new(name)?;
    // SAFETY: The name is a string.
    match unsafe { libc::syscall(libc::SYS_delete_module, name.as_ptr(), libc::O_NONBLOCK) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

pub fn is_loaded(name: &str) -> bool {
    Path::new("/sys/module").join(name).exists()
}

/// The kernel's log since boot.
pub fn log() -> Result<String> {
    let output = Command::new("dmesg").output()?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Writes a line to the kernel's log, so that what comes after it can be told apart. Without its
/// end the kernel would keep it for itself until the next line.
pub fn say(line: &str) -> Result<()> {
    write("/dev/kmsg", &format!("{line}\n"))
}

/// What the log has after the last such line.
pub fn log_after(line: &str) -> Result<String> {
    let log = log()?;
    match log.rsplit_once(line) {
        Some((_, after)) => Ok(after.to_owned()),
        None => Err(format!("'{line}' has gone from the kernel's log").into()),
    }
}

/// The VFs that may be used, if not all functions of the machine may.
static NAMED: OnceLock<Vec<Function>> = OnceLock::new();

/// From now on nothing but these VFs is changed: no other function, and no PF. To be called once,
/// at the beginning.
pub fn use_only(vfs: Vec<Function>) -> Result<()> {
    for vf in &vfs {
        if !vf.path().join("physfn").exists() {
            return Err(format!("{} is no VF", vf.address).into());
        }
    }
    NAMED.set(vfs).map_err(|_| "VFs were named before".into())
}

/// A PCI function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    pub address: String,
}

impl Function {
    /// Fails if this function must not be changed.
    fn change(&self) -> Result<()> {
        match NAMED.get() {
            Some(vfs) if !vfs.contains(self) => {
                Err(format!("{} was not named, and stays as it is", self.address).into())
            }
            _ => Ok(()),
        }
    }

    /// All of an ID, in the order of their addresses.
    pub fn all(vendor: u16, device: u16) -> Result<Vec<Self>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(DEVICES)? {
            let path = entry?.path();
            // One that goes while we look is none of ours.
            let is = |name: &str, id: u16| {
                read(path.join(name)).is_ok_and(|text| text == format!("{id:#06x}"))
            };
            if is("vendor", vendor) && is("device", device) {
                let name = path.file_name().ok_or("no name")?;
                found.push(Self {
                    address: name.to_string_lossy().into_owned(),
                });
            }
        }
        found.sort_by(|a, b| a.address.cmp(&b.address));
        Ok(found)
    }

    pub fn path(&self) -> PathBuf {
        Path::new(DEVICES).join(&self.address)
    }

    pub fn driver(&self) -> Option<String> {
        let link = fs::read_link(self.path().join("driver")).ok()?;
        Some(link.file_name()?.to_string_lossy().into_owned())
    }

    /// Its bus, device and function.
    pub fn number(&self) -> Result<[u8; 3]> {
        let mut numbers = self.address.split([':', '.']).skip(1);
        let mut next = || -> Result<u8> {
            let text = numbers.next().ok_or("no such address")?;
            Ok(u8::from_str_radix(text, 16)?)
        };
        Ok([next()?, next()?, next()?])
    }

    /// The address of the port that it is below.
    pub fn parent(&self) -> Result<String> {
        let path = self.path().canonicalize()?;
        let parent = path.parent().and_then(Path::file_name).ok_or("no parent")?;
        Ok(parent.to_string_lossy().into_owned())
    }

    pub fn iommu_group(&self) -> Result<String> {
        let link = fs::read_link(self.path().join("iommu_group"))?;
        Ok(link
            .file_name()
            .ok_or("no name")?
            .to_string_lossy()
            .into_owned())
    }

    /// The addresses of all devices of its IOMMU group, in order.
    pub fn group_members(&self) -> Result<Vec<String>> {
        let devices = self.path().join("iommu_group/devices");
        let mut members = fs::read_dir(&devices)
            .map_err(|e| format!("{}: {e}", devices.display()))?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect::<Result<Vec<_>>>()?;
        members.sort();
        Ok(members)
    }

    /// What kind of PCIe function it is (`PCI_EXP_FLAGS_TYPE`).
    pub fn pcie_type(&self) -> Result<u32> {
        // PCI_CAP_ID_EXP
        match self.capability(0x10)? {
            Some(at) => Ok((self.config(at)? >> 20) & 0xf),
            None => Err(format!("{} is no PCIe function", self.address).into()),
        }
    }

    /// Where it has a capability (`PCI_CAP_ID_*`), if it has it.
    pub fn capability(&self, id: u32) -> Result<Option<u64>> {
        // PCI_CAPABILITY_LIST
        let mut at = u64::from(self.config(0x34)? & 0xfc);
        while at != 0 {
            let capability = self.config(at)?;
            if capability & 0xff == id {
                return Ok(Some(at));
            }
            at = u64::from((capability >> 8) & 0xfc);
        }
        Ok(None)
    }

    /// Where it has an extended capability (`PCI_EXT_CAP_ID_*`), if it has it.
    pub fn extended_capability(&self, id: u32) -> Result<Option<u64>> {
        let mut at = 0x100;
        while at != 0 {
            let capability = self.config(at)?;
            if capability & 0xffff == id {
                return Ok(Some(at));
            }
            at = u64::from(capability >> 20);
        }
        Ok(None)
    }

    /// The auxiliary device that publishes its queue manager, if it is one.
    pub fn link(&self) -> Option<String> {
        fs::read_dir(self.path())
            .ok()?
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .find(|name| name.starts_with("hisi_acc_link.qm."))
    }

    pub fn unbind(&self) -> Result<()> {
        self.change()?;
        if self.driver().is_some() {
            write(self.path().join("driver/unbind"), &self.address)?;
        }
        Ok(())
    }

    /// Binds by `driver_override`, as libvirt and driverctl do.
    pub fn bind(&self, driver: &str) -> Result<()> {
        self.change()?;
        if self.driver().as_deref() == Some(driver) {
            return Ok(());
        }
        self.unbind()?;
        write(self.path().join("driver_override"), driver)?;
        write("/sys/bus/pci/drivers_probe", &self.address)?;
        match self.driver() {
            Some(name) if name == driver => Ok(()),
            other => Err(format!("{} is bound to {other:?}, not to {driver}", self.address).into()),
        }
    }

    /// Why it does not migrate, as vfio_rs says it in sysfs; empty if it does. The line has its
    /// end.
    pub fn migration_blocker(&self) -> Result<String> {
        let path = self.path().join("migration_blocker");
        let line = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        match line.strip_suffix('\n') {
            Some(why) if !why.contains('\n') => Ok(why.to_owned()),
            _ => Err(format!("{}: not one line: {line:?}", path.display()).into()),
        }
    }

    /// Writes an attribute of it in sysfs.
    pub fn set_attribute(&self, name: &str, value: &str) -> Result<()> {
        self.change()?;
        write(self.path().join(name), value)
    }

    /// A register of a BAR.
    pub fn register(&self, bar: u8, at: u64) -> Result<u32> {
        const PAGE: u64 = 4096;
        let file = File::open(self.path().join(format!("resource{bar}")))?;
        let page = Mapping::new(&file, at & !(PAGE - 1), PAGE as usize, libc::PROT_READ)?;
        // SAFETY: Within the mapping.
        Ok(unsafe {
            page.address
                .add((at % PAGE) as usize)
                .cast::<u32>()
                .read_volatile()
        })
    }

    /// Writes a register of a BAR, past its driver.
    pub fn set_register(&self, bar: u8, at: u64, value: u32) -> Result<()> {
        self.change()?;
        const PAGE: u64 = 4096;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(self.path().join(format!("resource{bar}")))?;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let page = Mapping::new(&file, at & !(PAGE - 1), PAGE as usize, protection)?;
        // SAFETY: Within the mapping.
        unsafe {
            page.address
                .add((at % PAGE) as usize)
                .cast::<u32>()
                .write_volatile(value);
        }
        Ok(())
    }

    pub fn device_id(&self) -> Result<u16> {
        let text = read(self.path().join("device"))?;
        Ok(u16::from_str_radix(text.trim_start_matches("0x"), 16)?)
    }

    /// A word of its configuration space, and writing one: past its driver.
    pub fn config(&self, at: u64) -> Result<u32> {
        let mut raw = [0; 4];
        File::open(self.path().join("config"))?.read_exact_at(&mut raw, at)?;
        Ok(u32::from_le_bytes(raw))
    }

    pub fn set_config(&self, at: u64, value: u32) -> Result<()> {
        self.write_config(at, &value.to_le_bytes())
    }

    /// Writes its command register (`PCI_COMMAND`), and not the status beside it.
    pub fn set_command(&self, value: u16) -> Result<()> {
        self.write_config(4, &value.to_le_bytes())
    }

    fn write_config(&self, at: u64, raw: &[u8]) -> Result<()> {
        self.change()?;
        let file = OpenOptions::new()
            .write(true)
            .open(self.path().join("config"))?;
        Ok(file.write_all_at(raw, at)?)
    }

    /// Its VFIO character device.
    pub fn vfio_path(&self) -> Result<PathBuf> {
        let dir = self.path().join("vfio-dev");
        let entry = fs::read_dir(&dir)?.next().ok_or("no VFIO device")??;
        Ok(Path::new("/dev/vfio/devices").join(entry.file_name()))
    }
}

/// An engine with its functions on this machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Accelerator(pub Engine);

pub const ZIP: Accelerator = Accelerator(Engine::Zip);
pub const SEC: Accelerator = Accelerator(Engine::Sec);
pub const HPRE: Accelerator = Accelerator(Engine::Hpre);

/// All of them.
pub const ALL: [Accelerator; Engine::ALL.len()] = {
    let mut all = [ZIP; Engine::ALL.len()];
    let mut n = 0;
    while n < all.len() {
        all[n] = Accelerator(Engine::ALL[n]);
        n += 1;
    }
    all
};

impl Deref for Accelerator {
    type Target = Descriptor;

    fn deref(&self) -> &Descriptor {
        self.0.descriptor()
    }
}

impl Accelerator {
    /// The VFs that may be used, if they were named.
    pub fn named(&self) -> Option<Vec<Function>> {
        let of_this = |vf: &&Function| vf.device_id().is_ok_and(|id| id == self.vf);
        Some(NAMED.get()?.iter().filter(of_this).cloned().collect())
    }

    /// The PF of the machine, or of the VFs that were named.
    pub fn pf(&self) -> Result<Function> {
        if let Some(vfs) = self.named() {
            let vf = vfs
                .first()
                .ok_or_else(|| format!("no VF of {} was named", self.name))?;
            let pf = fs::canonicalize(vf.path().join("physfn"))?;
            let address = pf
                .file_name()
                .ok_or("no name")?
                .to_string_lossy()
                .into_owned();
            return Ok(Function { address });
        }
        Function::all(ids::VENDOR_HUAWEI, self.pf)?
            .into_iter()
            .next()
            .ok_or_else(|| format!("no PF of {} here", self.name).into())
    }

    /// The PF bound to the in-tree driver.
    pub fn bound_pf(&self) -> Result<Function> {
        let pf = self.pf()?;
        pf.change()?;
        modprobe(self.module)?;
        if pf.driver().is_none() {
            pf.bind(self.module)?;
        }
        Ok(pf)
    }

    /// Removes all VFs.
    pub fn remove_vfs(&self) -> Result<()> {
        let numvfs = self.bound_pf()?.path().join("sriov_numvfs");
        if read(&numvfs)? != "0" {
            write(&numvfs, "0")?;
        }
        Ok(())
    }

    /// So many VFs; those that the in-tree driver had are let go. If VFs were named: these, however
    /// many there are.
    pub fn vfs(&self, count: usize) -> Result<Vec<Function>> {
        if let Some(vfs) = self.named() {
            return Ok(vfs);
        }
        let pf = self.bound_pf()?;
        let current = read(pf.path().join("sriov_numvfs"))?;
        if current != count.to_string() {
            self.remove_vfs()?;
            let numvfs = pf.path().join("sriov_numvfs");
            // The VFs are to be ours: no driver takes them.
            write(pf.path().join("sriov_drivers_autoprobe"), "0")?;
            write(&numvfs, &count.to_string())?;
        }
        let vfs = Function::all(ids::VENDOR_HUAWEI, self.vf)?;
        if vfs.len() != count {
            return Err(format!("{} VFs, {count} wanted", vfs.len()).into());
        }
        Ok(vfs)
    }
}

/// The ZIP PF of the machine.
pub fn pf() -> Result<Function> {
    ZIP.pf()
}

/// Returns the generation of the accelerators, which the revision of the PF says.
pub fn generation() -> Result<Generation> {
    let text = read(pf()?.path().join("revision"))?;
    let revision = u8::from_str_radix(text.trim_start_matches("0x"), 16)?;
    Generation::of_revision(revision).ok_or_else(|| format!("unknown revision {text}").into())
}

/// Returns where the accelerators have their migration registers.
pub fn migration() -> Result<&'static Migration> {
    let migration = generation()?.layout().migration.as_ref();
    migration.ok_or_else(|| "no generation that migrates".into())
}

/// Returns whether the PF of this generation has a window for them.
pub fn has_window() -> Result<bool> {
    Ok(generation()?.layout().window().is_some())
}

/// So many VFs of the ZIP.
pub fn vfs(count: usize) -> Result<Vec<Function>> {
    ZIP.vfs(count)
}

/// What an in-tree driver shows of a function in debugfs.
pub struct Debugfs(PathBuf);

impl Debugfs {
    pub fn of(accelerator: Accelerator, function: &Function) -> Self {
        let root = Path::new("/sys/kernel/debug").join(accelerator.module);
        Self(root.join(&function.address))
    }

    pub fn read(&self, file: &str) -> Result<String> {
        read(self.0.join(file))
    }

    pub fn write(&self, file: &str, value: &str) -> Result<()> {
        write(self.0.join(file), value)
    }

    /// A file that is a number.
    pub fn number(&self, file: &str) -> Result<u64> {
        Ok(self.read(file)?.parse()?)
    }

    /// A register of a file of lines `NAME = 0xVALUE`; `None` where it is not there.
    pub fn register(&self, file: &str, name: &str) -> Result<Option<u64>> {
        Self::find(&self.read(file)?, name)
    }

    /// The same of the file's text.
    pub fn find(text: &str, name: &str) -> Result<Option<u64>> {
        let line = text
            .lines()
            .find(|line| line.split('=').next().is_some_and(|l| l.trim() == name));
        match line.and_then(|line| line.split("0x").nth(1)) {
            Some(hex) => Ok(Some(u64::from_str_radix(hex.trim(), 16)?)),
            None => Ok(None),
        }
    }
}

impl Driver {
    /// Its name on the PCI bus.
    pub fn pci_name(self) -> &'static str {
        match self {
            Self::Rust => "hisi_acc_vfio_rs",
            Self::C => "hisi_acc_vfio_pci",
        }
    }

    pub fn module(self) -> &'static str {
        match self {
            Self::Rust => "hisi_acc_vfio_rs",
            Self::C => "hisi_acc_vfio_pci",
        }
    }
}

/// Binds a VF to a driver under test.
pub fn bind(vf: &Function, driver: Driver) -> Result<()> {
    modprobe(driver.module())?;
    vf.bind(driver.pci_name())
}
