// SPDX-License-Identifier: GPL-2.0

//! The mailbox of a VF. It belongs to the guest driver; this driver borrows it.
//!
//! The guest driver writes a command and then polls the same 16 bytes until they are not busy. It
//! takes the status from them, and for a few commands the answer, without a look at which command
//! they are of (`qm_wait_mb_finish()`, `hisi_qm_mb_read()`). So a command of this driver that comes
//! between the guest's command and its poll changes what the guest reads. Therefore [`Mailbox`]
//! puts back what the guest driver can tell apart:
//!
//! - after a command that answers in the mailbox, the same command is given again
//!   ([`Answer::Value`]);
//! - after any other command that succeeded, a success is left there, of whatever command;
//! - a failure cannot be brought back for sure. While the guest runs, the caller looks at what it
//!   found ([`Message::is_restorable`]) and gives no command then.
//!
//! A command that the guest writes between this driver's look and its command would be lost. While
//! the guest runs, the caller excludes it from the mailbox ([`OpenDevice::exclude`]); in a state
//! change userspace has stopped the vCPUs.
//!
//! [`OpenDevice::exclude`]: vfio::pci::OpenDevice::exclude

use crate::qm::Qm;
use hisi_acc_hw::{
    mailbox::{
        self,
        Answer,
        Command,
        Message, //
    },
    regs, //
};
use hisi_acc_track::{
    Last,
    Left, //
};
use kernel::{
    io::poll::read_poll_timeout,
    prelude::*,
    sync::lock::{
        mutex::MutexBackend,
        Guard, //
    },
    time::Delta, //
};

/// What the guest driver must find in the mailbox after commands of this driver.
#[derive(Clone, Copy)]
enum Owed {
    /// A success, of whatever command.
    Success,
    /// What it would have found before.
    Same(Message),
}

impl Owed {
    /// Returns what is owed to a guest driver that may not have read `found` yet.
    fn of(found: Message) -> Self {
        match found.answer() {
            Answer::Status if !found.has_failed() => Self::Success,
            _ => Self::Same(found),
        }
    }
}

/// The mailbox of an open VF, for a series of commands. What the guest driver had there is put back
/// when this is dropped.
pub(crate) struct Mailbox<'a> {
    qm: &'a Qm<'a>,
    /// What stands there; `None` before the first look, and after a command that did not end.
    found: Option<Message>,
    /// What is owed to the guest driver. `None` before the first command.
    owed: Option<Owed>,
    /// Whether that is, or was, a success.
    success: Option<bool>,
    /// What is owed to it, if that is known without a look.
    known: Option<Owed>,
    /// Nothing that stands there is owed to the guest driver.
    replaced: bool,
    /// The guest may have given a command that dirty tracking does not know.
    unseen: bool,
    /// How many commands this driver has given.
    given: u32,
    /// How many the PF has counted, if dirty tracking has asked it after them.
    counted: Option<Option<u32>>,
    /// Locked over the whole series: two of them would take each other's commands for the guest's.
    last: Guard<'a, Last, MutexBackend>,
}

impl<'a> Qm<'a> {
    /// Borrows the mailbox, of which dirty tracking knows nothing.
    pub(crate) fn mailbox(&'a self) -> Mailbox<'a> {
        Mailbox {
            qm: self,
            found: None,
            owed: None,
            success: None,
            known: None,
            replaced: false,
            unseen: true,
            given: 0,
            counted: None,
            last: self.commands.lock(),
        }
    }
}

impl Mailbox<'_> {
    /// Polls until the mailbox is not busy: [`EIO`] if no register can be reached.
    fn poll(&self, timeout_us: i64) -> Result<Message> {
        read_poll_timeout(
            || self.qm.message(),
            |message| !message.is_busy(),
            Delta::from_micros(mailbox::POLL_PERIOD_US),
            Delta::from_micros(timeout_us),
        )
    }

    /// Waits until the mailbox takes a command, and returns what the guest driver may wait for:
    /// [`ETIMEDOUT`] if it stays busy.
    pub(crate) fn wait(&mut self) -> Result<Message> {
        self.look(mailbox::READY_TIMEOUT_US)
    }

    /// As [`Self::wait`], but waits for a command of the guest driver however long that one takes.
    pub(crate) fn settle(&mut self) -> Result<Message> {
        self.look(mailbox::WAIT_TIMEOUT_US)
    }

    /// Finds what stands there. If that is what this driver left, the guest has given no command.
    fn find(&mut self, timeout_us: i64) -> Result<Message> {
        let found = self.poll(timeout_us)?;
        self.is_found(found);
        Ok(found)
    }

    fn is_found(&mut self, found: Message) {
        self.found = Some(found);
        if self.given == 0 && self.last.left.is_some_and(|left| left.stands(found)) {
            self.known = Some(Owed::Success);
            self.unseen = false;
        } else if self.given == 0 && self.last.owes_success(found) {
            // The guest has reached the page, and given no command that a driver gives.
            self.known = Some(Owed::Success);
        }
    }

    /// The guest has not reached the mailbox since this driver has used it: what stands there is
    /// known without a look. If the VF was reset since, this driver puts back what nobody waits
    /// for.
    pub(crate) fn is_untouched(&mut self) {
        if let Some(stood) = self.last.stood {
            self.is_found(stood);
        }
        if self.last.success {
            self.known = Some(Owed::Success);
        }
    }

    /// If a success is owed and a failure of this driver stands there, tries once more to leave a
    /// success.
    fn look(&mut self, timeout_us: i64) -> Result<Message> {
        let found = self.find(timeout_us)?;
        match self.known {
            Some(Owed::Success) if found.has_failed() => self.give(Command::SqcVftV2, 0, true),
            _ => Ok(found),
        }
    }

