// SPDX-License-Identifier: GPL-2.0

//! Tests of the queues, over a VF in memory: requests that are understood. [`unknown`] has the
//! others.

mod bounds;
mod hostile;
mod unknown;

use super::Queues;
use crate::{
    reason::Reason,
    testing::{
        cq,
        sq,
        Logged,
        Report,
        Vf,
        AEQ,
        CQCS,
        DEPTH,
        EQ,
        PAGE,
        SQCS, //
    },
    write::Write, //
};
use hisi_acc_hw::doorbell::{
    Doorbell,
    Kind, //
};
use kernel::prelude::*;

/// Where requests write to.
const OUT: u64 = 0x4000_0000;

/// A VF, what is known of its queues, and a log while logging is on.
struct Bench {
    vf: Vf,
    queues: Queues,
    logged: Option<Logged>,
}

impl Bench {
    /// An open VF with two queues.
    fn new() -> Result<Self> {
        let mut queues = Queues::default();
        queues.open(2)?;
        Ok(Self {
            vf: Vf::new(2),
            queues,
            logged: None,
        })
    }

    /// The same, with logging on.
    fn logging() -> Result<Self> {
        let mut bench = Self::new()?;
        bench.start()?;
        Ok(bench)
    }

    /// The same, and the hardware has shown the contexts of a queue, in which one request is
    /// complete.
    fn confirmed(queue: u16) -> Result<Self> {
        let mut bench = Self::logging()?;
        bench.vf.place(queue, 0, OUT, 16);
        bench.submit(queue, 1);
        bench.vf.complete(queue, 0, true, 16);
        bench.consume(queue, 1);
        bench.report();
        assert_eq!(bench.report(), pages(&[]));
        Ok(bench)
    }

    fn start(&mut self) -> Result {
        let logged = self.logged.insert(Logged::new()?);
        self.queues.start(&self.vf, &mut logged.log);
        Ok(())
    }

    fn stop(&mut self) {
        self.queues.stop();
        self.logged = None;
    }

    /// Returns whether the hardware may get it.
    fn written(&mut self, write: Write, quiesced: bool) -> bool {
        let log = self.logged.as_mut().map(|logged| &mut logged.log as _);
        self.queues.written(&self.vf, &write, quiesced, log)
    }

    fn ring(&mut self, kind: Kind, queue: u16, index: u16) {
        let doorbell = Write::Doorbell(Doorbell {
            queue,
            kind,
            index,
            priority: 0,
        });
        assert!(self.written(doorbell, false));
    }

    /// Rings the SQ, and the hardware has the tail.
    fn submit(&mut self, queue: u16, tail: u16) {
        self.ring(Kind::Sq, queue, tail);
        self.vf.rung(queue, tail);
    }

    /// Acknowledges completions.
    fn consume(&mut self, queue: u16, head: u16) {
        self.ring(Kind::Cq, queue, head);
    }

    fn report(&mut self) -> Report {
        let logged = self.logged.as_mut().expect("a log");
        self.queues.report(&self.vf, &mut logged.log);
        logged.report()
    }

    fn times(&self, reason: Reason) -> u64 {
        self.logged.as_ref().expect("a log").times(reason)
    }
}

/// What each report has: the tables of two queues, and the event rings.
const ALWAYS: [(u64, u64); 4] = [(SQCS, 64), (CQCS, 64), (EQ, 2048 * 4), (AEQ, 1024 * 4)];

/// Returns a report of `ranges` and of what each report has.
fn pages(ranges: &[(u64, u64)]) -> Report {
    Report::of(&[&ALWAYS[..], ranges].concat())
}

#[test]
fn nothing_is_in_flight_in_idle_queues() -> Result {
    let mut bench = Bench::logging()?;
    for _ in 0..3 {
        assert_eq!(bench.report(), pages(&[]));
    }
    Ok(())
}

#[test]
fn a_request_is_in_flight_until_its_completion_is_consumed() -> Result {
    let mut bench = Bench::confirmed(1)?;
    bench.vf.place(1, 1, OUT, 2 * PAGE as u32);
    bench.submit(1, 2);
    let all = pages(&[(OUT, 2 * PAGE), (sq(1), 1), (cq(1), 1)]);
    assert_eq!(bench.report(), all);
    bench.vf.complete(1, 1, true, 2 * PAGE as u32);
    assert_eq!(bench.report(), all);
    bench.consume(1, 2);
    assert_eq!(bench.report(), all);
    assert_eq!(bench.report(), pages(&[]));
    Ok(())
}

