// SPDX-License-Identifier: GPL-2.0

//! Faults do what they are said to.

use super::*;
use hisi_acc_hw::generation::Messages;
use proptest::prelude::*;

fn order(twin: &mut Twin, order: &str) {
    assert_eq!(twin.control(&format!("fault vf1 {order}")), "", "{order}");
}

fn pause() -> Message {
    Message::request(Command::PauseQm, 0, 0, false)
}

fn interrupts(machine: &mut Machine, twin: &mut Twin) -> usize {
    machine.interrupts.clear();
    machine.put(SOURCE, TEXT);
    place(machine, 0, &request(1));
    ring(twin, machine, 1, Ring::Sq, 1, 0);
    twin.run(machine, 0);
    machine.interrupts.len()
}

#[test]
fn a_mailbox_that_is_busy_for_ever() {
    let mut machine = Machine::new();
    let mut twin = device(&mut machine);
    order(&mut twin, "mailbox-busy on");
    assert!(mailbox(&mut twin, &mut machine, 1, pause()).is_busy());
    assert_eq!(twin.run(&mut machine, u64::MAX - 1), None);
    assert!(answer(&mut twin, 1).is_busy());
    // Another function's is not.
    assert!(!mailbox(&mut twin, &mut machine, 2, pause()).is_busy());
    // A reset helps, once the fault is gone.
    order(&mut twin, "clear");
    twin.reset(1);
    assert!(!mailbox(&mut twin, &mut machine, 1, pause()).is_busy());
}

#[test]
fn a_mailbox_that_answers_late() {
    let mut machine = Machine::new();
    let mut twin = device(&mut machine);
    order(&mut twin, "mailbox-late 1000");
    assert!(mailbox(&mut twin, &mut machine, 1, pause()).is_busy());
    assert_eq!(twin.run(&mut machine, 50), Some(1050));
    assert_eq!(twin.run(&mut machine, 1049), Some(1050));
    assert!(answer(&mut twin, 1).is_busy());
    assert_eq!(twin.run(&mut machine, 1050), None);
    assert!(!answer(&mut twin, 1).is_busy());
}

/// Each read of the first word counts, in whatever size the mailbox is read.
#[test]
fn a_mailbox_that_is_polled() {
    let mut machine = Machine::new();
    let mut twin = device(&mut machine);
    order(&mut twin, "mailbox-polls 3");
    let raw = pause().into_raw();
    twin.write(&mut machine, 1, BAR2, 0x300, raw as u64, 8);
    twin.write(&mut machine, 1, BAR2, 0x308, (raw >> 64) as u64, 8);
    for _ in 0..3 {
        assert!(answer(&mut twin, 1).is_busy());
    }
    assert!(!answer(&mut twin, 1).is_busy());
}

#[test]
fn a_command_that_is_held() {
    let mut machine = Machine::new();
    let mut twin = device(&mut machine);
    set_up(&mut twin, &mut machine, 1);
    order(&mut twin, "mailbox-hold PAUSE_QM");
    assert_eq!(query(&mut twin, &mut machine, 1, Command::SqcBt), SQC);
    assert!(mailbox(&mut twin, &mut machine, 1, pause()).is_busy());
    assert_eq!(twin.run(&mut machine, u64::MAX - 1), None);
    assert!(answer(&mut twin, 1).is_busy());
    assert!(!twin.functions[1].paused, "not carried out yet");
    order(&mut twin, "mailbox-hold off");
    twin.run(&mut machine, 0);
    assert!(!answer(&mut twin, 1).is_busy());
    assert!(twin.functions[1].paused);
    // A reset comes before the end of it.
    order(&mut twin, "mailbox-hold all");
    assert!(mailbox(&mut twin, &mut machine, 1, pause()).is_busy());
    twin.reset(1);
    order(&mut twin, "clear");
    assert_eq!(twin.run(&mut machine, 0), None);
    assert_eq!(twin.ledger.get(1, "cut_off.PAUSE_QM"), 1);
    assert_eq!(twin.control("ledger resets"), "vf1 reset\n");
}

