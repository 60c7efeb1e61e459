// SPDX-License-Identifier: GPL-2.0

//! Tests of what makes all memory dirty, and until when.

use super::*;
use hisi_acc_hw::{
    context::Xqc,
    dma::{
        Engine,
        Why, //
    },
};

#[test]
fn a_touch_of_the_mailbox_makes_all_dirty_once() -> Result {
    let mut bench = Bench::logging()?;
    assert_eq!(bench.report(), pages(&[]));
    bench.vf.touched.set(true);
    assert_eq!(bench.report(), Report::All);
    assert_eq!(bench.report(), pages(&[]));
    assert_eq!(bench.times(Reason::Mailbox), 1);
    Ok(())
}

#[test]
fn contexts_that_change_while_they_are_read_are_not_believed() -> Result {
    let mut bench = Bench::logging()?;
    bench.vf.touched.set(true);
    bench.vf.touches.set(2);
    for _ in 0..3 {
        assert_eq!(bench.report(), Report::All);
    }
    assert_eq!(bench.report(), pages(&[]));
    // The second and the third time it is why nothing was known before.
    assert_eq!(bench.times(Reason::Mailbox), 1);
    assert_eq!(bench.times(Reason::NoContexts), 3);
    Ok(())
}

#[test]
fn without_contexts_all_is_dirty() -> Result {
    let mut bench = Bench::new()?;
    let contexts = bench.vf.contexts.get();
    bench.vf.contexts.set(Err(EBUSY));
    bench.start()?;
    assert_eq!(bench.report(), Report::All);
    assert_eq!(bench.report(), Report::All);
    bench.vf.contexts.set(contexts);
    // What was written until now is reported.
    assert_eq!(bench.report(), Report::All);
    assert_eq!(bench.report(), pages(&[]));
    // At START, twice, and when they came back. The VF was not reset.
    assert_eq!(bench.times(Reason::NoContexts), 4);
    assert_eq!(bench.times(Reason::Reset), 0);
    // So if a table cannot be read, or the engine is unknown.
    bench.vf.touched.set(true);
    bench.vf.unmap(CQCS);
    assert_eq!(bench.report(), Report::All);
    for queue in 0..2 {
        bench.vf.make(queue, 0, 0);
    }
    bench.vf.touched.set(true);
    bench.vf.engine.set(None);
    assert_eq!(bench.report(), Report::All);
    assert_eq!(bench.report(), Report::All);
    bench.vf.engine.set(Some(Engine::Zip));
    assert_eq!(bench.report(), Report::All);
    assert_eq!(bench.report(), pages(&[]));
    Ok(())
}

#[test]
fn an_address_space_that_is_not_known_is_a_reason_of_its_own() -> Result {
    let mut bench = Bench::new()?;
    bench.vf.no_space.set(true);
    bench.start()?;
    for _ in 0..3 {
        assert_eq!(bench.report(), Report::All);
    }
    bench.vf.no_space.set(false);
    // What was written until now is reported.
    assert_eq!(bench.report(), Report::All);
    assert_eq!(bench.report(), pages(&[]));
    assert_eq!(bench.times(Reason::NoSpace), 5);
    // While the tables are known, it is seen at the next request.
    bench.vf.no_space.set(true);
    bench.submit(0, 1);
    assert_eq!(bench.report(), Report::All);
    bench.vf.no_space.set(false);
    assert!(bench.times(Reason::NoSpace) > 5);
    for other in [Reason::Reset, Reason::NoContexts, Reason::Unreadable] {
        assert_eq!(bench.times(other), 0, "{other}");
    }
    // A reset that comes in between is the reason then.
    bench.vf.no_space.set(true);
    bench.vf.touched.set(true);
    assert_eq!(bench.report(), Report::All);
    bench.queues.lose();
    bench.vf.no_space.set(false);
    assert_eq!(bench.report(), Report::All);
    assert_eq!(bench.times(Reason::Reset), 1);
    Ok(())
}

