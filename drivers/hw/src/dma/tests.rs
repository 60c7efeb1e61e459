// SPDX-License-Identifier: GPL-2.0

//! What is true of the decoders of all engines.

use super::{
    ram::{
        bytes,
        put_address,
        told,
        Ram,
        BASE, //
    },
    *,
};
use crate::sgl::{
    Sge,
    SglHead, //
};
use proptest::prelude::*;

#[test]
fn an_entry_has_its_size() {
    let ram = Ram::new(Vec::new());
    for engine in Engine::ALL {
        for len in [0, 4, 32, 63, 64, 65, 127, 128, 129] {
            let result = told(&engine.descriptor().decoder, &vec![0; len], &ram);
            let right = len == engine.sqe_size();
            assert_eq!(result == Err(Why::SqeSize), !right, "{engine:?} {len}");
            let mut sqe = vec![0; len];
            if engine == Engine::Zip && len > 36 {
                sqe[36] = 1;
            }
            let some = produced(engine, &sqe).is_some();
            assert_eq!(some, right && engine == Engine::Zip, "{engine:?} {len}");
        }
    }
}

#[test]
fn ranges_do_not_wrap() {
    assert_eq!(Range::new(5, 0), None);
    assert_eq!(Range::new(u64::MAX, 1), None);
    assert_eq!(Range::new(1, u64::MAX), None);
    let last = Range::new(u64::MAX - 1, 1);
    assert_eq!(
        last.map(|range| (range.address, range.len)),
        Some((u64::MAX - 1, 1))
    );
}

/// The caller's own error ends it and comes back.
#[test]
fn the_caller_can_have_enough() {
    let mut ram = Ram::new(vec![0; 0x1000]);
    ram.put_list(BASE, &[(0x1000, 1), (0x2000, 1), (0x3000, 1)], 0);
    let mut words = [0; 32];
    words[9] = 0x101;
    words[14] = 3;
    put_address(&mut words, 20, BASE);
    let mut n = 0;
    let result = outputs(Engine::Zip, &bytes(&words), &ram, &mut |_, _| {
        n += 1;
        if n == 2 {
            Err(Why::TooMany)
        } else {
            Ok(())
        }
    });
    assert_eq!((result, n), (Err(Why::TooMany), 2));
}

/// An address: within memory most times, and that of a list if one is wanted.
fn any_address() -> impl Strategy<Value = u64> {
    prop_oneof![
        6 => (0u64..0x40).prop_map(|n| BASE + 0x40 * n),
        2 => (0u64..0x1000).prop_map(|n| BASE + n),
        1 => any::<u64>(),
        1 => (0u64..0x10000).prop_map(|n| u64::MAX - n),
        1 => Just(0),
    ]
}

/// Memory full of lists that lead to each other, or anywhere.
fn any_memory() -> impl Strategy<Value = Vec<u8>> {
    let list = (
        any_address(),
        0u16..6,
        0u16..6,
        any_address(),
        any::<u32>(),
        0u32..0x200,
    );
    prop::collection::vec(list, 0..0x40).prop_map(|lists| {
        let mut bytes = Vec::new();
        for (next, in_sgl, more, address, len, short) in lists {
            let head = SglHead {
                next,
                in_chain: more,
                in_sgl,
                room: in_sgl.wrapping_add(more).wrapping_sub(1),
            };
            // Heads, and entries that are heads by chance, too
            match more {
                0..3 => bytes.extend(head.to_bytes()),
                n => {
                    let len = if n == 3 { len } else { short };
                    bytes.extend(Sge { address, len }.to_bytes());
                    bytes.extend(
                        Sge {
                            address: next,
                            len: short,
                        }
                        .to_bytes(),
                    );
                }
            }
        }
        bytes
    })
}

/// Words of an entry: any, few bits, or none.
fn any_words() -> impl Strategy<Value = Vec<u32>> {
    let word = prop_oneof![
        8 => Just(0),
        2 => 0u32..0x1000,
        1 => any::<u32>(),
        1 => (0u32..32).prop_map(|n| 1 << n),
    ];
    prop::collection::vec(word, 32)
}

