// SPDX-License-Identifier: GPL-2.0

//! Guests: what they boot, how they are watched.

use crate::{
    console::{self, Line, END},
    report::Report,
    Result,
};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{BufRead, BufReader, Write},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{mpsc, Mutex},
    thread,
    time::{Duration, Instant},
};

/// What all guests are made of.
pub struct Machine {
    pub top: PathBuf,
    pub kernel: PathBuf,
    pub twin: PathBuf,
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
echo 'acc-selftest: end'
poweroff -f
";

impl Machine {
    /// The test program as it runs here, to ask it for its cases.
    pub fn host_selftest(&self) -> PathBuf {
        self.top.join("build/cargo/release/acc-selftest")
    }

    fn guest_selftest(&self) -> PathBuf {
        self.top
            .join("build/cargo/aarch64-unknown-linux-gnu/release/acc-selftest")
    }

    fn initramfs(&self) -> PathBuf {
        self.top.join("build/guest/initramfs.gz")
    }

    /// All modules: the kernel's, and ours.
    fn modules(&self) -> Result<Vec<PathBuf>> {
        let order = fs::read_to_string(self.kernel.join("modules.order"))?;
        let mut modules: Vec<PathBuf> = order
            .lines()
            .map(|line| self.kernel.join(line).with_extension("ko"))
            .collect();
        for entry in fs::read_dir(self.top.join("build/modules"))? {
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

    /// Makes the initramfs anew if something in it is newer.
    pub fn build_initramfs(&self) -> Result<()> {
        let root = self.top.join("build/guest/root");
        let modules = self.modules()?;
        let upstream = self.upstream()?;
        let inputs = modules
            .iter()
            .chain(&upstream)
            .cloned()
            .chain([self.guest_selftest(), std::env::current_exe()?]);
        let made = fs::metadata(self.initramfs())
            .and_then(|m| m.modified())
            .ok();
        let mut newest = None;
        for input in inputs {
            newest = newest.max(Some(fs::metadata(&input)?.modified()?));
        }
        if made.is_some() && made > newest {
            return Ok(());
        }
        let _ = fs::remove_dir_all(&root);
        let release = fs::read_to_string(self.kernel.join("include/config/kernel.release"))?;
        let release = release.trim();
        let lib = root.join("lib/modules").join(release);
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
        run(Command::new("depmod").arg("-b").arg(&root).arg(release))?;
        fs::copy("/usr/bin/busybox", root.join("bin/busybox"))?;
        symlink("busybox", root.join("bin/sh"))?;
        // Where the kernel looks for it.
        symlink("../bin/busybox", root.join("sbin/modprobe"))?;
        fs::copy(self.guest_selftest(), root.join("bin/acc-selftest"))?;
        let tests = root.join("lib/selftests/vfio");
        fs::create_dir_all(&tests)?;
        for test in &upstream {
            fs::copy(test, tests.join(test.file_name().ok_or("no name")?))?;
        }
        fs::write(root.join("init"), INIT)?;
        run(Command::new("chmod").arg("755").arg(root.join("init")))?;
        pack(&root, &self.initramfs())
    }

    /// QEMU with a task for the guest's init to do.
    fn command(&self, name: &str, task: &str, arguments: &str) -> Result<Command> {
        // A second archive behind the first: the kernel unpacks both.
        let extra = self.top.join("build/guest").join(name);
        let _ = fs::remove_dir_all(&extra);
        fs::create_dir_all(extra.join("root"))?;
        fs::write(extra.join("root/task"), task)?;
        let archive = extra.join("task.gz");
        pack(&extra.join("root"), &archive)?;
        let initrd = extra.join("initrd");
        let mut both = fs::read(self.initramfs())?;
        both.extend(fs::read(&archive)?);
        fs::write(&initrd, both)?;
        let mut command = Command::new("qemu-system-aarch64");
        command
            .env("LD_PRELOAD", &self.twin)
            .args(["-M", "virt,gic-version=3,its=on,iommu=smmuv3"])
            .args(["-cpu", "cortex-a76", "-smp", "2", "-m", "1G"])
            .args(["-nographic", "-no-reboot", "-net", "none"])
            .arg("-kernel")
            .arg(self.kernel.join("arch/arm64/boot/Image"))
            .arg("-initrd")
            .arg(initrd)
            .arg("-append")
            .arg(format!("console=ttyAMA0 panic=-1 rdinit=/init {arguments}"))
            .args(["-device", "acc-twin-ctl,addr=2.0"])
            // VFs take the numbers after the PF's.
            .args([
                "-device",
                "hisi-zip-pf,id=zip,addr=10.0,multifunction=on,vfs=8",
            ])
            .args([
                "-device",
                "hisi-sec-pf,id=sec,addr=14.0,multifunction=on,vfs=8",
            ])
            .args([
                "-device",
                "hisi-hpre-pf,id=hpre,addr=18.0,multifunction=on,vfs=8",
            ]);
        Ok(command)
    }
}

fn pack(root: &Path, to: &Path) -> Result<()> {
    let script = "cd \"$1\" && find . | cpio -o -H newc --quiet -R 0:0 | gzip -1 >\"$2\"";
    run(Command::new("sh")
        .args(["-c", script, "sh"])
        .arg(root)
        .arg(to))
}

/// A result that is not reported yet: what comes after it may speak against it.
struct Pending {
    name: String,
    remark: String,
    why: Vec<String>,
}

/// A guest that runs cases.
pub struct Guest {
    pub name: String,
    pub cases: Vec<String>,
    pub silence: Duration,
    pub total: Duration,
}

/// Ends a process whatever happens.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Guest {
    /// Runs it to its end, or till it is ended; reports each of its cases.
    pub fn run(&self, machine: &Machine, results: &Path, report: &Mutex<Report>) {
        let mut left: Vec<String> = self.cases.clone();
        let outcome = self.watch(machine, results, &mut left, report);
        let (why, tail) = match outcome {
            Ok(tail) => ("the guest ended before its time".to_owned(), tail),
            Err(e) => (e.to_string(), Vec::new()),
        };
        let mut report = report.lock().expect("no poison");
        for name in left {
            let mut lines = vec![why.clone()];
            lines.extend(tail.iter().cloned());
            report.add(&name, "", lines);
        }
    }

    /// Reads the console; `left` keeps what has no result. Returns the console's last lines.
    fn watch(
        &self,
        machine: &Machine,
        results: &Path,
        left: &mut Vec<String>,
        report: &Mutex<Report>,
    ) -> Result<Vec<String>> {
        let task = format!("acc-selftest run {}\n", self.cases.join(" "));
        // KUnit's suites run where they are asked for only.
        let arguments = match self.name.as_str() {
            "kunit" => "kunit.enable=1",
            _ => "",
        };
        let mut child = Ended(
            machine
                .command(&self.name, &task, arguments)?
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()?,
        );
        let mut log = File::create(results.join(format!("console-{}.log", self.name)))?;
        let (sender, lines) = mpsc::channel();
        for stream in [
            child
                .0
                .stdout
                .take()
                .map(|s| Box::new(s) as Box<dyn std::io::Read + Send>),
            child
                .0
                .stderr
                .take()
                .map(|s| Box::new(s) as Box<dyn std::io::Read + Send>),
        ]
        .into_iter()
        .flatten()
        {
            let sender = sender.clone();
            thread::spawn(move || {
                for line in BufReader::new(stream).split(b'\n').map_while(|l| l.ok()) {
                    let line = String::from_utf8_lossy(&line).trim_end().to_owned();
                    if sender.send(line).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        let begin = Instant::now();
        let mut tail: Vec<String> = Vec::new();
        let mut ended = false;
        let mut current: Option<String> = None;
        let mut splats: BTreeMap<String, Vec<String>> = BTreeMap::new();
        // A result is reported when the next thing happens: what says why comes after it.
        let mut last: Option<Pending> = None;
        let settle = |last: &mut Option<Pending>, splats: &mut BTreeMap<String, Vec<String>>| {
            if let Some(Pending {
                name,
                remark,
                mut why,
            }) = last.take()
            {
                why.extend(splats.remove(&name).unwrap_or_default());
                let mut report = report.lock().expect("no poison");
                report.add(&name, &remark, why);
            }
        };
        loop {
            let line = match lines.recv_timeout(self.silence) {
                Ok(line) => line,
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    if let (true, Some(last)) = (left.is_empty(), &mut last) {
                        last.why
                            .push("then the guest hung and was ended".to_owned());
                    }
                    settle(&mut last, &mut splats);
                    tail.insert(
                        0,
                        format!(
                            "the guest was silent for {} s and was ended",
                            self.silence.as_secs()
                        ),
                    );
                    return Ok(tail);
                }
            };
            if begin.elapsed() > self.total {
                tail.insert(
                    0,
                    format!(
                        "the guest took longer than {} s and was ended",
                        self.total.as_secs()
                    ),
                );
                settle(&mut last, &mut splats);
                return Ok(tail);
            }
            writeln!(log, "{line}")?;
            tail.push(line.clone());
            if tail.len() > 25 {
                tail.remove(0);
            }
            match console::read(&line) {
                Line::Begin(name) => {
                    settle(&mut last, &mut splats);
                    current = Some(name.to_owned());
                }
                Line::Result {
                    passed,
                    name,
                    remark,
                } => {
                    settle(&mut last, &mut splats);
                    if let Some(at) = left.iter().position(|case| case == name) {
                        left.remove(at);
                        let why = if passed {
                            vec![]
                        } else {
                            vec![String::from("failed in the guest:")]
                        };
                        last = Some(Pending {
                            name: name.to_owned(),
                            remark: remark.to_owned(),
                            why,
                        });
                    }
                }
                Line::Diagnostic(text) => {
                    if let Some(last) = &mut last {
                        if !last.why.is_empty() {
                            last.why.push(text.to_owned());
                        }
                    }
                }
                Line::Splat => {
                    let name = current.clone().or_else(|| self.cases.first().cloned());
                    splats
                        .entry(name.unwrap_or_default())
                        .or_insert_with(|| vec!["the kernel complains:".to_owned()])
                        .push(line);
                }
                Line::End => ended = true,
                Line::Other => {}
            }
        }
        // What comes with or after the last result, while the guest powers off too, is put to it.
        if let Some(Pending { name, why, .. }) = &mut last {
            if !ended {
                why.push("the guest ended without its end mark".to_owned());
            }
            why.extend(splats.remove(name).unwrap_or_default());
            why.extend(splats.values().flatten().cloned());
        }
        settle(&mut last, &mut splats);
        Ok(tail)
    }
}

/// `make run`
pub fn demo(machine: &Machine) -> Result<bool> {
    let results = machine.top.join("build/results");
    fs::create_dir_all(&results)?;
    let mut log = File::create(results.join("run-console.log"))?;
    let driver = std::env::var("DRIVER").unwrap_or_else(|_| "rust".to_owned());
    let task =
        format!("echo 'demo begins'; acc-selftest demo --driver {driver} && echo 'demo is done'\n");
    let mut child = Ended(
        machine
            .command("demo", &task, "quiet loglevel=3")?
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?,
    );
    let stdout = child.0.stdout.take().ok_or("no output")?;
    let (mut shown, mut done) = (false, false);
    for line in BufReader::new(stdout).split(b'\n') {
        let line = String::from_utf8_lossy(&line?).trim_end().to_owned();
        writeln!(log, "{line}")?;
        match line.as_str() {
            "demo begins" => shown = true,
            "demo is done" => (shown, done) = (false, true),
            END => shown = false,
            _ if shown => println!("{line}"),
            _ => {}
        }
    }
    if !done {
        eprintln!("the guest's console: build/results/run-console.log");
    }
    Ok(done)
}

/// `make shell`
pub fn shell(machine: &Machine) -> Result<bool> {
    let task = "cat <<'HELP'

A guest with the device model: PF 0000:00:10.0, up to 8 VFs.
  acc-selftest list | run CASE... | demo
  modprobe hisi_zip; echo 8 > /sys/bus/pci/devices/0000:00:10.0/sriov_numvfs
  poweroff -f, or Ctrl-A X, ends it.

HELP
cd /root
setsid sh -c 'exec sh </dev/ttyAMA0 >/dev/ttyAMA0 2>&1'
";
    let status = machine
        .command("shell", task, "quiet loglevel=4")?
        .status()?;
    Ok(status.success())
}