/// So many jobs are done, and the next one stays, until the order ends or a command waits for it.
#[test]
fn jobs_that_are_held() {
    let mut machine = Machine::new();
    let mut twin = device(&mut machine);
    set_up(&mut twin, &mut machine, 1);
    order(&mut twin, "hold-jobs 2");
    machine.put(SOURCE, TEXT);
    for n in 0..7 {
        place(&mut machine, n, &request(n.into()));
    }
    ring(&mut twin, &mut machine, 1, Ring::Sq, 7, 0);
    let done = |twin: &Twin| twin.ledger.get(1, "jobs_done");
    assert_eq!(twin.run(&mut machine, 0), None);
    assert_eq!(twin.run(&mut machine, u64::MAX - 1), None);
    assert_eq!(done(&twin), 2);
    order(&mut twin, "hold-jobs 1");
    twin.run(&mut machine, 0);
    assert_eq!(done(&twin), 3);
    // PAUSE has the engine finish what it is at, and nothing is held any more.
    assert!(mailbox(&mut twin, &mut machine, 1, pause()).is_busy());
    assert_eq!(twin.run(&mut machine, 0), None);
    assert!(!answer(&mut twin, 1).is_busy());
    assert_eq!(done(&twin), 4);
    ring(&mut twin, &mut machine, 1, Ring::Sq, 0, 1);
    assert_eq!(twin.run(&mut machine, 0), None);
    assert_eq!(done(&twin), 7);
}

/// The ledger has how long jobs were in the engine.
#[test]
fn jobs_that_take_long() {
    let mut machine = Machine::new();
    let mut twin = device(&mut machine);
    set_up(&mut twin, &mut machine, 1);
    order(&mut twin, "job-delay 100");
    machine.put(SOURCE, TEXT);
    for n in 0..2 {
        place(&mut machine, n, &request(n.into()));
    }
    ring(&mut twin, &mut machine, 1, Ring::Sq, 2, 0);
    assert_eq!(twin.run(&mut machine, 7), Some(107));
    // The machine comes late.
    assert_eq!(twin.run(&mut machine, 150), Some(250));
    assert_eq!(twin.run(&mut machine, 250), None);
    assert_eq!(twin.ledger.get(1, "engine_ns"), 243);
}

#[test]
fn a_command_that_is_refused() {
    let mut machine = Machine::new();
    let mut twin = device(&mut machine);
    set_up(&mut twin, &mut machine, 1);
    order(&mut twin, "mailbox-error PAUSE_QM");
    assert!(mailbox(&mut twin, &mut machine, 1, pause()).has_failed());
    // It was not carried out, and others are.
    assert_eq!(interrupts(&mut machine, &mut twin), 1);
    assert_eq!(query(&mut twin, &mut machine, 1, Command::SqcBt), SQC);
    order(&mut twin, "mailbox-error all");
    let read = Message::request(Command::SqcBt, 0, 0, true);
    assert!(mailbox(&mut twin, &mut machine, 1, read).has_failed());
    order(&mut twin, "mailbox-error off");
    assert!(!mailbox(&mut twin, &mut machine, 1, pause()).has_failed());
}

#[test]
fn a_write_back_that_does_not_end() {
    let mut machine = Machine::new();
    let mut twin = device(&mut machine);
    for (fault, done) in [("write-back-stuck on", 0), ("write-back-stuck off", 1)] {
        order(&mut twin, fault);
        twin.write(&mut machine, 1, BAR2, regs::QM_CACHE_WB_START.into(), 1, 4);
        let is = twin.read(1, BAR2, regs::QM_CACHE_WB_DONE.into(), 4);
        assert_eq!(is, done, "{fault}");
    }
}

/// Unmasked as the drivers do it, an error shows in the status, raises the interrupt once, and goes
/// when it is cleared.
#[test]
fn errors_of_the_qm_and_of_the_engines() {
    for (pf, unmasked) in [(0xa250, 0), (0xa255, u64::from(u32::MAX)), (0xa258, 0)] {
        let mut machine = Machine::new();
        let kind = Kind::from_ids(pf, 0x30).unwrap();
        let mut twin = testing::device(&mut machine, kind, 1);
        let engine = &kind.accelerator.descriptor().errors;
        let status = |twin: &mut Twin| {
            (
                twin.read(0, BAR2, regs::QM_ABNORMAL_INT_STATUS.into(), 4),
                twin.read(0, BAR2, engine.status.into(), 4),
            )
        };
        twin.write(&mut machine, 0, BAR2, 0x10_0004, 0, 4);
        twin.write(&mut machine, 0, BAR2, engine.mask.into(), unmasked, 4);
        order(&mut twin, "ras 0x4");
        twin.run(&mut machine, 0);
        assert_eq!(status(&mut twin), (4, 0));
        order(&mut twin, "engine-at-pause 0x2");
        assert_eq!(status(&mut twin), (4, 0), "not before");
        mailbox(&mut twin, &mut machine, 1, pause());
        assert_eq!(status(&mut twin), (4, 2));
        twin.run(&mut machine, 0);
        assert_eq!(machine.interrupts, [(0, 3), (0, 3)]);
        twin.write(&mut machine, 0, BAR2, 0x10_0000, 4, 4);
        twin.write(&mut machine, 0, BAR2, engine.source.into(), 2, 4);
        assert_eq!(status(&mut twin), (0, 0));
        twin.write(&mut machine, 0, BAR2, 0x10_0004, u64::MAX, 4);
        order(&mut twin, "ras 0x1");
        assert_eq!(status(&mut twin), (0, 0), "masked");
    }
}

