// SPDX-License-Identifier: GPL-2.0

//! What each alternative of a guess changes: the same thing is done without and with it.

use super::{
    resets::{get_vft, set_vft},
    *,
};
use crate::{
    caps,
    engine::sgl::pieces,
    guess::{Guesses, CACHED, GARBAGE, ROWS},
};
use hisi_acc_hw::{
    context::XQC_SIZE,
    reg::{Function, Reg},
    sgl::{Sge, SglHead, SGE_SIZE, SGL_HEAD},
    Engine,
};

const V3: Kind = Kind::ZIP;
const V5: Kind = Kind {
    accelerator: Engine::Zip,
    generation: Generation::V5,
};
const PAUSE: Message = Message::request(Command::PauseQm, 0, 0, false);
const QUEUES: Message = Message::request(Command::SqcVftV2, 0, 0, true);

/// A device of a kind, with alternatives, that did nothing yet.
fn guessed(machine: &mut Machine, kind: Kind, names: &str) -> Twin {
    let mut twin = Twin::new(kind, 2);
    assert_eq!(twin.control(&format!("guess {names}")), "");
    assert_eq!(twin.control("guess"), format!("{names}\n"));
    testing::give_queues(machine, &mut twin, 2);
    twin
}

/// Does something without and with an alternative, and returns what comes of each.
fn both<R>(kind: Kind, name: &str, f: impl Fn(&mut Twin, &mut Machine) -> R) -> [R; 2] {
    ["default", name].map(|names| {
        let mut machine = Machine::new();
        let mut twin = guessed(&mut machine, kind, names);
        machine.put(SOURCE, TEXT);
        f(&mut twin, &mut machine)
    })
}

fn get(twin: &mut Twin, f: usize, reg: Reg<Function>) -> u64 {
    twin.read(f, BAR2, reg.into(), 4)
}

fn put(twin: &mut Twin, machine: &mut Machine, f: usize, reg: Reg<Function>, value: u64) {
    twin.write(machine, f, BAR2, reg.into(), value, 4);
}

/// Submits `n` requests to queue 0 of VF 1.
fn submit(twin: &mut Twin, machine: &mut Machine, n: u16) {
    for index in 0..n {
        place(machine, index, &request(index.into()));
    }
    ring(twin, machine, 1, Ring::Sq, n, 0);
}

/// Rings as `vf_qm_fun_reset()` does.
fn kick(twin: &mut Twin, machine: &mut Machine, queue: u16) {
    let kick = Doorbell {
        queue,
        kind: Ring::Sq,
        index: 0,
        priority: 1,
    };
    twin.write(machine, 1, BAR2, 0x1000, kick.into_raw(), 8);
}

fn done(twin: &Twin) -> u64 {
    twin.ledger.get(1, "jobs_done")
}

#[test]
fn each_has_a_test() {
    let tests = include_str!("guesses.rs");
    for row in ROWS {
        let name = format!("\"{}\"", row.name);
        assert!(tests.contains(&name), "{}", row.name);
    }
}

#[test]
fn the_order_resets_the_model() {
    let mut machine = Machine::new();
    let mut twin = device(&mut machine);
    set_up(&mut twin, &mut machine, 1);
    assert_eq!(twin.control("fault vf1 job-delay 100"), "");
    assert_eq!(twin.control("guess G4:ready,G9:unarmed"), "");
    assert_eq!(twin.control("guess"), "G4:ready,G9:unarmed\n");
    assert_eq!(get_vft(&mut twin, &mut machine, 0, 1), 0);
    assert_eq!(query(&mut twin, &mut machine, 1, Command::SqcBt), 0);
    assert_eq!(twin.faults[1].job_delay, 100, "orders stay");
    for bad in ["G4", "G4:kept,no", "G4:kept G9:unarmed"] {
        assert!(twin.control(&format!("guess {bad}")).starts_with("error:"));
    }
    assert_eq!(twin.control("guess"), "G4:ready,G9:unarmed\n");
    assert_eq!(twin.control("guess default"), "");
    assert_eq!(twin.control("guess"), "default\n");
    // A reset of a function changes nothing about it.
    assert_eq!(twin.control("guess G4:ready"), "");
    twin.reset(1);
    twin.reset(0);
    assert_eq!(get(&mut twin, 1, regs::QM_VF_STATE), 0);
}

