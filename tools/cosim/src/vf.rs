// SPDX-License-Identifier: GPL-2.0

//! The VF: the device model with guest memory, what the guest does with it beside doorbells, and
//! what the driver does with it (`VfGuest` of drivers/vfio).

use crate::{
    place::{self, NUM},
    request,
    step::{Device, Made, Step},
};
use acc_twin::{
    testing::{self, Machine},
    Generation, Kind, Twin, BAR2, BAR4, DOORBELL_PAGE,
};
use hisi_acc_hw::{
    context::{EqcDw6, SqcDw3, Xqc, XQC_SIZE},
    dma::{Memory, Unreadable, Why},
    doorbell::{self, Doorbell},
    mailbox::{self, Answer, Command, Message},
    regs, Engine,
};
use hisi_acc_track::{counted, Contexts, Guest, Left, Registers, XqcWords};
use kernel::prelude::*;
use std::cell::RefCell;

/// The VF's number.
pub const VF: usize = 1;
/// How long the driver waits for what the engine has fetched (`FETCHED` of drivers/vfio/dirty.rs)
const FETCHED_NS: u64 = 20_000_000;
/// How often the model may be asked to go on at one time: more is work without an end.
const ROUNDS: usize = 10_000;

/// The VF, its memory and its time.
pub struct Vf {
    pub twin: Twin,
    pub machine: Machine,
    pub now: u64,
    /// Whether the guest may have reached the mailbox since the driver last looked
    pub touched: bool,
    /// What the driver left there
    left: Option<Left>,
    /// How many commands the driver has given
    given: u32,
    /// Whether the VF masters the bus
    pub master: bool,
    /// Whether the driver has a way to read memory. The VF has one, whatever the driver has
    pub space: bool,
    /// What comes between two reads of the driver, and after how many more
    pub race: Option<(u32, Step)>,
}

impl Vf {
    pub fn new(device: Device) -> Self {
        let mut machine = Machine {
            memory: vec![0; place::SIZE as usize],
            ..Machine::default()
        };
        request::put_sources(&mut machine);
        let kind = Kind {
            accelerator: device.engine,
            generation: Generation::V3,
        };
        let twin = testing::device(&mut machine, kind, 1);
        Self {
            twin,
            machine,
            now: 0,
            touched: false,
            left: None,
            given: 0,
            master: true,
            space: true,
            race: None,
        }
    }

    /// Carries out what is due.
    pub fn settle(&mut self) {
        for _ in 0..ROUNDS {
            match self.twin.run(&mut self.machine, self.now) {
                Some(due) if due <= self.now => {}
                _ => return,
            }
        }
        panic!("work without an end");
    }

    /// Time passes: what becomes due meanwhile is done at its time.
    pub fn run(&mut self, ns: u64) {
        let end = self.now.saturating_add(ns);
        for _ in 0..ROUNDS {
            self.settle();
            match self.twin.run(&mut self.machine, self.now) {
                Some(due) if due <= end => self.now = due.max(self.now),
                _ => break,
            }
        }
        self.now = end;
        self.settle();
    }

    pub fn write(&mut self, bar: u8, offset: u64, size: u8, value: u64) {
        let size = u32::from(size);
        self.twin
            .write(&mut self.machine, VF, bar, offset, value, size);
        self.settle();
    }

    fn read32(&mut self, reg: impl Into<u64>) -> u32 {
        self.twin.read(VF, BAR2, reg.into(), 4) as u32
    }

    fn write32(&mut self, reg: impl Into<u64>, value: u32) {
        self.write(BAR2, reg.into(), 4, value.into());
    }

    /// What stands in the mailbox.
    pub fn mailbox(&mut self) -> Message {
        let low = self.twin.read(VF, BAR2, 0x300, 8);
        let high = self.twin.read(VF, BAR2, 0x308, 8);
        Message::from_raw(u128::from(low) | (u128::from(high) << 64))
    }

    fn give(&mut self, message: Message) {
        let raw = message.into_raw();
        self.write(BAR2, 0x300, 8, raw as u64);
        self.write(BAR2, 0x308, 8, (raw >> 64) as u64);
    }

    pub fn order(&mut self, order: &str) {
        let answer = self.twin.control(&format!("fault vf1 {order}"));
        assert_eq!(answer, "", "{order}");
    }