#[test]
fn interrupts_lost_and_doubled() {
    for (fault, seen) in [("lose-msi 1", 0), ("double-msi 1", 2), ("clear", 1)] {
        let mut machine = Machine::new();
        let mut twin = device(&mut machine);
        set_up(&mut twin, &mut machine, 1);
        order(&mut twin, fault);
        assert_eq!(interrupts(&mut machine, &mut twin), seen, "{fault}");
    }
}

#[test]
fn a_message_interrupt_is_pending() {
    let mut machine = Machine::new();
    let mut twin = device(&mut machine);
    order(&mut twin, "message-pending on");
    assert_eq!(
        twin.read(1, BAR2, regs::QM_IFC_INT_STATUS.into(), 4),
        1,
        "status"
    );
    twin.write(
        &mut machine,
        1,
        BAR2,
        regs::QM_IFC_INT_SOURCE_V.into(),
        1,
        4,
    );
    assert_eq!(twin.read(1, BAR2, regs::QM_IFC_INT_STATUS.into(), 4), 0);
}

#[test]
fn dma_to_a_hole() {
    let mut machine = Machine::new();
    let mut twin = device(&mut machine);
    set_up(&mut twin, &mut machine, 1);
    order(&mut twin, &format!("dma-hole {DEST:#x} 0x100"));
    interrupts(&mut machine, &mut twin);
    assert_eq!(result(&machine, 0).status(), STATUS_BUFFER);
    assert!(twin.ledger.get(1, "dma_fault") > 0);
}

#[test]
fn dma_that_nobody_asked_for() {
    let mut machine = Machine::new();
    let mut twin = device(&mut machine);
    order(&mut twin, &format!("stray-dma {DEST:#x}"));
    twin.run(&mut machine, 0);
    twin.run(&mut machine, 0);
    assert_eq!(twin.ledger.get(1, "dma_writes"), 1);
    assert_eq!(twin.ledger.get(1, "dma_write_bytes"), 1);
    // Where there is no memory.
    order(&mut twin, "stray-dma 0xfffffffff000");
    twin.run(&mut machine, 0);
    assert_eq!(twin.ledger.get(1, "dma_writes"), 1);
    assert_eq!(twin.ledger.get(1, "dma_fault"), 1);
}

#[test]
fn a_device_that_is_gone() {
    let mut machine = Machine::new();
    let mut twin = device(&mut machine);
    set_up(&mut twin, &mut machine, 1);
    order(&mut twin, "gone on");
    assert_eq!(twin.read(1, BAR2, 0x300, 8), u64::MAX);
    machine.accesses.clear();
    assert_eq!(interrupts(&mut machine, &mut twin), 0);
    assert_eq!(machine.accesses, []);
    order(&mut twin, "gone off");
    assert_eq!(interrupts(&mut machine, &mut twin), 1);
}

#[test]
fn a_reset_that_does_not_end() {
    let mut twin = Twin::new(Kind::ZIP, 1);
    order(&mut twin, "reset-hold on");
    assert!(twin.config_read(1), "there was no reset");
    twin.reset(1);
    assert!(!twin.config_read(1));
    assert!(!twin.config_read(1));
    assert!(twin.config_read(0), "another function");
    assert_eq!(twin.ledger.resets_to_text(), "vf1 reset\n");
    order(&mut twin, "reset-hold off");
    assert!(twin.config_read(1));
    assert_eq!(twin.ledger.resets_to_text(), "vf1 reset\nvf1 ended\n");
}

