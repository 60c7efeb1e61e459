// SPDX-License-Identifier: GPL-2.0

//! The VF beside the tracking logic and the log: what the VFIO layer and the driver do with the
//! three, and whether each report has all pages that the VF wrote.

use crate::{
    place,
    step::{Device, Step},
    vf::{doorbell_place, Seen, Vf},
};
use acc_twin::{BAR2, BAR4};
use dma_log::{Log, Span, Statistics};
use hisi_acc_hw::doorbell::{Doorbell, Kind};
use hisi_acc_track::{Doorbells, Queues, Write};
use kernel::{prelude::*, sync::Arc};
use std::{cell::RefCell, fmt};

/// A page that is not in a report, and should be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lost {
    pub address: u64,
    /// The number of the report
    pub report: u64,
    /// Whether the VF has written it; if not, the report should have all memory
    pub written: bool,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            address,
            report,
            written,
        } = self;
        let why = match written {
            true => "was written",
            false => "may have been written",
        };
        write!(
            f,
            "report {report}: the page at {address:#x} {why}, and is not in it"
        )
    }
}

/// Pages of the guest, a bit for each.
struct Pages {
    words: Vec<u64>,
    shift: u32,
}

impl Pages {
    fn new(shift: u32) -> Self {
        let words = (place::SIZE >> shift).div_ceil(64) as usize;
        Self {
            words: vec![0; words],
            shift,
        }
    }

    fn clear(&mut self) {
        self.words.fill(0);
    }

    /// Puts in the pages of some bytes.
    fn insert(&mut self, start: u64, end: u64) {
        if start == end {
            return;
        }
        for page in (start - place::FIRST) >> self.shift..=(end - 1 - place::FIRST) >> self.shift {
            self.words[page as usize / 64] |= 1 << (page % 64);
        }
    }

    fn count(&self) -> u64 {
        let ones = self.words.iter().map(|word| u64::from(word.count_ones()));
        ones.sum()
    }

    fn first_missing(&self) -> Option<u64> {
        let word = self.words.iter().position(|word| *word != u64::MAX)?;
        let page = 64 * word as u64 + u64::from(self.words[word].trailing_ones());
        Some(place::FIRST + (page << self.shift))
    }

    /// Takes out the pages of a part of memory, and returns the first of them that `reported` does
    /// not have.
    fn check(&mut self, span: Span, reported: &Self) -> Option<u64> {
        let first = (span.start() - place::FIRST) >> self.shift;
        let last = (span.end() - 1 - place::FIRST) >> self.shift;
        let mut lost = None;
        for page in first..=last {
            let (word, bit) = (page as usize / 64, 1 << (page % 64));
            let written = self.words[word] & bit != 0;
            if written && reported.words[word] & bit == 0 {
                lost = lost.or(Some(place::FIRST + (page << self.shift)));
            }
            self.words[word] &= !bit;
        }
        lost
    }
}

/// The whole.
pub struct Cosim {
    pub vf: RefCell<Vf>,
    queues: Queues,
    log: Option<Log<()>>,
    /// Number of the current quiesced period, `None` while DMA is possible
    pub quiesced: Option<u32>,
    periods: u32,
    written: Pages,
    reported: Pages,
    device: Device,
    pub statistics: Arc<Statistics>,
    pub reports: u64,
    /// Reports before which the VF had written something
    pub meaningful: u64,
    /// Those of them that do not have all memory
    pub precise: u64,
    /// Pages that the VF wrote before each report, and pages in the reports
    pub pages: (u64, u64),
}

impl Cosim {
    pub fn new(device: Device) -> Self {
        let mut queues = Queues::default();
        queues.open(place::NUM.into()).expect("there is memory");
        let statistics = Arc::new(Statistics::new(), GFP_KERNEL).expect("there is memory");
        Self {
            vf: RefCell::new(Vf::new(device)),
            queues,
            log: None,
            quiesced: None,
            periods: 0,
            written: Pages::new(device.shift),
            reported: Pages::new(device.shift),
            device,
            statistics,
            reports: 0,
            meaningful: 0,
            precise: 0,
            pages: (0, 0),
        }
    }

    pub fn is_logging(&self) -> bool {
        self.log.is_some()
    }

    /// Notes what the VF has written.
    fn note(&mut self) {
        let machine = &mut self.vf.get_mut().machine;
        for (write, range) in machine.accesses.drain(..) {
            if write {
                self.written.insert(range.start, range.end);
            }
        }
        machine.interrupts.clear();
    }

    /// The driver sees a write to a mediated part. Returns whether the VF may get it.
    fn see(&mut self, bar: u8, offset: u64, size: u8, value: u64) -> bool {
        let write = match bar {
            BAR2 => Write::of(Doorbells::Shared, offset, size, value),
            BAR4 => Write::of(Doorbells::Isolated, offset, size, value),
            _ => Write::Unknown,
        };
        let log = self.log.as_mut().map(|log| log as &mut Log);
        let quiesced = self.quiesced.is_some();
        self.queues.written(&Seen(&self.vf), &write, quiesced, log)
    }

    fn mediate(&mut self, bar: u8, offset: u64, size: u8, value: u64) {
        if self.see(bar, offset, size, value) {
            self.vf.get_mut().write(bar, offset, size, value);
        }
    }

