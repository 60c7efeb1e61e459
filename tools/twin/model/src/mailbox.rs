// SPDX-License-Identifier: GPL-2.0

//! The mailbox and its commands.

use crate::{
    bus::{Bus, Fault},
    device::Twin,
    dfx,
    function::Wait,
    guess::{Alternative, FETCHED},
    queue::{next, Table},
};
use hisi_acc_hw::{
    context::{SqcDw3, Xqc, XQC_SIZE},
    mailbox::{Command, Message},
};

impl Twin {
    /// What stands in the mailbox after a command that failed.
    fn failed(&self, message: Message) -> Message {
        let mut answer = message.done(true);
        if self.does(Alternative::OtherStatus) {
            // Bit 12 of the status, not bit 9.
            answer.w0 = message.done(false).w0 | (1 << 12);
        }
        answer
    }

    /// Returns whether a VF's own mailbox does not take a command ([`Alternative::WindowMailbox`]).
    fn refuses(&self, f: usize, message: Message) -> bool {
        let only_window = self.does(Alternative::WindowMailbox)
            && self.kind.generation.layout().window().is_some()
            && f != 0;
        let refused = match Command::from_raw(message.command_raw()) {
            Some(Command::PauseQm) => true,
            Some(Command::SqcBt | Command::CqcBt) => message.is_read(),
            _ => false,
        };
        only_window && refused
    }

    /// A command was written to the mailbox, through the window or in the function's own registers.
    pub(crate) fn mailbox(&mut self, bus: &mut dyn Bus, f: usize, message: Message, window: bool) {
        if !message.is_busy() {
            return;
        }
        if self.functions[f].mailbox.is_busy() {
            // Guess: what is written over a command that is not done is lost. Drivers wait for it.
            if self.does(Alternative::CommandFails) {
                self.functions[f].pending = None;
                self.functions[f].mailbox = self.failed(self.functions[f].mailbox);
            }
            if !self.does(Alternative::CommandReplaces) {
                return;
            }
            self.functions[f].pending = None;
        }
        self.functions[f].mailbox = message;
        dfx::count(&mut self.dfx.mailbox, f, 0);
        let command = Command::from_raw(message.command_raw());
        if let Some(command) = command {
            self.ledger.mailbox(f, command.name());
        }
        self.trigger_at(f, command);
        self.report_errors(bus);
        if !window && self.refuses(f, message) {
            self.functions[f].mailbox = self.failed(message);
            return;
        }
        let faults = &self.faults[f];
        self.functions[f].mailbox_polls = faults.mailbox_polls;
        if faults.mailbox_busy {
            return;
        }
        if faults.held.is_some_and(|held| held.has(command)) {
            self.functions[f].pending = Some((message, Wait::Order));
            return;
        }
        if faults.mailbox_delay != 0 {
            let wait = Wait::Delay(faults.mailbox_delay);
            self.functions[f].pending = Some((message, wait));
            return;
        }
        self.carry_out(bus, f, message);
    }

    /// Begins a command; finishes it, unless it has to wait for work.
    pub(crate) fn carry_out(&mut self, bus: &mut dyn Bus, f: usize, message: Message) {
        let command = Command::from_raw(message.command_raw());
        let refused = self.faults[f].refused;
        if refused.is_some_and(|refused| refused.has(command)) {
            self.functions[f].mailbox = self.failed(message);
            return;
        }
        if self.does(Alternative::StopDrops) {
            self.drop_requests(f, command, message.queue);
        }
        let wait = match command {
            Some(Command::StopQp) => Wait::Queue(message.queue),
            Some(Command::FlushQm) => Wait::Queues,
            Some(Command::PauseQm) => {
                // Guess: what the engine works on is finished, nothing more is fetched.
                let function = &mut self.functions[f];
                function.resumed.clear();
                function.paused = true;
                if self.guesses.has(Alternative::PauseDrains) {
                    function.fetched = FETCHED;
                }
                let faults = &self.faults[f];
                self.pf.qm_errors.source |= faults.ras_at_pause;
                self.pf.engine_errors.source |= faults.engine_at_pause;
                self.report_errors(bus);
                if self.does(Alternative::PauseEarly) {
                    // What is in the engine is written back a moment later.
                    if let Some(job) = &mut self.functions[f].current {
                        job.due = Some(0);
                    }
                    return self.finish(bus, f, message);
                }
                Wait::Job
            }
            _ => return self.finish(bus, f, message),
        };
        if self.is_waiting(bus, f, wait) {
            self.functions[f].pending = Some((message, wait));
        } else {
            self.finish(bus, f, message);
        }
    }

    /// Does what a command says, and answers it; an answer stands where its address stood.
    pub(crate) fn finish(&mut self, bus: &mut dyn Bus, f: usize, message: Message) {
        let answer = match Command::from_raw(message.command_raw()) {
            Some(command) => self.command(bus, f, command, message),
            None => Err(()),
        };
        self.functions[f].mailbox = match answer {
            Ok(base) => Message { base, ..message }.done(false),
            Err(()) => self.failed(message),
        };
    }