    /// The guest gives a command. Drivers wait for it.
    fn command(&mut self, command: u8, queue: u16, base: u64, read: bool) {
        self.touched = true;
        let request = Message::request(Command::Sqc, base, queue, read);
        let w0 = (request.w0 & 0xff00) | u16::from(command);
        self.give(Message { w0, ..request });
    }

    fn set_context(&mut self, command: Command, queue: u16, context: &Xqc) {
        self.machine.put(place::CONTEXT, &context.0);
        self.command(command as u8, queue, place::CONTEXT, false);
    }

    /// Rings a doorbell where drivers ring it.
    pub fn ring(&mut self, doorbell: Doorbell) {
        let (bar, offset) = doorbell_place(doorbell.kind, doorbell.queue);
        self.write(bar, offset, 8, doorbell.into_raw());
    }

    fn events(&mut self, at: u16) {
        for (command, base) in [
            (Command::Eqc, place::eq(at)),
            (Command::Aeqc, place::aeq(at)),
        ] {
            let mut context = Xqc::zeroed();
            context.set_base(base);
            let dw6 = EqcDw6 {
                depth: place::EVENTS,
                phase: true,
            };
            context.set_eqc_dw6(dw6.into_raw());
            self.set_context(command, 0, &context);
        }
        self.write32(regs::QM_VF_EQ_INT_MASK, 0);
        self.write32(regs::QM_VF_AEQ_INT_MASK, 0);
    }

    fn tables(&mut self, at: u16) {
        let zeroes = [0; XQC_SIZE * NUM as usize];
        for (command, base) in [
            (Command::SqcBt, place::sqcs(at)),
            (Command::CqcBt, place::cqcs(at)),
        ] {
            self.machine.put(base, &zeroes);
            self.command(command as u8, 0, base, false);
        }
    }

    /// The driver loads a state (`load()` of drivers/vfio): the guest is not asked, and notices
    /// nothing.
    pub fn load(&mut self, at: u16) {
        self.left = None;
        self.twin.reset(VF);
        self.write32(regs::QM_VF_STATE, regs::QM_READY);
        for (command, base) in [
            (Command::SqcBt, place::sqcs(at)),
            (Command::CqcBt, place::cqcs(at)),
        ] {
            self.give(Message::request(command, base, 0, false));
        }
    }

    fn queue(&mut self, m: &Made) {
        let cq = place::cq(m.queue, m.place);
        if m.zeroed {
            self.machine.put(cq, &[0; 16 * place::DEPTH_MAX as usize]);
        }
        let size = self.twin.kind().accelerator.sqe_size();
        let mut sqc = Xqc::zeroed();
        sqc.set_base(match m.odd {
            1 => place::END + 0x1_0000,
            _ => place::sq(m.queue, m.place),
        });
        let dw3 = |shift: u32| SqcDw3 {
            depth: m.depth,
            entry_shift: shift as u8,
        };
        sqc.set_dw3(dw3(size.trailing_zeros()).into_raw());
        sqc.set_head(m.head);
        sqc.set_tail(m.tail);
        sqc.set_cq_num(m.queue);
        // QM_MK_SQC_W13(0, 1, alg_type)
        let orders = if m.odd == 2 { 0 } else { 1 << 4 };
        sqc.set_w13(orders | (u16::from(m.kind) << 8));
        let mut cqc = Xqc::zeroed();
        cqc.set_base(cq);
        cqc.set_dw3(dw3(4).into_raw());
        cqc.set_head(m.cq_tail);
        cqc.set_tail(m.cq_tail);
        // Phase, and an event is wanted
        cqc.set_cqc_dw6(3);
        self.set_context(Command::Sqc, m.queue, &sqc);
        self.set_context(Command::Cqc, m.queue, &cqc);
    }