#[test]
fn a_reset_that_does_nothing() {
    let mut machine = Machine::new();
    let mut twin = Twin::new(Kind::ZIP, 1);
    let state = u64::from(regs::QM_VF_STATE);
    twin.write(&mut machine, 1, BAR2, state, regs::QM_READY.into(), 4);
    order(&mut twin, "reset-ignored on");
    twin.reset(1);
    assert_eq!(twin.read(1, BAR2, state, 4), u64::from(regs::QM_READY));
    order(&mut twin, "reset-ignored off");
    twin.reset(1);
    assert_eq!(twin.read(1, BAR2, state, 4), u64::from(regs::QM_NOT_READY));
}

#[test]
fn what_is_not_understood_is_refused() {
    let mut twin = Twin::new(Kind::ZIP, 1);
    for request in [
        "",
        "fault",
        "fault vf0 clear",
        "fault vf2 clear",
        "fault vf1",
        "fault vf1 gone",
        "fault vf1 gone maybe",
        "fault vf1 job-delay x",
        "fault vf1 mailbox-error NONE",
        "fault vf1 mailbox-hold NONE",
        "fault vf1 hold-jobs",
        "fault vf1 reset-hold",
        "ledger pages",
        "ledger pages vf9",
    ] {
        assert!(twin.control(request).starts_with("error:"), "{request}");
    }
}

/// On V5 the PF's window shows the contexts of VFs, and their other registers, when it is selected.
#[test]
fn the_window_of_v5() {
    let mut machine = Machine::new();
    let kind = Kind {
        generation: Generation::V5,
        ..Kind::ZIP
    };
    let mut twin = testing::device(&mut machine, kind, 2);
    let window = 0x18_0000 + 0x2000;
    let eqc = u64::from(regs::QM_EQC_PF_DW0);
    twin.write(&mut machine, 0, BAR2, window + eqc, 0x1234, 4);
    assert_eq!(twin.read(0, BAR2, window + eqc, 4), 0, "not selected");
    twin.write(&mut machine, 0, BAR2, regs::QM_MIG_REGION_SEL.into(), 1, 4);
    twin.write(&mut machine, 0, BAR2, window + eqc, 0x1234, 4);
    assert_eq!(twin.read(0, BAR2, window + eqc, 4), 0x1234);
    // The other VF has its own, and the VF's own BAR2 has none.
    assert_eq!(twin.read(0, BAR2, window + 0x2000 + eqc, 4), 0);
    assert_eq!(twin.read(1, BAR2, regs::QM_EQC_VF_DW0.into(), 4), 0);
    // Through both ways the same register.
    let state = u64::from(regs::QM_VF_STATE);
    twin.write(&mut machine, 1, BAR2, state, 0, 4);
    assert_eq!(twin.read(0, BAR2, window + state, 4), 0);
    let raw = Message::request(Command::SqcBt, 0x77_0000, 0, false).into_raw();
    twin.write(&mut machine, 0, BAR2, window + 0x300, raw as u64, 8);
    twin.write(&mut machine, 0, BAR2, window + 0x308, (raw >> 64) as u64, 8);
    assert_eq!(query(&mut twin, &mut machine, 1, Command::SqcBt), 0x77_0000);
    // A VF beyond the last one is nobody.
    assert_eq!(twin.read(0, BAR2, 0x18_0000 + 0x2000 * 9 + state, 4), 0);
}