#[test]
fn a_vf_without_guest_driver_has_no_queues() -> Result {
    let mut bench = Bench::new()?;
    bench.vf.place(0, 0, OUT, 16);
    bench.submit(0, 1);
    bench.vf.complete(0, 0, true, 16);
    bench.consume(0, 1);
    let contexts = bench.vf.contexts.replace(Ok(None));
    bench.start()?;
    assert_eq!(bench.report(), Report::of(&[]));
    // A doorbell is not understood, until a reset.
    bench.submit(0, 2);
    assert_eq!(bench.report(), Report::All);
    assert_eq!(bench.report(), Report::All);
    assert_eq!(bench.times(Reason::NoRing), 1);
    bench.vf.contexts.set(contexts);
    bench.vf.make(0, 1, 1);
    bench.queues.lose();
    bench.logged.as_mut().expect("a log").log.abandon_all();
    assert_eq!(bench.report(), Report::All);
    assert_eq!(bench.report(), pages(&[]));
    Ok(())
}

#[test]
fn a_vf_that_seems_to_have_no_driver_may_have_requests_in_flight() -> Result {
    let mut bench = Bench::new()?;
    bench.vf.place(0, 0, OUT, 16);
    bench.submit(0, 1);
    let contexts = bench.vf.contexts.replace(Ok(None));
    bench.start()?;
    // It may be made bus master, and not, at any time.
    assert_eq!(bench.report(), Report::All);
    assert_eq!(bench.report(), Report::All);
    bench.vf.contexts.set(contexts);
    assert_eq!(bench.report(), Report::All);
    assert_eq!(bench.report(), Report::All);
    bench.vf.complete(0, 0, true, 16);
    bench.consume(0, 1);
    assert_eq!(bench.report(), Report::All);
    assert_eq!(bench.report(), pages(&[(cq(0), 1)]));
    assert_eq!(bench.report(), pages(&[]));
    Ok(())
}

#[test]
fn a_driver_that_comes_is_noticed_without_a_touch() -> Result {
    let mut bench = Bench::new()?;
    let contexts = bench.vf.contexts.replace(Ok(None));
    bench.vf.touched.set(false);
    bench.start()?;
    assert_eq!(bench.report(), Report::of(&[]));
    bench.vf.contexts.set(contexts);
    assert_eq!(bench.report(), Report::All);
    assert_eq!(bench.report(), pages(&[]));
    Ok(())
}

#[test]
fn a_request_in_flight_before_start_is_unknown_until_the_queue_is_seen_idle() -> Result {
    let mut bench = Bench::new()?;
    for slot in 0..3 {
        bench.vf.place(0, slot, OUT + u64::from(slot) * PAGE, 16);
    }
    bench.submit(0, 3);
    bench.vf.complete(0, 0, true, 16);
    bench.start()?;
    assert_eq!(bench.report(), Report::All);
    bench.vf.complete(0, 1, true, 16);
    bench.consume(0, 2);
    assert_eq!(bench.report(), Report::All);
    bench.vf.complete(0, 2, true, 16);
    bench.consume(0, 3);
    assert_eq!(bench.report(), Report::All);
    assert_eq!(bench.report(), pages(&[(cq(0), 1)]));
    assert_eq!(bench.report(), pages(&[]));
    assert_eq!(bench.times(Reason::Before), 1);
    // From then on completions are understood.
    bench.vf.place(0, 3, OUT, 16);
    bench.submit(0, 4);
    let all = pages(&[(OUT, 1), (sq(0), 1), (cq(0), 1)]);
    assert_eq!(bench.report(), all);
    bench.vf.complete(0, 3, true, 16);
    bench.consume(0, 4);
    assert_eq!(bench.report(), all);
    assert_eq!(bench.report(), pages(&[]));
    Ok(())
}