/// What PCI shows of a function: the adapter asks for it when it plugs the device in.
#[test]
fn at_start_only() {
    for name in ["G23:large-bar2", "G23:small-bar4"] {
        let mut machine = Machine::new();
        let mut twin = guessed(&mut machine, V3, name);
        assert_eq!(twin.control("guess default"), "");
        assert_eq!(twin.control("guess"), format!("{name}\n"));
        assert_eq!(twin.control("guess G4:ready"), "");
        assert_eq!(twin.control("guess"), format!("G4:ready,{name}\n"));
        let mut twin = device(&mut machine);
        assert!(twin.control(&format!("guess {name}")).starts_with("error:"));
    }
    assert_eq!(
        both(V3, "G22:soft-reset", |twin, _| {
            Guesses::read("G22:soft-reset").unwrap() == twin.guesses
        }),
        [false, true]
    );
}

#[test]
fn masks_after_a_reset() {
    let events = both(V3, "G2:unmasked", |twin, _| {
        twin.reset(1);
        [
            regs::QM_VF_EQ_INT_MASK,
            regs::QM_VF_AEQ_INT_MASK,
            regs::QM_IFC_INT_MASK,
        ]
        .map(|reg| get(twin, 1, reg))
    });
    assert_eq!(events, [[1, 1, 1], [0, 0, 1]]);
    let messages = both(V3, "G3:unmasked", |twin, _| {
        twin.reset(1);
        [regs::QM_VF_EQ_INT_MASK, regs::QM_IFC_INT_MASK].map(|reg| get(twin, 1, reg))
    });
    assert_eq!(messages, [[1, 1], [1, 0]]);
    let status = both(V3, "G3:status-masked", |twin, machine| {
        assert_eq!(twin.control("fault vf1 message-pending on"), "");
        assert_eq!(get(twin, 1, regs::QM_IFC_INT_SOURCE_V), 1);
        let masked = get(twin, 1, regs::QM_IFC_INT_STATUS);
        put(twin, machine, 1, regs::QM_IFC_INT_MASK, 0);
        (masked, get(twin, 1, regs::QM_IFC_INT_STATUS))
    });
    assert_eq!(status, [(1, 1), (0, 1)]);
}

#[test]
fn the_state_after_a_reset() {
    let ready = both(V3, "G4:ready", |twin, _| get(twin, 1, regs::QM_VF_STATE));
    assert_eq!(ready, [1, 0]);
    let kept = both(V3, "G4:kept", |twin, machine| {
        let first = get(twin, 1, regs::QM_VF_STATE);
        put(twin, machine, 1, regs::QM_VF_STATE, 0);
        twin.reset(1);
        (first, get(twin, 1, regs::QM_VF_STATE))
    });
    assert_eq!(kept, [(1, 1), (1, 0)]);
}

#[test]
fn counters() {
    let counts = both(V3, "G5:clears", |twin, machine| {
        assert!(!mailbox(twin, machine, 1, QUEUES).has_failed());
        twin.write(machine, 0, BAR2, 0x10_4010, 1, 4);
        [0; 2].map(|_| twin.read(0, BAR2, 0x10_4018, 4))
    });
    assert_eq!(counts, [[1, 1], [1, 0]]);
}

