// SPDX-License-Identifier: GPL-2.0

//! The machine that guests are: their initramfs, QEMU.

use crate::error::Result;
use acc_case::{Case, Httu, Needs, Topology};
use hisi_acc_hw::{Engine, Generation};
use std::{
    fs::{self, File},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

/// What all guests are made of.
#[derive(Clone)]
pub struct Machine {
    pub top: PathBuf,
    pub kernel: PathBuf,
    pub twin: PathBuf,
    /// Name of the kernel's flavour. Empty for the plain one.
    pub flavour: String,
    /// What is behind the names of the folders of this flavour and this kernel. Empty for the plain
    /// flavour of the toolchain root's own kernel.
    pub suffix: String,
    /// Factor by which the kernel is slower than the plain one.
    pub slowness: u32,
    /// The root of the guests' own QEMU, if there is one
    pub nested: Option<PathBuf>,
    /// The root of a bare Debian, if there is one
    pub debian: Option<PathBuf>,
    /// The root of a Debian with libvirt, if there is one
    pub libvirt: Option<PathBuf>,
    /// A folder of modules that take the place of those in the initramfs
    pub replaced: Option<PathBuf>,
}

/// How many seconds a guest may be silent, and how many it may take in all: itself, or with guests
/// of its own.
pub const SILENCE: u64 = 120;
pub const TOTAL: u64 = 900;
pub const TOTAL_NESTED: u64 = 1800;

/// How long a guest may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Without a word
    pub silence: Duration,
    pub total: Duration,
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.output()?;
    if !output.status.success() {
        return Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(())
}

const INIT: &str = "#!/bin/sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t debugfs debugfs /sys/kernel/debug
mount -t tmpfs tmpfs /tmp
export RUST_BACKTRACE=1
. /task
echo '<1>acc-selftest: end' >/dev/kmsg
poweroff -f
";

/// Begins a task whose output goes to a port: the console is the kernel's alone then.
pub const OUTPUT_TO_PORT: &str = "\
port() {
	until name=$(grep -lx \"$1\" /sys/class/virtio-ports/*/name); do sleep 0.1; done
	basename \"$(dirname \"$name\")\"
}
exec >/dev/$(port acc.output 2>/dev/null) 2>&1
";

/// Seconds after which the plain kernel reports a task that hangs. The kernel checks at the same
/// interval.
const HUNG: u32 = 30;

/// How many seconds each case that can go on for long is to go on (`make soak`).
fn soak() -> Option<u64> {
    std::env::var("ACC_SOAK").ok()?.parse().ok()
}

impl Machine {
    /// A folder of the build that each flavour of each kernel has for itself.
    pub fn folder(&self, name: &str) -> PathBuf {
        self.top.join("build").join(name.to_owned() + &self.suffix)
    }

    pub fn limits(&self, silence: u64, total: u64) -> Limits {
        Limits {
            silence: Duration::from_secs(silence + soak().unwrap_or(0)) * self.slowness,
            // Three engines, each so long.
            total: Duration::from_secs(total + 3 * soak().unwrap_or(0)) * self.slowness,
        }
    }

    /// The test program as it runs here, to ask it for its cases.
    pub fn host_selftest(&self) -> PathBuf {
        self.top.join("build/cargo/release/acc-selftest")
    }

    /// Returns the programs of this tree that run in guests.
    fn guest_programs(&self) -> [PathBuf; 2] {
        let folder = "build/cargo/aarch64-unknown-linux-gnu/release";
        ["acc-selftest", "accvf"].map(|name| self.top.join(folder).join(name))
    }

    /// The kernel's release, by which its modules' folder is called.
    fn release(&self) -> Result<String> {
        let release = fs::read_to_string(self.kernel.join("include/config/kernel.release"))?;
        Ok(release.trim().to_owned())
    }

    fn initramfs(&self) -> PathBuf {
        self.folder("guest").join("initramfs.gz")
    }

    /// All modules: the kernel's, and ours.
    fn modules(&self) -> Result<Vec<PathBuf>> {
        let order = fs::read_to_string(self.kernel.join("modules.order"))?;
        let mut modules: Vec<PathBuf> = order
            .lines()
            .map(|line| self.kernel.join(line).with_extension("ko"))
            .collect();
        for entry in fs::read_dir(self.folder("modules"))? {
            let path = entry?.path();
            if path.extension().is_some_and(|e| e == "ko") {
                modules.push(path);
            }
        }
        Ok(modules)
    }

    /// The kernel's own tests.
    fn upstream(&self) -> Result<Vec<PathBuf>> {
        let entries = fs::read_dir(self.top.join("build/upstream/bin"))?;
        Ok(entries
            .map(|entry| entry.map(|e| e.path()))
            .collect::<std::io::Result<_>>()?)
    }

    /// Returns the packages that cases install. Only `make check` builds them.
    fn packages(&self) -> Result<Vec<PathBuf>> {
        let Ok(entries) = fs::read_dir(self.folder("deb")) else {
            return Ok(Vec::new());
        };
        let paths = entries.map(|entry| entry.map(|e| e.path()));
        let mut all = paths.collect::<std::io::Result<Vec<_>>>()?;
        all.retain(|path| path.extension().is_some_and(|e| e == "deb"));
        Ok(all)
    }

    /// Makes the initramfs anew if something in it is newer.
    pub fn build_initramfs(&self) -> Result<()> {
        let root = self.folder("guest").join("root");
        let modules = self.modules()?;
        let upstream = self.upstream()?;
        let packages = self.packages()?;
        let inputs = modules
            .iter()
            .chain(&upstream)
            .chain(&packages)
            .cloned()
            .chain(self.guest_programs())
            .chain([std::env::current_exe()?]);
        let made = fs::metadata(self.initramfs())
            .and_then(|m| m.modified())
            .ok();
        let of = self.folder("guest").join("kernel");
        let same = fs::read_to_string(&of).is_ok_and(|k| Path::new(&k) == self.kernel);
        let mut newest = None;
        for input in inputs {
            newest = newest.max(Some(fs::metadata(&input)?.modified()?));
        }
        if same && made.is_some() && made > newest {
            return Ok(());
        }
        let _ = fs::remove_file(&of);
        let _ = fs::remove_dir_all(&root);
        let release = self.release()?;
        let lib = root.join("lib/modules").join(&release);
        for dir in ["bin", "sbin", "proc", "sys", "dev", "tmp", "root"] {
            fs::create_dir_all(root.join(dir))?;
        }
        fs::create_dir_all(&lib)?;
        for module in &modules {
            fs::copy(module, lib.join(module.file_name().ok_or("no name")?))?;
        }
        for list in ["modules.builtin", "modules.builtin.modinfo"] {
            fs::copy(self.kernel.join(list), lib.join(list))?;
        }
        File::create(lib.join("modules.order"))?;
        run(Command::new("depmod").arg("-b").arg(&root).arg(&release))?;
        fs::copy("/usr/bin/busybox", root.join("bin/busybox"))?;
        symlink("busybox", root.join("bin/sh"))?;
        // Where the kernel looks for it.
        symlink("../bin/busybox", root.join("sbin/modprobe"))?;
        for program in self.guest_programs() {
            let name = program.file_name().ok_or("no name")?;
            fs::copy(&program, root.join("bin").join(name))?;
        }
        let tests = root.join("lib/selftests/vfio");
        fs::create_dir_all(&tests)?;
        for test in &upstream {
            fs::copy(test, tests.join(test.file_name().ok_or("no name")?))?;
        }
        let folder = root.join("packages");
        fs::create_dir_all(&folder)?;
        for package in &packages {
            fs::copy(package, folder.join(package.file_name().ok_or("no name")?))?;
        }
        fs::write(root.join("init"), INIT)?;
        run(Command::new("chmod").arg("755").arg(root.join("init")))?;
        pack(&root, &self.initramfs())?;
        fs::write(&of, self.kernel.as_os_str().as_encoded_bytes())?;
        Ok(())
    }

    /// Builds what only some cases need, if one of these does.
    pub fn build_for(&self, cases: &[Case]) -> Result<()> {
        if cases.iter().any(|case| case.needs.other_build) {
            run(Command::new(self.top.join("tools/testing/other-build.sh")).arg(&self.kernel))?;
        }
        if cases.iter().any(|case| case.needs.signed) {
            run(Command::new(self.top.join("tools/testing/signed.sh")).arg(&self.kernel))?;
        }
        Ok(())
    }

    /// QEMU with a task for the guest's init to do.
    pub fn command(
        &self,
        name: &str,
        task: &str,
        needs: &Needs,
        arguments: &str,
    ) -> Result<Command> {
        // A second archive behind the first: the kernel unpacks both.
        let extra = self.folder("guest").join(name);
        let _ = fs::remove_dir_all(&extra);
        fs::create_dir_all(extra.join("root"))?;
        fs::write(extra.join("root/task"), task)?;
        if let Some(modules) = &self.replaced {
            let lib = extra.join("root/lib/modules").join(self.release()?);
            fs::create_dir_all(&lib)?;
            for entry in fs::read_dir(modules)? {
                let entry = entry?;
                fs::copy(entry.path(), lib.join(entry.file_name()))?;
            }
        }
        if needs.other_build {
            let folder = extra.join("root/other-build");
            fs::create_dir_all(&folder)?;
            for module in ["vfio_rs.ko", "hisi_acc_link.ko"] {
                fs::copy(self.folder("other-build").join(module), folder.join(module))?;
            }
        }
        if needs.signed {
            let signed = self.folder("signed").join("files/.");
            run(Command::new("cp")
                .arg("-a")
                .arg(signed)
                .arg(extra.join("root")))?;
        }
        let archive = extra.join("task.gz");
        pack(&extra.join("root"), &archive)?;
        let initrd = extra.join("initrd");
        let mut both = fs::read(self.initramfs())?;
        both.extend(fs::read(&archive)?);
        fs::write(&initrd, both)?;
        let mut append = vec![
            // Cases look for lines in the kernel's log.
            "console=ttyAMA0 panic=-1 rdinit=/init".to_owned(),
            arguments.to_owned(),
        ];
        // The kernel reports a hung task with its stack before the limit for silence ends the
        // guest.
        append.push(format!(
            "sysctl.kernel.hung_task_timeout_secs={}",
            HUNG * self.slowness
        ));
        if !self.flavour.is_empty() {
            // Each of KASAN's findings, not the first alone. And no tests of all that the
            // accelerators' drivers register, but for cases that ask for them: they take minutes.
            append.push("kasan_multi_shot cryptomgr.notests=1".to_owned());
        }
        append.extend(needs.kernel.iter().cloned());
        // For acc-selftest, which waits so much longer.
        append.push(format!("acc.slowness={}", self.slowness));
        if let Some(seconds) = soak() {
            append.push(format!("acc.soak={seconds}"));
        }
        let memory = needs.memory_gib.unwrap_or(match self.flavour.as_str() {
            "" => 1,
            _ => 2,
        });
        // It ends with the thread that starts it, whatever ends that.
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "env"])
            .arg(format!("LD_PRELOAD={}", self.twin.display()))
            .arg("qemu-system-aarch64")
            .arg("-M")
            .arg(board(needs))
            .args(["-cpu", "cortex-a76", "-smp", "2"])
            .arg("-m")
            .arg(format!("{memory}G"))
            .args(["-nographic", "-no-reboot", "-net", "none"])
            .arg("-kernel")
            .arg(self.kernel.join("arch/arm64/boot/Image"))
            .arg("-initrd")
            .arg(initrd)
            .arg("-append")
            .arg(append.join(" "))
            .args(["-device", &control(needs)])
            // For the sample driver. The one behind a port can be reset, by its bus.
            .args(["-device", "edu,addr=4.0"])
            .args(["-device", "pcie-root-port,id=rp,chassis=1,addr=5.0"])
            .args(["-device", "edu,bus=rp"]);
        for device in accelerators(needs) {
            command.arg("-device").arg(device);
        }
        if needs.nested {
            let qemu = self
                .nested
                .as_ref()
                .ok_or("no QEMU for guests of guests: tools/env/nested.sh makes its root")?;
            for (tag, path) in [("nested", qemu), ("load", &self.top.join("build/nested"))] {
                share(&mut command, tag, path, ",readonly=on", "");
            }
        }
        if needs.debian {
            let bare = self
                .debian
                .as_ref()
                .ok_or("no Debian for guests: tools/env/debian.sh makes its root")?;
            // The guest changes it.
            let own = extra.join("debian");
            run(Command::new("cp").arg("-a").arg(bare).arg(&own))?;
            share(&mut command, "debian", &own, "", "");
        }
        if needs.libvirt {
            let root = self
                .libvirt
                .as_ref()
                .ok_or("no libvirt for guests: tools/env/debian.sh makes its root")?;
            // Behind the devices that have a place of their own.
            share(&mut command, "libvirt", root, ",readonly=on", ",addr=7.0");
        }
        Ok(command)
    }
}