/// Entries that are understood more often than those of chance.
fn nearly(engine: Engine, mut words: Vec<u32>, hints: [u32; 4], at: [u64; 5]) -> Vec<u8> {
    let bit = |n: u32| (hints[1] >> n) & 1;
    if hints[2] % 4 != 0 {
        words.fill(0);
    }
    match engine {
        Engine::Zip => {
            words[7] |= (3 * bit(0)) << 28;
            words[9] &= 0xffff_f000;
            words[9] |= [1, 2, 3, 4, 0x42, 0x43][hints[0] as usize % 6] | (bit(1) << 8);
            words[14] = hints[3] % 0x2000;
            put_address(&mut words, 20, at[0]);
            if hints[3] % 3 == 0 {
                put_address(&mut words, 22, at[1]);
                put_address(&mut words, 24, at[2]);
            }
        }
        Engine::Sec if bit(0) == 0 => {
            words[0] = 3 | (bit(1) << 9) | (bit(2) << 11) | (bit(3) << 14) | (bit(4) << 17);
            words[1] |= hints[0] % 3;
            words[14] |= hints[3] % 3;
            words[18] |= hints[3] & 0xffff;
            for (n, at) in [4, 19, 21, 23, 8].into_iter().zip(at) {
                put_address(&mut words, n, at);
            }
        }
        Engine::Sec => {
            words[0] = 2 | (bit(1) << 9) | (bit(2) << 15) | (bit(3) << 18) | (bit(4) << 21);
            words[0] |= ((hints[0] % 3) << 4) | ((hints[3] % 3) << 6);
            words[5] |= hints[3] & 0xffff;
            for (n, at) in [24, 26, 18, 20, 14].into_iter().zip(at) {
                put_address(&mut words, n, at);
            }
        }
        Engine::Hpre => {
            words[0] = hints[0] % 0x16;
            let unit = [3, 5, 8, 11, 15, 31, 47, 63][hints[1] as usize % 8];
            words[1] |= unit;
            put_address(&mut words, 6, at[0]);
        }
    }
    bytes(&words[..engine.sqe_size() / 4])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Whatever an entry says and wherever its lists lead: no panic, no range that wraps, no work
    /// without a bound. [`told()`] checks them.
    #[test]
    fn any_entry(
        words in any_words(),
        memory in any_memory(),
        hints: [u32; 4],
        at in prop::array::uniform5(any_address()),
    ) {
        let ram = Ram::new(memory);
        for engine in Engine::ALL {
            let sqe = bytes(&words[..engine.sqe_size() / 4]);
            let _ = told(&engine.descriptor().decoder, &sqe, &ram);
            let _ = produced(engine, &sqe);
            let sqe = nearly(engine, words.clone(), hints, at);
            let _ = told(&engine.descriptor().decoder, &sqe, &ram);
        }
    }

    #[test]
    fn any_bytes(
        sqe in prop::collection::vec(any::<u8>(), 128),
        memory in prop::collection::vec(any::<u8>(), 0..0x400),
    ) {
        let ram = Ram::new(memory);
        for engine in Engine::ALL {
            let sqe = &sqe[..engine.sqe_size()];
            let _ = told(&engine.descriptor().decoder, sqe, &ram);
            let _ = produced(engine, sqe);
        }
    }
}

/// The entries above are of some use: some are understood, and for some reason each is not.
#[test]
fn entries_of_chance_come_to_all() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let strategy = (
        any_words(),
        any_memory(),
        any::<[u32; 4]>(),
        prop::array::uniform5(any_address()),
    );
    let mut understood = Engine::ALL.map(|_| 0);
    let mut counts = [0; Why::COUNT];
    for _ in 0..1500 {
        let (words, memory, hints, at) = strategy.new_tree(&mut runner).unwrap().current();
        let ram = Ram::new(memory);
        for engine in Engine::ALL {
            match told(
                &engine.descriptor().decoder,
                &nearly(engine, words.clone(), hints, at),
                &ram,
            ) {
                Ok(told) => understood[engine as usize] += usize::from(!told.is_empty()),
                Err(why) => counts[why as usize] += 1,
            }
        }
    }
    assert!(understood.iter().all(|n| *n > 200), "{understood:?}");
    for why in [
        Why::SqeType,
        Why::Request,
        Why::Field,
        Why::Length,
        Why::Wraps,
        Why::Unreadable,
        Why::SglAddress,
        Why::SglEntries,
    ] {
        // Types of entries are right in these.
        assert!(
            why == Why::SqeType || counts[why as usize] > 5,
            "{why:?} {counts:?}"
        );
    }
}
