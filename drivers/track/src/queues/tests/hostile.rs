// SPDX-License-Identifier: GPL-2.0

//! Tests of guests that load contexts, and ring doorbells, as no driver does. The random guest of
//! `tools/cosim` has many more.

use super::*;
use hisi_acc_hw::context::Xqc;

impl Bench {
    /// The guest loads contexts by the mailbox: head and tail of the SQ, tail of the CQ.
    fn load(&self, queue: u16, sq_head: u16, sq_tail: u16, cq_tail: u16) {
        self.vf.make(queue, sq_tail, cq_tail);
        self.change(queue, |sqc, _| sqc.set_head(sq_head));
        self.vf.touched.set(true);
    }

    fn change(&self, queue: u16, change: impl FnOnce(&mut Xqc, &mut Xqc)) {
        self.vf.change_contexts(queue, change);
    }

    /// Puts a request that writes a page in each of some slots.
    fn place_each(&self, queue: u16, slots: core::ops::Range<u16>) {
        for slot in slots {
            let at = OUT + u64::from(slot) * PAGE;
            self.vf.place(queue, slot, at, 16);
        }
    }
}

#[test]
fn requests_that_came_with_a_context_are_in_flight() -> Result {
    for (sq_head, cq_tail) in [(0, 0), (0, 5), (5, 0), (2, 0)] {
        let mut bench = Bench::logging()?;
        bench.place_each(0, 0..5);
        bench.load(0, sq_head, 5, cq_tail);
        assert_eq!(bench.report(), Report::All);
        let all = pages(&[(OUT, 5 * PAGE), (sq(0), 1), (cq(0), 1)]);
        assert_eq!(bench.report(), all, "{sq_head} {cq_tail}");
        // A doorbell that announces nothing new makes the engine begin.
        bench.submit(0, 5);
        assert_eq!(bench.report(), all);
    }
    Ok(())
}

#[test]
fn tails_that_their_phases_contradict_are_unknown() -> Result {
    let mut bench = Bench::logging()?;
    bench.load(0, 0, 0, 0);
    bench.change(0, |sqc, _| sqc.set_w11(1 << 6));
    for _ in 0..3 {
        assert_eq!(bench.report(), Report::All);
    }
    Ok(())
}

#[test]
fn completions_in_another_place_end_nothing() -> Result {
    let mut bench = Bench::logging()?;
    bench.load(0, 0, 0, 16);
    // By their tails, 16 requests are in flight.
    bench.place_each(0, 16..DEPTH);
    bench.change(0, |_, cqc| cqc.set_w11(1 << 6));
    assert_eq!(bench.report(), Report::All);
    bench.vf.place(0, 0, OUT, 16);
    bench.submit(0, 1);
    let all = bench.report();
    assert_ne!(all, Report::All);
    // The completion of the request, at index 16.
    bench.vf.complete_at(0, 16, 0, true);
    bench.consume(0, 17);
    assert_eq!(bench.report(), all);
    assert_eq!(bench.report(), all);
    Ok(())
}

#[test]
fn contexts_that_a_processor_wrote_are_noticed_before_a_report() -> Result {
    let mut bench = Bench::logging()?;
    assert_eq!(bench.report(), pages(&[]));
    // The hardware fetches them with the doorbell.
    bench.vf.place(0, 0, OUT, 16);
    bench.submit(0, 1);
    bench.change(0, |sqc, cqc| {
        sqc.set_base(sq(5));
        cqc.set_base(cq(5));
    });
    assert_eq!(bench.report(), Report::All);
    assert_eq!(bench.times(Reason::Changed), 1);
    Ok(())
}

#[test]
fn contexts_that_go_back_are_noticed_before_a_submission() -> Result {
    let mut bench = Bench::logging()?;
    bench.place_each(0, 4..6);
    bench.load(0, 5, 5, 5);
    assert_eq!(bench.report(), Report::All);
    assert_eq!(bench.report(), pages(&[]));
    // As if the request before the tail had not been carried out.
    bench.change(0, |sqc, cqc| {
        sqc.set_head(4);
        cqc.set_tail(4);
    });
    bench.submit(0, 6);
    // By the next report both are complete.
    bench.change(0, |sqc, cqc| {
        sqc.set_head(6);
        sqc.set_tail(6);
        cqc.set_tail(6);
    });
    assert_eq!(bench.report(), Report::All);
    assert_eq!(bench.times(Reason::Changed), 1);
    // Until a later request is complete, what the doorbell announced is unknown.
    assert_eq!(bench.report(), Report::All);
    bench.vf.place(0, 6, OUT, 16);
    bench.submit(0, 7);
    bench.vf.complete(0, 6, true, 16);
    bench.consume(0, 7);
    assert_eq!(bench.report(), Report::All);
    assert_eq!(bench.report(), pages(&[]));
    Ok(())
}

