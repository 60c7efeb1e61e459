// SPDX-License-Identifier: GPL-2.0

//! Hosts with libvirt. Each has Debian's libvirt and QEMU, unmodified, in a root of its own, under
//! a name of its own. All are in this guest, and have its kernel and its VFs.

use crate::{
    nested::{
        console::{jobs, walked, walks, Wait, WALK},
        Config,
    },
    support::{
        debian::{copy_modules, mount_9p, mount_kernel, ENVIRONMENT},
        program::{mount, run},
    },
};
use acc_vfio_user::{
    ensure,
    host::{self, Function},
    Result,
};
use std::{
    fs,
    io::Write,
    os::unix::{fs::PermissionsExt, net::UnixStream},
    path::Path,
    process::{Child, Command, Stdio},
};

/// Where the root of Debian is, by 9p. It cannot be written to.
const LOWER: &str = "/libvirt";
/// The layers above it: that of all hosts, then those of each.
const HOSTS: &str = "/hosts";
/// What all hosts share: the sockets of each, and those of migrations.
const COMMON: &str = "/common";
const CGROUPS: &str = "/sys/fs/cgroup";
/// The name of the guest.
pub const GUEST: &str = "guest";
/// The XML of a VF that the package `accvf` has for operators, and the address in it.
pub const HOSTDEV: &str = include_str!("../../../../packaging/examples/hostdev.xml");
const ADDRESS: &str = "domain='0x0000' bus='0x09' slot='0x00' function='0x1'";
/// The part of it that names the driver.
pub const MODEL: &str = "  <driver model='hisi_acc_vfio_rs'/>\n";

/// Mounts a root on top of other folders, and returns where.
fn layer(name: &str, lower: &str) -> Result<String> {
    let of = |part: &str| format!("{HOSTS}/{name}/{part}");
    for part in ["upper", "work", "root"] {
        fs::create_dir_all(of(part))?;
    }
    let options = format!(
        "lowerdir={lower},upperdir={},workdir={}",
        of("upper"),
        of("work")
    );
    mount(&["-t", "overlay", "-o", &options, "overlay", &of("root")])?;
    Ok(of("root"))
}

/// Runs commands by the shell of a root, however long they take.
fn sh_in(root: &str, commands: &str) -> Result<String> {
    let out = format!("{HOSTS}/output");
    let file = fs::File::create(&out)?;
    let mut child = Command::new("chroot")
        .args([root, "/bin/sh", "-e", "-c", commands])
        .env_clear()
        .envs(ENVIRONMENT)
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file)
        .spawn()?;
    let mut wait = Wait::new(1024);
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if !wait.goes_on(commands) {
            let _ = child.kill();
            break child.wait()?;
        }
    };
    let text = fs::read_to_string(&out)?;
    for line in text.lines() {
        println!("# {line}");
    }
    ensure!(status.success(), "{commands}: {status}: {text}");
    Ok(text)
}

/// Makes what all hosts have, once: the packages, and what guests boot.
fn base() -> Result<()> {
    if Path::new(LOWER).exists() {
        return Ok(());
    }
    mount_9p("libvirt", LOWER, ",ro")?;
    fs::create_dir_all("/load")?;
    mount_9p("load", "/load", ",ro")?;
    fs::create_dir_all(HOSTS)?;
    mount(&["-t", "tmpfs", "tmpfs", HOSTS])?;
    mount(&["-t", "cgroup2", "cgroup2", CGROUPS])?;
    host::write(
        format!("{CGROUPS}/cgroup.subtree_control"),
        "+cpu +cpuset +memory +pids",
    )?;
    let root = layer("base", LOWER)?;
    let mounted = mount_kernel(&root)?;
    copy_modules(&root)?;
    // What the scripts of Debian's packages do: they have not been run.
    let add = |file: &str, lines: &str| -> Result<()> {
        let path = format!("{root}/etc/{file}");
        let text = fs::read_to_string(&path)?;
        let new = lines.lines().filter(|line| {
            let name = line.split_inclusive(':').next().unwrap_or_default();
            !text.lines().any(|old| old.starts_with(name))
        });
        let all = text.lines().chain(new).map(|line| format!("{line}\n"));
        Ok(fs::write(&path, all.collect::<String>())?)
    };
    add(
        "passwd",
        "libvirt-qemu:x:64055:64055::/var/lib/libvirt:/usr/sbin/nologin",
    )?;
    add(
        "group",
        "kvm:x:993:libvirt-qemu\nlibvirt:x:994:\nlibvirt-qemu:x:64055:libvirt-qemu",
    )?;
    let images = format!("{root}/var/lib/libvirt/images");
    fs::create_dir_all(&images)?;
    for file in ["Image", "initrd.gz"] {
        fs::copy(format!("/load/{file}"), format!("{images}/{file}"))?;
    }
    // As `make modules_install` of the kernel leaves it: those of VFIO after many others.
    sh_in(
        &root,
        "cd /usr/lib/modules/$(uname -r)\n\
         { ls *.ko | grep -v vfio; echo vfio-pci-core.ko; echo vfio-pci.ko;\
         echo hisi-acc-vfio-pci.ko; } >modules.order\n\
         apt-get -y install /packages/accvf_*.deb /packages/hisi-acc-vfio-rs-modules-*.deb\n\
         depmod\n\
         rm -r /var/run\n\
         ln -s /run /var/run\n\
         chgrp kvm /dev/kvm\n\
         chmod 660 /dev/kvm",
    )?;
    for path in mounted.iter().rev().chain([&root]) {
        run("umount", &[path])?;
    }
    Ok(())
}