    /// Carries out a step that the driver does not see: `false` if it sees it.
    pub fn step(&mut self, step: &Step) -> bool {
        match step {
            Step::Run(ns) => self.run(*ns),
            Step::JobDelay(ns) => self.order(&format!("job-delay {ns}")),
            Step::Late(ns) => self.order(&format!("mailbox-late {ns}")),
            Step::Events(at) => self.events(*at),
            Step::Tables(at) => self.tables(*at),
            Step::Queue(made) => self.queue(made),
            Step::Mailbox(command, queue, base, read) => {
                self.command(*command, *queue, *base, *read);
            }
            Step::Touch => {
                self.touched = true;
                self.read32(regs::QM_VF_EQ_INT_SOURCE);
            }
            Step::Ready(ready) => {
                self.touched = true;
                let state = if *ready {
                    regs::QM_READY
                } else {
                    regs::QM_NOT_READY
                };
                self.write32(regs::QM_VF_STATE, state);
            }
            Step::Master(master) => {
                self.master = *master;
                // Memory is mapped for the VF, or for the PF only.
                self.machine.only = (!master).then_some(0);
                self.settle();
            }
            Step::Space(space) => self.space = *space,
            Step::Store(address, value) => self.machine.put(*address, &value.to_le_bytes()),
            Step::Place(queue, slot, seed) => self.place(*queue, *slot, *seed),
            _ => return false,
        }
        true
    }

    /// Puts a request into a slot. The ring and its type are those that the hardware has.
    fn place(&mut self, queue: u16, slot: u16, seed: u32) {
        let Some(sqc) = self.context(queue) else {
            return;
        };
        let accelerator = self.twin.kind().accelerator;
        let kind = ((sqc.w13() >> 8) & 0xf) as u8;
        let at = (queue, slot);
        let raw = request::make(&mut self.machine, accelerator, kind, at, seed);
        let address = sqc.base() + u64::from(slot) * raw.len() as u64;
        if self.machine.look(address, raw.len()).is_some() {
            self.machine.put(address, &raw);
        }
    }

    /// The SQC of a queue, as the hardware has it cached.
    pub fn context(&self, queue: u16) -> Option<Xqc> {
        self.twin.function(VF)?.sqc.get(&queue).copied()
    }

    /// The mailbox for the driver: what stands there once it is not busy.
    fn wait(&mut self, timeout_us: i64) -> Result<Message> {
        let end = self.now + timeout_us.unsigned_abs() * 1000;
        loop {
            let message = self.mailbox();
            if !message.is_busy() {
                return Ok(message);
            }
            if self.now >= end {
                return Err(EBUSY);
            }
            self.run(mailbox::POLL_PERIOD_US.unsigned_abs() * 1000 * 10);
        }
    }

    /// The driver gives a command.
    fn driver_command(&mut self, request: Message) -> Result<Message> {
        self.wait(mailbox::READY_TIMEOUT_US)?;
        self.given += 1;
        self.give(request);
        let answer = self.wait(mailbox::WAIT_TIMEOUT_US)?;
        if answer.has_failed() {
            return Err(EIO);
        }
        Ok(answer)
    }

    /// The driver stops the VF, as it does to enter P2P. Returns whether it stands.
    pub fn pause(&mut self) -> bool {
        let unseen = self.is_touched();
        let paused = self.driver_command(Message::request(Command::PauseQm, 0, 0, false));
        self.left = match (paused, self.left) {
            (Ok(found), Some(left)) if !unseen => left.after(1, found),
            _ => None,
        };
        paused.is_ok()
    }

    /// Whether the guest may have given a command, by what the driver can see of the VF alone.
    fn is_touched(&mut self) -> bool {
        let left = self.left;
        self.touched && !left.is_some_and(|left| left.stands(self.mailbox()))
    }

    /// How many commands the PF has counted, twice in a row.
    fn count(&mut self) -> [u32; 2] {
        let at = regs::QM_DFX_MB_CNT_VF.offset();
        self.twin
            .write(&mut self.machine, 0, BAR2, at.into(), VF as u64, 4);
        let count = regs::QM_DFX_MB_CNT.offset();
        [(); 2].map(|()| self.twin.read(0, BAR2, count.into(), 4) as u32)
    }

    /// The driver starts the VF (`vf_qm_fun_reset()`).
    pub fn unpause(&mut self) {
        for queue in 0..NUM {
            self.ring(Doorbell {
                queue,
                kind: doorbell::Kind::Sq,
                index: 0,
                priority: 1,
            });
        }
    }
}

/// The VF as the driver asks it, while the guest cannot reach the registers.
struct Asked<'a> {
    vf: &'a mut Vf,
    found: Option<Message>,
}

