// SPDX-License-Identifier: GPL-2.0

//! Migrations of QEMU in which something fails: whatever that is, one side runs the guest, and its
//! VF works there.

pub mod pf;

use crate::{
    nested::{tell_as, Config, Vm},
    support::qemu::{answers, goes_on, migrate_slowly, start, vfs, waiting, works, SOME},
    twin::Twin,
};
use acc_vfio_user::{
    ensure,
    host::{self, Function, ZIP},
    Driver, Result,
};
use serde_json::json;
use std::{
    mem::replace,
    thread::sleep,
    time::{Duration, Instant},
};

/// How long a migration may take before its user loses patience.
const CONVERGES: Duration = Duration::from_secs(40);

/// A side of a migration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    Source,
    Target,
}

/// When a fault begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Before QEMU is told to migrate.
    Before,
    /// While the source is in PRE_COPY.
    PreCopy,
    /// When the VF of a side is given this mailbox command.
    At(Side, &'static str),
}

impl Step {
    fn name(self) -> String {
        match self {
            Self::Before => "before".to_owned(),
            Self::PreCopy => "PRE_COPY".to_owned(),
            Self::At(side, command) => format!("{command} of the {side:?}").to_lowercase(),
        }
    }
}

/// The steps of a side. Each command is of one state: PAUSE_QM of RUNNING_P2P, SQC_BT and CQC_BT of
/// STOP_COPY on the source. On the target, SQC_VFT_V2 is the trial in RESUMING, and SQC_BT and
/// CQC_BT load. CQC_BT is the last command of the source: the transfer follows.
pub fn steps(side: Side) -> &'static [Step] {
    use Side::{Source, Target};
    match side {
        Source => &[
            Step::Before,
            Step::PreCopy,
            Step::At(Source, "PAUSE_QM"),
            Step::At(Source, "SQC_BT"),
            Step::At(Source, "CQC_BT"),
        ],
        Target => &[
            Step::Before,
            Step::PreCopy,
            Step::At(Source, "CQC_BT"),
            Step::At(Target, "SQC_BT"),
            Step::At(Target, "CQC_BT"),
        ],
    }
}

/// What fails: an order for the device model.
pub struct Fault {
    pub name: &'static str,
    /// For the PF, not for the VF of the side.
    pub of_pf: bool,
    pub order: &'static str,
    /// How the order ends, beside `clear`.
    pub end: &'static str,
}

impl Fault {
    const fn of_vf(name: &'static str, order: &'static str) -> Self {
        Self {
            name,
            of_pf: false,
            order,
            end: "clear",
        }
    }

    /// Whether the VF has it until a reset: a command that the mailbox never ends.
    fn outlives(&self) -> bool {
        self.name == "mailbox busy"
    }

    /// Whether the silicon does not do what only it can do, at this step: a VF that cannot be
    /// paused, or that has gone. QEMU resets it then, under a guest that runs.
    pub fn is_of_silicon(&self, side: Side, step: Step) -> bool {
        // What PRE_COPY finds hurts nobody.
        let no_pause = step == Step::PreCopy || step == Step::At(Side::Source, "PAUSE_QM");
        match self.name {
            "gone" => true,
            "mailbox busy" | "mailbox error" => side == Side::Source && no_pause,
            _ => false,
        }
    }
}

/// DMA of the VF to where no memory of the guest is: the IOMMU refuses it, and tells the host.
const IOMMU_FAULT: &str = "IOMMU fault";
const STRAY_DMA: &str = "stray-dma 0x7f00000000";

/// The faults of the device model that a side can meet.
pub fn faults(side: Side) -> Vec<Fault> {
    let pf = |name, order, end| Fault {
        name,
        of_pf: true,
        order,
        end,
    };
    let mut faults = vec![
        Fault::of_vf("mailbox busy", "mailbox-busy on"),
        Fault::of_vf("mailbox error", "mailbox-error all"),
        Fault::of_vf("mailbox late", "mailbox-late 20000000"),
        pf("QM error", "ras 0x4", "ras 0"),
        pf("engine error", "engine 0x4", "engine 0"),
        Fault::of_vf(IOMMU_FAULT, STRAY_DMA),
        Fault::of_vf("gone", "gone on"),
    ];
    if side == Side::Source {
        faults.extend([
            Fault::of_vf("write-back stuck", "write-back-stuck on"),
            Fault {
                end: "message-pending off",
                ..Fault::of_vf("message pending", "message-pending on")
            },
        ]);
    }
    faults
}

/// A guest that works, and where it has been.
struct Life {
    vm: Vm,
    /// The number of its VF among [`vfs`].
    at: usize,
    consoles: Vec<String>,
}