/// A host. Its daemons run until this is dropped.
pub struct Host {
    pub name: &'static str,
    root: String,
    daemons: Vec<Child>,
}

impl Host {
    /// Starts the daemons of a host.
    pub fn start(name: &'static str) -> Result<Self> {
        base()?;
        let root = format!("{HOSTS}/{name}/root");
        let own_run = format!("{HOSTS}{COMMON}/{name}");
        if !Path::new(&root).exists() {
            layer(name, &format!("{HOSTS}/base/upper:{LOWER}"))?;
            mount_kernel(&root)?;
            // The guests of both have the same name.
            let cgroup = format!("{CGROUPS}/{name}");
            fs::create_dir_all(&cgroup)?;
            mount(&["-o", "bind", &cgroup, &format!("{root}{CGROUPS}")])?;
            let migrations = format!("{HOSTS}{COMMON}/migrations");
            fs::create_dir_all(&migrations)?;
            fs::set_permissions(&migrations, fs::Permissions::from_mode(0o1777))?;
            fs::create_dir_all(&own_run)?;
            fs::create_dir_all(format!("{root}{COMMON}"))?;
            let common = format!("{HOSTS}{COMMON}");
            mount(&["-o", "bind", &common, &format!("{root}{COMMON}")])?;
            mount(&["-o", "bind", &own_run, &format!("{root}/run")])?;
            mount(&["-t", "tmpfs", "tmpfs", &format!("{root}/tmp")])?;
            let number = name.as_bytes().first().copied().unwrap_or_default();
            let file = format!("{root}/etc/libvirt/libvirtd.conf");
            let conf = fs::read_to_string(&file)?;
            let uuid = format!("{number:08x}-0000-4000-8000-0123456789ab");
            fs::write(&file, format!("{conf}host_uuid = \"{uuid}\"\n"))?;
        }
        let mut host = Self {
            name,
            root,
            daemons: Vec::new(),
        };
        // What the guest of an earlier case has said.
        let _ = fs::remove_file(host.console_path());
        for daemon in ["virtlogd", "libvirtd"] {
            host.daemon(daemon)?;
        }
        let mut wait = Wait::new(256);
        let socket = format!("{own_run}/libvirt/libvirt-sock");
        while UnixStream::connect(&socket).is_err() {
            let ended = host
                .daemons
                .iter_mut()
                .any(|d| !matches!(d.try_wait(), Ok(None)));
            ensure!(
                !ended && wait.goes_on("libvirtd"),
                "{name}: libvirtd does not answer: {}",
                host.said()
            );
        }
        Ok(host)
    }

    fn daemon(&mut self, program: &str) -> Result<()> {
        let log = fs::File::create(format!("{}/var/log/{program}.log", self.root))?;
        // The root of a mount namespace, not only of a process: libvirt makes devices for a guest
        // in the namespace that the guest has.
        let script = format!(
            "cd {0} && mount -o move {0} / && hostname {1} && exec chroot . /usr/sbin/{program}",
            self.root, self.name
        );
        self.daemons.push(
            Command::new("unshare")
                .args(["-m", "-u", "/bin/sh", "-c", &script])
                .env_clear()
                .envs(ENVIRONMENT)
                .stdin(Stdio::null())
                .stdout(log.try_clone()?)
                .stderr(log)
                .spawn()?,
        );
        Ok(())
    }

    /// What libvirt and QEMU have said.
    pub fn said(&self) -> String {
        let of = |path: &str| fs::read_to_string(format!("{}{path}", self.root));
        let files = [
            "/var/log/virtlogd.log".to_owned(),
            "/var/log/libvirtd.log".to_owned(),
            format!("/var/log/libvirt/qemu/{GUEST}.log"),
        ];
        let texts = files.iter().map(|path| of(path).unwrap_or_default());
        texts.collect::<Vec<_>>().join("\n")
    }

    /// Runs commands on the host, as its operator.
    pub fn sh(&self, commands: &str) -> Result<String> {
        sh_in(&self.root, commands)
            .map_err(|e| format!("{}: {e}\n{}", self.name, self.said()).into())
    }

    /// Writes a file of the host.
    pub fn write(&self, path: &str, text: &str) -> Result<()> {
        Ok(fs::write(format!("{}{path}", self.root), text)?)
    }

