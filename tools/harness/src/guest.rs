// SPDX-License-Identifier: GPL-2.0

//! Guests that run: what they say, how they are ended, what they do.

use crate::{
    boot::boots_systemd,
    console::{self, Line},
    error::Result,
    judge::{End, Judge},
    machine::{Limits, Machine, OUTPUT_TO_PORT},
    outcome::Outcome,
    report::Report,
};
use acc_case::{Case, Needs, OUTPUT_PORT, RESULTS_PORT};
use command_fds::{CommandFdExt, FdMapping};
use std::{
    fs::{self, File},
    io::{BufRead, BufReader, IsTerminal, Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{mpsc, Mutex},
    thread,
    time::{Duration, Instant},
};

/// A line that comes from a guest.
enum Said {
    /// By its kernel, on the console.
    Kernel(String),
    /// A message of its programs.
    Message(String),
    /// Output of its programs, or of QEMU.
    Text(String),
}

impl Said {
    fn line(&self) -> &str {
        match self {
            Self::Kernel(line) | Self::Message(line) | Self::Text(line) => line,
        }
    }
}

/// A guest that runs. It ends when this is dropped.
struct Running {
    child: Child,
    lines: mpsc::Receiver<Said>,
    log: File,
    /// Name of the guest, if what it says is to be seen (V=1).
    shown: Option<String>,
    begin: Instant,
    limits: Limits,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Passes on the lines of a stream until its end.
fn pass_on(
    stream: impl Read + Send + 'static,
    sender: &mpsc::Sender<Said>,
    said: fn(String) -> Said,
) {
    let sender = sender.clone();
    thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n').map_while(|l| l.ok()) {
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            if sender.send(said(line)).is_err() {
                break;
            }
        }
    });
}

/// Adds ports to a QEMU, and returns their other ends. The guest finds a port by its name.
fn ports(command: &mut Command, names: &[&str]) -> Result<Vec<UnixStream>> {
    // Not behind the IOMMU: it would have to be mapped. Devices without an address take the first
    // free places, so it stands behind those.
    command.args(["-device", "virtio-serial-pci,addr=6.0,iommu_platform=off"]);
    let mut ours = Vec::new();
    let mut theirs = Vec::new();
    // Behind the standard streams.
    for (child_fd, name) in (3..).zip(names) {
        let (our, their) = UnixStream::pair()?;
        command
            .arg("-chardev")
            .arg(format!("socket,id={name},fd={child_fd}"))
            .arg("-device")
            .arg(format!("virtserialport,chardev={name},name={name}"));
        ours.push(our);
        theirs.push(FdMapping {
            parent_fd: their.into(),
            child_fd,
        });
    }
    command.fd_mappings(theirs)?;
    Ok(ours)
}

impl Running {
    fn start(mut command: Command, name: &str, log: &Path, limits: Limits) -> Result<Self> {
        let log = File::create(log)?;
        let mut ports = ports(&mut command, &[RESULTS_PORT, OUTPUT_PORT])?.into_iter();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        // Our copies of QEMU's ends go, so that the streams end with QEMU.
        drop(command);
        let (sender, lines) = mpsc::channel();
        if let Some(stdout) = child.stdout.take() {
            pass_on(stdout, &sender, Said::Kernel);
        }
        if let Some(stderr) = child.stderr.take() {
            pass_on(stderr, &sender, Said::Text);
        }
        for (port, said) in ports.by_ref().zip([Said::Message, Said::Text]) {
            pass_on(port, &sender, said);
        }
        Ok(Self {
            child,
            lines,
            log,
            shown: std::env::var_os("V").map(|_| name.to_owned()),
            begin: Instant::now(),
            limits,
        })
    }