/// What came of a migration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    /// The target runs the guest.
    Moved,
    /// The source runs the guest.
    Stayed,
}

/// Migrations of one guest after another.
pub struct Matrix {
    driver: Driver,
    config: Config,
    vfs: Vec<Function>,
    twin: Twin,
    life: Option<Life>,
    /// How many QEMUs there have been, for their names.
    count: usize,
}

impl Matrix {
    pub fn new(driver: Driver, config: Config) -> Result<Self> {
        Ok(Self {
            driver,
            vfs: vfs(ZIP, driver)?,
            twin: Twin::open_device(ZIP.name)?,
            config,
            life: None,
            count: 0,
        })
    }

    fn name(&mut self) -> String {
        self.count += 1;
        format!("f{}", self.count)
    }

    fn vf(at: usize) -> String {
        format!("vf{}", at + 1)
    }

    /// A guest that works: the one that there is, or a new one.
    fn alive(&mut self) -> Result<Life> {
        if let Some(life) = self.life.take() {
            return Ok(life);
        }
        let name = self.name();
        let mut vm = start(&name, &self.config, &[&self.vfs[0]])?;
        works(&mut vm, self.config.engines, SOME)?;
        Ok(Life {
            vm,
            at: 0,
            consoles: Vec::new(),
        })
    }

    /// Ends all faults.
    fn clear(&self, fault: Option<&Fault>) -> Result<()> {
        self.twin.ask("at clear")?;
        for at in 0..2 {
            self.twin.fault(&Self::vf(at), "clear")?;
            if let Some(fault) = fault.filter(|fault| !fault.of_pf) {
                self.twin.fault(&Self::vf(at), fault.end)?;
            }
        }
        if let Some(fault) = fault.filter(|fault| fault.of_pf) {
            self.twin.fault("pf", fault.end)?;
        }
        self.twin.fault("pf", "clear")
    }

    /// Migrates a guest, with a fault or not. Says who runs it then. It works there.
    fn migrate(&mut self, life: &mut Life, fails: Option<(Side, Step, &Fault)>) -> Result<Fate> {
        let other = 1 - life.at;
        let of = |side: Side| match side {
            Side::Source => Self::vf(life.at),
            Side::Target => Self::vf(other),
        };
        let order = |fault: &Fault, side: Side| {
            let of = if fault.of_pf {
                "pf".to_owned()
            } else {
                of(side)
            };
            format!("{of} {}", fault.order)
        };
        let name = self.name();
        let (mut target, socket) = waiting(&name, &self.config, &[&self.vfs[other]])?;
        self.twin.mark()?;
        // The PF's driver does not get to know: the VF's is the one under test.
        self.twin.fault("pf", "lose-msi 1000000")?;
        let mut during = None;
        match fails {
            None => {}
            Some((side, Step::Before, fault)) => {
                self.twin.ask(&format!("fault {}", order(fault, side)))?;
            }
            Some((side, Step::PreCopy, fault)) => during = Some(order(fault, side)),
            Some((side, Step::At(whose, command), fault)) => {
                let at = format!("at {} {command} {}", of(whose), order(fault, side));
                self.twin.ask(&at)?;
            }
        }
        let begun = match during {
            Some(_) => migrate_slowly(&mut life.vm, &socket),
            None => life.vm.migrate(&socket),
        };
        if let (Ok(()), Some(order)) = (&begun, &during) {
            works(&mut life.vm, self.config.engines, 1)?;
            self.twin.ask(&format!("fault {order}"))?;
            life.vm.limit()?;
        }
        let moved = match begun {
            Ok(()) => Self::ended(&mut life.vm)?,
            // QEMU says no at once.
            Err(_) => false,
        };
        if moved {
            target.came_in()?;
        }
        self.clear(fails.map(|(_, _, fault)| fault))?;
        if let Some((side, _, fault)) = fails.filter(|(_, _, fault)| fault.name == IOMMU_FAULT) {
            let refused = self.twin.counts()?.get(&of(side), "dma_fault");
            ensure!(refused != 0, "no {}", fault.name);
        }
        one_runs(&mut life.vm, &mut target, moved)?;
        if moved {
            let source = replace(&mut life.vm, target);
            life.consoles.push(source.console());
            life.at = other;
            source.quit()?;
        }
        goes_on(&life.consoles, &mut life.vm, &self.config)?;
        Ok(if moved { Fate::Moved } else { Fate::Stayed })
    }