#[test]
fn write_backs() {
    let late = both(V3, "G6:late", |twin, machine| {
        set_up(twin, machine, 1);
        put(twin, machine, 1, regs::QM_CACHE_WB_START, 1);
        let first = get(twin, 1, regs::QM_CACHE_WB_DONE);
        let written = machine.get(SQC, 1) != [0] || machine.get(SQC, XQC_SIZE) != [0; XQC_SIZE];
        twin.run(machine, 0);
        assert_ne!(machine.get(SQC, XQC_SIZE), [0; XQC_SIZE]);
        (first, written, get(twin, 1, regs::QM_CACHE_WB_DONE))
    });
    assert_eq!(late, [(1, true, 1), (0, false, 1)]);
    let polled = both(V3, "G6:late", |twin, machine| {
        set_up(twin, machine, 1);
        put(twin, machine, 1, regs::QM_CACHE_WB_START, 1);
        let done = regs::QM_CACHE_WB_DONE;
        let first = get(twin, 1, done);
        twin.polled(machine, 1, BAR2, done.into());
        assert_ne!(machine.get(SQC, XQC_SIZE), [0; XQC_SIZE]);
        (first, get(twin, 1, done))
    });
    assert_eq!(polled, [(1, 1), (0, 1)]);
    let stuck = both(V3, "G6:stuck", |twin, machine| {
        set_up(twin, machine, 1);
        assert_eq!(twin.control(&format!("fault vf1 dma-hole {SQC:#x} 64")), "");
        put(twin, machine, 1, regs::QM_CACHE_WB_START, 1);
        let first = get(twin, 1, regs::QM_CACHE_WB_DONE);
        assert_eq!(twin.control("fault vf1 clear"), "");
        put(twin, machine, 1, regs::QM_CACHE_WB_START, 1);
        (first, get(twin, 1, regs::QM_CACHE_WB_DONE))
    });
    assert_eq!(stuck, [(1, 1), (0, 1)]);
}

#[test]
fn a_command_over_another() {
    let over = |twin: &mut Twin, machine: &mut Machine| {
        assert_eq!(twin.control("fault vf1 mailbox-hold PAUSE_QM"), "");
        assert!(mailbox(twin, machine, 1, PAUSE).is_busy());
        let answer = mailbox(twin, machine, 1, QUEUES);
        assert_eq!(twin.control("fault vf1 clear"), "");
        twin.run(machine, 0);
        let is_pause = answer.command_raw() == PAUSE.command_raw();
        (
            is_pause,
            answer.is_busy(),
            answer.has_failed(),
            twin.functions[1].paused,
        )
    };
    assert_eq!(
        both(V3, "G7:replaces", over),
        [(true, true, false, true), (false, false, false, false)]
    );
    assert_eq!(
        both(V3, "G7:fails", over),
        [(true, true, false, true), (true, false, true, false)]
    );
}

#[test]
fn the_end_of_a_pause() {
    let plain = both(V3, "G8:plain-unpauses", |twin, machine| {
        set_up(twin, machine, 1);
        assert!(!mailbox(twin, machine, 1, PAUSE).is_busy());
        submit(twin, machine, 1);
        twin.run(machine, 0);
        done(twin)
    });
    assert_eq!(plain, [0, 1]);
    let each = both(V3, "G8:each-queue", |twin, machine| {
        set_up(twin, machine, 1);
        submit(twin, machine, 2);
        assert!(!mailbox(twin, machine, 1, PAUSE).is_busy());
        let mut after = Vec::new();
        for queue in [1, 0] {
            kick(twin, machine, queue);
            twin.run(machine, 0);
            after.push(done(twin));
        }
        // The last of 16 queues ends the pause as a whole.
        (2..16).for_each(|queue| kick(twin, machine, queue));
        assert!(!twin.functions[1].paused);
        after
    });
    assert_eq!(each, [[2, 2], [0, 2]]);
}

/// Interrupts of a target that has an event which nobody has seen: after the context is loaded and
/// the queues are kicked, after another event, and after the doorbell of the EQ.
#[test]
fn interrupts_of_a_target() {
    let load = |twin: &mut Twin, machine: &mut Machine| {
        set_up(twin, machine, 1);
        submit(twin, machine, 1);
        twin.run(machine, 0);
        assert_eq!(machine.interrupts, [(1, 0)]);
        assert!(!mailbox(twin, machine, 1, PAUSE).is_busy());
        for n in 0..7 {
            let reg = regs::QM_EQC_VF_DW0.word(n);
            let word = get(twin, 1, reg);
            put(twin, machine, 1, reg, word);
        }
        machine.interrupts.clear();
        kick(twin, machine, 0);
        let kicked = machine.interrupts.len();
        ring(twin, machine, 1, Ring::Cq, 1, 1);
        place(machine, 1, &request(1));
        ring(twin, machine, 1, Ring::Sq, 2, 0);
        twin.run(machine, 0);
        let again = machine.interrupts.len();
        ring(twin, machine, 1, Ring::Eq, 0, 0);
        (kicked, again, machine.interrupts.len())
    };
    let of = |name| both(V3, name, load);
    assert_eq!(of("G8:silent-kick"), [(1, 1, 2), (0, 1, 2)]);
    assert_eq!(of("G9:silent-load"), [(1, 1, 2), (0, 1, 2)]);
    assert_eq!(of("G9:unarmed"), [(1, 1, 2), (0, 0, 1)]);
}