#[test]
fn a_completion_doorbell_does_not_end_the_check() -> Result {
    let mut bench = Bench::logging()?;
    bench.place_each(0, 4..6);
    bench.load(0, 5, 5, 5);
    assert_eq!(bench.report(), Report::All);
    bench.consume(0, 5);
    // The hardware may have fetched the CQC. It has not.
    assert_ne!(bench.report(), Report::All);
    assert_eq!(bench.report(), pages(&[]));
    bench.change(0, |sqc, cqc| {
        sqc.set_head(4);
        cqc.set_tail(4);
    });
    bench.submit(0, 6);
    assert_eq!(bench.report(), Report::All);
    assert_eq!(bench.times(Reason::Changed), 1);
    Ok(())
}

#[test]
fn the_engine_may_go_on_before_a_submission() -> Result {
    let mut bench = Bench::logging()?;
    bench.place_each(0, 4..6);
    bench.load(0, 4, 5, 4);
    assert_eq!(bench.report(), Report::All);
    let first = [(OUT + 4 * PAGE, 1), (sq(0), 1), (cq(0), 1)];
    assert_eq!(bench.report(), pages(&first));
    // The hardware has written its contexts back.
    bench.change(0, |sqc, cqc| {
        sqc.set_head(5);
        cqc.set_tail(5);
    });
    bench.submit(0, 6);
    assert_ne!(bench.report(), Report::All);
    assert_eq!(bench.times(Reason::Changed), 0);
    Ok(())
}

#[test]
fn contexts_that_cannot_be_read_before_a_submission_make_all_dirty() -> Result {
    let mut bench = Bench::logging()?;
    assert_eq!(bench.report(), pages(&[]));
    bench.vf.unmap(SQCS);
    bench.vf.place(0, 0, OUT, 16);
    bench.submit(0, 1);
    assert_eq!(bench.report(), Report::All);
    assert_eq!(bench.report(), Report::All);
    assert_eq!(bench.times(Reason::NoContexts), 2);
    Ok(())
}

#[test]
fn a_queue_that_was_replaced_at_work_holds_what_it_had() -> Result {
    let mut bench = Bench::logging()?;
    bench.place_each(0, 4..5);
    bench.load(0, 4, 4, 4);
    bench.report();
    bench.submit(0, 5);
    let old = (OUT + 4 * PAGE, 1);
    // Made anew, and idle by its contexts.
    bench.load(0, 0, 0, 0);
    assert_eq!(bench.report(), Report::All);
    for _ in 0..3 {
        assert_eq!(bench.report(), pages(&[old, (sq(0), 1), (cq(0), 1)]));
    }
    // A request of the new one completes: the old one has completed before it.
    bench.place_each(0, 0..1);
    bench.submit(0, 1);
    let both = pages(&[old, (OUT, 1), (sq(0), 1), (cq(0), 1)]);
    assert_eq!(bench.report(), both);
    bench.vf.complete(0, 0, true, 16);
    bench.consume(0, 1);
    assert_eq!(bench.report(), both);
    assert_eq!(bench.report(), pages(&[]));
    Ok(())
}

#[test]
fn a_completion_that_may_be_of_the_old_queue_ends_nothing() -> Result {
    let mut bench = Bench::logging()?;
    bench.place_each(0, 0..1);
    bench.submit(0, 1);
    bench.vf.write(cq(0), &[0; PAGE as usize]);
    bench.load(0, 0, 0, 0);
    assert_eq!(bench.report(), Report::All);
    // The same index as that of the old one.
    bench.vf.place(0, 0, OUT + PAGE, 16);
    bench.submit(0, 1);
    let both = pages(&[(OUT, 1), (OUT + PAGE, 1), (sq(0), 1), (cq(0), 1)]);
    assert_eq!(bench.report(), both);
    bench.vf.write(cq(0), &[0; PAGE as usize]);
    bench.vf.complete_at(0, 0, 0, true);
    bench.consume(0, 1);
    assert_eq!(bench.report(), both);
    Ok(())
}

