// SPDX-License-Identifier: GPL-2.0

//! `twin.ledger`: the ledger counts what happened, neither more nor less, and asking it changes
//! nothing.

use crate::support::bare::{Bare, SOURCE};
use acc_vfio_user::{ensure, Result};
use hisi_acc_hw::{
    context::{CQE_SIZE, EQE_SIZE},
    mailbox::Command,
    regs,
    zip::SQE_SIZE,
};
use std::collections::BTreeSet;

/// What the ledger has to say of a run, and what came out of it.
#[derive(PartialEq, Debug)]
struct Account {
    counts: String,
    registers: String,
    pages: Vec<(u64, u64)>,
    output: Vec<u8>,
}

/// Known accesses, mailbox commands and one job. `ask`: the ledger is asked between each of them.
fn run(bare: &mut Bare, ask: bool) -> Result<(Account, BTreeSet<u64>, u32)> {
    let asked = |bare: &Bare| -> Result<()> {
        if ask {
            bare.counts()?;
            bare.bench.twin.pages("vf1")?;
            bare.bench.twin.ask("ledger registers vf1")?;
        }
        Ok(())
    };
    let [sqe, cqe, eqe] = bare.qm.next(0);
    bare.bench.twin.mark()?;
    for _ in 0..3 {
        bare.qm.read(regs::QM_VF_STATE);
        asked(bare)?;
    }
    bare.qm.write(regs::QM_PAGE_SIZE, 0);
    bare.qm.query(Command::SqcBt)?;
    asked(bare)?;
    bare.qm.query(Command::SqcVftV2)?;
    bare.qm.query(Command::SqcVftV2)?;
    asked(bare)?;
    bare.submit(0);
    asked(bare)?;
    let produced = bare.complete(1)?;
    let mut written = BTreeSet::new();
    for (at, len) in [sqe, cqe, eqe, (bare.dest, produced as usize)] {
        written.extend(at >> 12..=(at + len as u64 - 1) >> 12);
    }
    let twin = &bare.bench.twin;
    let account = Account {
        counts: twin.ask("ledger")?,
        registers: twin.ask("ledger registers vf1")?,
        pages: twin.pages("vf1")?,
        output: bare.bench.memory.read_vec(bare.dest, produced as usize),
    };
    Ok((account, written, produced))
}

case!(ledger);
fn ledger() -> Result<()> {
    let mut bare = Bare::new()?;
    bare.submit(0);
    bare.complete(1)?;
    let (quiet, written, produced) = run(&mut bare, false)?;

    // A command is two writes of 8 bytes and, since it is done at once, four reads of 4.
    const COMMANDS: u64 = 3;
    // SQ; CQ twice, for the completion and to ask for the next event; EQ
    const DOORBELLS: u64 = 4;
    let mut counts = vec![
        ("dma_read_bytes", (SQE_SIZE + SOURCE) as u64),
        ("dma_reads", 2),
        (
            "dma_write_bytes",
            (SQE_SIZE + CQE_SIZE + EQE_SIZE) as u64 + u64::from(produced),
        ),
        ("dma_writes", 4),
        ("doorbell.cq", 2),
        ("doorbell.eq", 1),
        ("doorbell.sq", 1),
        ("jobs_done", 1),
        ("mailbox.SQC_BT", 1),
        ("mailbox.SQC_VFT_V2", 2),
        ("msi", 1),
        ("pages_written", written.len() as u64),
        ("reg_read", 3 + 4 * COMMANDS),
        ("reg_write", 1 + 2 * COMMANDS + DOORBELLS),
    ];
    counts.sort_unstable();
    let mut lines: Vec<&str> = quiet.counts.lines().collect();
    lines.sort_unstable();
    let expected: Vec<String> = counts.iter().map(|(k, n)| format!("vf1 {k} {n}")).collect();
    ensure!(
        lines == expected,
        "the ledger has {lines:#?}, not {expected:#?}"
    );

    let mailbox = regs::QM_MB_CMD_SEND_BASE;
    let doorbell = regs::QM_DOORBELL_SQ_CQ_BASE_V2;
    let mut registers: Vec<String> = (0..4)
        .map(|n| format!("read 2 {:#x} {COMMANDS}", mailbox.word(n)))
        .chain([
            format!("read 2 {:#x} 3", regs::QM_VF_STATE),
            format!("write 2 {:#x} 1", regs::QM_PAGE_SIZE),
            format!("write 2 {mailbox:#x} {COMMANDS}"),
            format!("write 2 {:#x} {COMMANDS}", mailbox.word(2)),
            format!("write 2 {:#x} 1", regs::QM_DOORBELL_EQ_AEQ_BASE_V2),
            // Queue 0's page of BAR4
            format!("write 4 {doorbell:#x} 3"),
        ])
        .collect();
    registers.sort_unstable();
    let mut lines: Vec<&str> = quiet.registers.lines().collect();
    lines.sort_unstable();
    ensure!(
        lines == registers,
        "the ledger has {lines:#?}, not {registers:#?}"
    );

    let pages: BTreeSet<u64> = quiet
        .pages
        .iter()
        .flat_map(|(first, n)| *first..first + n)
        .collect();
    ensure!(
        pages == written,
        "pages written: {pages:x?}, not {written:x?}"
    );
    ensure!(
        written.len() >= 6,
        "of {} pages little is to be learned",
        written.len()
    );

    let (asked, ..) = run(&mut bare, true)?;
    ensure!(
        asked == quiet,
        "with the ledger asked in between: {}{}{:x?}",
        asked.counts,
        asked.registers,
        asked.pages
    );
    Ok(())
}