#[test]
fn masked_errors() {
    let errors = both(V3, "G11:masked-shown", |twin, machine| {
        assert_eq!(twin.control("fault pf ras 0x8"), "");
        assert_eq!(twin.control("fault pf engine 0x2"), "");
        twin.run(machine, 0);
        assert_eq!(machine.interrupts, []);
        let engine = Engine::Zip.descriptor().errors.status;
        [regs::QM_ABNORMAL_INT_STATUS, engine].map(|reg| twin.read(0, BAR2, reg.into(), 4))
    });
    assert_eq!(errors, [[0, 0], [8, 2]]);
}

#[test]
fn what_a_reset_of_the_pf_keeps() {
    let vft = both(V3, "G12:vft-kept", |twin, machine| {
        twin.reset(0);
        get_vft(twin, machine, 0, 1) != 0
    });
    assert_eq!(vft, [false, true]);
    let select = u64::from(regs::QM_MIG_REGION_SEL);
    let sel = both(V5, "G12:sel-kept", |twin, machine| {
        twin.write(machine, 0, BAR2, select, 1, 4);
        twin.reset(0);
        twin.read(0, BAR2, select, 4)
    });
    assert_eq!(sel, [0, 1]);
    let vfs = both(V3, "G12:vfs-kept", |twin, machine| {
        set_up(twin, machine, 1);
        twin.reset(0);
        // It goes, and comes again.
        twin.reset(1);
        twin.reset(1);
        let table = query(twin, machine, 1, Command::SqcBt);
        twin.reset(1);
        (table, query(twin, machine, 1, Command::SqcBt))
    });
    assert_eq!(vfs, [(0, 0), (SQC, 0)]);
}

#[test]
fn entries_that_are_not_valid() {
    let entries = both(V3, "G13:old-number", |twin, machine| {
        let old = get_vft(twin, machine, 0, 1);
        set_vft(twin, machine, 0, 1, 0);
        let sqc = Message::request(Command::Sqc, BUFFER, 0, false);
        assert!(mailbox(twin, machine, 1, sqc).has_failed());
        // Shapers have no such bit.
        set_vft(twin, machine, 2, 1, 0x1234);
        set_vft(twin, machine, 2, 1, 0);
        assert_eq!(get_vft(twin, machine, 2, 1), 0);
        get_vft(twin, machine, 0, 1) == old & !(1 << 44)
    });
    assert_eq!(entries, [false, true]);
}

#[test]
fn the_window_while_it_is_not_selected() {
    let window = V5.generation.layout().window().unwrap();
    let eqc = u64::from(window.at(1, window.eqc).unwrap());
    let garbage = both(V5, "G14:garbage", |twin, machine| {
        let off = twin.read(0, BAR2, eqc, 4);
        assert_eq!(twin.read(0, BAR2, eqc, 8) >> 32, off);
        twin.write(machine, 0, BAR2, window.select.into(), 1, 4);
        (off, twin.read(0, BAR2, eqc, 4))
    });
    assert_eq!(garbage, [(0, 0), (GARBAGE.into(), 0)]);
    // The second word is the low half of the queue's address.
    let own = both(V5, "G14:own-bar", |twin, machine| {
        set_up(twin, machine, 1);
        let migration = V5.generation.layout().migration.as_ref().unwrap();
        let words = |twin: &mut Twin| (0..7).any(|n| get(twin, 1, migration.eqc.word(n)) != 0);
        let off = words(twin);
        twin.write(machine, 0, BAR2, window.select.into(), 1, 4);
        (off, words(twin))
    });
    assert_eq!(own, [(false, false), (true, false)]);
}