#[test]
fn a_request_that_came_with_a_state_is_decoded() -> Result {
    let mut bench = Bench::new()?;
    for slot in 0..3 {
        bench.vf.place(0, slot, OUT + u64::from(slot) * PAGE, 16);
    }
    bench.vf.make(0, 3, 1);
    bench.queues.lose();
    bench.start()?;
    let rings = [(sq(0), 1), (cq(0), 1)];
    let all = pages(&[&rings[..], &[(OUT + PAGE, 1), (OUT + 2 * PAGE, 1)]].concat());
    assert_eq!(bench.report(), all);
    bench.vf.complete(0, 1, true, 16);
    // Which of them is complete is not known from their completions alone.
    bench.consume(0, 2);
    assert_eq!(bench.report(), all);
    bench.vf.complete(0, 2, true, 16);
    bench.consume(0, 3);
    // The contexts show that all are.
    assert_eq!(bench.report(), all);
    assert_eq!(bench.report(), pages(&[]));
    Ok(())
}

#[test]
fn a_later_completion_ends_what_was_in_flight_before_start() -> Result {
    let mut bench = Bench::new()?;
    bench.vf.place(0, 0, OUT, 16);
    bench.submit(0, 1);
    bench.start()?;
    bench.vf.place(0, 1, OUT + PAGE, 16);
    bench.submit(0, 2);
    assert_eq!(bench.report(), Report::All);
    bench.vf.complete(0, 0, true, 16);
    // Its own completion does not.
    bench.consume(0, 1);
    assert_eq!(bench.report(), Report::All);
    bench.vf.complete(0, 1, true, 16);
    bench.consume(0, 2);
    assert_eq!(bench.report(), Report::All);
    assert_eq!(bench.report(), pages(&[]));
    Ok(())
}

#[test]
fn a_queue_made_anew_is_known_after_one_report() -> Result {
    let mut bench = Bench::logging()?;
    for slot in 0..3 {
        bench.vf.place(0, slot, OUT, 16);
        bench.submit(0, slot + 1);
        bench.vf.complete(0, slot, true, 16);
        bench.consume(0, slot + 1);
    }
    bench.vf.write(cq(0), &[0; PAGE as usize]);
    bench.vf.make(0, 0, 0);
    bench.vf.touched.set(true);
    assert_eq!(bench.report(), Report::All);
    bench.vf.place(0, 0, OUT, 16);
    bench.submit(0, 1);
    let all = pages(&[(OUT, 1), (sq(0), 1), (cq(0), 1)]);
    assert_eq!(bench.report(), all);
    bench.vf.complete(0, 0, true, 16);
    bench.consume(0, 1);
    assert_eq!(bench.report(), all);
    assert_eq!(bench.report(), pages(&[]));
    assert_eq!(bench.times(Reason::NoTail), 0);
    Ok(())
}

#[test]
fn a_tail_beyond_the_ring_is_unknown_until_the_queue_is_seen_idle() -> Result {
    let mut bench = Bench::logging()?;
    for n in 0..2 {
        bench.submit(0, DEPTH);
        for _ in 0..2 {
            assert_eq!(bench.report(), Report::All);
        }
        // Only the first doorbell may load another context.
        assert_eq!(bench.report(), pages(&[(cq(0), 1)][n..]));
        assert_eq!(bench.report(), pages(&[]));
    }
    assert_eq!(bench.times(Reason::NoRing), 2);
    // Where new requests begin is not known before it is seen.
    bench.submit(0, DEPTH);
    bench.vf.place(0, 0, OUT, 16);
    bench.submit(0, 1);
    assert_eq!(bench.times(Reason::NoTail), 1);
    assert_eq!(bench.report(), Report::All);
    bench.vf.complete(0, 0, true, 16);
    bench.consume(0, 1);
    assert_eq!(bench.report(), Report::All);
    assert_eq!(bench.report(), pages(&[]));
    Ok(())
}

#[test]
fn a_queue_that_the_vf_does_not_have_is_unknown() -> Result {
    let mut bench = Bench::logging()?;
    bench.consume(2, 1);
    assert_eq!(bench.report(), pages(&[]));
    bench.submit(2, 1);
    assert_eq!(bench.report(), Report::All);
    assert_eq!(bench.report(), Report::All);
    assert_eq!(bench.times(Reason::NoQueue), 1);
    Ok(())
}

