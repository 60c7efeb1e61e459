// SPDX-License-Identifier: GPL-2.0

//! The mailbox and its commands.

use crate::{
    bus::{Bus, Fault},
    device::Twin,
    queue::Table,
};
use hisi_acc_hw::{
    context::{Xqc, XQC_SIZE},
    mailbox::{Command, Message},
};

impl Twin {
    /// A command was written to the mailbox.
    pub(crate) fn mailbox(&mut self, bus: &mut dyn Bus, f: usize, message: Message) {
        if !message.is_busy() {
            return;
        }
        let answer = match Command::from_raw(message.command_raw()) {
            Some(command) => {
                let key = format!("mailbox.{}", command.name());
                self.ledger.add(f, &key, 1);
                self.command(bus, f, command, message)
            }
            None => Err(()),
        };
        self.functions[f].mailbox = match answer {
            Ok(base) => Message { base, ..message }.done(false),
            Err(()) => message.done(true),
        };
    }

    /// Carries out a command; what it answers stands where its address stood.
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
                if u32::from(message.queue) >= self.queues(f) {
                    return Err(());
                }
                self.queue_context(bus, f, table, message.queue, base, read)?;
            }
            Command::Eqc | Command::Aeqc => self.event_context(bus, f, command, base, read)?,
            Command::SqcBt if read => return Ok(self.functions[f].sqc_bt),
            Command::CqcBt if read => return Ok(self.functions[f].cqc_bt),
            Command::SqcBt => {
                self.functions[f].sqc_bt = base;
                self.functions[f].sqc.clear();
            }
            Command::CqcBt => {
                self.functions[f].cqc_bt = base;
                self.functions[f].cqc.clear();
            }
            Command::SqcVftV2 if read => {
                return self.vft_entry(f).ok_or(());
            }
            Command::SqcVftV2 => return Err(()),
            Command::StopQp => {
                self.drain(bus, f, Some(message.queue));
                let function = &mut self.functions[f];
                function.active.remove(&message.queue);
                function.sqc.remove(&message.queue);
                function.cqc.remove(&message.queue);
            }
            Command::FlushQm => self.drain(bus, f, None),
            // Guess: what the engine works on is finished, nothing more is fetched.
            Command::PauseQm => {
                self.finish_current(bus, f);
                self.functions[f].paused = true;
            }
            Command::Src => {
                // To VF `queue` from the PF (0xffff: to all), to the PF from a VF.
                for to in 0..self.functions.len() {
                    let meant = match f {
                        0 => {
                            to != 0 && (message.queue == 0xffff || usize::from(message.queue) == to)
                        }
                        _ => to == 0,
                    };
                    if meant {
                        self.functions[to].inbox = base;
                    }
                }
            }
            Command::Dst => return Ok(self.functions[f].inbox),
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
        Ok(())
    }
}
