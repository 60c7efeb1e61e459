// SPDX-License-Identifier: GPL-2.0

//! Accesses of one or two bytes.

use super::*;

#[test]
fn a_narrow_read_returns_the_bytes_of_the_register() {
    let mut machine = Machine::new();
    let mut twin = device(&mut machine);
    let at = u64::from(regs::QM_PAGE_SIZE);
    twin.write(&mut machine, 1, BAR2, at, 0x4433_2211, 4);
    for (byte, value) in (0..4).zip([0x11, 0x22, 0x33, 0x44]) {
        assert_eq!(twin.read(1, BAR2, at + byte, 1), value);
    }
    assert_eq!(twin.read(1, BAR2, at, 2), 0x2211);
    assert_eq!(twin.read(1, BAR2, at + 2, 2), 0x4433);
    // Doorbells have nothing to read.
    assert_eq!(twin.read(1, BAR4, 0x1000, 1), 0);
    assert_eq!(twin.ledger.accesses(1, false, BAR2, at + 3), 1);
}

#[test]
fn a_narrow_write_changes_nothing() {
    let mut machine = Machine::new();
    let mut twin = device(&mut machine);
    let at = u64::from(regs::QM_PAGE_SIZE);
    twin.write(&mut machine, 1, BAR2, at, 0x4433_2211, 4);
    for (offset, size) in [(0, 1), (1, 1), (3, 1), (0, 2), (2, 2)] {
        twin.write(&mut machine, 1, BAR2, at + offset, 0xffff, size);
        assert_eq!(twin.read(1, BAR2, at, 4), 0x4433_2211);
    }
    assert_eq!(twin.ledger.accesses(1, true, BAR2, at + 3), 1);
}

/// Neither a command nor a doorbell comes of parts of one.
#[test]
fn narrow_writes_make_no_command_and_no_doorbell() {
    let mut machine = Machine::new();
    let mut twin = device(&mut machine);
    set_up(&mut twin, &mut machine, 1);
    twin.ledger.mark();
    let raw = Message::request(Command::SqcBt, SQ, 0, false).into_raw();
    for (n, byte) in (0..).zip(raw.to_le_bytes()) {
        twin.write(&mut machine, 1, BAR2, 0x300 + n, byte.into(), 1);
    }
    let raw = Doorbell {
        queue: 0,
        kind: Ring::Sq,
        index: 1,
        priority: 0,
    }
    .into_raw();
    for (n, bytes) in (0..).step_by(2).zip(raw.to_le_bytes().chunks(2)) {
        let value = u64::from(bytes[0]) | (u64::from(bytes[1]) << 8);
        twin.write(&mut machine, 1, BAR4, 0x1000 + n, value, 2);
    }
    assert_eq!(twin.run(&mut machine, 0), None);
    assert_eq!(twin.ledger.get(1, "mailbox.SQC_BT"), 0);
    assert_eq!(twin.ledger.get(1, "doorbell.sq"), 0);
    assert_eq!(twin.ledger.get(1, "jobs_done"), 0);
    assert_eq!(query(&mut twin, &mut machine, 1, Command::SqcBt), SQC);
}

/// A function that is gone answers narrow reads as it does wide ones.
#[test]
fn a_function_that_is_gone() {
    let mut machine = Machine::new();
    let mut twin = device(&mut machine);
    assert_eq!(twin.control("fault vf1 gone on"), "");
    assert_eq!(twin.read(1, BAR2, 0x300, 1) & 0xff, 0xff);
}