/// After the first doorbell the hardware may have loaded a CQC with another tail than was read: all
/// of the CQ is dirty until the queue is seen idle.
#[test]
fn the_first_completions_may_go_anywhere() -> Result {
    let mut bench = Bench::logging()?;
    bench.vf.place(1, 0, OUT, 16);
    bench.submit(1, 1);
    let all = pages(&[(OUT, 16), (sq(1), 1), (cq(1), 16 * u64::from(DEPTH))]);
    assert_eq!(bench.report(), all);
    assert_eq!(bench.report(), all);
    bench.vf.complete(1, 0, true, 16);
    assert_eq!(bench.report(), all);
    assert_eq!(bench.report(), pages(&[]));
    Ok(())
}

#[test]
fn a_completion_of_another_queue_ends_nothing() -> Result {
    let mut bench = Bench::logging()?;
    bench.vf.place(1, 0, OUT, 16);
    bench.submit(1, 1);
    bench.vf.place(0, 0, OUT + PAGE, 16);
    bench.submit(0, 1);
    bench.vf.complete(0, 0, true, 16);
    bench.report();
    bench.consume(0, 1);
    bench.consume(1, 1);
    bench.consume(1, DEPTH);
    bench.report();
    let all = pages(&[(OUT, 1), (sq(1), 1), (cq(1), 1)]);
    assert_eq!(bench.report(), all);
    assert_eq!(bench.report(), all);
    Ok(())
}

#[test]
fn no_more_is_dirty_than_the_engine_produced() -> Result {
    let mut bench = Bench::logging()?;
    bench.vf.place(0, 0, OUT, 4 * PAGE as u32);
    bench.submit(0, 1);
    bench.vf.complete(0, 0, true, 100);
    bench.consume(0, 1);
    assert_eq!(bench.report(), pages(&[(OUT, 100), (sq(0), 1), (cq(0), 1)]));
    // An engine that says that it produced nothing is not believed.
    bench.vf.place(0, 1, OUT, 4 * PAGE as u32);
    bench.submit(0, 2);
    bench.vf.complete(0, 1, true, 0);
    bench.consume(0, 2);
    let all = pages(&[(OUT, 4 * PAGE), (sq(0), 1), (cq(0), 1)]);
    assert_eq!(bench.report(), all);
    Ok(())
}

#[test]
fn what_is_in_a_slot_is_believed_only_if_it_was_submitted() -> Result {
    let mut bench = Bench::logging()?;
    bench.vf.place(0, 0, OUT, 4 * PAGE as u32);
    bench.submit(0, 1);
    bench.vf.complete(0, 0, true, 100);
    // The guest puts another request there before it acknowledges.
    bench.vf.place(0, 0, OUT + 16 * PAGE, PAGE as u32);
    bench.vf.complete(0, 0, true, 50);
    bench.consume(0, 1);
    let all = pages(&[(OUT, 4 * PAGE), (sq(0), 1), (cq(0), 1)]);
    assert_eq!(bench.report(), all);
    Ok(())
}

#[test]
fn of_two_requests_in_one_slot_neither_is_clipped() -> Result {
    const LAST: u16 = DEPTH - 1;

    let mut bench = Bench::logging()?;
    let place = |bench: &Bench, slot| {
        let at = OUT + u64::from(slot) * 4 * PAGE;
        bench.vf.place(0, slot, at, 4 * PAGE as u32);
    };
    for slot in 0..LAST {
        place(&bench, slot);
    }
    bench.submit(0, LAST);
    for slot in 0..LAST {
        bench.vf.complete(0, slot, true, 4 * PAGE as u32);
    }
    // The guest acknowledges late, and the engine has written the second request back.
    place(&bench, LAST);
    place(&bench, 0);
    bench.submit(0, 1);
    bench.vf.write_back(0, 0, 100);
    bench.consume(0, 1);
    bench.vf.complete(0, LAST, true, 100);
    bench.vf.complete(0, 0, false, 100);
    bench.consume(0, 1);
    let all = u64::from(LAST) * 4 * PAGE;
    let last = OUT + all;
    let all = pages(&[(OUT, all), (last, 100), (sq(0), PAGE), (cq(0), 1)]);
    assert_eq!(bench.report(), all);
    assert_eq!(bench.report(), pages(&[]));
    Ok(())
}

#[test]
fn what_is_no_data_is_not_clipped() -> Result {
    let mut bench = Bench::logging()?;
    bench.vf.place(0, 0, OUT, 4 * PAGE as u32);
    // The address of a context, which the engine may write as a whole.
    let context: u64 = OUT + 64 * PAGE;
    bench.vf.write(sq(0) + 22 * 4, &context.to_le_bytes());
    bench.submit(0, 1);
    let before = bench.report();
    bench.vf.complete(0, 0, true, 100);
    bench.consume(0, 1);
    bench.report();
    bench.vf.place(0, 1, OUT, 4 * PAGE as u32);
    bench.vf.write(sq(0) + 128 + 22 * 4, &context.to_le_bytes());
    bench.submit(0, 2);
    bench.vf.complete(0, 1, true, 100);
    bench.consume(0, 2);
    let (Report::Pages(before), Report::Pages(after)) = (before, bench.report()) else {
        panic!("all is dirty");
    };
    assert!(before.iter().any(|page| *page > context));
    let clipped: Vec<_> = before.difference(&after).copied().collect();
    assert_eq!(clipped, [1, 2, 3].map(|page| OUT + page * PAGE));
    Ok(())
}

