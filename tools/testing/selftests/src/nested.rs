// SPDX-License-Identifier: GPL-2.0

//! Guests of this guest: QEMU, unmodified, with VFs handed on to it by vfio-pci, and spoken to by
//! QMP.

pub mod console;
mod outcome;
mod record;

pub use outcome::{event, Outcome};
pub use record::{tell, tell_as, Record};

use crate::support::program::mount;
use acc_vfio_user::{
    host::{self, Function},
    Driver, Result,
};
use console::Wait;
use serde_json::{json, Value};
use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

/// Where Debian's QEMU is: a root file system of its own, by 9p.
const ROOT: &str = "/nested";
/// Where it finds what it boots, within that root.
const LOAD: &str = "/work";
/// Sockets and consoles, in and out of that root.
const RUN: &str = "/run";

/// Returns where this guest has a file of QEMU's root.
pub fn outside(path: &str) -> String {
    format!("{ROOT}{path}")
}

/// Mounts what QEMU needs, once.
pub fn set_up() -> Result<()> {
    if Path::new(ROOT).join("usr/bin").exists() {
        return Ok(());
    }
    fs::create_dir_all(ROOT)?;
    let nine = "trans=virtio,version=9p2000.L,msize=1048576,cache=loose,ro";
    mount(&["-t", "9p", "-o", nine, "nested", ROOT])?;
    mount(&["-t", "9p", "-o", nine, "load", &outside(LOAD)])?;
    for (kind, path) in [("proc", "/proc"), ("sysfs", "/sys")] {
        mount(&["-t", kind, kind, &outside(path)])?;
    }
    mount(&["-o", "bind", "/dev", &outside("/dev")])?;
    for path in [RUN, "/tmp"] {
        mount(&["-t", "tmpfs", "tmpfs", &outside(path)])?;
    }
    // Buffers of the nested guest's RAM.
    fs::create_dir_all("/dev/shm")?;
    Ok(())
}

/// How a VF is handed on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// By a group and a type 1 container
    Legacy,
    /// By the character device and an iommufd. Where neither driver nor IOMMU track what devices
    /// write, QEMU 10.0 takes no page for dirty that a device has written (`vfio_log_sync_needed()`
    /// asks `dirty_pages_started`, which is never set then), where it says that all are: what is
    /// written while the guest's memory is being sent is lost. A guest that is stopped before loses
    /// nothing. The legacy container reports all pages itself.
    Iommufd,
}

impl Way {
    /// Its name in results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Legacy => "legacy",
            Self::Iommufd => "iommufd",
        }
    }
}

/// What a nested guest is like.
#[derive(Clone)]
pub struct Config {
    /// Its kernel, such as `6.1`. Empty for the one under test.
    pub linux: &'static str,
    /// More of the command line of its kernel
    pub more: &'static str,
    pub way: Way,
    /// The engines that its work is for, as `acc.engine=` has them
    pub engines: &'static str,
    /// Jobs between two lines of its console
    pub every: u32,
    pub memory_mb: u32,
    /// How much of it has known contents, and the share in per cent that the VFs write to
    pub known_mb: u32,
    pub written: u32,
    /// Properties of each vfio-pci device
    pub device: &'static str,
    /// Bytes that may be sent in a second, and how long the rest of RAM may take once the guest has
    /// been stopped: it is stopped when that is so
    pub bandwidth: u64,
    pub downtime_ms: u64,
    /// QEMU's trace has each write of the guest to a VF that passes QEMU
    pub exits: bool,
}

impl Config {
    /// As QEMU migrates by default, as fast as it can; with a driver that does not track what its
    /// VFs write, as it can at all.
    pub fn of(driver: Driver) -> Self {
        let config = Self {
            linux: "",
            more: "",
            way: Way::Legacy,
            engines: "zip",
            every: 50,
            memory_mb: 256,
            known_mb: 16,
            written: 25,
            device: "",
            bandwidth: 4 << 30,
            downtime_ms: 300,
            exits: false,
        };
        match driver {
            Driver::Rust => config,
            Driver::C => Self {
                // No IOMMU here tracks what devices write either: QEMU would refuse to migrate.
                device: "enable-migration=on",
                // All of RAM is dirty for ever then: the guest has to be stopped with all of it to
                // do.
                downtime_ms: 2_000_000,
                ..config
            },
        }
    }
}

