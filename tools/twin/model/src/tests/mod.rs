// SPDX-License-Identifier: GPL-2.0

//! The model by itself: a machine of plain memory, and drivers of a few lines.

use crate::{
    testing::{self, Machine, MEMORY},
    Generation, Kind, Twin, BAR2, BAR4, DOORBELL_PAGE,
};
use hisi_acc_hw::{
    context::{EqcDw6, SqcDw3, Xqc},
    doorbell::{Doorbell, Kind as Ring},
    mailbox::{Command, Message},
    regs,
    zip::{Format, Sqe, SQE_SIZE, STATUS_BAD_DATA, STATUS_BUFFER, STATUS_NO_SPACE},
};

mod engines;
mod faults;
mod guesses;
mod narrow;
mod outputs;
mod resets;

const EQ: u64 = MEMORY;
const BUFFER: u64 = MEMORY + 0x1000;
const SQC: u64 = MEMORY + 0x2000;
const CQC: u64 = MEMORY + 0x3000;
const SQ: u64 = MEMORY + 0x4000;
const CQ: u64 = MEMORY + 0x6000;
const SOURCE: u64 = MEMORY + 0x8000;
const DEST: u64 = MEMORY + 0x1_0000;
/// Small, so that rings wrap.
const DEPTH: u16 = 8;

/// A device with two VFs of 16 queues each.
fn device(machine: &mut Machine) -> Twin {
    testing::device(machine, Kind::ZIP, 2)
}

fn mailbox(twin: &mut Twin, machine: &mut Machine, f: usize, request: Message) -> Message {
    let raw = request.into_raw();
    twin.write(machine, f, BAR2, 0x300, raw as u64, 8);
    twin.write(machine, f, BAR2, 0x308, (raw >> 64) as u64, 8);
    answer(twin, f)
}

fn answer(twin: &mut Twin, f: usize) -> Message {
    let low = twin.read(f, BAR2, 0x300, 8);
    let high = twin.read(f, BAR2, 0x308, 8);
    Message::from_raw(u128::from(low) | (u128::from(high) << 64))
}

fn command(twin: &mut Twin, machine: &mut Machine, f: usize, cmd: Command, base: u64) -> u64 {
    let answer = mailbox(twin, machine, f, Message::request(cmd, base, 0, false));
    assert!(!answer.is_busy() && !answer.has_failed(), "{}", cmd.name());
    answer.base
}

fn query(twin: &mut Twin, machine: &mut Machine, f: usize, cmd: Command) -> u64 {
    let answer = mailbox(twin, machine, f, Message::request(cmd, 0, 0, true));
    assert!(!answer.has_failed(), "{}", cmd.name());
    answer.base
}

fn ring(twin: &mut Twin, machine: &mut Machine, f: usize, kind: Ring, index: u16, priority: u16) {
    let raw = Doorbell {
        queue: 0,
        kind,
        index,
        priority,
    }
    .into_raw();
    match kind {
        Ring::Sq | Ring::Cq => twin.write(machine, f, BAR4, 0x1000, raw, 8),
        Ring::Eq | Ring::Aeq => twin.write(machine, f, BAR2, 0x2000, raw, 8),
    }
}

/// Sets up queue 0 of a VF.
fn set_up(twin: &mut Twin, machine: &mut Machine, f: usize) {
    let mut context = Xqc::zeroed();
    context.set_base(EQ);
    context.set_eqc_dw6(
        EqcDw6 {
            depth: 16,
            phase: true,
        }
        .into_raw(),
    );
    machine.put(BUFFER, &context.0);
    command(twin, machine, f, Command::Eqc, BUFFER);
    command(twin, machine, f, Command::SqcBt, SQC);
    command(twin, machine, f, Command::CqcBt, CQC);
    let mut context = Xqc::zeroed();
    context.set_base(SQ);
    context.set_dw3(
        SqcDw3 {
            depth: DEPTH,
            entry_shift: 7,
        }
        .into_raw(),
    );
    machine.put(BUFFER, &context.0);
    command(twin, machine, f, Command::Sqc, BUFFER);
    let mut context = Xqc::zeroed();
    context.set_base(CQ);
    context.set_dw3(
        SqcDw3 {
            depth: DEPTH,
            entry_shift: 4,
        }
        .into_raw(),
    );
    context.set_cqc_dw6(3);
    machine.put(BUFFER, &context.0);
    command(twin, machine, f, Command::Cqc, BUFFER);
    ring(twin, machine, f, Ring::Eq, 0, 0);
    twin.write(machine, f, BAR2, regs::QM_VF_EQ_INT_MASK.into(), 0, 4);
}

