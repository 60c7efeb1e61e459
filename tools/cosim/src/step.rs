// SPDX-License-Identifier: GPL-2.0

//! Scripts: what guest, time and VMM do, a step a line. Text behind `#` is a comment.
//!
//! The first line that is no comment is `device ENGINE SHIFT`: `zip`, `sec` or `hpre`, and the size
//! of a logged page as a power of two. Numbers are decimal, or hexadecimal with `0x`.

use hisi_acc_hw::{doorbell, mailbox::Command, Engine};
use std::fmt;

/// What a guest says of a queue that it makes by SQC and CQC.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Made {
    pub queue: u16,
    /// Where its rings are
    pub place: u16,
    pub depth: u16,
    /// The SQC's head, the SQC's tail, the CQC's tail
    pub head: u16,
    pub tail: u16,
    pub cq_tail: u16,
    /// The algorithm type
    pub kind: u8,
    /// 0 for a queue as drivers make it; else something that dirty tracking does not understand
    pub odd: u8,
    /// Whether the CQ is zeroed before
    pub zeroed: bool,
}

/// A step.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// Time passes, in nanoseconds
    Run(u64),
    /// From now on each job takes so long
    JobDelay(u64),
    /// From now on mailbox commands take so long
    Late(u64),
    /// The guest gives the event queues a place
    Events(u16),
    /// The guest zeroes the tables of a place, and has them used
    Tables(u16),
    Queue(Made),
    /// Any other mailbox command: its number, queue, address, and whether it reads
    Mailbox(u8, u16, u64, bool),
    /// The guest reads a register in the page of the mailbox
    Touch,
    /// `QM_VF_STATE`
    Ready(bool),
    /// The guest switches bus mastering
    Master(bool),
    /// The VMM moves the VF to where the driver can read memory, or cannot
    Space(bool),
    /// A processor of the guest writes 32 bits to memory
    Store(u64, u32),
    /// The guest puts a request, made of a seed, into a slot of a queue
    Place(u16, u16, u32),
    /// A doorbell as drivers ring it: kind, queue, index, priority
    Ring(doorbell::Kind, u16, u16, u16),
    /// Any write to a mediated part: BAR, offset, size, value
    Write(u8, u64, u8, u64),
    /// The VF is reset
    Reset,
    /// A doorbell of an SQ that meets a reset: the driver sees it, the reset comes, the VF gets it
    RingReset(u16, u16),
    /// Logging begins, a report of pages is made (`None`: of all), logging ends
    Start,
    Report(Option<(u64, u64)>),
    Stop,
    /// The last report must have all memory, because of a write that no driver makes
    Whole,
    /// The VMM loads a state whose tables are in a place, with a report between what the driver
    /// does before it and the load itself, or without
    Load(u16, bool),
    /// The VMM enters P2P, and leaves it
    Quiesce,
    Resume,
    /// During the next step, when the driver has read memory so many times, another step comes
    /// between
    Race(u32, Box<Step>),
}

/// Where a word of a script is not understood.
#[derive(Debug)]
pub struct Bad(pub String);

impl fmt::Display for Bad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not understood: {}", self.0)
    }
}

impl std::error::Error for Bad {}

fn ring_name(kind: doorbell::Kind) -> &'static str {
    match kind {
        doorbell::Kind::Sq => "sq",
        doorbell::Kind::Cq => "cq",
        doorbell::Kind::Eq => "eq",
        doorbell::Kind::Aeq => "aeq",
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let on = |on: &bool| if *on { "on" } else { "off" };
        match self {
            Self::Run(ns) => write!(f, "run {ns}"),
            Self::JobDelay(ns) => write!(f, "job-delay {ns}"),
            Self::Late(ns) => write!(f, "mailbox-late {ns}"),
            Self::Events(place) => write!(f, "events {place}"),
            Self::Tables(place) => write!(f, "tables {place}"),
            Self::Queue(m) => write!(
                f,
                "queue {} place {} depth {} head {} tail {} cq-tail {} type {} odd {} zeroed {}",
                m.queue,
                m.place,
                m.depth,
                m.head,
                m.tail,
                m.cq_tail,
                m.kind,
                m.odd,
                on(&m.zeroed)
            ),
            Self::Mailbox(command, queue, address, read) => {
                let what = if *read { "read" } else { "write" };
                match Command::from_raw(*command) {
                    Some(known) => write!(f, "mailbox {}", known.name())?,
                    None => write!(f, "mailbox {command:#x}")?,
                }
                write!(f, " {queue} {address:#x} {what}")
            }
            Self::Touch => write!(f, "touch"),
            Self::Ready(ready) => write!(f, "ready {}", on(ready)),
            Self::Master(master) => write!(f, "master {}", on(master)),
            Self::Space(space) => write!(f, "space {}", on(space)),
            Self::Store(address, value) => write!(f, "store {address:#x} {value:#x}"),
            Self::Place(queue, slot, seed) => write!(f, "place {queue} {slot} {seed:#x}"),
            Self::Ring(kind, queue, index, priority) => {
                write!(f, "ring {} {queue} {index} {priority}", ring_name(*kind))
            }
            Self::Write(bar, offset, size, value) => {
                write!(f, "write {bar} {offset:#x} {size} {value:#x}")
            }
            Self::Reset => write!(f, "reset"),
            Self::RingReset(queue, index) => write!(f, "ring-reset {queue} {index}"),
            Self::Start => write!(f, "start"),
            Self::Report(None) => write!(f, "report"),
            Self::Report(Some((first, count))) => write!(f, "report {first} {count}"),
            Self::Stop => write!(f, "stop"),
            Self::Whole => write!(f, "whole"),
            Self::Load(place, report) => write!(f, "load {place} report {}", on(report)),
            Self::Quiesce => write!(f, "quiesce"),
            Self::Resume => write!(f, "resume"),
            Self::Race(reads, step) => write!(f, "race {reads} {step}"),
        }
    }
}