    /// Returns the next line, or how the guest came to its end.
    fn next(&mut self) -> std::result::Result<Said, End> {
        let left = self.limits.total.saturating_sub(self.begin.elapsed());
        if left.is_zero() {
            return Err(End::TooLong(self.limits.total.as_secs()));
        }
        match self.lines.recv_timeout(left.min(self.limits.silence)) {
            Ok(said) => {
                let line = said.line();
                // The log is for people to read; what counts is judged here.
                let _ = writeln!(self.log, "{line}");
                if let Some(name) = &self.shown {
                    eprintln!("{name}| {line}");
                }
                Ok(said)
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => Err(End::Gone),
            Err(mpsc::RecvTimeoutError::Timeout) if left < self.limits.silence => {
                Err(End::TooLong(self.limits.total.as_secs()))
            }
            Err(mpsc::RecvTimeoutError::Timeout) => Err(End::Silent(self.limits.silence.as_secs())),
        }
    }

    /// What it says in a moment more is for people to read.
    fn linger(&mut self) {
        self.limits.total = self.begin.elapsed() + Duration::from_secs(1);
        while self.next().is_ok() {}
    }
}

/// What there is to say of a guest that runs cases.
pub enum News {
    /// The case of that name begins, or the guest boots for it
    Begins(String),
    Ended(Outcome),
}

/// A guest that runs cases.
pub struct Guest {
    pub name: String,
    /// All with the same needs
    pub cases: Vec<Case>,
    pub limits: Limits,
}

impl Guest {
    /// Runs it to its end, or until it is ended; reports each of its cases.
    pub fn run(&self, machine: &Machine, results: &Path, report: &Mutex<Report>) {
        self.watch(machine, results, &mut |news| {
            let mut report = report.lock().expect("no poison");
            match news {
                News::Begins(name) => report.begins(&name),
                News::Ended(outcome) => report.add(outcome),
            }
            true
        });
    }

    /// The same, with what becomes of each case given to `each`. If that returns `false`, the guest
    /// is ended then, and nothing is said of the cases that are left.
    pub fn watch(&self, machine: &Machine, results: &Path, each: &mut dyn FnMut(News) -> bool) {
        let mut judge = Judge::new(&self.cases);
        let mut current = self.cases.first().map(|case| case.name.clone());
        if let Some(first) = &current {
            // While its guest boots.
            each(News::Begins(first.clone()));
        }
        let end = match self.start(machine, results) {
            Ok(mut running) => loop {
                match running.next() {
                    Ok(said) => {
                        let outcomes = match &said {
                            Said::Kernel(line) => judge.console(line),
                            Said::Message(line) => judge.message(line),
                            Said::Text(line) => {
                                judge.text(line);
                                Vec::new()
                            }
                        };
                        for outcome in outcomes {
                            if !each(News::Ended(outcome)) {
                                return;
                            }
                        }
                        if judge.current().is_some() && judge.current() != current.as_deref() {
                            current = judge.current().map(str::to_owned);
                            each(News::Begins(current.clone().unwrap_or_default()));
                        }
                        if judge.is_over() {
                            running.linger();
                            break End::Over;
                        }
                    }
                    Err(end) => break end,
                }
            },
            Err(e) => {
                judge.text(&format!("it was not started: {e}"));
                End::Gone
            }
        };
        for outcome in judge.end(end) {
            each(News::Ended(outcome));
        }
    }