fn place(machine: &mut Machine, index: u16, sqe: &Sqe) {
    machine.put(SQ + u64::from(index) * SQE_SIZE as u64, &sqe.to_bytes());
}

fn result(machine: &Machine, index: u16) -> Sqe {
    let raw = machine.get(SQ + u64::from(index) * SQE_SIZE as u64, SQE_SIZE);
    Sqe::from_bytes(raw.try_into().unwrap())
}

const TEXT: &[u8] = b"what is said twice is said twice is said twice";

fn request(tag: u64) -> Sqe {
    Sqe::request(
        Format::Deflate,
        false,
        SOURCE,
        TEXT.len() as u32,
        DEST,
        0x1000,
        tag,
    )
}

#[test]
fn a_job_is_done_and_told_of() {
    let mut machine = Machine::new();
    let mut twin = device(&mut machine);
    set_up(&mut twin, &mut machine, 1);
    machine.put(SOURCE, TEXT);
    place(&mut machine, 0, &request(7));
    ring(&mut twin, &mut machine, 1, Ring::Sq, 1, 0);
    assert_eq!(twin.run(&mut machine, 0), None);
    let sqe = result(&machine, 0);
    assert_eq!(
        (sqe.status(), sqe.tag(), sqe.consumed()),
        (0, 7, TEXT.len() as u32)
    );
    let mut plain = Vec::new();
    let stream = machine.get(DEST, sqe.produced() as usize).to_vec();
    std::io::Read::read_to_end(
        &mut flate2::read::DeflateDecoder::new(&stream[..]),
        &mut plain,
    )
    .unwrap();
    assert_eq!(plain, TEXT);
    assert_eq!(machine.get(CQ + 14, 1), [1]);
    assert_eq!(machine.get(EQ, 4), (1u32 << 16).to_le_bytes());
    assert_eq!(machine.interrupts, [(1, 0)]);
}

#[test]
fn phases_turn_with_the_rings() {
    let mut machine = Machine::new();
    let mut twin = device(&mut machine);
    set_up(&mut twin, &mut machine, 1);
    machine.put(SOURCE, TEXT);
    for n in 0..3 * DEPTH {
        let slot = n % DEPTH;
        place(&mut machine, slot, &request(n.into()));
        ring(&mut twin, &mut machine, 1, Ring::Sq, (n + 1) % DEPTH, 0);
        twin.run(&mut machine, 0);
        assert!(result(&machine, slot).produced() > 0);
        let phase = machine.get(CQ + u64::from(slot) * 16 + 14, 1)[0];
        assert_eq!(phase, u8::from((n / DEPTH) % 2 == 0), "completion {n}");
        ring(&mut twin, &mut machine, 1, Ring::Cq, (n + 1) % DEPTH, 1);
    }
    assert_eq!(twin.ledger.get(1, "jobs_done"), u64::from(3 * DEPTH));
}

#[test]
fn a_tail_outside_the_ring_makes_no_work() {
    let mut machine = Machine::new();
    let mut twin = device(&mut machine);
    set_up(&mut twin, &mut machine, 1);
    machine.put(SOURCE, TEXT);
    place(&mut machine, 0, &request(7));
    // A doorbell, and a context that a guest loads.
    ring(&mut twin, &mut machine, 1, Ring::Sq, DEPTH, 0);
    assert_eq!(twin.run(&mut machine, 0), None);
    let mut context = Xqc::zeroed();
    context.set_base(SQ);
    let dw3 = SqcDw3 {
        depth: DEPTH,
        entry_shift: 7,
    };
    context.set_dw3(dw3.into_raw());
    context.set_tail(DEPTH + 2);
    machine.put(BUFFER, &context.0);
    command(&mut twin, &mut machine, 1, Command::Sqc, BUFFER);
    ring(&mut twin, &mut machine, 1, Ring::Sq, 0, 1);
    assert_eq!(twin.run(&mut machine, 0), None);
    assert_eq!(twin.ledger.get(1, "jobs_done"), 0);
    // The next doorbell puts it into the ring.
    ring(&mut twin, &mut machine, 1, Ring::Sq, 1, 0);
    assert_eq!(twin.run(&mut machine, 0), None);
    assert_eq!(twin.ledger.get(1, "jobs_done"), 1);
}

