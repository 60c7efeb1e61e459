// SPDX-License-Identifier: GPL-2.0

//! `migration.mailbox_answer`: a state change uses the mailbox while the guest driver has not read
//! an answer yet.

use crate::support::{
    commands::{query, same, unread, READS},
    pair::Pair,
};
use acc_vfio_user::{ensure, qm::Mailbox, vfio::state, Driver, Result};
use hisi_acc_hw::mailbox::{Command, Message};
use std::fs;

case!(mailbox_answer);
/// A change of state gives commands too, and a guest whose migration is called off goes on.
fn mailbox_answer() -> Result<()> {
    let mut pair = Pair::new(Driver::Rust, Driver::Rust)?;
    let mailbox = Mailbox::new(&pair.source)?;
    let address = pair.bench.vfs[0].address.clone();
    let shown = format!("/sys/kernel/debug/vfio/{address}/migration/hisi_acc/dev_data");
    let changes = |pair: &Pair, answer: Message, what: &str| -> Result<()> {
        for to in [
            state::RUNNING_P2P,
            state::STOP,
            state::STOP_COPY,
            state::PRE_COPY,
        ] {
            let when = format!("{what}, {} and back", state::name(to));
            let file = pair.source.set_state(to)?;
            fs::read(&shown)?;
            if to == state::PRE_COPY {
                pair.source.set_state(state::PRE_COPY_P2P)?;
            }
            drop(file);
            pair.source.set_state(state::RUNNING)?;
            same(&mailbox, answer, &when)?;
        }
        Ok(())
    };
    for command in READS {
        let answer = unread(&mailbox, query(command))?;
        ensure!(!answer.has_failed(), "{command:?} fails");
        pair.bench.twin.mark()?;
        changes(&pair, answer, command.name())?;
        let asked = pair.bench.twin.counts()?.get("vf1", "mailbox.PAUSE_QM");
        ensure!(asked == 4, "{asked} times PAUSE: this shows nothing");
    }
    // One that failed fails again.
    pair.bench.twin.fault("vf1", "mailbox-error SQC_VFT_V2")?;
    let answer = unread(&mailbox, query(Command::SqcVftV2))?;
    ensure!(answer.has_failed(), "the model does not fail: {answer:x?}");
    changes(&pair, answer, "a failure")?;
    // A command of the driver's that fails is no failure of the guest's.
    pair.bench.twin.fault("vf1", "mailbox-error PAUSE_QM")?;
    let buffer = pair.bench.memory.alloc(4096);
    for request in [
        query(Command::SqcVftV2),
        Message::request(Command::Sqc, buffer, 1, true),
    ] {
        let answer = unread(&mailbox, request)?;
        ensure!(
            pair.source.set_state(state::STOP).is_err(),
            "PAUSE succeeds"
        );
        let found = mailbox.answer()?;
        ensure!(
            !found.has_failed(),
            "{request:x?}: the guest sees a failure"
        );
        if request.base == 0 {
            same(&mailbox, answer, "PAUSE fails")?;
        }
    }
    pair.bench.twin.fault("vf1", "mailbox-error off")?;
    pair.round()
}