impl Config {
    /// Where QEMU finds a file that the guest boots from.
    fn boots(&self, file: &str) -> String {
        Path::new(LOAD)
            .join(self.linux)
            .join(file)
            .display()
            .to_string()
    }

    /// The command line of its kernel.
    pub fn command_line(&self) -> String {
        format!(
            // Each letter on the console is an exit to QEMU: not all that is said at boot. And the
            // kernel's own tests of the engines are of other cases (twin.*).
            "console=ttyAMA0 loglevel=6 panic=-1 cryptomgr.notests=1 acc.engine={} acc.every={} \
             acc.memory={} acc.written={}{}",
            self.engines, self.every, self.known_mb, self.written, self.more
        )
    }
}

/// A QEMU.
pub struct Vm {
    pub name: String,
    pub config: Config,
    /// Its VFs
    pub vfs: Vec<Function>,
    child: Child,
    qmp: BufReader<UnixStream>,
    serial: fs::File,
    /// How long its trace was when it was last told to migrate
    traced: usize,
}

/// What QEMU traces: states of VFs, what is sent of them, when vCPUs stop and go on, and the pages
/// that are dirty by what the VFs write.
const TRACED: &[&str] = &[
    "vfio_migration_set_device_state",
    "vfio_save_block",
    "vfio_save_complete_precopy_start",
    "vfio_get_dirty_bitmap",
    "migration_bitmap_sync_start",
    "migration_bitmap_sync_end",
    "vmstate_downtime_checkpoint",
];

