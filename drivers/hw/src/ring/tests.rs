// SPDX-License-Identifier: GPL-2.0

//! Tests of the rings that contexts describe.

use super::*;
use proptest::prelude::*;

const QUEUE: u16 = 5;

/// As `qm_sq_ctx_cfg()` and `qm_cq_ctx_cfg()` make them, for a device in a guest.
fn contexts(engine: Engine) -> (Xqc, Xqc) {
    let mut sqc = Xqc::zeroed();
    sqc.set_base(0x1_2345_6000);
    // (depth - 1) | ilog2(sqe_size) << QM_SQ_SQE_SIZE_SHIFT
    let shift = if engine == Engine::Hpre { 6 } else { 7 };
    sqc.set_dw3(1023 | (shift << 12));
    sqc.set_cq_num(QUEUE);
    // orders 1, type 0
    sqc.set_w13(1 << 4);
    let mut cqc = Xqc::zeroed();
    cqc.set_base(0x1_2347_6000);
    cqc.set_dw3(1023 | (4 << 12));
    cqc.set_cqc_dw6(3);
    (sqc, cqc)
}

#[test]
fn what_the_driver_makes() {
    for engine in Engine::ALL {
        let (mut sqc, mut cqc) = contexts(engine);
        let ring = Ring::from_contexts(engine, QUEUE, &sqc, &cqc).unwrap();
        let size = engine.sqe_size() as u64;
        assert_eq!(ring.depth, 1024);
        assert_eq!((ring.sq_len(), ring.cq_len()), (1024 * size, 1024 * 16));
        assert_eq!(ring.sqe_address(0), Some(0x1_2345_6000));
        assert_eq!(ring.sqe_address(1023), Some(0x1_2345_6000 + 1023 * size));
        assert_eq!(ring.sqe_address(1024), None);
        assert_eq!(ring.cqe_address(3), Some(0x1_2347_6030));
        assert_eq!(ring.cqe_address(u16::MAX), None);
        assert!(ring.is_idle());

        // A request is on its way; it is done; all of the ring is on its way.
        sqc.set_tail(7);
        let busy = Ring::from_contexts(engine, QUEUE, &sqc, &cqc).unwrap();
        assert!(!busy.is_idle());
        assert_eq!((busy.sq_tail, busy.cq_tail), (7, 0));
        assert_eq!((busy.in_flight(), busy.back(7, 7)), (Some(7), 0));
        assert!(busy.is_ordered_to(7));
        // All is fetched; then all is complete.
        sqc.set_head(7);
        let fetched = Ring::from_contexts(engine, QUEUE, &sqc, &cqc).unwrap();
        assert_eq!(fetched.in_flight(), Some(7));
        assert_eq!(
            (fetched.in_flight_to(9), fetched.in_flight_to(0)),
            (9, 1017)
        );
        cqc.set_tail(7);
        let done = Ring::from_contexts(engine, QUEUE, &sqc, &cqc).unwrap();
        assert!(done.is_idle());
        assert_eq!(done.in_flight(), Some(0));
        assert!(busy.is_at(&done));
        // A head that a guest has put back: the engine will fetch from there.
        sqc.set_head(5);
        let again = Ring::from_contexts(engine, QUEUE, &sqc, &cqc).unwrap();
        assert!(!again.is_idle() && !again.is_ordered_to(7));
        assert_eq!(again.in_flight(), Some(2));
        sqc.set_head(7);
        sqc.set_w11(1 << 6);
        let full = Ring::from_contexts(engine, QUEUE, &sqc, &cqc).unwrap();
        assert!(!full.is_idle());
        assert_eq!(full.in_flight(), None);
        // The SQ's tail has wrapped, the CQ's has not.
        cqc.set_tail(1000);
        sqc.set_head(1023);
        let wraps = Ring::from_contexts(engine, QUEUE, &sqc, &cqc).unwrap();
        assert_eq!(wraps.in_flight(), Some(31));
        assert_eq!(wraps.back(7, 31), 1000);
        cqc.set_tail(7);
        sqc.set_head(7);
        cqc.set_w11(1 << 6);
        let wrapped = Ring::from_contexts(engine, QUEUE, &sqc, &cqc).unwrap();
        assert!(wrapped.is_idle());
    }
}