/// Messages of each generation that migrates reach whom they are for, and are taken.
#[test]
fn messages() {
    for generation in Generation::migrating() {
        let by_registers = generation.layout().messages == Messages::Registers;
        let mut machine = Machine::new();
        let kind = Kind {
            generation,
            ..Kind::ZIP
        };
        let mut twin = testing::device(&mut machine, kind, 2);
        for f in 0..3 {
            twin.write(&mut machine, f, BAR2, regs::QM_IFC_INT_MASK.into(), 0, 4);
        }
        // set_ifc_begin, qm_trigger_vf_interrupt
        if by_registers {
            twin.write(&mut machine, 0, BAR2, 0x10_4700, 0x5_0000_0003, 8);
        } else {
            let message = Message::request(Command::Src, 0x5_0000_0003, 2, false);
            mailbox(&mut twin, &mut machine, 0, message);
        }
        twin.write(&mut machine, 0, BAR2, 0x10_0134, 2, 4);
        twin.write(&mut machine, 0, BAR2, 0x10_0130, 1, 4);
        assert_eq!(machine.interrupts, [(2, 2)]);
        assert_eq!(twin.read(0, BAR2, 0x10_0128, 8), 1 << 2);
        let received = match by_registers {
            true => twin.read(2, BAR2, 0x380, 8),
            false => query(&mut twin, &mut machine, 2, Command::Dst),
        };
        assert_eq!(received, 0x5_0000_0003);
        twin.write(
            &mut machine,
            2,
            BAR2,
            regs::QM_IFC_INT_SOURCE_V.into(),
            1,
            4,
        );
        assert_eq!(twin.read(0, BAR2, 0x10_0128, 8), 0);
        // qm_ping_pf
        if by_registers {
            twin.write(&mut machine, 2, BAR2, 0x320, 4, 8);
        } else {
            let message = Message::request(Command::Src, 4, 0, false);
            mailbox(&mut twin, &mut machine, 2, message);
        }
        twin.write(&mut machine, 2, BAR2, regs::QM_IFC_INT_SET_V.into(), 1, 4);
        assert_eq!(machine.interrupts.last(), Some(&(0, 2)));
        assert_eq!(twin.read(0, BAR2, 0x10_0138, 8), 1 << 2);
        let received = match by_registers {
            true => twin.read(0, BAR2, 0x10_4808, 4),
            false => {
                let read = Message::request(Command::Dst, 0, 2, true);
                mailbox(&mut twin, &mut machine, 0, read).base
            }
        };
        assert_eq!(received, 4);
        twin.write(&mut machine, 0, BAR2, 0x10_0138, 1 << 2, 8);
        assert_eq!(twin.read(2, BAR2, regs::QM_IFC_INT_SET_V.into(), 4), 0);
    }
}

/// A PF that has masked its message interrupt looks for messages itself, as
/// `hisi_qm_reset_prepare()` has it do.
#[test]
fn messages_that_are_not_told_of() {
    let mut machine = Machine::new();
    let mut twin = device(&mut machine);
    let status = u64::from(regs::QM_IFC_INT_STATUS);
    let set = u64::from(regs::QM_IFC_INT_SET_V);
    twin.write(&mut machine, 1, BAR2, set, 1, 4);
    assert_eq!(machine.interrupts, []);
    assert_eq!(twin.read(0, BAR2, status, 4), 1);
    assert_eq!(twin.read(0, BAR2, 0x10_0138, 8), 1 << 1);
    assert_eq!(twin.read(1, BAR2, set, 4), 1, "not taken yet");
    // qm_clear_cmd_interrupt
    twin.write(&mut machine, 0, BAR2, 0x10_0138, 1 << 1, 8);
    let source = u64::from(regs::QM_IFC_INT_SOURCE_V);
    twin.write(&mut machine, 0, BAR2, source, 1, 4);
    assert_eq!(twin.read(0, BAR2, status, 4), 0);
    assert_eq!(twin.read(1, BAR2, set, 4), 0);
}

#[test]
fn a_doorbell_on_the_page_of_another_queue_is_dropped() {
    let mut machine = Machine::new();
    let mut twin = device(&mut machine);
    set_up(&mut twin, &mut machine, 1);
    machine.put(SOURCE, TEXT);
    place(&mut machine, 0, &request(1));
    let raw = Doorbell {
        queue: 0,
        kind: Ring::Sq,
        index: 1,
        priority: 0,
    }
    .into_raw();
    twin.write(&mut machine, 1, BAR4, DOORBELL_PAGE + 0x1000, raw, 8);
    twin.run(&mut machine, 0);
    assert_eq!(twin.ledger.get(1, "jobs_done"), 0);
    twin.write(&mut machine, 1, BAR4, 0x1000, raw, 8);
    twin.run(&mut machine, 0);
    assert_eq!(twin.ledger.get(1, "jobs_done"), 1);
}