/// Contexts of the data analysis engine.
fn other_contexts(tail: u16) -> (Xqc, Xqc) {
    let (mut sqc, mut cqc) = (Xqc::zeroed(), Xqc::zeroed());
    sqc.set_base(sq(1));
    cqc.set_base(cq(1));
    sqc.set_dw3(u32::from(DEPTH - 1) | (7 << 12));
    cqc.set_dw3(u32::from(DEPTH - 1) | (4 << 12));
    sqc.set_w13((1 << 4) | (2 << 8));
    sqc.set_cq_num(1);
    sqc.set_head(tail);
    sqc.set_tail(tail);
    cqc.set_tail(tail);
    (sqc, cqc)
}

#[test]
fn requests_of_another_format_are_unknown_until_they_complete() -> Result {
    let mut bench = Bench::new()?;
    let (sqc, cqc) = other_contexts(0);
    bench.vf.put_contexts(1, &sqc, &cqc);
    bench.start()?;
    assert_eq!(bench.report(), pages(&[]));
    for slot in 0..3 {
        bench.submit(1, slot + 1);
        assert_eq!(bench.report(), Report::All);
        bench.vf.complete(1, slot, true, 16);
        assert_eq!(bench.report(), Report::All);
        bench.consume(1, slot + 1);
        // Only the first doorbell may load another context.
        let loaded = if slot == 0 { &[(cq(1), 1)][..] } else { &[] };
        assert_eq!(bench.report(), pages(loaded));
        assert_eq!(bench.report(), pages(&[]));
    }
    assert_eq!(bench.times(Reason::Why(Why::QueueType)), 3);
    // The other queue is understood all the time.
    assert!(bench.vf.told.borrow().is_empty());
    Ok(())
}

#[test]
fn a_queue_that_is_not_understood_is_unknown_until_it_is_idle() -> Result {
    let mut bench = Bench::new()?;
    // A process's.
    let (mut sqc, cqc) = other_contexts(0);
    sqc.set_w11(1 << 7);
    bench.vf.put_contexts(1, &sqc, &cqc);
    bench.start()?;
    assert_eq!(bench.report(), pages(&[]));
    bench.submit(1, 1);
    assert_eq!(bench.times(Reason::NoRing), 1);
    for _ in 0..3 {
        assert_eq!(bench.report(), Report::All);
    }
    bench.vf.complete(1, 0, true, 16);
    assert_eq!(bench.report(), Report::All);
    assert_eq!(bench.report(), pages(&[]));
    // When another log begins it is in use.
    bench.stop();
    bench.ring(Kind::Sq, 1, 2);
    bench.start()?;
    assert_eq!(bench.times(Reason::Before), 1);
    assert_eq!(bench.report(), Report::All);
    Ok(())
}

#[test]
fn a_disabled_queue_is_none() -> Result {
    let mut bench = Bench::new()?;
    let (mut sqc, cqc) = other_contexts(0);
    sqc.set_tail(7);
    sqc.set_w13(1 << 6);
    bench.vf.put_contexts(1, &sqc, &cqc);
    bench.ring(Kind::Sq, 1, 7);
    bench.start()?;
    assert_eq!(bench.report(), pages(&[]));
    Ok(())
}

#[test]
fn that_nothing_is_understood_is_told_once() -> Result {
    let mut bench = Bench::new()?;
    for queue in 0..2 {
        let (mut sqc, cqc) = other_contexts(0);
        sqc.set_cq_num(queue);
        sqc.set_w11(1 << 7);
        bench.vf.put_contexts(queue, &sqc, &cqc);
    }
    for _ in 0..2 {
        bench.start()?;
        assert_eq!(*bench.vf.told.borrow(), [(0, Why::QueuePasid)]);
        bench.stop();
        bench.vf.touched.set(true);
    }
    Ok(())
}