    /// What the layer and the driver do after a reset.
    fn after_reset(&mut self) {
        self.quiesced = None;
        if let Some(log) = &mut self.log {
            log.abandon_all();
        }
        self.queues.lose();
    }

    fn span(&self, part: Option<(u64, u64)>) -> Option<Span> {
        let Some((first, count)) = part else {
            return Span::new(place::FIRST, place::FIRST + place::SIZE);
        };
        let start = place::FIRST.checked_add(first << self.device.shift)?;
        let end = start.checked_add(count << self.device.shift)?;
        Span::new(start, end.min(place::FIRST + place::SIZE))
    }

    fn start(&mut self) {
        if self.log.is_some() {
            return;
        }
        let span = self.span(None).into_iter();
        let log = Log::new(span, 1, self.device.shift, self.statistics.clone(), ());
        let mut log = log.expect("there is memory");
        self.queues.start(&Seen(&self.vf), &mut log as &mut Log);
        self.log = Some(log);
        // The VMM copies all memory after logging has begun.
        self.note();
        self.written.clear();
    }

    fn report(&mut self, part: Option<(u64, u64)>) -> Result<(), Lost> {
        let Some(span) = self.span(part) else {
            return Ok(());
        };
        let Some(log) = &mut self.log else {
            return Ok(());
        };
        self.queues.report(&Seen(&self.vf), log as &mut Log);
        self.reported.clear();
        let Self { reported, .. } = self;
        log.report(span, self.quiesced, |dirty| {
            reported.insert(dirty.start(), dirty.end());
        });
        self.note();
        self.reports += 1;
        self.pages.0 += self.written.count();
        self.pages.1 += self.reported.count();
        if self.written.words.iter().any(|word| *word != 0) {
            self.meaningful += 1;
            self.precise += u64::from(part.is_some() || self.reported.first_missing().is_some());
        }
        match self.written.check(span, &self.reported) {
            Some(address) => Err(Lost {
                address,
                report: self.reports,
                written: true,
            }),
            None => Ok(()),
        }
    }

    /// Whether the last report has all memory.
    fn whole(&self) -> Result<(), Lost> {
        let missing = self.reported.first_missing();
        missing.map_or(Ok(()), |address| {
            Err(Lost {
                address,
                report: self.reports,
                written: false,
            })
        })
    }

    /// What the layer and the driver do when a state is loaded.
    fn load(&mut self, place: u16, report: bool) -> Result<(), Lost> {
        self.queues.lose();
        let result = if report { self.report(None) } else { Ok(()) };
        self.vf.get_mut().load(place);
        self.queues.lose();
        result
    }

    /// Carries out a step.
    pub fn step(&mut self, step: &Step) -> Result<(), Lost> {
        if let Step::Race(reads, between) = step {
            self.vf.get_mut().race = Some((*reads, (**between).clone()));
            return Ok(());
        }
        let result = self.plain_step(step);
        // What did not come between comes behind.
        let vf = self.vf.get_mut();
        if let Some((_, between)) = vf.race.take() {
            vf.step(&between);
        }
        self.note();
        result
    }

    fn plain_step(&mut self, step: &Step) -> Result<(), Lost> {
        if self.vf.get_mut().step(step) {
            return Ok(());
        }
        match step {
            Step::Ring(kind, queue, index, priority) => {
                let (bar, offset) = doorbell_place(*kind, *queue);
                let doorbell = Doorbell {
                    queue: *queue,
                    kind: *kind,
                    index: *index,
                    priority: *priority,
                };
                self.mediate(bar, offset, 8, doorbell.into_raw());
            }
            Step::Write(bar, offset, size, value) => self.mediate(*bar, *offset, *size, *value),
            Step::Reset => {
                self.vf.get_mut().twin.reset(1);
                self.after_reset();
            }
            Step::RingReset(queue, index) => {
                let (bar, offset) = doorbell_place(Kind::Sq, *queue);
                let doorbell = Doorbell {
                    queue: *queue,
                    kind: Kind::Sq,
                    index: *index,
                    priority: 0,
                };
                let value = doorbell.into_raw();
                self.see(bar, offset, 8, value);
                let vf = self.vf.get_mut();
                vf.twin.reset(1);
                vf.write(bar, offset, 8, value);
                self.after_reset();
                self.see(bar, offset, 8, value);
            }
            Step::Start => self.start(),
            Step::Report(part) => return self.report(*part),
            Step::Whole => return self.whole(),
            Step::Load(place, report) => return self.load(*place, *report),
            Step::Stop => {
                if self.log.take().is_some() {
                    self.queues.stop();
                }
            }
            Step::Quiesce => {
                if self.quiesced.is_none() {
                    if self.vf.get_mut().pause() {
                        self.periods += 1;
                        self.quiesced = Some(self.periods);
                    } else {
                        self.queues.kicked();
                        self.vf.get_mut().unpause();
                    }
                }
            }
            Step::Resume => {
                if self.quiesced.take().is_some() {
                    self.queues.kicked();
                    self.vf.get_mut().unpause();
                }
            }
            _ => {}
        }
        Ok(())
    }
}