#[test]
fn a_full_completion_queue_waits() {
    let mut machine = Machine::new();
    let mut twin = device(&mut machine);
    set_up(&mut twin, &mut machine, 1);
    machine.put(SOURCE, TEXT);
    for round in 0..2u16 {
        for n in 0..DEPTH - 1 {
            place(
                &mut machine,
                (round * (DEPTH - 1) + n) % DEPTH,
                &request(n.into()),
            );
        }
        ring(
            &mut twin,
            &mut machine,
            1,
            Ring::Sq,
            ((round + 1) * (DEPTH - 1)) % DEPTH,
            0,
        );
        twin.run(&mut machine, 0);
    }
    assert_eq!(twin.ledger.get(1, "jobs_done"), u64::from(DEPTH - 1));
    ring(&mut twin, &mut machine, 1, Ring::Cq, 2, 0);
    twin.run(&mut machine, 0);
    assert_eq!(twin.ledger.get(1, "jobs_done"), u64::from(DEPTH + 1));
}

/// Source and target as hisi_acc_vfio_pci.c treats them.
#[test]
fn a_vf_goes_on_as_another() {
    let mut machine = Machine::new();
    let mut twin = device(&mut machine);
    assert_eq!(twin.control("fault vf1 job-delay 100"), "");
    set_up(&mut twin, &mut machine, 1);
    machine.put(SOURCE, TEXT);
    for n in 0..5 {
        place(&mut machine, n, &request(n.into()));
    }
    ring(&mut twin, &mut machine, 1, Ring::Sq, 5, 0);
    assert_eq!(twin.run(&mut machine, 0), Some(100));
    assert_eq!(twin.run(&mut machine, 100), Some(200));
    let pause = Message::request(Command::PauseQm, 0, 0, false);
    assert!(
        mailbox(&mut twin, &mut machine, 1, pause).is_busy(),
        "the job that the engine is at takes its time"
    );
    assert_eq!(twin.run(&mut machine, 200), None);
    assert!(!answer(&mut twin, 1).is_busy());
    let done = twin.ledger.get(1, "jobs_done");
    assert_eq!(done, 2, "what the engine worked on is finished");
    assert_eq!(
        twin.run(&mut machine, 10_000),
        None,
        "a paused function does nothing"
    );
    twin.write(&mut machine, 1, BAR2, regs::QM_CACHE_WB_START.into(), 1, 4);
    assert_eq!(twin.read(1, BAR2, regs::QM_CACHE_WB_DONE.into(), 4), 1);
    let words: Vec<u64> = (0..7)
        .map(|n| twin.read(1, BAR2, u64::from(regs::QM_EQC_VF_DW0) + 4 * n, 4))
        .collect();
    let sqc = query(&mut twin, &mut machine, 1, Command::SqcBt);
    let cqc = query(&mut twin, &mut machine, 1, Command::CqcBt);
    assert_eq!((sqc, cqc), (SQC, CQC));

    twin.write(&mut machine, 2, BAR2, regs::QM_VF_EQ_INT_MASK.into(), 0, 4);
    for (n, word) in (0..).zip(words) {
        let reg = u64::from(regs::QM_EQC_VF_DW0) + 4 * n;
        twin.write(&mut machine, 2, BAR2, reg, word, 4);
    }
    command(&mut twin, &mut machine, 2, Command::SqcBt, sqc);
    command(&mut twin, &mut machine, 2, Command::CqcBt, cqc);
    machine.interrupts.clear();
    let kick = Doorbell {
        queue: 0,
        kind: Ring::Sq,
        index: 0,
        priority: 1,
    };
    twin.write(&mut machine, 2, BAR2, 0x1000, kick.into_raw(), 8);
    twin.run(&mut machine, 0);
    assert_eq!(twin.ledger.get(2, "jobs_done"), 5 - done);
    assert!(machine.interrupts.contains(&(2, 0)));
}