impl Vm {
    /// Starts one with VFs; with `incoming` it waits there for a migration.
    pub fn new(
        name: &str,
        config: &Config,
        vfs: &[&Function],
        incoming: Option<&str>,
    ) -> Result<Self> {
        set_up()?;
        let image = outside(&config.boots("Image"));
        if !Path::new(&image).exists() {
            return Err(format!(
                "no kernel of a guest with Linux {}: make check T='qemu.guest_6*' builds it",
                config.linux
            )
            .into());
        }
        let path = |kind: &str| format!("{RUN}/{name}.{kind}");
        let outside = |kind: &str| PathBuf::from(format!("{ROOT}{}", path(kind)));
        for kind in ["qmp", "in", "log", "trace"] {
            let _ = fs::remove_file(outside(kind));
        }
        // What is typed on its console. Opened for both, so that no side waits for the other.
        let status = Command::new("mkfifo").arg(outside("in")).status()?;
        if !status.success() {
            return Err("no fifo".into());
        }
        let serial = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open(outside("in"))?;
        let mut command = Command::new("chroot");
        command
            .args([ROOT, "/usr/bin/qemu-system-aarch64"])
            .args(["-M", "virt,gic-version=3", "-accel", "kvm", "-cpu", "host"])
            .args(["-smp", "1", "-m", &config.memory_mb.to_string()])
            .args(["-nographic", "-nodefaults", "-net", "none"])
            .args(["-kernel", &config.boots("Image")])
            .args(["-initrd", &config.boots("initrd.gz")])
            .arg("-append")
            .arg(config.command_line())
            .arg("-qmp")
            .arg(format!("unix:{},server=on,wait=off", path("qmp")))
            .arg("-chardev")
            .arg(format!(
                "file,id=serial,path={},input-path={}",
                path("log"),
                path("in")
            ))
            .args(["-serial", "chardev:serial"])
            .args(["-msg", "timestamp=on", "-D", &path("trace")]);
        for event in TRACED {
            command.args(["-trace", event]);
        }
        if config.exits {
            command.args(["-trace", outcome::EXIT]);
        }
        if config.way == Way::Iommufd {
            command.args(["-object", "iommufd,id=iommufd0"]);
        }
        for (n, vf) in vfs.iter().enumerate() {
            let mut device = format!("vfio-pci,id=vf{n},host={}", vf.address);
            if !config.device.is_empty() {
                device.push(',');
                device.push_str(config.device);
            }
            if config.way == Way::Iommufd {
                device.push_str(",iommufd=iommufd0");
            }
            command.args(["-device", &device]);
        }
        if let Some(incoming) = incoming {
            command.args(["-incoming", incoming]);
        }
        let log = fs::File::create(outside("stderr"))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let mut ended = Ended(Some(child));
        let stderr = || fs::read_to_string(outside("stderr")).unwrap_or_default();
        let connect = |kind: &str, ended: &mut Ended| -> Result<UnixStream> {
            let begin = Instant::now();
            loop {
                if let Ok(stream) = UnixStream::connect(outside(kind)) {
                    return Ok(stream);
                }
                if let Some(child) = &mut ended.0 {
                    if let Some(status) = child.try_wait()? {
                        return Err(format!("{name}: {status}: {}", stderr()).into());
                    }
                }
                if begin.elapsed() > host::seconds(60) {
                    return Err(format!("{name}: no {kind}: {}", stderr()).into());
                }
                sleep(Duration::from_millis(50));
            }
        };
        let qmp = connect("qmp", &mut ended)?;
        qmp.set_read_timeout(Some(host::seconds(120)))?;
        let mut vm = Self {
            name: name.to_owned(),
            config: config.clone(),
            vfs: vfs.iter().map(|vf| (*vf).clone()).collect(),
            child: ended.0.take().ok_or("no QEMU")?,
            qmp: BufReader::new(qmp),
            serial,
            traced: 0,
        };
        // The greeting, then out of the negotiation.
        vm.read()?;
        vm.qmp("qmp_capabilities", json!({}))?;
        // The source hears from the target whether it could load all, as libvirt has it.
        let wanted = json!([{ "capability": "return-path", "state": true }]);
        vm.qmp(
            "migrate-set-capabilities",
            json!({ "capabilities": wanted }),
        )?;
        Ok(vm)
    }

    fn file(&self, kind: &str) -> PathBuf {
        PathBuf::from(format!("{ROOT}{RUN}/{}.{kind}", self.name))
    }

    fn read(&mut self) -> Result<Value> {
        let mut line = String::new();
        let why = match self.qmp.read_line(&mut line) {
            Ok(0) => "QEMU has ended".to_owned(),
            Ok(_) => return Ok(serde_json::from_str(&line)?),
            Err(e) => e.to_string(),
        };
        Err(format!("{}: {why}: {}", self.name, self.stderr()).into())
    }

    /// A command to QEMU, and what it answers.
    pub fn qmp(&mut self, command: &str, arguments: Value) -> Result<Value> {
        let mut request = json!({ "execute": command });
        if arguments.as_object().is_some_and(|map| !map.is_empty()) {
            request["arguments"] = arguments;
        }
        writeln!(self.qmp.get_mut(), "{request}")?;
        loop {
            let mut answer = self.read()?;
            if let Some(error) = answer.get("error") {
                return Err(format!("{}: {command}: {}", self.name, error["desc"]).into());
            }
            if answer.get("return").is_some() {
                return Ok(answer["return"].take());
            }
        }
    }

    /// All that its console has said.
    pub fn console(&self) -> String {
        let raw = fs::read(self.file("log")).unwrap_or_default();
        String::from_utf8_lossy(&raw).replace('\r', "")
    }

    /// What QEMU itself has said.
    pub fn stderr(&self) -> String {
        fs::read_to_string(self.file("stderr")).unwrap_or_default()
    }

    /// A line to its console.
    pub fn type_line(&mut self, line: &str) -> Result<()> {
        Ok(writeln!(self.serial, "{line}")?)
    }