    fn start(&self, machine: &Machine, results: &Path) -> Result<Running> {
        let names: Vec<&str> = self.cases.iter().map(|case| case.name.as_str()).collect();
        let default = Needs::default();
        let needs = self.cases.first().map_or(&default, |case| &case.needs);
        let mut task = format!(
            "{OUTPUT_TO_PORT}acc-selftest run {}\nacc-selftest audit\n",
            names.join(" ")
        );
        if needs.systemd {
            task = boots_systemd(&task);
        }
        Running::start(
            machine.command(&self.name, &task, needs, "")?,
            &self.name,
            &results.join(format!("console-{}.log", self.name)),
            self.limits,
        )
    }
}

/// What is there to be looked at.
pub struct Show {
    /// Of `acc-selftest`
    pub command: &'static str,
    pub needs: Needs,
    pub limits: Limits,
}

/// Ends a demonstration that went well.
const DONE: &str = "the demonstration is done";

/// `make run`, `make demo`
pub fn show(machine: &Machine, show: &Show) -> Result<bool> {
    let results = machine.folder("results");
    fs::create_dir_all(&results)?;
    let command = show.command;
    let log = results.join(format!("{command}-console.log"));
    let driver = std::env::var("DRIVER").unwrap_or_else(|_| "rust".to_owned());
    let task =
        format!("{OUTPUT_TO_PORT}acc-selftest {command} --driver {driver} && echo '{DONE}'\n");
    let mut running = Running::start(
        machine.command(command, &task, &show.needs, "quiet loglevel=3")?,
        command,
        &log,
        show.limits,
    )?;
    let (mut done, mut ended) = (false, false);
    let mut splats = Vec::new();
    let end = loop {
        match running.next() {
            Ok(Said::Text(line)) if line == DONE => done = true,
            Ok(Said::Text(line)) => println!("{line}"),
            Ok(Said::Message(_)) => {}
            Ok(Said::Kernel(line)) => match console::read(&line) {
                Line::Splat => splats.push(line),
                Line::End => ended = true,
                _ => {}
            },
            Err(end) => break end,
        }
    };
    for line in &splats {
        eprintln!("the kernel complains: {line}");
    }
    if end != End::Gone || !ended {
        eprintln!("error: {}", end.text());
    }
    let passed = done && ended && end == End::Gone && splats.is_empty();
    if !passed {
        eprintln!("the guest's console: {}", log.display());
    }
    Ok(passed)
}

const HELP: &str = "
A guest with the device model: PF 0000:02:00.0, up to 8 VFs.
  acc-selftest list | run CASE... | demo
  modprobe hisi_zip; echo 8 > /sys/bus/pci/devices/0000:02:00.0/sriov_numvfs
  exit, poweroff -f, or Ctrl-A X, ends it.
";

/// `make shell`: on a terminal, a shell until it exits; else what standard input says, within a
/// time limit.
pub fn shell(machine: &Machine) -> Result<bool> {
    // From here on others may build.
    let _ = Command::new("flock").args(["-u", "8"]).status();
    let mut stdin = std::io::stdin();
    if stdin.is_terminal() {
        let task = format!(
            "cat <<'HELP'\n{HELP}\nHELP\ncd /root\n\
             setsid sh -c 'exec sh </dev/ttyAMA0 >/dev/ttyAMA0 2>&1'\n"
        );
        let status = machine
            .command("shell", &task, &Needs::default(), "quiet loglevel=4")?
            .status()?;
        return Ok(status.success());
    }
    let mut script = String::new();
    stdin.read_to_string(&mut script)?;
    let results = machine.folder("results");
    fs::create_dir_all(&results)?;
    // In a shell of its own: its exit is not that of the guest's init.
    let task = format!(
        "{OUTPUT_TO_PORT}cat >/script <<'END OF SCRIPT'\n{script}\nEND OF SCRIPT\ncd /root\n\
         sh /script\necho \"shell: exit $?\"\n"
    );
    let mut running = Running::start(
        machine.command("shell", &task, &Needs::default(), "quiet loglevel=4")?,
        "shell",
        &results.join("shell-console.log"),
        machine.limits(300, 900),
    )?;
    let mut status = None;
    let end = loop {
        match running.next() {
            Ok(Said::Text(line)) => match line.strip_prefix("shell: exit ") {
                Some(code) => status = Some(code == "0"),
                None => println!("{line}"),
            },
            Ok(Said::Kernel(line)) if console::read(&line) == Line::End => {}
            Ok(said) => println!("{}", said.line()),
            Err(end) => break end,
        }
    };
    if end != End::Gone || status.is_none() {
        eprintln!("error: {}", end.text());
    }
    Ok(end == End::Gone && status == Some(true))
}