#[test]
fn caches_and_tables() {
    let read = both(V3, "G16:fetches", |twin, machine| {
        set_up(twin, machine, 1);
        put(twin, machine, 1, regs::QM_CACHE_WB_START, 1);
        command(twin, machine, 1, Command::SqcBt, SQC);
        let sqc = Message::request(Command::Sqc, BUFFER, 0, true);
        assert!(!mailbox(twin, machine, 1, sqc).has_failed());
        machine.get(BUFFER, XQC_SIZE) == machine.get(SQC, XQC_SIZE)
    });
    assert_eq!(read, [false, true]);
    let kept = both(V3, "G16:cache-kept", |twin, machine| {
        set_up(twin, machine, 1);
        // Nothing is there.
        command(twin, machine, 1, Command::SqcBt, SOURCE + 0x1000);
        command(twin, machine, 1, Command::CqcBt, SOURCE + 0x1000);
        submit(twin, machine, 1);
        twin.run(machine, 0);
        done(twin)
    });
    assert_eq!(kept, [0, 1]);
    let few = both(V3, "CACHE:few", |twin, machine| {
        set_up(twin, machine, 1);
        for queue in 1..6 {
            let sqc = Message::request(Command::Sqc, BUFFER, queue, false);
            assert!(!mailbox(twin, machine, 1, sqc).has_failed());
        }
        let cached = twin.functions[1].sqc.len();
        // It is fetched again.
        submit(twin, machine, 1);
        twin.run(machine, 0);
        (
            cached,
            machine.get(SQC, XQC_SIZE) != [0; XQC_SIZE],
            done(twin),
        )
    });
    assert_eq!(few, [(6, false, 1), (CACHED, true, 1)]);
}

#[test]
fn set_up_while_paused() {
    let after = both(V3, "G17:stays-paused", |twin, machine| {
        assert!(!mailbox(twin, machine, 1, PAUSE).is_busy());
        set_up(twin, machine, 1);
        submit(twin, machine, 1);
        twin.run(machine, 0);
        let first = done(twin);
        kick(twin, machine, 0);
        twin.run(machine, 0);
        (first, done(twin))
    });
    assert_eq!(after, [(1, 1), (0, 1)]);
}

#[test]
fn what_stopping_does_to_requests() {
    for cmd in [Command::StopQp, Command::FlushQm] {
        let dropped = both(V3, "G18:drops", |twin, machine| {
            assert_eq!(twin.control("fault vf1 job-delay 100"), "");
            set_up(twin, machine, 1);
            submit(twin, machine, 3);
            twin.run(machine, 0);
            assert!(mailbox(twin, machine, 1, Message::request(cmd, 0, 0, false)).is_busy());
            twin.run(machine, 100);
            let busy = answer(twin, 1).is_busy();
            twin.run(machine, 1000);
            twin.run(machine, 2000);
            assert!(!answer(twin, 1).is_busy());
            (busy, done(twin))
        });
        assert_eq!(dropped, [(true, 3), (false, 1)]);
    }
}

#[test]
fn what_a_pause_waits_for() {
    let pause = |twin: &mut Twin, machine: &mut Machine| {
        assert_eq!(twin.control("fault vf1 job-delay 100"), "");
        set_up(twin, machine, 1);
        submit(twin, machine, 3);
        twin.run(machine, 0);
        let at_once = !mailbox(twin, machine, 1, PAUSE).is_busy();
        let then = done(twin);
        for now in (0..1000).step_by(100) {
            twin.run(machine, now);
        }
        assert!(!answer(twin, 1).is_busy());
        (at_once, then, done(twin))
    };
    assert_eq!(
        both(V3, "G19:drains", pause),
        [(false, 0, 1), (false, 0, 3)]
    );
    assert_eq!(both(V3, "G19:early", pause), [(false, 0, 1), (true, 0, 1)]);
    let written_back = both(V3, "G19:early", |twin, machine| {
        assert_eq!(twin.control("fault vf1 job-delay 100"), "");
        set_up(twin, machine, 1);
        submit(twin, machine, 1);
        twin.run(machine, 0);
        mailbox(twin, machine, 1, PAUSE);
        twin.write(machine, 1, BAR2, regs::QM_CACHE_WB_START.into(), 1, 4);
        done(twin)
    });
    assert_eq!(written_back, [0, 1]);
}

