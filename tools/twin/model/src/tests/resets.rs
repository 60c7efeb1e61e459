// SPDX-License-Identifier: GPL-2.0

//! Resets, and what the VFT gives and takes.

use super::*;

/// Writes a VFT entry as `qm_set_vft_common()` does.
pub(super) fn set_vft(
    twin: &mut Twin,
    machine: &mut Machine,
    kind: u32,
    function: u32,
    entry: u64,
) {
    for (reg, value) in [
        (regs::QM_VFT_CFG_OP_WR, 0),
        (regs::QM_VFT_CFG_TYPE, kind),
        (regs::QM_VFT_CFG, function),
        (regs::QM_VFT_CFG_DATA_L, entry as u32),
        (regs::QM_VFT_CFG_DATA_H, (entry >> 32) as u32),
        (regs::QM_VFT_CFG_RDY, 0),
        (regs::QM_VFT_CFG_OP_ENABLE, 1),
    ] {
        twin.write(machine, 0, BAR2, reg.into(), value.into(), 4);
    }
    assert_eq!(twin.read(0, BAR2, regs::QM_VFT_CFG_RDY.into(), 4), 1);
}

/// Reads one as `qm_get_shaper_vft_qos()` does.
pub(super) fn get_vft(twin: &mut Twin, machine: &mut Machine, kind: u32, function: u32) -> u64 {
    for (reg, value) in [
        (regs::QM_VFT_CFG_OP_WR, regs::QM_VFT_CFG_OP_READ),
        (regs::QM_VFT_CFG_TYPE, kind),
        (regs::QM_VFT_CFG, function),
        (regs::QM_VFT_CFG_OP_ENABLE, 1),
    ] {
        twin.write(machine, 0, BAR2, reg.into(), value.into(), 4);
    }
    let low = twin.read(0, BAR2, regs::QM_VFT_CFG_DATA_L.into(), 4);
    let high = twin.read(0, BAR2, regs::QM_VFT_CFG_DATA_H.into(), 4);
    low | (high << 32)
}

#[test]
fn a_busy_vf_is_reset() {
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
    machine.accesses.clear();
    machine.interrupts.clear();
    twin.reset(1);
    assert_eq!(twin.run(&mut machine, 1000), None, "its jobs are forgotten");
    assert_eq!(machine.accesses, []);
    assert_eq!(machine.interrupts, []);
    // Its queues are still its own.
    assert_eq!(twin.control("fault vf1 clear"), "");
    set_up(&mut twin, &mut machine, 1);
    ring(&mut twin, &mut machine, 1, Ring::Sq, 1, 0);
    twin.run(&mut machine, 1000);
    assert_eq!(twin.ledger.get(1, "jobs_done"), 1);
}

/// By an order an entry is shown without the valid bit, over resets, and nothing else changes.
#[test]
fn an_entry_of_the_vft_is_shown_as_not_valid() {
    let mut machine = Machine::new();
    let mut twin = device(&mut machine);
    let kind = regs::QM_VFT_CFG_TYPE_SQC;
    let entry = get_vft(&mut twin, &mut machine, kind, 1);
    let other = get_vft(&mut twin, &mut machine, kind, 2);
    assert_eq!(twin.control("fault vf1 vft-invalid on"), "");
    assert_eq!(
        get_vft(&mut twin, &mut machine, kind, 1),
        entry & !(1 << 44)
    );
    assert_ne!(get_vft(&mut twin, &mut machine, kind, 1), entry);
    assert_eq!(get_vft(&mut twin, &mut machine, kind, 2), other);
    twin.reset(0);
    set_vft(&mut twin, &mut machine, kind, 1, entry);
    assert_ne!(get_vft(&mut twin, &mut machine, kind, 1), entry);
    assert_eq!(twin.control("fault vf1 clear"), "");
    assert_eq!(get_vft(&mut twin, &mut machine, kind, 1), entry);
}

#[test]
fn an_entry_of_the_vft_that_is_not_valid_gives_no_queue() {
    let mut machine = Machine::new();
    let mut twin = device(&mut machine);
    let sqc = Message::request(Command::Sqc, BUFFER, 0, false);
    assert!(!mailbox(&mut twin, &mut machine, 1, sqc).has_failed());
    // hisi_qm_set_vft(qm, 1, 0, 0)
    set_vft(&mut twin, &mut machine, 0, 1, 0);
    assert!(mailbox(&mut twin, &mut machine, 1, sqc).has_failed());
    // Another VF's are its own.
    assert!(!mailbox(&mut twin, &mut machine, 2, sqc).has_failed());
}

#[test]
fn tables_of_the_vft_are_apart() {
    let mut machine = Machine::new();
    let mut twin = device(&mut machine);
    // SHAPER_VFT: the type of the algorithm is above the function (QM_SHAPER_VFT_OFFSET).
    set_vft(&mut twin, &mut machine, 2, 1, 0x1234);
    set_vft(&mut twin, &mut machine, 2, 1 | (1 << 6), 0x5678);
    assert_eq!(get_vft(&mut twin, &mut machine, 2, 1), 0x1234);
    assert_eq!(get_vft(&mut twin, &mut machine, 2, 1 | (1 << 6)), 0x5678);
    assert_eq!(get_vft(&mut twin, &mut machine, 2, 2), 0);
    assert_ne!(get_vft(&mut twin, &mut machine, 0, 1), 0);
}

#[test]
fn the_pf_forgets_the_vft() {
    let mut machine = Machine::new();
    for forget in [true, false] {
        let mut twin = device(&mut machine);
        assert_ne!(get_vft(&mut twin, &mut machine, 0, 1), 0);
        if forget {
            twin.reset(0);
        } else {
            // QM_MEM_START_INIT
            twin.write(&mut machine, 0, BAR2, 0x10_0040, 1, 4);
            assert_eq!(twin.read(0, BAR2, 0x10_0044, 4), 1);
        }
        assert_eq!(get_vft(&mut twin, &mut machine, 0, 1), 0);
    }
}

/// What the PF's errors were is gone, and they are held back until a driver asks for them.
#[test]
fn errors_are_reset_with_the_pf() {
    let mut machine = Machine::new();
    let mut twin = device(&mut machine);
    twin.write(&mut machine, 0, BAR2, 0x10_0004, 0, 4);
    assert_eq!(twin.control("fault pf ras 0x8"), "");
    twin.run(&mut machine, 0);
    assert_eq!(machine.interrupts, [(0, 3)]);
    twin.reset(0);
    twin.run(&mut machine, 0);
    assert_eq!(machine.interrupts, [(0, 3)]);
    let status = u64::from(regs::QM_ABNORMAL_INT_STATUS);
    assert_eq!(twin.read(0, BAR2, status, 4), 0);
    assert_eq!(twin.control("fault pf ras 0x8"), "");
    assert_eq!(twin.read(0, BAR2, status, 4), 0, "masked");
}