#[test]
fn what_the_hardware_makes_of_a_ring() {
    let engine = Engine::Zip;
    let ring = |head, tail, cq_tail| {
        let (mut sqc, mut cqc) = contexts(engine);
        sqc.set_head(head);
        sqc.set_tail(tail);
        cqc.set_tail(cq_tail);
        Ring::from_contexts(engine, QUEUE, &sqc, &cqc).unwrap()
    };
    let busy = ring(5, 7, 4);
    for later in [busy, ring(6, 7, 4), ring(7, 7, 6), ring(7, 7, 7)] {
        assert!(busy.can_become(&later), "{later:?}");
    }
    // Back, on by a doorbell, and beyond the tail
    for other in [
        ring(5, 7, 3),
        ring(3, 7, 4),
        ring(5, 8, 4),
        ring(5, 7, 9),
        ring(5, 6, 4),
    ] {
        assert!(!busy.can_become(&other), "{other:?}");
    }
    let mut moved = ring(7, 7, 7);
    moved.cq_base += 16;
    assert!(!busy.can_become(&moved));
    // One whose phases contradict its tails stays as it is.
    let mut odd = busy;
    odd.in_phase = false;
    assert!(odd.can_become(&odd) && !odd.can_become(&busy) && !busy.can_become(&odd));
}

#[test]
fn what_is_refused() {
    for engine in Engine::ALL {
        let refused = |change: fn(&mut Xqc, &mut Xqc), why| {
            let (mut sqc, mut cqc) = contexts(engine);
            change(&mut sqc, &mut cqc);
            let ring = Ring::from_contexts(engine, QUEUE, &sqc, &cqc);
            assert_eq!(ring, Err(why), "{engine:?}");
        };
        let depth = |c: &mut Xqc, depth: u32| {
            let shift = c.dw3() & 0xf000;
            c.set_dw3((depth - 1) | shift);
        };
        refused(|s, _| s.set_w13(0), Why::QueueOrders);
        refused(|s, _| s.set_w13(s.w13() | (1 << 6)), Why::QueueDisabled);
        // What qm_invalid_queues() leaves
        refused(|s, _| s.set_w13(1 << 6), Why::QueueDisabled);
        refused(|s, _| s.set_w13(s.w13() | (1 << 5)), Why::QueueType);
        refused(|s, _| s.set_w13(s.w13() | (1 << 12)), Why::QueueType);
        refused(|s, _| s.set_cq_num(QUEUE + 1), Why::QueueCq);
        refused(|s, _| s.set_w11(1 << 7), Why::QueuePasid);
        refused(|_, c| c.set_w11(1), Why::QueuePasid);
        refused(|_, c| c.set_w11(1 << 7), Why::QueuePasid);
        refused(|s, _| s.set_base(0), Why::QueueBase);
        refused(|_, c| c.set_base(0), Why::QueueBase);
        refused(|s, _| s.set_base(s.base() + 32), Why::QueueBase);
        refused(|_, c| c.set_base(c.base() + 8), Why::QueueBase);
        refused(|s, _| s.set_base(u64::MAX & !0xffff), Why::QueueBase);
        refused(|_, c| c.set_base(u64::MAX & !0x3fff), Why::QueueBase);
        refused(|s, _| s.set_dw3(s.dw3() ^ (1 << 12)), Why::QueueEntrySize);
        refused(|_, c| c.set_dw3(1023), Why::QueueEntrySize);
        refused(|s, _| s.set_dw3(s.dw3() | (1 << 16)), Why::QueueEntrySize);
        refused(|s, _| s.set_dw3(s.dw3() & 0xf000), Why::QueueDepth);
        refused(|_, c| c.set_dw3(c.dw3() & 0xf000), Why::QueueDepth);
        refused(|_, c| c.set_dw3(2047 | (4 << 12)), Why::QueueDepth);
        refused(|s, _| s.set_tail(1024), Why::QueueIndex);
        refused(|_, c| c.set_head(1024), Why::QueueIndex);
        // The deepest, and one at the very end
        let (mut sqc, mut cqc) = contexts(engine);
        depth(&mut sqc, 4096);
        sqc.set_base(u64::MAX - 4096 * engine.sqe_size() as u64 + 1 - 0x1000);
        depth(&mut cqc, 4096);
        let ring = Ring::from_contexts(engine, QUEUE, &sqc, &cqc).unwrap();
        assert_eq!(ring.depth, 4096);
    }
}