#[test]
fn requests_that_are_not_understood_are_unknown_until_they_complete() -> Result {
    let mut bench = Bench::logging()?;
    bench.vf.place(0, 0, OUT, 16);
    // No such request type.
    bench.vf.write(sq(0) + 9 * 4, &[0xee]);
    bench.vf.place(0, 1, OUT, 16);
    bench.submit(0, 2);
    assert_eq!(bench.report(), Report::All);
    assert_eq!(bench.times(Reason::Why(Why::Request)), 1);
    bench.vf.complete(0, 0, true, 16);
    bench.consume(0, 1);
    assert_eq!(bench.report(), Report::All);
    let next = pages(&[(OUT, 1), (sq(0), 1), (cq(0), 1)]);
    assert_eq!(bench.report(), next);
    Ok(())
}

#[test]
fn what_no_completion_names_ends_with_the_last_request() -> Result {
    let mut bench = Bench::confirmed(0)?;
    // Outside the ring: the hardware ignores it.
    bench.submit(0, DEPTH);
    assert_eq!(bench.times(Reason::NoRing), 1);
    assert_eq!(bench.report(), Report::All);
    bench.vf.place(0, 1, OUT, 16);
    bench.submit(0, 2);
    assert_eq!(bench.report(), Report::All);
    bench.vf.complete(0, 1, true, 16);
    bench.consume(0, 2);
    // What was unknown until now, for the last time.
    bench.report();
    assert_eq!(bench.report(), pages(&[]));
    Ok(())
}

#[test]
fn requests_that_cannot_be_read_are_unknown_until_they_complete() -> Result {
    let mut bench = Bench::logging()?;
    bench.vf.unmap(sq(0));
    bench.submit(0, 2);
    assert_eq!(bench.report(), Report::All);
    assert_eq!(bench.times(Reason::Unreadable), 1);
    bench.vf.complete(0, 1, true, 16);
    bench.consume(0, 2);
    assert_eq!(bench.report(), Report::All);
    assert_eq!(bench.report(), pages(&[]));
    Ok(())
}

#[test]
fn an_odd_write_is_unknown_until_a_reset() -> Result {
    let mut bench = Bench::new()?;
    assert!(bench.written(Write::Unknown, false));
    for _ in 0..2 {
        bench.start()?;
        assert_eq!(bench.report(), Report::All);
        assert_eq!(bench.report(), Report::All);
        assert_eq!(bench.times(Reason::OddWrite), 1);
        bench.stop();
    }
    bench.queues.lose();
    bench.start()?;
    assert_eq!(bench.report(), pages(&[]));
    assert!(bench.written(Write::Unknown, false));
    for _ in 0..2 {
        assert_eq!(bench.report(), Report::All);
        assert_eq!(bench.report(), Report::All);
        // Another log knows no more.
        bench.stop();
        bench.start()?;
    }
    Ok(())
}

#[test]
fn a_reset_makes_all_dirty_once() -> Result {
    let mut bench = Bench::logging()?;
    bench.vf.place(0, 0, OUT, 16);
    bench.submit(0, 1);
    bench.queues.lose();
    bench.logged.as_mut().expect("a log").log.abandon_all();
    bench.vf.make(0, 0, 0);
    assert_eq!(bench.report(), Report::All);
    assert_eq!(bench.report(), pages(&[]));
    assert_eq!(bench.times(Reason::Reset), 1);
    assert_eq!(bench.times(Reason::Mailbox), 0);
    Ok(())
}

#[test]
fn doorbells_without_a_log_are_noted() -> Result {
    let mut bench = Bench::new()?;
    for slot in 0..2 {
        bench.vf.place(0, slot, OUT + u64::from(slot) * PAGE, 16);
    }
    // The hardware has not handled the doorbell yet.
    bench.ring(Kind::Sq, 0, 2);
    bench.start()?;
    let all = pages(&[(OUT, 2 * PAGE), (sq(0), 1), (cq(0), 1)]);
    assert_eq!(bench.report(), all);
    bench.stop();
    bench.queues.close();
    bench.queues.open(2)?;
    bench.vf.touched.set(true);
    bench.start()?;
    assert_eq!(bench.report(), pages(&[]));
    Ok(())
}
