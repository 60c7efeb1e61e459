// SPDX-License-Identifier: GPL-2.0

//! Guests that run: their console, how they are ended, what they do.

use crate::{
    console::{self, Joiner, Line, END},
    error::Result,
    judge::{End, Judge},
    machine::{Limits, Machine},
    report::{Outcome, Report},
};
use acc_case::{Case, Needs};
use std::{
    fs::{self, File},
    io::{BufRead, BufReader, IsTerminal, Read, Write},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{mpsc, Mutex},
    thread,
    time::{Duration, Instant},
};

/// A guest that runs, and its console. It ends when this is dropped.
struct Running {
    child: Child,
    lines: mpsc::Receiver<String>,
    log: File,
    /// Its name, if its console is to be seen (V=1)
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

impl Running {
    fn start(command: &mut Command, name: &str, log: &Path, limits: Limits) -> Result<Self> {
        let log = File::create(log)?;
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let (sender, lines) = mpsc::channel();
        let stdout = child
            .stdout
            .take()
            .map(|s| Box::new(s) as Box<dyn Read + Send>);
        let stderr = child
            .stderr
            .take()
            .map(|s| Box::new(s) as Box<dyn Read + Send>);
        for stream in [stdout, stderr].into_iter().flatten() {
            let sender = sender.clone();
            thread::spawn(move || {
                let mut joiner = Joiner::default();
                for line in BufReader::new(stream).split(b'\n').map_while(|l| l.ok()) {
                    let line = joiner.join(String::from_utf8_lossy(&line).trim_end());
                    if sender.send(line).is_err() {
                        break;
                    }
                }
            });
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

    /// The next line of its console, or how it came to its end.
    fn next(&mut self) -> std::result::Result<String, End> {
        let left = self.limits.total.saturating_sub(self.begin.elapsed());
        if left.is_zero() {
            return Err(End::TooLong(self.limits.total.as_secs()));
        }
        match self.lines.recv_timeout(left.min(self.limits.silence)) {
            Ok(line) => {
                // The log is for people to read; what counts is judged here.
                let _ = writeln!(self.log, "{line}");
                if let Some(name) = &self.shown {
                    eprintln!("{name}| {line}");
                }
                Ok(line)
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
        self.watch(machine, results, &mut |outcome| {
            report.lock().expect("no poison").add(outcome);
            true
        });
    }

    /// The same, with what becomes of each case given to `each`. If that says so, the guest is
    /// ended then, and nothing is said of the cases that are left.
    pub fn watch(&self, machine: &Machine, results: &Path, each: &mut dyn FnMut(Outcome) -> bool) {
        let mut judge = Judge::new(&self.cases);
        let end = match self.start(machine, results) {
            Ok(mut running) => loop {
                match running.next() {
                    Ok(line) => {
                        if judge.line(&line).is_some_and(|outcome| !each(outcome)) {
                            return;
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
                judge.line(&format!("it was not started: {e}"));
                End::Gone
            }
        };
        for outcome in judge.end(end) {
            each(outcome);
        }
    }

    fn start(&self, machine: &Machine, results: &Path) -> Result<Running> {
        let names: Vec<&str> = self.cases.iter().map(|case| case.name.as_str()).collect();
        let task = format!("acc-selftest run {}\nacc-selftest audit\n", names.join(" "));
        let default = Needs::default();
        let needs = self.cases.first().map_or(&default, |case| &case.needs);
        Running::start(
            &mut machine.command(&self.name, &task, needs, "")?,
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

/// `make run`, `make demo`
pub fn show(machine: &Machine, show: &Show) -> Result<bool> {
    let results = machine.folder("results");
    fs::create_dir_all(&results)?;
    let command = show.command;
    let log = results.join(format!("{command}-console.log"));
    let driver = std::env::var("DRIVER").unwrap_or_else(|_| "rust".to_owned());
    let task = format!(
        "echo 'demo begins'; acc-selftest {command} --driver {driver} && echo 'demo is done'\n"
    );
    let mut running = Running::start(
        &mut machine.command(command, &task, &show.needs, "quiet loglevel=3")?,
        command,
        &log,
        show.limits,
    )?;
    let (mut shown, mut done, mut ended) = (false, false, false);
    let mut splats = Vec::new();
    let end = loop {
        let line = match running.next() {
            Ok(line) => line,
            Err(end) => break end,
        };
        match line.as_str() {
            "demo begins" => shown = true,
            "demo is done" => (shown, done) = (false, true),
            END => (shown, ended) = (false, true),
            _ if console::read(&line) == Line::Splat => splats.push(line),
            _ if shown => println!("{line}"),
            _ => {}
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
        "cat >/script <<'END OF SCRIPT'\n{script}\nEND OF SCRIPT\ncd /root\nsh /script\n\
         echo \"shell: exit $?\"\n"
    );
    let mut running = Running::start(
        &mut machine.command("shell", &task, &Needs::default(), "quiet loglevel=4")?,
        "shell",
        &results.join("shell-console.log"),
        machine.limits(300, 900),
    )?;
    let mut status = None;
    let end = loop {
        match running.next() {
            Ok(line) if line == END => {}
            Ok(line) => match line.strip_prefix("shell: exit ") {
                Some(code) => status = Some(code == "0"),
                None => println!("{line}"),
            },
            Err(end) => break end,
        }
    };
    if end != End::Gone || status.is_none() {
        eprintln!("error: {}", end.text());
    }
    Ok(end == End::Gone && status == Some(true))
}
