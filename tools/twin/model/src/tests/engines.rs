// SPDX-License-Identifier: GPL-2.0

//! Engines touch what a descriptor names and nothing else, whatever it says.

use crate::{
    testing::{
        fuzz_engine,
        named::{carry_out, named},
        registers::{play, Reached},
        requests::put_sgl,
        Machine, Noise, MEMORY,
    },
    Engine,
};
use hisi_acc_hw::{
    mailbox::Command,
    sgl::Sge,
    zip::{Format, Sqe},
};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn zip_touches_what_is_named(data in proptest::collection::vec(any::<u8>(), 0..400)) {
        fuzz_engine(Engine::Zip, &data);
    }

    #[test]
    fn sec_touches_what_is_named(data in proptest::collection::vec(any::<u8>(), 0..400)) {
        fuzz_engine(Engine::Sec, &data);
    }

    #[test]
    fn hpre_touches_what_is_named(data in proptest::collection::vec(any::<u8>(), 0..200)) {
        fuzz_engine(Engine::Hpre, &data);
    }

    /// Descriptors of no sense at all, and memory of none.
    #[test]
    fn any_descriptor(
        raw in proptest::collection::vec(any::<u8>(), 128),
        memory in proptest::collection::vec(any::<u8>(), 0..0x400),
        at in proptest::collection::vec((0usize..31, 0u64..0x2_0000), 0..8),
        alg_type in 0u8..3,
    ) {
        for accelerator in Engine::ALL {
            let mut machine = Machine::new();
            machine.put(MEMORY, &memory);
            let mut raw = raw.clone();
            for (word, place) in &at {
                let bytes = (MEMORY + place).to_le_bytes();
                raw[4 * word..4 * word + 8].copy_from_slice(&bytes);
            }
            if accelerator == Engine::Hpre {
                raw.truncate(64);
            }
            carry_out(&mut machine, accelerator, alg_type, &mut raw);
        }
    }
}

/// The requests above are nearly right: many of them succeed.
#[test]
fn requests_of_fuzzers_come_to_work() {
    let mut noise = Noise::new(1);
    for accelerator in Engine::ALL {
        let (mut all, mut succeeded) = (0, 0);
        for _ in 0..100 {
            let (of_all, of_succeeded) = fuzz_engine(accelerator, &noise.bytes(500));
            all += of_all;
            succeeded += of_succeeded;
        }
        assert!(
            all > 500 && succeeded * 3 > all,
            "{accelerator:?}: {succeeded} of {all}"
        );
    }
}

/// The check itself notices when something is touched that is not named.
#[test]
fn names_are_exact() {
    let at = |n: u64| MEMORY + n * 0x1000;
    let mut machine = Machine::new();
    let pieces = [
        Sge {
            address: at(1),
            len: 10,
        },
        Sge {
            address: at(2),
            len: 20,
        },
        Sge {
            address: at(3),
            len: 30,
        },
    ];
    put_sgl(&mut machine, at(8), &pieces, 2);
    put_sgl(&mut machine, at(9), &pieces[1..], 2);
    let mut sqe = Sqe::request(Format::Zlib, true, at(8), 25, at(9), 21, 0);
    sqe.0[7] |= 4;
    let named = named(Engine::Zip, &machine, &sqe.to_bytes());
    assert_eq!(named.writes, [at(2)..at(2) + 20, at(3)..at(3) + 1]);
    assert_eq!(
        named.reads,
        [
            at(8)..at(8) + 64,
            at(8) + 64..at(8) + 96,
            at(8) + 96..at(8) + 128,
            at(8) + 128..at(8) + 192,
            at(8) + 192..at(8) + 224,
            at(9)..at(9) + 64,
            at(9) + 64..at(9) + 96,
            at(9) + 96..at(9) + 128,
            at(1) + 4..at(1) + 10,
            at(2)..at(2) + 19,
        ]
    );
}

/// What is thrown at whole devices comes to everything that there is: jobs, all mailbox commands,
/// faults.
#[test]
fn operations_of_fuzzers_come_to_work() {
    let mut noise = Noise::new(2);
    for kind in [0, 1, 2, 0x80, 0x81, 0x82] {
        let mut reached = Reached::default();
        for _ in 0..150 {
            let mut data = noise.bytes(1500);
            // The kind of the device, and the algorithm type of its queue
            data[0] = kind | (data[0] & 0x10);
            reached.add(play(&data));
        }
        for command in Command::ALL {
            let n = reached.commands.get(command.name()).copied();
            assert!(n > Some(10), "{kind:#x}: {} {reached:?}", command.name());
        }
        for (name, n) in &reached.counts {
            assert!(*n > 5, "{kind:#x}: {name} {reached:?}");
        }
        assert!(reached.refused > 10, "{kind:#x}: {reached:?}");
        assert!(reached.counts["jobs_done"] > 500, "{kind:#x}: {reached:?}");
        assert!(reached.succeeded > 100, "{kind:#x}: {reached:?}");
    }
}