    /// Dirty tracking knows all commands of the guest, unless it `may` have given some since.
    pub(crate) fn unseen_if(&mut self, may: bool) {
        self.unseen = may;
    }

    /// Dirty tracking has looked at what the guest's commands did. Now the PF has `counted` all
    /// commands, if its counter can be trusted.
    pub(crate) fn seen(&mut self, counted: Option<u32>) {
        self.unseen = false;
        self.counted = Some(counted);
    }

    /// Returns whether dirty tracking has looked.
    pub(crate) fn was_seen(&self) -> bool {
        self.counted.is_some()
    }

    /// Returns how many commands this driver has given.
    pub(crate) fn given(&self) -> u32 {
        self.given
    }

    /// Returns what is left in the mailbox now, to be found there as long as the guest gives no
    /// command. `None` where that could not be told.
    fn leaves(&self) -> Option<Left> {
        if self.unseen || self.replaced {
            return None;
        }
        if self.given == 0 {
            return self.last.left;
        }
        let found = self.found.filter(|_| self.success == Some(true))?;
        match self.counted {
            Some(counted) => Left::of(found, counted),
            None => self
                .last
                .left
                .and_then(|left| left.after(self.given, found)),
        }
    }

    /// Puts nothing back: the VF's state is about to be replaced, so no guest driver waits for an
    /// answer.
    pub(crate) fn replace(&mut self) {
        self.replaced = true;
    }

    /// Gives a command, and returns what stands in the mailbox when it is finished.
    fn exchange(&mut self, request: Message, timeout_us: i64) -> Result<Message> {
        // Nobody else gives a command meanwhile.
        let before = match self.found {
            Some(found) => found,
            None => self.find(mailbox::READY_TIMEOUT_US)?,
        };
        if !self.replaced {
            let known = self.known;
            let owed = self
                .owed
                .get_or_insert_with(|| known.unwrap_or_else(|| Owed::of(before)));
            self.success = Some(matches!(owed, Owed::Success));
        }
        self.found = None;
        self.given = self.given.wrapping_add(1);
        self.qm.bar2.live()?.try_write128(
            request.into_raw(),
            usize::try_from(regs::QM_MB_CMD_SEND_BASE.offset())?,
        )?;
        let answer = self.poll(timeout_us)?;
        self.found = Some(answer);
        Ok(answer)
    }

    fn traced(&mut self, request: Message, timeout_us: i64) -> Result<Message> {
        let answer = self.exchange(request, timeout_us);
        let result = match &answer {
            Ok(answer) if answer.has_failed() => Err(EIO),
            Ok(_) => Ok(()),
            Err(e) => Err(*e),
        };
        let command = u32::from(request.command_raw());
        self.qm.observer.command(command, request.base, result);
        answer
    }

    fn give(&mut self, cmd: Command, base: u64, read: bool) -> Result<Message> {
        let request = Message::request(cmd, base, 0, read);
        let answer = self.traced(request, cmd.timeout_us())?;
        if answer.has_failed() {
            return Err(EIO);
        }
        Ok(answer)
    }

    /// Gives a command: [`ETIMEDOUT`] if it is not finished in time, [`EIO`] if it fails.
    pub(crate) fn command(&mut self, cmd: Command, base: u64) -> Result {
        self.give(cmd, base, false).map(|_| ())
    }

    /// Gives a command that answers with an address, and returns the answer.
    pub(crate) fn query(&mut self, cmd: Command) -> Result<u64> {
        Ok(self.give(cmd, 0, true)?.base)
    }

    /// Puts back what the guest driver can tell apart of what it would have found.
    fn give_back(&mut self, owed: Owed) -> Result {
        match owed {
            Owed::Same(found) if found.answer() == Answer::Value => {
                let answer = self.traced(found.again(), mailbox::WAIT_TIMEOUT_US)?;
                let same = answer.has_failed() == found.has_failed()
                    && (found.has_failed() || answer.base == found.base);
                if same {
                    Ok(())
                } else {
                    Err(EIO)
                }
            }
            Owed::Same(_) => Ok(()),
            // The guest driver would take a failure of this driver's command for its own.
            Owed::Success => match self.found {
                Some(left) if left.has_failed() => self.query(Command::SqcVftV2).map(|_| ()),
                _ => Ok(()),
            },
        }
    }

    /// Puts back what is owed to the guest driver. Later commands count anew.
    pub(crate) fn put_back(&mut self) {
        let Some(owed) = self.owed.take() else {
            return;
        };
        let replaced = core::mem::replace(&mut self.replaced, true);
        let result = self.give_back(owed);
        self.replaced = replaced;
        let Err(e) = result else {
            return;
        };
        let warn = |text: kernel::fmt::Arguments<'_>| self.qm.observer.warn(text);
        match owed {
            Owed::Same(found) => warn(fmt!(
                "mailbox: the answer to the guest's command {:#x} is lost ({:?})",
                found.command_raw(),
                e
            )),
            Owed::Success => warn(fmt!("mailbox: the guest may find a failure ({:?})", e)),
        }
    }
}

impl Drop for Mailbox<'_> {
    fn drop(&mut self) {
        self.put_back();
        *self.last = Last {
            left: self.leaves(),
            stood: self.found,
            // Without a command, it holds as long as the guest has not reached the mailbox.
            success: self.success.unwrap_or(self.last.success && !self.unseen),
        };
    }
}
