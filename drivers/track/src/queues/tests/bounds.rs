// SPDX-License-Identifier: GPL-2.0

//! Tests of how much the logic does, and how much memory it needs.

use super::*;
use crate::guest::READS_MAX;
use hisi_acc_hw::{
    dma::READS_MAX as ENTRY_READS,
    sgl::{
        Sge,
        SglHead,
        SGE_SIZE,
        SGL_HEAD, //
    },
};

/// Where the lists are.
const LISTS: u64 = 0x5000_0000;

/// Puts a chain of lists, each with one empty entry, and requests that go by it into all slots.
fn place_long(bench: &Bench, count: u16) {
    const LIST: usize = SGL_HEAD + SGE_SIZE;
    for n in 0..256u64 {
        let at = LISTS + n * 128;
        let head = SglHead {
            next: at + 128,
            in_chain: 1,
            in_sgl: 1,
            room: 1,
        };
        let mut list = [0; LIST];
        list[..SGL_HEAD].copy_from_slice(&head.to_bytes());
        let sge = Sge {
            address: OUT,
            len: 0,
        };
        list[SGL_HEAD..].copy_from_slice(&sge.to_bytes());
        bench.vf.write(at, &list);
    }
    for slot in 0..count {
        bench.vf.place(0, slot, LISTS, 16);
        // HZIP_SGL
        bench.vf.write(sq(0) + u64::from(slot) * 128 + 37, &[0x21]);
    }
}

#[test]
fn a_doorbell_reads_no_more_than_its_bound() -> Result {
    const DEEP: u16 = 1024;
    let mut bench = Bench::new()?;
    bench.vf.write(sq(0), &[0; DEEP as usize * 128]);
    bench.vf.write(cq(2), &[0; DEEP as usize * 16]);
    bench.vf.make(0, 0, 0);
    bench.vf.change_contexts(0, |sqc, cqc| {
        cqc.set_base(cq(2));
        sqc.set_dw3(u32::from(DEEP - 1) | (7 << 12));
        cqc.set_dw3(u32::from(DEEP - 1) | (4 << 12));
    });
    bench.start()?;
    place_long(&bench, DEEP - 1);
    let before = bench.vf.reads.get();
    bench.ring(Kind::Sq, 0, DEEP - 1);
    let reads = bench.vf.reads.get() - before;
    // And one for the end of what is unknown, and the two contexts.
    assert!(reads <= READS_MAX + 3, "{reads} reads");
    assert!(reads >= READS_MAX, "{reads} reads: not as many as it could");
    assert!(usize::from(DEEP - 1) * 512 > READS_MAX as usize);
    assert!(ENTRY_READS < READS_MAX as usize);
    assert!(bench.times(Reason::TooLong) > 0);
    assert_eq!(bench.report(), Report::All);
    Ok(())
}

#[test]
fn a_process_that_is_killed_ends_the_walk() -> Result {
    let mut bench = Bench::logging()?;
    place_long(&bench, DEPTH - 1);
    let before = bench.vf.reads.get();
    bench.vf.dies_after.set(before + 1000);
    bench.ring(Kind::Sq, 0, DEPTH - 1);
    let reads = bench.vf.reads.get() - before;
    assert!((1000..1010).contains(&reads), "{reads} reads");
    assert_eq!(bench.report(), Report::All);
    Ok(())
}

/// The numbers of `Documentation/driver-api/dirty-tracking.rst`.
#[test]
fn memory_is_as_documented() {
    const TEXT: &str = include_str!("../../../../../Documentation/driver-api/dirty-tracking.rst");
    let grouped = |n: usize| {
        let digits = n.to_string();
        let mut text = String::new();
        for (at, digit) in digits.chars().enumerate() {
            if at != 0 && (digits.len() - at) % 3 == 0 {
                text.push(',');
            }
            text.push(digit);
        }
        text
    };
    let has = |row: &str, value: &str| {
        let found = TEXT
            .lines()
            .any(|line| line.starts_with(row) && line.contains(value));
        assert!(found, "{row}: {value}");
    };
    let queues = 1024 * Queues::QUEUE_SIZE;
    has("a queue ", &grouped(Queues::QUEUE_SIZE));
    has("a slot of a ring of ZIP", &grouped(Queues::SLOT_SIZE));
    for depth in [1024, 4096] {
        let zip = queues + 1024 * depth * Queues::SLOT_SIZE;
        let row = format!("a VF with 1,024 queues of {} entries", grouped(depth));
        has(
            &row,
            &format!("{} (ZIP), {} (others)", grouped(zip), grouped(queues)),
        );
    }
}

/// Slots are allocated to the depth of the ring, and only those of requests of ZIP.
#[test]
fn slots_are_as_many_as_requests_fit() -> Result {
    let mut bench = Bench::logging()?;
    assert_eq!(bench.queues.slots.len(), 0);
    bench.vf.place(0, 0, OUT, 16);
    bench.submit(0, 1);
    assert_eq!(bench.queues.slots.len(), usize::from(DEPTH));
    bench.stop();
    assert_eq!(bench.queues.slots.len(), 0);
    Ok(())
}
