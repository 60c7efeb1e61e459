// SPDX-License-Identifier: GPL-2.0

//! Migrations of QEMU during which somebody resets the PF, or unbinds its driver. Both sides have a
//! VF of that PF.

use super::{
    Fate,
    Side::{self, Source, Target},
    Step, Tally,
};
use crate::{
    nested::{Config, Vm},
    support::{
        pf::window_again,
        qemu::{answers, goes_on, migrate_slowly, start, vfs, waiting, works, SOME},
    },
    twin::Twin,
};
use acc_vfio_user::{
    ensure,
    host::{self, Function, ZIP},
    Driver, Result,
};
use std::{
    mem::replace,
    thread::{self, JoinHandle},
    time::Duration,
};

/// A reset of a PF waits four times 20 s for the VFs that do not answer, with no guest or with one
/// that is stopped (`qm_ping_all_vfs()`, `qm_wait_vf_prepare_finish()`).
const RESET: Duration = Duration::from_secs(150);

/// What somebody does to the PF.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Resets it. Each VF is reset with it.
    Reset,
    /// Unbinds its driver. That takes the VFs away, once nobody has them open.
    Unbind,
}

/// What somebody does to the PF while the rest goes on, to its end.
type Doing = JoinHandle<std::result::Result<(), String>>;

/// As [`super::steps`], of both sides. The reset of one side's PF is one of the other side's.
const STEPS: [Step; 7] = [
    Step::Before,
    Step::PreCopy,
    Step::At(Source, "PAUSE_QM"),
    Step::At(Source, "SQC_BT"),
    Step::At(Source, "CQC_BT"),
    Step::At(Target, "SQC_BT"),
    Step::At(Target, "CQC_BT"),
];

impl Act {
    pub fn name(self) -> &'static str {
        match self {
            Self::Reset => "PF reset",
            Self::Unbind => "PF unbound",
        }
    }

    /// Begins it. Returns once the PF's driver is at it.
    fn begin(self, twin: &Twin) -> Result<Doing> {
        let mark = format!("acc-selftest: {}", self.name());
        host::say(&mark)?;
        twin.mark()?;
        let pf = host::pf()?;
        let doing = thread::spawn(move || {
            let done = match self {
                Self::Reset => pf.set_attribute("reset", "1"),
                Self::Unbind => pf.unbind(),
            };
            done.map_err(|e| e.to_string())
        });
        host::wait_for(self.name(), || match self {
            // The driver has the PF report no more errors.
            Self::Reset => twin
                .counts()
                .is_ok_and(|counts| counts.with_prefix("pf", "reg_write") != 0),
            // The VF is asked for, as long as QEMU has it.
            Self::Unbind => host::log_after(&mark).is_ok_and(|log| log.contains("device request")),
        })?;
        Ok(doing)
    }

    fn end(self, doing: Doing) -> Result<()> {
        host::wait_long_for(self.name(), RESET, || doing.is_finished())?;
        Ok(doing.join().map_err(|_| "panicked")??)
    }
}

/// One act at a step.
struct Cell<'a> {
    config: &'a Config,
    twin: &'a Twin,
    act: Act,
    doing: Option<Doing>,
    /// The VFs of the guest, and of the target.
    vfs: Vec<Function>,
    consoles: Vec<String>,
}