    /// Waits until a migration has ended. One that does not converge is canceled, as its user
    /// would: nobody can say which pages a VF writes whose mailbox does not answer. Returns whether
    /// the guest has moved.
    fn ended(source: &mut Vm) -> Result<bool> {
        let begin = Instant::now();
        let mut canceled = false;
        loop {
            let info = source.qmp("query-migrate", json!({}))?;
            match info["status"].as_str().unwrap_or("none") {
                "completed" => return Ok(true),
                "failed" | "cancelled" => return Ok(false),
                _ if begin.elapsed() < CONVERGES => {}
                _ if !canceled => {
                    source.qmp("migrate_cancel", json!({}))?;
                    canceled = true;
                }
                _ if begin.elapsed() < 2 * CONVERGES => {}
                _ => return Err(format!("the migration does not end: {info}").into()),
            }
            sleep(Duration::from_millis(50));
        }
    }

    /// One fault at one step: the guest lives, and migrates once the fault is gone.
    fn one(&mut self, side: Side, step: Step, fault: &Fault) -> Result<Fate> {
        let mut life = self.alive()?;
        let result = self.migrate(&mut life, Some((side, step, fault)));
        let fate = match result {
            Ok(Fate::Moved) => Fate::Moved,
            // The guest lives and stays where it is until its VF is reset.
            Ok(Fate::Stayed) if fault.outlives() => return Ok(Fate::Stayed),
            Ok(Fate::Stayed) => {
                let next = self.migrate(&mut life, None);
                let next = next.map_err(|e| format!("without a fault: {e}"))?;
                ensure!(next == Fate::Moved, "without a fault: it does not migrate");
                Fate::Stayed
            }
            Err(e) => {
                self.clear(Some(fault))?;
                // Whatever happened to the VF, the guest itself is there.
                if fault.is_of_silicon(side, step) {
                    answers(&mut life.vm)?;
                }
                return Err(e);
            }
        };
        self.life = Some(life);
        Ok(fate)
    }

    /// All faults of a side at all steps. Returns how many the guest has survived.
    pub fn run(&mut self, side: Side) -> Result<String> {
        let mut tally = Tally::new(self.driver, &self.config);
        for step in steps(side) {
            for fault in &faults(side) {
                tally.begin(side, *step, fault.name)?;
                let fate = self.one(side, *step, fault);
                let silicon = fault.is_of_silicon(side, *step);
                tally.end(side, *step, fault.name, silicon, fate)?;
            }
        }
        tally.result()
    }
}

/// Fails unless exactly one of two QEMUs runs the guest, the right one.
fn one_runs(source: &mut Vm, target: &mut Vm, moved: bool) -> Result<()> {
    let runs = |vm: &mut Vm| -> bool {
        let status = vm.qmp("query-status", json!({}));
        status.is_ok_and(|status| status["running"] == true)
    };
    let both = (runs(source), runs(target));
    ensure!(
        both == (!moved, moved),
        "the source runs: {}, the target: {}\nsource: {}\ntarget: {}",
        both.0,
        both.1,
        source.stderr(),
        target.stderr()
    );
    Ok(())
}

/// What became of the guests.
struct Tally {
    driver: Driver,
    way: &'static str,
    dead: Vec<String>,
    survived: u32,
    all: u32,
}

impl Tally {
    fn new(driver: Driver, config: &Config) -> Self {
        Self {
            driver,
            way: config.way.name(),
            dead: Vec::new(),
            survived: 0,
            all: 0,
        }
    }

    /// Says in the log what comes.
    fn begin(&self, side: Side, step: Step, fault: &str) -> Result<()> {
        host::say(&format!("acc-selftest: {side:?}, {}: {fault}", step.name()))
    }

    /// Takes what came of it.
    fn end(
        &mut self,
        side: Side,
        step: Step,
        fault: &str,
        silicon: bool,
        fate: Result<Fate>,
    ) -> Result<()> {
        self.all += 1;
        tell_as(
            "faults",
            &json!({
                "driver": self.driver.name(),
                "way": self.way,
                "side": format!("{side:?}").to_lowercase(),
                "step": step.name(),
                "fault": fault,
                "silicon": silicon,
                "fate": match &fate {
                    Ok(Fate::Moved) => "moved",
                    Ok(Fate::Stayed) => "stayed",
                    Err(_) => "dead",
                },
                "why": fate.as_ref().err().map(ToString::to_string),
            }),
        )?;
        match fate {
            Ok(_) => self.survived += 1,
            Err(e) if !silicon => {
                let step = step.name();
                self.dead.push(format!("{side:?}, {step}: {fault}: {e}"));
            }
            Err(_) => {}
        }
        Ok(())
    }

    /// Says how many have survived. With the C driver guests die, which is a fact and no failure.
    fn result(self) -> Result<String> {
        ensure!(
            self.dead.is_empty() || self.driver == Driver::C,
            "{} guests are dead:\n{}",
            self.dead.len(),
            self.dead.join("\n")
        );
        Ok(format!("{} of {} survived", self.survived, self.all))
    }
}
