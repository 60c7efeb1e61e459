// SPDX-License-Identifier: GPL-2.0

//! The mailbox and its commands.

use crate::{
    bus::{Bus, Fault},
    device::Twin,
    dfx,
    function::Wait,
    queue::Table,
};
use hisi_acc_hw::{
    context::{Xqc, XQC_SIZE},
    mailbox::{Command, Message},
};

impl Twin {
    /// A command was written to the mailbox.
    pub(crate) fn mailbox(&mut self, bus: &mut dyn Bus, f: usize, message: Message) {
        // Guess: what is written over a command that is not done is lost. Drivers wait for it.
        if !message.is_busy() || self.functions[f].mailbox.is_busy() {
            return;
        }
        self.functions[f].mailbox = message;
        dfx::count(&mut self.dfx.mailbox, f, 0);
        let command = Command::from_raw(message.command_raw());
        if let Some(command) = command {
            self.ledger.mailbox(f, command.name());
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
            self.functions[f].mailbox = message.done(true);
            return;
        }
        let wait = match command {
            Some(Command::StopQp) => Wait::Queue(message.queue),
            Some(Command::FlushQm) => Wait::Queues,
            Some(Command::PauseQm) => {
                // Guess: what the engine works on is finished, nothing more is fetched.
                self.functions[f].paused = true;
                let faults = &self.faults[f];
                self.pf.qm_errors.source |= faults.ras_at_pause;
                self.pf.engine_errors.source |= faults.engine_at_pause;
                self.report_errors(bus);
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
            Err(()) => message.done(true),
        };
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
                let function = &mut self.functions[f];
                function.sqc_bt = base;
                function.sqc.clear();
                function.broken.clear();
            }
            Command::CqcBt => {
                self.functions[f].cqc_bt = base;
                self.functions[f].cqc.clear();
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
            Command::Dst if f != 0 => return Ok(self.functions[f].received),
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
        if table == Table::Sqc {
            self.functions[f].broken.remove(&queue);
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
        function.paused = false;
        let queue = if is_eq {
            &mut function.eq
        } else {
            &mut function.aeq
        };
        queue.context = Xqc(raw);
        queue.armed = false;
        queue.pending = false;
        queue.old = None;
        Ok(())
    }
}