impl Cell<'_> {
    fn vf(side: Side) -> &'static str {
        match side {
            Source => "vf1",
            Target => "vf2",
        }
    }

    /// Has the migration come to the step, and begins the act there.
    fn act(&mut self, source: &mut Vm, socket: &str, step: Step) -> Result<bool> {
        match step {
            Step::Before => {
                self.doing = Some(self.act.begin(self.twin)?);
                // QEMU may say no at once.
                Ok(source.migrate(socket).is_ok())
            }
            Step::PreCopy => {
                migrate_slowly(source, socket)?;
                works(source, self.config.engines, 1)?;
                self.doing = Some(self.act.begin(self.twin)?);
                source.limit()?;
                Ok(true)
            }
            Step::At(side, command) => {
                let vf = Self::vf(side);
                self.twin.mark()?;
                self.twin.fault(vf, &format!("mailbox-hold {command}"))?;
                source.migrate(socket)?;
                let key = format!("mailbox.{command}");
                host::wait_for(command, || {
                    self.twin.counts().is_ok_and(|c| c.get(vf, &key) != 0)
                })?;
                self.doing = Some(self.act.begin(self.twin)?);
                self.twin.fault(vf, "mailbox-hold off")?;
                Ok(true)
            }
        }
    }

    /// Waits for the end of what somebody does.
    fn end(&mut self) -> Result<()> {
        match self.doing.take() {
            Some(doing) => self.act.end(doing),
            None => Ok(()),
        }
    }

    /// The guest works, as well as it can: a guest whose VF was reset with the PF starts it anew,
    /// and what was in flight then has failed.
    fn lives(&self, vm: &mut Vm) -> Result<()> {
        if self.act == Act::Unbind {
            return goes_on(&self.consoles, vm, self.config);
        }
        let goal = vm.jobs(self.config.engines).0 + SOME;
        vm.wait_console(&format!("{goal} jobs"), |vm| {
            vm.jobs(self.config.engines).0 >= goal
        })?;
        // A place that a failed job has spoiled is written anew by the next one.
        vm.walk()
    }

    /// Migrates once more, now that nothing fails.
    fn again(&mut self, mut vm: Vm, to: &Function) -> Result<()> {
        let (mut target, socket) = waiting("again", self.config, &[to])?;
        vm.migrate(&socket)?;
        let moved = super::Matrix::ended(&mut vm)?;
        ensure!(
            moved,
            "afterwards it does not migrate\nsource: {}\ntarget: {}",
            vm.stderr(),
            target.stderr()
        );
        target.came_in()?;
        self.consoles.push(vm.console());
        vm.quit()?;
        self.lives(&mut target)?;
        target.quit()
    }

    fn migrate(&mut self, step: Step) -> Result<Fate> {
        let mut source = start("source", self.config, &[&self.vfs[0]])?;
        works(&mut source, self.config.engines, SOME)?;
        let (mut target, socket) = waiting("target", self.config, &[&self.vfs[1]])?;
        let goes = self.act(&mut source, &socket, step)?;
        let moved = goes && super::Matrix::ended(&mut source)?;
        if moved {
            target.came_in()?;
        }
        super::one_runs(&mut source, &mut target, moved)?;
        let (mut runs, to) = match moved {
            true => {
                let old = replace(&mut source, target);
                self.consoles.push(old.console());
                old.quit()?;
                (source, self.vfs[0].clone())
            }
            false => {
                target.quit()?;
                (source, self.vfs[1].clone())
            }
        };
        // The reset of the PF waits for the guest, and the guest for the end of the reset.
        if self.act == Act::Reset {
            self.end()?;
        }
        let lives = self.lives(&mut runs);
        if let Err(e) = lives {
            answers(&mut runs)?;
            return Err(e);
        }
        match self.act {
            Act::Reset => self.again(runs, &to)?,
            Act::Unbind => runs.quit()?,
        }
        Ok(match moved {
            true => Fate::Moved,
            false => Fate::Stayed,
        })
    }

    /// All as before, whatever was seen.
    fn restore(&mut self) -> Result<()> {
        for vf in ["vf1", "vf2"] {
            self.twin.fault(vf, "clear")?;
        }
        self.end()?;
        match self.act {
            Act::Reset => window_again(),
            Act::Unbind => host::pf()?.bind(ZIP.module),
        }
    }
}

/// One act at each step, each with a guest of its own. Returns how many guests have survived.
pub fn run(driver: Driver, config: &Config, act: Act) -> Result<String> {
    let twin = Twin::open_device(ZIP.name)?;
    let mut tally = Tally::new(driver, config);
    for step in STEPS {
        let mut cell = Cell {
            config,
            twin: &twin,
            act,
            doing: None,
            vfs: vfs(ZIP, driver)?,
            consoles: Vec::new(),
        };
        let side = match step {
            Step::At(side, _) => side,
            _ => Source,
        };
        tally.begin(side, step, act.name())?;
        let fate = cell.migrate(step);
        cell.restore()?;
        tally.end(side, step, act.name(), false, fate)?;
    }
    // The PF has its driver again.
    let vfs = vfs(ZIP, driver)?;
    let mut source = start("source", config, &[&vfs[0]])?;
    works(&mut source, config.engines, SOME)?;
    let mut cell = Cell {
        config,
        twin: &twin,
        act: Act::Unbind,
        doing: None,
        vfs: Vec::new(),
        consoles: Vec::new(),
    };
    cell.again(source, &vfs[1])?;
    tally.result()
}