impl Registers for Asked<'_> {
    fn masters_bus(&mut self) -> bool {
        self.vf.master
    }

    fn is_there(&mut self) -> Result<bool> {
        Ok(true)
    }

    fn is_ready(&mut self) -> Result<bool> {
        let ready = self.vf.read32(regs::QM_VF_STATE) & 1 == regs::QM_READY;
        if !ready {
            // It gets a moment.
            self.vf.run(1_000_000);
        }
        Ok(ready)
    }

    fn wait(&mut self) -> Result<Message> {
        let found = self.vf.wait(mailbox::READY_TIMEOUT_US)?;
        self.found = Some(found);
        Ok(found)
    }

    fn query(&mut self, command: Command) -> Result<u64> {
        let request = Message::request(command, 0, 0, true);
        Ok(self.vf.driver_command(request)?.base)
    }

    fn put_back(&mut self) -> Result {
        match self.found.take() {
            Some(found) if found.answer() == Answer::Value => {
                self.vf.driver_command(found.again()).map(|_| ())
            }
            _ => Ok(()),
        }
    }

    fn write_back(&mut self) -> Result {
        self.vf.write32(regs::QM_CACHE_WB_START, 1);
        match self.vf.read32(regs::QM_CACHE_WB_DONE) & 1 {
            0 => Err(EIO),
            _ => Ok(()),
        }
    }

    fn event_contexts(&mut self) -> Result<[XqcWords; 2]> {
        let mut words = |base: u64| -> XqcWords {
            let mut words = XqcWords::default();
            for (at, word) in (base..).step_by(4).zip(&mut words) {
                *word = self.vf.read32(at);
            }
            words
        };
        let eqc = words(regs::QM_EQC_VF_DW0.into());
        Ok([eqc, words(regs::QM_AEQC_VF_DW0.into())])
    }
}

/// Where drivers ring a doorbell.
pub fn doorbell_place(kind: doorbell::Kind, queue: u16) -> (u8, u64) {
    match kind {
        doorbell::Kind::Sq | doorbell::Kind::Cq => {
            let page = u64::from(queue & 0xfff) * DOORBELL_PAGE;
            (BAR4, page + u64::from(regs::QM_DOORBELL_SQ_CQ_BASE_V2))
        }
        doorbell::Kind::Eq | doorbell::Kind::Aeq => (BAR2, regs::QM_DOORBELL_EQ_AEQ_BASE_V2.into()),
    }
}

/// The VF as the tracking logic sees it.
pub struct Seen<'a>(pub &'a RefCell<Vf>);

impl Memory for Seen<'_> {
    fn read(&self, address: u64, to: &mut [u8]) -> core::result::Result<(), Unreadable> {
        let mut vf = self.0.borrow_mut();
        match vf.race.take() {
            Some((0, step)) => {
                vf.step(&step);
            }
            Some((reads, step)) => vf.race = Some((reads - 1, step)),
            None => {}
        }
        if !vf.space {
            return Err(Unreadable);
        }
        let there = vf.machine.look(address, to.len()).ok_or(Unreadable)?;
        to.copy_from_slice(there);
        Ok(())
    }
}

impl Guest for Seen<'_> {
    fn engine(&self) -> Option<Engine> {
        Some(self.0.borrow().twin.kind().accelerator)
    }

    fn can_read(&self) -> bool {
        self.0.borrow().space
    }

    fn touched(&self) -> bool {
        self.0.borrow_mut().is_touched()
    }

    fn touched_unseen(&self) -> bool {
        let vf = &mut self.0.borrow_mut();
        let left = vf.left;
        vf.is_touched()
            || vf.touched && !left.is_some_and(|left| left.is_counted(|| Some(vf.count()[0])))
    }

    fn contexts(&self) -> Result<Option<Contexts>> {
        let vf = &mut self.0.borrow_mut();
        let (before, given) = (vf.count(), vf.given);
        let left = vf.left.take();
        let contexts = Contexts::ask(&mut Asked { vf, found: None }, NUM.into())?;
        vf.touched = false;
        let found = vf.mailbox();
        vf.left = match vf.given - given {
            0 => left.filter(|left| left.stands(found)),
            given => Left::of(found, counted(before, vf.count(), given)),
        };
        Ok(contexts)
    }

    fn refresh(&self) -> Result {
        let vf = &mut self.0.borrow_mut();
        Asked { vf, found: None }.write_back()
    }

    fn let_finish(&self) {
        self.0.borrow_mut().run(FETCHED_NS);
    }

    fn is_dying(&self) -> bool {
        false
    }

    fn understands_nothing(&self, _queue: u16, _why: Why) {}
}