    /// Forgets the requests that `STOP_QP` or `FLUSH_QM` finds queued ([`Alternative::StopDrops`]).
    fn drop_requests(&mut self, f: usize, command: Option<Command>, queue: u16) {
        let function = &mut self.functions[f];
        let at_work = function.current.map(|job| job.queue);
        let dropped = |of: u16| match command {
            Some(Command::StopQp) => of == queue,
            Some(Command::FlushQm) => true,
            _ => false,
        };
        for (of, sqc) in &mut function.sqc {
            if dropped(*of) {
                function.active.remove(of);
                // The one in the engine ends, and moves the head.
                let depth = SqcDw3::from_raw(sqc.dw3()).depth;
                let head = match at_work == Some(*of) {
                    true => next(sqc.head(), depth).0,
                    false => sqc.head(),
                };
                sqc.set_tail(head);
            }
        }
    }

    fn command(
        &mut self,
        bus: &mut dyn Bus,
        f: usize,
        command: Command,
        message: Message,
    ) -> Result<u64, ()> {
        let base = message.base;
        let read = message.is_read();
        match command {
            Command::Sqc | Command::Cqc => {
                let table = match command {
                    Command::Sqc => Table::Sqc,
                    _ => Table::Cqc,
                };
                if u32::from(message.queue) >= self.pf.queues(f) {
                    return Err(());
                }
                self.queue_context(bus, f, table, message.queue, base, read)?;
            }
            Command::Eqc | Command::Aeqc => self.event_context(bus, f, command, base, read)?,
            Command::SqcBt if read => return Ok(self.functions[f].sqc_bt),
            Command::CqcBt if read => return Ok(self.functions[f].cqc_bt),
            Command::SqcBt => {
                let kept = self.does(Alternative::CacheKept);
                let function = &mut self.functions[f];
                function.sqc_bt = base;
                if !kept {
                    function.sqc.clear();
                    function.replace(None);
                }
                function.broken.clear();
            }
            Command::CqcBt => {
                self.functions[f].cqc_bt = base;
                if !self.does(Alternative::CacheKept) {
                    self.functions[f].cqc.clear();
                }
            }
            Command::SqcVftV2 if read => return self.pf.vft_entry(f).ok_or(()),
            Command::SqcVftV2 => return Err(()),
            Command::StopQp => {
                let function = &mut self.functions[f];
                function.active.remove(&message.queue);
                function.sqc.remove(&message.queue);
                function.cqc.remove(&message.queue);
            }
            Command::FlushQm | Command::PauseQm => {}
            // From the PF to VF `queue` (0xffff: to all), from a VF to the PF
            Command::Src if f != 0 => self.functions[f].sent = base,
            Command::Src => {
                for (to, function) in self.functions.iter_mut().enumerate().skip(1) {
                    if message.queue == 0xffff || usize::from(message.queue) == to {
                        function.received = base;
                    }
                }
            }
            // The PF reads what VF `queue` sent, a VF what the PF sent
            Command::Dst if f != 0 => {
                let once = self.does(Alternative::ReadOnce);
                let received = &mut self.functions[f].received;
                return Ok(if once {
                    std::mem::take(received)
                } else {
                    *received
                });
            }
            Command::Dst => {
                let from = self.functions.get(usize::from(message.queue)).ok_or(())?;
                return Ok(from.sent);
            }
        }
        Ok(base)
    }

    fn queue_context(
        &mut self,
        bus: &mut dyn Bus,
        f: usize,
        table: Table,
        queue: u16,
        base: u64,
        read: bool,
    ) -> Result<(), ()> {
        if read {
            if self.does(Alternative::ReadFetches) {
                self.context(bus, f, table, queue);
            }
            let function = &self.functions[f];
            let cache = match table {
                Table::Sqc => &function.sqc,
                Table::Cqc => &function.cqc,
            };
            let raw = cache.get(&queue).map_or([0; XQC_SIZE], |context| context.0);
            return self.dma_write(bus, f, base, &raw).map_err(|Fault| ());
        }
        let mut raw = [0; XQC_SIZE];
        self.dma_read(bus, f, base, &mut raw).map_err(|Fault| ())?;
        self.put_context(f, table, queue, Xqc(raw));
        self.evict(bus, f, table, queue);
        if table == Table::Sqc {
            self.functions[f].broken.remove(&queue);
            self.functions[f].replace(Some(queue));
        }
        Ok(())
    }

    fn event_context(
        &mut self,
        bus: &mut dyn Bus,
        f: usize,
        command: Command,
        base: u64,
        read: bool,
    ) -> Result<(), ()> {
        let is_eq = command == Command::Eqc;
        let mut raw = [0; XQC_SIZE];
        if read {
            let function = &self.functions[f];
            raw = if is_eq {
                function.eq.context.0
            } else {
                function.aeq.context.0
            };
            return self.dma_write(bus, f, base, &raw).map_err(|Fault| ());
        }
        self.dma_read(bus, f, base, &mut raw).map_err(|Fault| ())?;
        let function = &mut self.functions[f];
        // Guess: a driver that sets the function up anew ends a pause, since one that was stopped
        // by a migration before it had a driver must come to work too.
        if !self.guesses.has(Alternative::StaysPaused) {
            function.resume();
        }
        let queue = if is_eq {
            &mut function.eq
        } else {
            &mut function.aeq
        };
        queue.context = Xqc(raw);
        queue.armed = false;
        queue.source = false;
        queue.old = None;
        Ok(())
    }
}
