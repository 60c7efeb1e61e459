// SPDX-License-Identifier: GPL-2.0

//! Mailbox commands of a guest driver that has not read the answer yet.

use acc_vfio_user::{ensure, qm::Mailbox, Result};
use hisi_acc_hw::mailbox::{Command, Message};

/// Commands whose answer the guest takes from the mailbox.
pub const READS: [Command; 4] = [
    Command::SqcVftV2,
    Command::Dst,
    Command::SqcBt,
    Command::CqcBt,
];

/// A command of the guest's that is finished, and whose answer it has not taken.
pub fn unread(mailbox: &Mailbox, request: Message) -> Result<Message> {
    mailbox.send(request);
    mailbox.answer()
}

pub fn query(command: Command) -> Message {
    Message::request(command, 0, 0, true)
}

/// Fails if the guest finds another answer than it would have found before.
pub fn same(mailbox: &Mailbox, expected: Message, when: &str) -> Result<()> {
    let found = mailbox.answer()?;
    ensure!(found == expected, "{when}: {found:x?}, not {expected:x?}");
    Ok(())
}