/// Gives the guest a folder by 9p, with more options of the folder and of the device.
fn share(command: &mut Command, tag: &str, path: &Path, options: &str, of_device: &str) {
    command
        .arg("-fsdev")
        .arg(format!(
            "local,id={tag},path={},security_model=none{options}",
            path.display()
        ))
        .arg("-device")
        // Not behind the IOMMU: it would have to be mapped.
        .arg(format!(
            "virtio-9p-pci,fsdev={tag},mount_tag={tag},iommu_platform=off{of_device}"
        ));
}

/// QEMU's `-M`.
fn board(needs: &Needs) -> String {
    let mut board = "virt,gic-version=3,its=on".to_owned();
    if needs.topology != Topology::NoIommu {
        board += ",iommu=smmuv3";
    }
    if needs.nested {
        board += ",virtualization=on";
    }
    board
}

/// QEMU's `-device` by which tests talk to the model. It gives the IOMMU its dirty bits, too.
fn control(needs: &Needs) -> String {
    let mut control = "acc-twin-ctl,addr=2.0".to_owned();
    match needs.httu {
        Httu::Off => {}
        Httu::On => control += ",httu=on",
        Httu::Cached => control += ",httu=on,httu-cache=on",
    }
    control
}

/// QEMU's `-device` of the accelerators, and of the ports above them.
fn accelerators(needs: &Needs) -> Vec<String> {
    // Cases whose names mention no generation run on the first that migrates.
    let first = Generation::migrating()
        .map(|row| row.layout().number)
        .next();
    let hw = needs.hw.or(first).unwrap_or_default();
    let vfs = needs.vfs.unwrap_or(8);
    let mut devices = Vec::new();
    for (n, engine) in Engine::ALL.into_iter().enumerate() {
        let kind = engine.descriptor().name;
        let mut pf = format!("hisi-{kind}-pf,id={kind},vfs={vfs},hw={hw}");
        if let Some(guess) = &needs.guess {
            // A comma in a value is doubled.
            pf += &format!(",guess={}", guess.replace(',', ",,"));
        }
        if needs.topology == Topology::Integrated {
            // The VFs have the device numbers that follow.
            devices.push(format!("{pf},addr={:x}.0", 8 + 8 * n));
            continue;
        }
        // Each PF is device 0 of its bus: hisi_qm takes a function's devfn for its number
        // (qm_get_qos_value()). Errors are reported to the port above.
        let acs = match needs.topology {
            Topology::NoAcs => ",disable-acs=on",
            _ => "",
        };
        let (chassis, slot) = (2 + n, 16 + n);
        devices.push(format!(
            "pcie-root-port,id=port-{kind},chassis={chassis},addr={slot:x}.0{acs}"
        ));
        devices.push(format!("{pf},bus=port-{kind},addr=0.0"));
    }
    devices
}

fn pack(root: &Path, to: &Path) -> Result<()> {
    let script = "cd \"$1\" && find . | cpio -o -H newc --quiet -R 0:0 | gzip -1 >\"$2\"";
    run(Command::new("sh")
        .args(["-c", script, "sh"])
        .arg(root)
        .arg(to))
}