#[test]
fn an_error_stops_queues() {
    let broken = both(V3, "G20:function", |twin, machine| {
        set_up(twin, machine, 1);
        assert_eq!(twin.control(&format!("fault vf1 dma-hole {SQ:#x} 64")), "");
        submit(twin, machine, 1);
        twin.run(machine, 0);
        twin.functions[1].broken.len()
    });
    assert_eq!(broken, [1, 16]);
}

#[test]
fn capabilities() {
    let caps = both(V3, "G22:runtime-pm", |twin, _| {
        [0, 1].map(|f| (twin.read(f, BAR2, caps::CAP_VF.into(), 4) >> 12) & 1)
    });
    assert_eq!(caps, [[0, 0], [0, 1]]);
}

/// A list with room for three entries, of which it uses one, and that counts two.
#[test]
fn entries_of_lists() {
    let mut machine = Machine::new();
    let head = SglHead {
        next: 0,
        in_chain: 2,
        in_sgl: 1,
        room: 3,
    };
    machine.put(BUFFER, &head.to_bytes());
    for n in 0..3u64 {
        let address = DEST + 0x100 * n;
        let at = BUFFER + SGL_HEAD as u64 + n * SGE_SIZE as u64;
        machine.put(at, &Sge { address, len: 16 }.to_bytes());
    }
    for (names, count) in [("default", 1), ("SGL:chain", 2), ("SGL:room", 3)] {
        machine.guesses = Guesses::read(names).unwrap();
        let pieces = pieces(&mut machine, 1, true, BUFFER, 0, 100).unwrap();
        assert_eq!(pieces.len(), count, "{names}");
    }
}

#[test]
fn output_behind_what_is_produced() {
    let behind = both(V3, "F1:speculative", |twin, machine| {
        set_up(twin, machine, 1);
        submit(twin, machine, 1);
        twin.run(machine, 0);
        let produced = u64::from(result(machine, 0).produced());
        let end = machine.get(DEST + produced, 0x1000 - produced as usize);
        (end.iter().all(|b| *b == 0), end.iter().all(|b| *b == 0xf1))
    });
    assert_eq!(behind, [(true, false), (false, true)]);
}

#[test]
fn commands_through_the_window() {
    let window = V5.generation.layout().window().unwrap();
    let commands = both(V5, "MB:window-only", |twin, machine| {
        set_up(twin, machine, 1);
        twin.write(machine, 0, BAR2, window.select.into(), 1, 4);
        let bases = Message::request(Command::SqcBt, 0, 0, true);
        let own = [QUEUES, bases, PAUSE].map(|m| !mailbox(twin, machine, 1, m).has_failed());
        let paused = twin.functions[1].paused;
        let raw = PAUSE.into_raw();
        let at = u64::from(window.offset) + u64::from(window.size) + 0x300;
        twin.write(machine, 0, BAR2, at, raw as u64, 8);
        twin.write(machine, 0, BAR2, at + 8, (raw >> 64) as u64, 8);
        assert!(!answer(twin, 1).has_failed() && twin.functions[1].paused);
        (own, paused)
    });
    assert_eq!(
        commands,
        [([true, true, true], true), ([true, false, false], false)]
    );
    // V3 has no window.
    let v3 = both(V3, "MB:window-only", |twin, machine| {
        mailbox(twin, machine, 1, PAUSE).has_failed()
    });
    assert_eq!(v3, [false, false]);
}

#[test]
fn how_a_failure_shows() {
    let status = both(V3, "MB:other-status", |twin, machine| {
        assert_eq!(twin.control("fault vf1 mailbox-error all"), "");
        let answer = mailbox(twin, machine, 1, PAUSE);
        assert!(answer.has_failed());
        answer.w0 & 0x1e00
    });
    assert_eq!(status, [0x200, 0x1000]);
}

#[test]
fn messages() {
    let read = both(V3, "MSG:read-once", |twin, machine| {
        let all = Message::request(Command::Src, 7, 0xffff, false);
        assert!(!mailbox(twin, machine, 0, all).has_failed());
        [0; 2].map(|_| query(twin, machine, 1, Command::Dst))
    });
    assert_eq!(read, [[7, 7], [7, 0]]);
}