/// As drivers before Linux 6.7 have it: they take an interrupt only while its source stands.
#[test]
fn an_interrupt_has_a_source_until_its_doorbell() {
    let source = regs::QM_VF_EQ_INT_SOURCE.into();
    for mask in [0, 1] {
        let mut machine = Machine::new();
        let mut twin = device(&mut machine);
        set_up(&mut twin, &mut machine, 1);
        twin.write(
            &mut machine,
            1,
            BAR2,
            regs::QM_VF_EQ_INT_MASK.into(),
            mask,
            4,
        );
        assert_eq!(twin.read(1, BAR2, source, 4), 0);
        place(&mut machine, 0, &request(1));
        ring(&mut twin, &mut machine, 1, Ring::Sq, 1, 0);
        twin.run(&mut machine, 0);
        assert_eq!(machine.interrupts.is_empty(), mask != 0);
        for _ in 0..2 {
            assert_eq!(twin.read(1, BAR2, source, 4), 1);
        }
        ring(&mut twin, &mut machine, 1, Ring::Eq, 1, 0);
        assert_eq!(twin.read(1, BAR2, source, 4), 0);
    }
}

#[test]
fn what_cannot_be_done_has_a_status() {
    let mut machine = Machine::new();
    let mut twin = device(&mut machine);
    set_up(&mut twin, &mut machine, 1);
    machine.put(SOURCE, TEXT);
    let len = TEXT.len() as u32;
    let small = Sqe::request(Format::Zlib, false, SOURCE, len, DEST, 4, 0);
    let nowhere = Sqe::request(Format::Zlib, false, 0x10, len, DEST, 0x1000, 1);
    place(&mut machine, 0, &small);
    place(&mut machine, 1, &nowhere);
    ring(&mut twin, &mut machine, 1, Ring::Sq, 2, 0);
    twin.run(&mut machine, 0);
    assert_eq!(result(&machine, 0).status(), STATUS_NO_SPACE);
    assert_eq!(result(&machine, 1).status(), STATUS_BUFFER);
    // The same queue, decompressing what is no stream.
    let mut context = Xqc::zeroed();
    context.set_base(SQ);
    context.set_dw3(
        SqcDw3 {
            depth: DEPTH,
            entry_shift: 7,
        }
        .into_raw(),
    );
    context.set_w13(1 << 8);
    machine.put(BUFFER, &context.0);
    command(&mut twin, &mut machine, 1, Command::Sqc, BUFFER);
    place(
        &mut machine,
        0,
        &Sqe::request(Format::Gzip, false, SOURCE, len, DEST, 0x1000, 2),
    );
    ring(&mut twin, &mut machine, 1, Ring::Sq, 1, 0);
    twin.run(&mut machine, 0);
    assert_eq!(result(&machine, 0).status(), STATUS_BAD_DATA);
}

#[test]
fn flr_forgets_and_commands_are_checked() {
    let mut machine = Machine::new();
    let mut twin = device(&mut machine);
    set_up(&mut twin, &mut machine, 1);
    twin.reset(1);
    assert_eq!(query(&mut twin, &mut machine, 1, Command::SqcBt), 0);
    assert_eq!(
        twin.read(1, BAR2, regs::QM_VF_STATE.into(), 4),
        u64::from(regs::QM_NOT_READY)
    );
    let beyond = Message::request(Command::Sqc, BUFFER, 16, false);
    assert!(mailbox(&mut twin, &mut machine, 1, beyond).has_failed());
    let fault = Message::request(Command::Eqc, 8, 0, false);
    assert!(mailbox(&mut twin, &mut machine, 1, fault).has_failed());
}