/// The words of a line, one after the other.
struct Words<'a>(std::str::SplitWhitespace<'a>);

impl<'a> Words<'a> {
    fn word(&mut self) -> Option<&'a str> {
        self.0.next()
    }

    fn number<T: TryFrom<u64>>(&mut self) -> Option<T> {
        let word = self.word()?;
        let value = match word.strip_prefix("0x") {
            Some(hex) => u64::from_str_radix(hex, 16).ok()?,
            None => word.parse().ok()?,
        };
        value.try_into().ok()
    }

    fn switch(&mut self) -> Option<bool> {
        match self.word()? {
            "on" => Some(true),
            "off" => Some(false),
            _ => None,
        }
    }

    /// A number behind its name.
    fn named<T: TryFrom<u64>>(&mut self, name: &str) -> Option<T> {
        (self.word()? == name).then(|| self.number())?
    }

    fn made(&mut self) -> Option<Made> {
        Some(Made {
            queue: self.number()?,
            place: self.named("place")?,
            depth: self.named("depth")?,
            head: self.named("head")?,
            tail: self.named("tail")?,
            cq_tail: self.named("cq-tail")?,
            kind: self.named("type")?,
            odd: self.named("odd")?,
            zeroed: (self.word()? == "zeroed").then(|| self.switch())??,
        })
    }

    fn mailbox(&mut self) -> Option<Step> {
        let word = self.word()?;
        let known = Command::ALL.into_iter().find(|c| c.name() == word);
        let command = match known {
            Some(command) => command as u8,
            None => Words(word.split_whitespace()).number()?,
        };
        let (queue, address) = (self.number()?, self.number()?);
        let read = match self.word()? {
            "read" => true,
            "write" => false,
            _ => return None,
        };
        Some(Step::Mailbox(command, queue, address, read))
    }

    fn ring(&mut self) -> Option<Step> {
        let kind = match self.word()? {
            "sq" => doorbell::Kind::Sq,
            "cq" => doorbell::Kind::Cq,
            "eq" => doorbell::Kind::Eq,
            "aeq" => doorbell::Kind::Aeq,
            _ => return None,
        };
        Some(Step::Ring(
            kind,
            self.number()?,
            self.number()?,
            self.number()?,
        ))
    }

    fn report(&mut self) -> Option<Step> {
        let Some(first) = self.0.clone().next() else {
            return Some(Step::Report(None));
        };
        let _ = first;
        Some(Step::Report(Some((self.number()?, self.number()?))))
    }

    fn step(&mut self) -> Option<Step> {
        Some(match self.word()? {
            "run" => Step::Run(self.number()?),
            "job-delay" => Step::JobDelay(self.number()?),
            "mailbox-late" => Step::Late(self.number()?),
            "events" => Step::Events(self.number()?),
            "tables" => Step::Tables(self.number()?),
            "queue" => Step::Queue(self.made()?),
            "mailbox" => self.mailbox()?,
            "touch" => Step::Touch,
            "ready" => Step::Ready(self.switch()?),
            "master" => Step::Master(self.switch()?),
            "space" => Step::Space(self.switch()?),
            "store" => Step::Store(self.number()?, self.number()?),
            "place" => Step::Place(self.number()?, self.number()?, self.number()?),
            "ring" => self.ring()?,
            "write" => Step::Write(
                self.number()?,
                self.number()?,
                self.number()?,
                self.number()?,
            ),
            "reset" => Step::Reset,
            "ring-reset" => Step::RingReset(self.number()?, self.number()?),
            "start" => Step::Start,
            "report" => self.report()?,
            "stop" => Step::Stop,
            "whole" => Step::Whole,
            "load" => Step::Load(
                self.number()?,
                (self.word()? == "report").then(|| self.switch())??,
            ),
            "quiesce" => Step::Quiesce,
            "resume" => Step::Resume,
            "race" => Step::Race(self.number()?, Box::new(self.step()?)),
            _ => return None,
        })
    }
}

/// A device and what is done with it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Script {
    pub device: Device,
    pub steps: Vec<Step>,
}

/// Which device, and how it is logged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Device {
    pub engine: Engine,
    /// The size of a logged page, as a power of two
    pub shift: u32,
}

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Device { engine, shift } = self.device;
        writeln!(f, "device {} {shift}", engine.descriptor().name)?;
        self.steps.iter().try_for_each(|step| writeln!(f, "{step}"))
    }
}

impl std::str::FromStr for Script {
    type Err = Bad;

    fn from_str(text: &str) -> Result<Self, Bad> {
        let mut device = None;
        let mut steps = Vec::new();
        for line in text.lines() {
            let code = line.split('#').next().unwrap_or_default();
            let mut words = Words(code.split_whitespace());
            if words.0.clone().next().is_none() {
                continue;
            }
            let bad = || Bad(line.to_owned());
            if device.is_none() {
                let mut read = || {
                    (words.word()? == "device").then_some(())?;
                    let name = words.word()?;
                    let engine = Engine::ALL
                        .into_iter()
                        .find(|engine| engine.descriptor().name == name)?;
                    let shift = words.number().filter(|shift| (7..=21).contains(shift))?;
                    Some(Device { engine, shift })
                };
                device = Some(read().ok_or_else(bad)?);
                continue;
            }
            steps.push(words.step().ok_or_else(bad)?);
            if words.word().is_some() {
                return Err(bad());
            }
        }
        let device = device.ok_or_else(|| Bad("a script without a device".to_owned()))?;
        Ok(Self { device, steps })
    }
}