    /// Has the guest compare all of its known memory.
    pub fn walk(&mut self) -> Result<()> {
        let before = console::walks(&self.console());
        self.type_line(console::WALK)?;
        self.wait_console("a look at the guest's memory", |vm| {
            console::walked(&vm.console(), before).is_some()
        })?;
        let walked = console::walked(&self.console(), before);
        walked
            .unwrap_or(Ok(()))
            .map_err(|e| format!("{}: {e}", self.name).into())
    }

    /// The last count of jobs of an engine, and of errors, that the console says.
    pub fn jobs(&self, engine: &str) -> (u64, u64) {
        console::jobs(&self.console(), engine)
    }

    /// Waits for something on its console; `None` where QEMU ends or too much time goes by.
    pub fn wait_console(&mut self, what: &str, ready: impl Fn(&Self) -> bool) -> Result<()> {
        let mut wait = Wait::new(self.config.memory_mb);
        while !ready(self) {
            let why = match self.child.try_wait()? {
                Some(status) => format!("QEMU ended: {status}"),
                None if wait.goes_on(&format!("{}: {what}", self.name)) => continue,
                None => "not in time".to_owned(),
            };
            let console = self.console();
            let from = console.len().saturating_sub(1500);
            let tail = console.get(from..).unwrap_or(&console);
            return Err(format!("{}: {what}: {why}\n{}\n{tail}", self.name, self.stderr()).into());
        }
        Ok(())
    }

    /// What it has traced.
    pub fn trace(&self) -> String {
        fs::read_to_string(self.file("trace")).unwrap_or_default()
    }

    /// Limits bandwidth and downtime as configured, also of a migration that goes on.
    pub fn limit(&mut self) -> Result<()> {
        let parameters = json!({
            "downtime-limit": self.config.downtime_ms,
            "max-bandwidth": self.config.bandwidth,
        });
        self.qmp("migrate-set-parameters", parameters)?;
        Ok(())
    }

    /// Begins a migration to where another one waits.
    pub fn migrate(&mut self, to: &str) -> Result<()> {
        self.limit()?;
        self.traced = self.trace().len();
        self.qmp("migrate", json!({ "uri": to }))?;
        Ok(())
    }

    /// Waits until the migration has ended, one way or another.
    pub fn migrated(&mut self) -> Result<Outcome> {
        self.migrated_with(|_| ())
    }

    /// The same, and something is done each time it is asked.
    pub fn migrated_with(&mut self, mut each: impl FnMut(&Self)) -> Result<Outcome> {
        let mut wait = Wait::new(self.config.memory_mb);
        let mut outcome = Outcome::new(self.config.exits);
        loop {
            let info = self.qmp("query-migrate", json!({}))?;
            outcome.read(&info);
            each(self);
            if outcome.is_over() {
                outcome.read_trace(self.trace().get(self.traced..).unwrap_or_default());
                return Ok(outcome);
            }
            let sent = outcome.stream_bytes >> 20;
            if !wait.goes_on(&format!("{}: {sent} MiB sent", self.name)) {
                return Err(format!("{}: the migration does not end: {info}", self.name).into());
            }
        }
    }

    /// Waits until a guest has come in, and its VFs are what they were.
    pub fn came_in(&mut self) -> Result<()> {
        let mut wait = Wait::new(self.config.memory_mb);
        while self.qmp("query-status", json!({}))?["status"] == "inmigrate" {
            if !wait.goes_on(&format!("{}: coming in", self.name)) {
                return Err(format!("{}: the guest does not come in", self.name).into());
            }
        }
        Ok(())
    }

    /// Ends it in good order.
    pub fn quit(mut self) -> Result<()> {
        let _ = self.qmp("quit", json!({}));
        let child = &mut self.child;
        host::wait_for("QEMU's end", || child.try_wait().is_ok_and(|s| s.is_some()))
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A process that ends with what holds it.
struct Ended(Option<Child>);

impl Drop for Ended {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