    fn console_path(&self) -> String {
        format!("{}/var/log/libvirt/qemu/{GUEST}-console.log", self.root)
    }

    /// Returns all that the guest's console has said on this host.
    pub fn console(&self) -> String {
        let raw = fs::read(self.console_path()).unwrap_or_default();
        String::from_utf8_lossy(&raw).replace('\r', "")
    }

    /// Has the guest compare all of its known memory.
    pub fn walk(&self) -> Result<()> {
        let before = walks(&self.console());
        let path = format!("{HOSTS}{COMMON}/{}/libvirt/console", self.name);
        let mut console = UnixStream::connect(path)?;
        writeln!(console, "{WALK}")?;
        let mut wait = Wait::new(512);
        loop {
            if let Some(walked) = walked(&self.console(), before) {
                return walked;
            }
            ensure!(
                wait.goes_on("a look at the guest's memory"),
                "{}: the guest does not compare its memory",
                self.name
            );
        }
    }

    /// Returns what libvirt says of the guest's state.
    pub fn state(&self) -> Result<String> {
        Ok(self
            .sh(&format!("virsh -q domstate {GUEST}"))?
            .trim()
            .to_owned())
    }

    /// Waits until the guest has done so many more jobs, with no error.
    pub fn works(&self, more: u64) -> Result<()> {
        let goal = jobs(&self.console(), "zip").0 + more;
        let mut wait = Wait::new(512);
        loop {
            let console = self.console();
            let (done, errors) = jobs(&console, "zip");
            ensure!(errors == 0, "{errors} errors:\n{console}");
            if done >= goal {
                return Ok(());
            }
            ensure!(
                wait.goes_on(&format!("{}: {goal} jobs", self.name)),
                "{}: {done} jobs, not {goal}:\n{console}\n{}",
                self.name,
                self.said()
            );
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let pid = format!("/run/libvirt/qemu/{GUEST}.pid");
        let _ = self.sh(&format!("if [ -e {pid} ]; then kill -9 $(cat {pid}); fi"));
        for daemon in self.daemons.iter_mut().rev() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}

/// The example's XML with the address of a VF.
pub fn hostdev(vf: &Function) -> Result<String> {
    let [bus, device, function] = vf.number()?;
    let address =
        format!("domain='0x0000' bus='{bus:#04x}' slot='{device:#04x}' function='{function:#x}'");
    ensure!(HOSTDEV.contains(ADDRESS), "the example has another address");
    let (_, hostdev) = HOSTDEV.split_once("-->\n<hostdev").ok_or("no <hostdev>")?;
    Ok(format!("<hostdev{}", hostdev.replace(ADDRESS, &address)))
}

/// Makes the XML of a guest with a device.
pub fn domain(config: &Config, host: &Host, hostdev: &str) -> String {
    format!(
        "<domain type='kvm'>
  <name>{GUEST}</name>
  <uuid>6a0b3c1e-52b7-4f6c-9d0e-2f1a4b5c6d7e</uuid>
  <memory unit='MiB'>{}</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='aarch64' machine='virt'>hvm</type>
    <kernel>/var/lib/libvirt/images/Image</kernel>
    <initrd>/var/lib/libvirt/images/initrd.gz</initrd>
    <cmdline>{}</cmdline>
  </os>
  <features><gic version='3'/></features>
  <cpu mode='host-passthrough'/>
  <on_reboot>destroy</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
    <emulator>/usr/bin/qemu-system-aarch64</emulator>
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
    <serial type='unix'>
      <source mode='bind' path='{COMMON}/{}/libvirt/console'/>
      <log file='/var/log/libvirt/qemu/{GUEST}-console.log' append='on'/>
    </serial>
    {hostdev}
  </devices>
</domain>
",
        config.memory_mb,
        config.command_line(),
        host.name,
    )
}

/// Migrates the running guest from a host to another one, where it gets other VFs. Returns what
/// libvirt says of it.
pub fn migrate(from: &Host, to: &Host, xml: &str) -> Result<String> {
    from.write("/tmp/target.xml", xml)?;
    let socket = format!("{COMMON}/migrations/{}", to.name);
    from.sh(&format!(
        "virsh migrate --live --persistent --undefinesource --xml /tmp/target.xml \
         --persistent-xml /tmp/target.xml --migrateuri unix://{socket} {GUEST} \
         'qemu+unix:///system?socket={COMMON}/{}/libvirt/libvirt-sock'",
        to.name
    ))
    .map_err(|e| format!("{e}\n{}: {}", to.name, to.said()))?;
    to.sh(&format!("virsh -q domjobinfo --completed {GUEST}"))
}

/// The state of a VF that the kernel shows.
pub fn migration_state(vf: &Function) -> Result<String> {
    let folder = Path::new("/sys/kernel/debug/vfio").join(&vf.address);
    host::read(folder.join("migration/state"))
}