#[test]
fn requests_go_over_the_end_of_the_ring() -> Result {
    const FIRST: u16 = DEPTH - 2;
    const SECOND: u16 = DEPTH - 1;

    let mut bench = Bench::new()?;
    bench.vf.make(0, FIRST, FIRST);
    bench.start()?;
    let out = |slot: u16| OUT + u64::from(slot) * PAGE;
    for slot in [FIRST, SECOND, 0, 1] {
        bench.vf.place(0, slot, out(slot), 16);
    }
    bench.submit(0, 2);
    let of = |slots: &[u16]| {
        let mut ranges = vec![(sq(0), PAGE), (cq(0), 1)];
        ranges.extend(slots.iter().map(|slot| (out(*slot), 16)));
        pages(&ranges)
    };
    assert_eq!(bench.report(), of(&[FIRST, SECOND, 0, 1]));
    // The completion of slot 0 is of the ring's next round.
    for slot in [FIRST, SECOND, 0] {
        bench.vf.complete(0, slot, true, 16);
    }
    bench.consume(0, 1);
    assert_eq!(bench.report(), of(&[FIRST, SECOND, 0, 1]));
    assert_eq!(bench.report(), of(&[1]));
    Ok(())
}

#[test]
fn each_round_of_the_ring_has_its_own_phase() -> Result {
    let mut bench = Bench::logging()?;
    for round in 0..5u16 {
        for slot in 0..DEPTH {
            let at = OUT + u64::from(round * DEPTH + slot) * PAGE;
            bench.vf.place(0, slot, at, 16);
            bench.submit(0, (slot + 1) % DEPTH);
            let all = pages(&[(at, 16), (sq(0), 1), (cq(0), 1)]);
            assert_eq!(bench.report(), all);
            // A doorbell for the completion before: the guest acknowledges it late.
            bench.consume(0, slot);
            assert_eq!(bench.report(), all);
            bench.vf.complete(0, slot, round % 2 == 0, 16);
            bench.consume(0, (slot + 1) % DEPTH);
            assert_eq!(bench.report(), all);
            assert_eq!(bench.report(), pages(&[]));
        }
    }
    Ok(())
}

#[test]
fn a_completion_not_consumed_before_start_is_no_request_in_flight() -> Result {
    let mut bench = Bench::new()?;
    bench.vf.place(0, 0, OUT, 16);
    bench.submit(0, 1);
    bench.vf.complete(0, 0, true, 16);
    bench.vf.make(0, 1, 1);
    bench.start()?;
    assert_eq!(bench.report(), pages(&[]));
    bench.vf.place(0, 1, OUT, 16);
    bench.submit(0, 2);
    bench.consume(0, 1);
    let all = pages(&[(OUT, 1), (sq(0), 1), (cq(0), 1)]);
    assert_eq!(bench.report(), all);
    assert_eq!(bench.report(), all);
    Ok(())
}

#[test]
fn a_completion_that_cannot_be_read_ends_nothing() -> Result {
    let mut bench = Bench::logging()?;
    bench.vf.place(0, 0, OUT, 16);
    bench.submit(0, 1);
    bench.vf.unmap(cq(0));
    bench.consume(0, 1);
    let all = pages(&[(OUT, 1), (sq(0), 1), (cq(0), 1)]);
    assert_eq!(bench.report(), all);
    assert_eq!(bench.report(), all);
    Ok(())
}

#[test]
fn event_doorbells_change_nothing() -> Result {
    let mut bench = Bench::logging()?;
    bench.ring(Kind::Eq, 0, 5);
    bench.ring(Kind::Aeq, 0xfff, 5);
    assert_eq!(bench.report(), pages(&[]));
    Ok(())
}

#[test]
fn of_a_full_ring_all_requests_are_in_flight() -> Result {
    let mut bench = Bench::logging()?;
    let mut ranges = vec![(sq(0), 1), (cq(0), 1)];
    for slot in 0..DEPTH - 1 {
        let at = OUT + u64::from(slot) * PAGE;
        bench.vf.place(0, slot, at, 16);
        ranges.push((at, 16));
    }
    bench.submit(0, DEPTH - 1);
    assert_eq!(bench.report(), pages(&ranges));
    for slot in 0..DEPTH - 1 {
        bench.vf.complete(0, slot, true, 16);
    }
    // One acknowledgment for all.
    bench.consume(0, DEPTH - 1);
    assert_eq!(bench.report(), pages(&ranges));
    assert_eq!(bench.report(), pages(&[]));
    Ok(())
}