#[test]
fn busy_queues_stay_known_while_others_are_made() -> Result {
    let mut bench = Bench::logging()?;
    bench.place_each(1, 0..8);
    bench.submit(1, 2);
    // Making a queue costs one report of all.
    bench.load(0, 0, 0, 0);
    assert_eq!(bench.report(), Report::All);
    let two = pages(&[(OUT, 2 * PAGE), (sq(1), 1), (cq(1), 1)]);
    assert_eq!(bench.report(), two);
    bench.submit(1, 3);
    let three = pages(&[(OUT, 3 * PAGE), (sq(1), 1), (cq(1), 1)]);
    assert_eq!(bench.report(), three);
    for slot in 0..3 {
        bench.vf.complete(1, slot, true, 16);
    }
    bench.consume(1, 3);
    assert_eq!(bench.report(), three);
    assert_eq!(bench.report(), pages(&[]));
    Ok(())
}

#[test]
fn a_mailbox_that_stays_busy_costs_no_more_than_the_time_it_does() -> Result {
    let mut bench = Bench::logging()?;
    bench.place_each(1, 0..8);
    // STOP_QP of the other queue takes long.
    let contexts = bench.vf.contexts.replace(Err(EBUSY));
    bench.vf.touched.set(true);
    bench.submit(1, 1);
    assert_eq!(bench.report(), Report::All);
    bench.vf.contexts.set(contexts);
    bench.vf.complete(1, 0, true, 16);
    assert_eq!(bench.report(), Report::All);
    bench.consume(1, 1);
    assert_eq!(bench.report(), pages(&[(cq(1), 1)]));
    assert_eq!(bench.report(), pages(&[]));
    Ok(())
}

#[test]
fn what_the_engine_had_fetched_before_the_log_ends_first() -> Result {
    let mut bench = Bench::logging()?;
    // No doorbell was rung: the engine has nothing.
    assert_eq!(bench.vf.waits.get(), 0);
    bench.place_each(0, 0..4);
    bench.submit(0, 1);
    bench.vf.complete(0, 0, true, 16);
    bench.consume(0, 1);
    bench.stop();
    bench.start()?;
    assert_eq!(bench.vf.waits.get(), 1);
    assert_eq!(bench.report(), pages(&[]));
    bench.stop();
    // The guest may replace a queue in the wait.
    bench.vf.touched_in_wait.set(true);
    bench.start()?;
    assert_eq!(bench.report(), Report::All);
    assert_eq!(bench.vf.waits.get(), 3);
    // A doorbell does not wait, and is not understood.
    bench.submit(0, 2);
    bench.vf.complete(0, 1, true, 16);
    bench.consume(0, 2);
    assert_eq!(bench.vf.waits.get(), 3);
    assert_eq!(bench.times(Reason::NoRing), 1);
    bench.vf.touched_in_wait.set(false);
    assert_eq!(bench.report(), Report::All);
    assert_eq!(bench.vf.waits.get(), 4);
    // Later looks do not wait.
    bench.vf.touched.set(true);
    assert_eq!(bench.report(), Report::All);
    bench.submit(0, 3);
    bench.vf.complete(0, 2, true, 16);
    bench.consume(0, 3);
    bench.report();
    assert_eq!(bench.report(), pages(&[]));
    assert_eq!(bench.vf.waits.get(), 4);
    // The host has made the queues go on, with what came with a state.
    bench.stop();
    bench.queues.lose();
    bench.queues.kicked();
    bench.start()?;
    assert_eq!(bench.vf.waits.get(), 5);
    Ok(())
}

#[test]
fn a_doorbell_with_priority_never_passes() -> Result {
    let mut bench = Bench::new()?;
    for quiesced in [false, true] {
        assert!(!bench.written(Write::Kick, quiesced));
    }
    bench.start()?;
    for quiesced in [false, true] {
        assert!(!bench.written(Write::Kick, quiesced));
        assert_eq!(bench.report(), pages(&[]));
    }
    Ok(())
}

#[test]
fn a_quiesced_vf_gets_nothing_odd() -> Result {
    let mut bench = Bench::logging()?;
    assert!(!bench.written(Write::Unknown, true));
    assert_eq!(bench.report(), pages(&[]));
    assert!(bench.written(Write::Unknown, false));
    assert_eq!(bench.report(), Report::All);
    Ok(())
}