/// STOP_QP and FLUSH_QM answer when the work is done, not before.
#[test]
fn stop_waits_for_the_work() {
    for stop in [Command::StopQp, Command::FlushQm] {
        let mut machine = Machine::new();
        let mut twin = device(&mut machine);
        set_up(&mut twin, &mut machine, 1);
        order(&mut twin, "job-delay 10");
        machine.put(SOURCE, TEXT);
        for n in 0..3 {
            place(&mut machine, n, &request(n.into()));
        }
        ring(&mut twin, &mut machine, 1, Ring::Sq, 3, 0);
        let stop = Message::request(stop, 0, 0, false);
        assert!(mailbox(&mut twin, &mut machine, 1, stop).is_busy());
        for now in [0, 10, 20] {
            assert_eq!(twin.run(&mut machine, now), Some(now + 10));
            assert!(answer(&mut twin, 1).is_busy());
        }
        assert_eq!(twin.run(&mut machine, 30), None);
        assert!(!answer(&mut twin, 1).is_busy());
        assert_eq!(twin.ledger.get(1, "jobs_done"), 3);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// What a fuzzer does, in short: no panic, no work without end.
    #[test]
    fn anything(data in proptest::collection::vec(any::<u8>(), 0..600)) {
        testing::fuzz(&data);
    }
}

/// Events that a queue has when it is loaded raise no interrupt; those that come later do.
#[test]
fn what_is_loaded_silently() {
    for silent in [false, true] {
        let mut machine = Machine::new();
        let mut twin = device(&mut machine);
        set_up(&mut twin, &mut machine, 1);
        let switch = if silent { "on" } else { "off" };
        order(&mut twin, &format!("silent-load {switch}"));
        // Head 0, tail 1: an entry that nobody has acknowledged.
        let at = u64::from(regs::QM_EQC_VF_DW0);
        twin.write(&mut machine, 1, BAR2, at, 1 << 16, 4);
        machine.interrupts.clear();
        ring(&mut twin, &mut machine, 1, Ring::Sq, 0, 1);
        assert_eq!(machine.interrupts.is_empty(), silent);
        if silent {
            assert_eq!(interrupts(&mut machine, &mut twin), 1);
        }
    }
}

/// An order for later holds from the command on that it waits for, once.
#[test]
fn an_order_at_a_command() {
    let mut machine = Machine::new();
    let mut twin = device(&mut machine);
    let at = |twin: &mut Twin, order: &str| twin.control(&format!("at vf1 PAUSE_QM {order}"));
    assert_eq!(at(&mut twin, "vf2 mailbox-busy on"), "");
    assert_eq!(at(&mut twin, "vf1 mailbox-error all"), "");
    for wrong in [
        "vf1 no-such on",
        "vf1 gone perhaps",
        "vf99 gone on",
        "vf1 ras x",
    ] {
        assert!(at(&mut twin, wrong).starts_with("error"), "{wrong}");
    }
    let query = Message::request(Command::SqcVftV2, 0, 0, true);
    assert!(!mailbox(&mut twin, &mut machine, 1, query).has_failed());
    assert!(!mailbox(&mut twin, &mut machine, 2, query).is_busy());
    // The command itself finds it.
    assert!(mailbox(&mut twin, &mut machine, 1, pause()).has_failed());
    assert!(mailbox(&mut twin, &mut machine, 2, query).is_busy());
    // It does not come again.
    order(&mut twin, "clear");
    assert!(!mailbox(&mut twin, &mut machine, 1, pause()).has_failed());
    assert_eq!(at(&mut twin, "pf ras 0x4"), "");
    assert_eq!(twin.control("at clear"), "");
    mailbox(&mut twin, &mut machine, 1, pause());
    assert_eq!(twin.pf.qm_errors.source, 0);
    assert_eq!(at(&mut twin, "pf ras 0x4"), "");
    mailbox(&mut twin, &mut machine, 1, pause());
    assert_eq!(twin.pf.qm_errors.source, 4);
}

/// The AEQ gets the event once. Its context is set up by the migration registers.
#[test]
fn an_event_queue_that_overflows() {
    let mut machine = Machine::new();
    let mut twin = device(&mut machine);
    let migration = twin.kind().generation.layout().migration.as_ref().unwrap();
    let base = migration.aeqc.word(1).offset();
    twin.write(&mut machine, 1, BAR2, base.into(), 0x10_0000, 4);
    let depth = migration.aeqc.word(6).offset();
    twin.write(&mut machine, 1, BAR2, depth.into(), 0x1_03ff, 4);
    order(&mut twin, "eq-overflow");
    twin.run(&mut machine, 0);
    twin.run(&mut machine, 0);
    assert_eq!(twin.function(1).unwrap().aeq.context.tail(), 1);
}