#[test]
fn what_is_not_understood_may_be_at_rest() {
    let (mut sqc, mut cqc) = contexts(Engine::Zip);
    // The data analysis engine's
    sqc.set_w13(sqc.w13() | (2 << 8));
    assert_eq!(Rest::of(QUEUE, &sqc, &cqc), Rest::Idle { tail: 0 });
    assert_eq!(Rest::of(QUEUE + 1, &sqc, &cqc), Rest::Unknown);
    sqc.set_tail(3);
    assert_eq!(Rest::of(QUEUE, &sqc, &cqc), Rest::Unknown);
    cqc.set_tail(3);
    assert_eq!(Rest::of(QUEUE, &sqc, &cqc), Rest::Unknown);
    sqc.set_head(3);
    assert_eq!(Rest::of(QUEUE, &sqc, &cqc), Rest::Idle { tail: 3 });
    sqc.set_w11(1 << 6);
    assert_eq!(Rest::of(QUEUE, &sqc, &cqc), Rest::Unknown);
    cqc.set_w11(1 << 6);
    cqc.set_dw3(2047 | (4 << 12));
    assert_eq!(Rest::of(QUEUE, &sqc, &cqc), Rest::Unknown);
    assert_eq!(Rest::of(QUEUE, &Xqc::zeroed(), &cqc), Rest::Blank);
    // qm_invalid_queues() stops a queue whose requests were flushed: the tails differ.
    sqc.set_w13(sqc.w13() | DISABLE);
    assert_eq!(Rest::of(QUEUE, &sqc, &cqc), Rest::Blank);
}

#[test]
fn types_of_queues() {
    for (engine, types) in [
        (Engine::Zip, &[0, 1][..]),
        (Engine::Sec, &[0]),
        (Engine::Hpre, &[0, 1]),
    ] {
        for alg_type in 0..16 {
            let (mut sqc, cqc) = contexts(engine);
            sqc.set_w13((1 << 4) | (alg_type << 8) | 3);
            let ring = Ring::from_contexts(engine, QUEUE, &sqc, &cqc).unwrap();
            assert_eq!(ring.decodes, types.contains(&alg_type), "{engine:?}");
        }
    }
}

#[test]
fn completion_as_qm_common_h_has_it() {
    let mut raw = [0; CQE_SIZE];
    raw[8..10].copy_from_slice(&0x1234u16.to_le_bytes());
    raw[10..12].copy_from_slice(&0x0567u16.to_le_bytes());
    let old = Cqe::from_bytes(&raw);
    assert_eq!((old.sq_head, old.sq_num, old.phase), (0x1234, 0x567, false));
    raw[14] = 1;
    let new = Cqe::from_bytes(&raw);
    assert!(new.phase);
    assert_eq!(old.next_ticket(0x1234), new.ticket());
    assert_ne!(old.ticket(), new.ticket());
    assert_eq!(ticket_index(new.ticket()), 0x1234);
}

proptest! {
    /// Nothing panics, and all addresses are those of whole entries.
    #[test]
    fn any_context(
        sqc: [u8; 32],
        cqc: [u8; 32],
        nearly in prop::array::uniform4(any::<bool>()),
        index: u16,
    ) {
        let (mut sqc, mut cqc) = (Xqc(sqc), Xqc(cqc));
        let (right_sqc, right_cqc) = contexts(Engine::Sec);
        if nearly[0] {
            sqc.set_w13(right_sqc.w13());
            sqc.set_cq_num(QUEUE);
        }
        if nearly[1] {
            sqc.set_w11(sqc.w11() & !(1 << 7));
            cqc.set_w11(cqc.w11() & !0x81);
        }
        if nearly[2] {
            sqc.set_dw3((sqc.dw3() & 0xfff) | (7 << 12));
            cqc.set_dw3(right_cqc.dw3());
        }
        if nearly[3] {
            for c in [&mut sqc, &mut cqc] {
                c.set_word(0, 0x0001_0001);
                c.set_base(c.base() & !0x7f);
            }
        }
        if let Ok(ring) = Ring::from_contexts(Engine::Sec, QUEUE, &sqc, &cqc) {
            let end = ring.sq_base.checked_add(ring.sq_len()).unwrap();
            match ring.sqe_address(index) {
                Some(at) => prop_assert!(at >= ring.sq_base && at <= end - 128),
                None => prop_assert!(index >= ring.depth),
            }
            let end = ring.cq_base.checked_add(ring.cq_len()).unwrap();
            match ring.cqe_address(index) {
                Some(at) => prop_assert!(at >= ring.cq_base && at <= end - 16),
                None => prop_assert!(index >= ring.depth),
            }
        }
    }
}
