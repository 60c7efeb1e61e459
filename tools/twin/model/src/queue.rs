// SPDX-License-Identifier: GPL-2.0

//! Queues at work.
//!
//! Contexts are cached; the tables in memory back them. A context that is not cached is fetched
//! from the table when a doorbell wants it, which is how a function goes on after a migration:
//! `vf_qm_cache_wb()` writes them back on the source, `QM_MB_CMD_SQC_BT` and `_CQC_BT` tell the
//! target where they are, and `vf_qm_fun_reset()` rings every queue.

use crate::{
    bus::Bus,
    caps::{VECTOR_AEQ, VECTOR_EQ},
    device::Twin,
    engine,
};
use hisi_acc_hw::{
    context::{EqcDw6, SqcDw3, Xqc, CQE_SIZE, EQE_SIZE, XQC_SIZE},
    doorbell::{Doorbell, Kind},
    zip::{Sqe, SQE_SIZE},
};

/// `QM_SQ_TAIL_IDX`, `QM_CQ_TAIL_IDX`: the phase of the tail, in w11.
const TAIL_PHASE: u16 = 1 << 6;
/// `QM_CQ_PHASE_SHIFT`: the phase of the next CQE
const CQ_PHASE: u32 = 1 << 0;
/// `QM_CQ_FLAG_SHIFT`: an event is wanted
const CQ_FLAG: u32 = 1 << 1;
/// AEQE type: the CQ is full (`QM_CQ_OVERFLOW`), shifted by `QM_AEQE_TYPE_SHIFT`
const AEQE_CQ_OVERFLOW: u32 = 0;
/// AEQE type: a queue cannot go on (`QM_CQE_ERROR`)
const AEQE_CQE_ERROR: u32 = 2;

/// Which table a context is in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Table {
    Sqc,
    Cqc,
}

/// The index after `index` in a ring, and whether it wrapped.
fn next(index: u16, depth: u16) -> (u16, bool) {
    if index.saturating_add(1) >= depth {
        (0, true)
    } else {
        (index + 1, false)
    }
}

impl Twin {
    /// The context of a queue: from the cache, or fetched into it.
    fn context(&mut self, bus: &mut dyn Bus, f: usize, table: Table, queue: u16) -> Option<Xqc> {
        let function = self.functions.get(f)?;
        let (cache, base) = match table {
            Table::Sqc => (&function.sqc, function.sqc_bt),
            Table::Cqc => (&function.cqc, function.cqc_bt),
        };
        if let Some(context) = cache.get(&queue) {
            return Some(*context);
        }
        if base == 0 || u32::from(queue) >= self.queues(f) {
            return None;
        }
        let mut raw = [0; XQC_SIZE];
        let at = base.wrapping_add(u64::from(queue) * XQC_SIZE as u64);
        self.dma_read(bus, f, at, &mut raw).ok()?;
        let context = Xqc(raw);
        // A context of zeroes is of a queue that was never set up.
        if context.base() == 0 {
            return None;
        }
        self.put_context(f, table, queue, context);
        Some(context)
    }

    pub(crate) fn put_context(&mut self, f: usize, table: Table, queue: u16, context: Xqc) {
        if let Some(function) = self.functions.get_mut(f) {
            match table {
                Table::Sqc => function.sqc.insert(queue, context),
                Table::Cqc => function.cqc.insert(queue, context),
            };
        }
    }

    /// Writes all cached contexts to the tables (`QM_CACHE_WB_START`).
    pub(crate) fn write_back(&mut self, bus: &mut dyn Bus, f: usize) {
        let Some(function) = self.functions.get(f) else {
            return;
        };
        let mut writes = Vec::new();
        for (cache, base) in [
            (&function.sqc, function.sqc_bt),
            (&function.cqc, function.cqc_bt),
        ] {
            if base != 0 {
                writes.extend(cache.iter().map(|(queue, context)| {
                    let at = base.wrapping_add(u64::from(*queue) * XQC_SIZE as u64);
                    (at, context.0)
                }));
            }
        }
        for (at, raw) in writes {
            // Guess: a table that cannot be written does not keep the write-back from its end.
            let _ = self.dma_write(bus, f, at, &raw);
        }
    }

    /// A doorbell was rung.
    pub(crate) fn doorbell(&mut self, bus: &mut dyn Bus, f: usize, raw: u64) {
        let Some(db) = Doorbell::from_raw(raw) else {
            return;
        };
        let key = match db.kind {
            Kind::Sq => "doorbell.sq",
            Kind::Cq => "doorbell.cq",
            Kind::Eq => "doorbell.eq",
            Kind::Aeq => "doorbell.aeq",
        };
        self.ledger.add(f, key, 1);
        match db.kind {
            Kind::Sq => self.sq_doorbell(bus, f, db),
            Kind::Cq => self.cq_doorbell(bus, f, db),
            Kind::Eq | Kind::Aeq => self.event_doorbell(bus, f, db),
        }
    }

    fn sq_doorbell(&mut self, bus: &mut dyn Bus, f: usize, db: Doorbell) {
        // Guess: a doorbell with a priority does not move the tail but makes a paused function go
        // on with the queue. The drivers of a queue always ring with priority 0 (`qp_send`), and
        // `vf_qm_fun_reset()` rings all with index 0 and priority 1 whatever their tails are.
        if db.priority != 0 {
            if let Some(function) = self.functions.get_mut(f) {
                function.paused = false;
            }
            if self.context(bus, f, Table::Cqc, db.queue).is_some() {
                self.completion_event(bus, f, db.queue);
            }
            // Guess: events that were written and not told of are told of now.
            self.raise(bus, f, Kind::Eq);
            self.raise(bus, f, Kind::Aeq);
        }
        let Some(mut sqc) = self.context(bus, f, Table::Sqc, db.queue) else {
            return;
        };
        if db.priority == 0 {
            let depth = SqcDw3::from_raw(sqc.dw3()).depth;
            if db.index >= depth {
                return;
            }
            if db.index < sqc.tail() {
                sqc.set_w11(sqc.w11() ^ TAIL_PHASE);
            }
            sqc.set_tail(db.index);
            self.put_context(f, Table::Sqc, db.queue, sqc);
        }
        if let Some(function) = self.functions.get_mut(f) {
            function.active.insert(db.queue);
        }
    }

    fn cq_doorbell(&mut self, bus: &mut dyn Bus, f: usize, db: Doorbell) {
        let Some(mut cqc) = self.context(bus, f, Table::Cqc, db.queue) else {
            return;
        };
        cqc.set_head(db.index);
        if db.priority != 0 {
            cqc.set_cqc_dw6(cqc.cqc_dw6() | CQ_FLAG);
        }
        self.put_context(f, Table::Cqc, db.queue, cqc);
        self.completion_event(bus, f, db.queue);
        if let Some(function) = self.functions.get_mut(f) {
            // A full CQ has room again.
            if function.sqc.contains_key(&db.queue) {
                function.active.insert(db.queue);
            }
        }
    }

    /// An event for a CQ, where one is wanted and there is something in it.
    fn completion_event(&mut self, bus: &mut dyn Bus, f: usize, queue: u16) {
        let Some(function) = self.functions.get(f) else {
            return;
        };
        // A stopped function does no DMA; the kick after it asks again.
        if function.paused {
            return;
        }
        let Some(mut cqc) = function.cqc.get(&queue).copied() else {
            return;
        };
        if cqc.cqc_dw6() & CQ_FLAG == 0 || cqc.head() == cqc.tail() {
            return;
        }
        cqc.set_cqc_dw6(cqc.cqc_dw6() & !CQ_FLAG);
        self.put_context(f, Table::Cqc, queue, cqc);
        self.event(bus, f, Kind::Eq, u32::from(queue));
    }

    fn event_doorbell(&mut self, bus: &mut dyn Bus, f: usize, db: Doorbell) {
        let Some(function) = self.functions.get_mut(f) else {
            return;
        };
        let queue = match db.kind {
            Kind::Eq => &mut function.eq,
            _ => &mut function.aeq,
        };
        queue.context.set_head(db.index);
        queue.armed = true;
        self.raise(bus, f, db.kind);
    }

    /// Puts an entry into the EQ or AEQ.
    fn event(&mut self, bus: &mut dyn Bus, f: usize, kind: Kind, data: u32) {
        let Some(function) = self.functions.get_mut(f) else {
            return;
        };
        let queue = match kind {
            Kind::Eq => &mut function.eq,
            _ => &mut function.aeq,
        };
        let mut context = queue.context;
        if context.base() == 0 {
            return;
        }
        let mut dw6 = EqcDw6::from_raw(context.eqc_dw6());
        let entry = data | (u32::from(dw6.phase) << 16);
        let tail = context.tail();
        let at = context
            .base()
            .wrapping_add(u64::from(tail) * EQE_SIZE as u64);
        let depth = u16::try_from(dw6.depth).unwrap_or(u16::MAX);
        let (tail, wrapped) = next(tail, depth);
        dw6.phase ^= wrapped;
        context.set_tail(tail);
        context.set_eqc_dw6(dw6.into_raw());
        queue.context = context;
        if self.dma_write(bus, f, at, &entry.to_le_bytes()).is_ok() {
            self.raise(bus, f, kind);
        }
    }

    /// Raises the interrupt of the EQ or AEQ, where it is armed, not masked, and there is an entry.
    pub(crate) fn raise(&mut self, bus: &mut dyn Bus, f: usize, kind: Kind) {
        let Some(function) = self.functions.get_mut(f) else {
            return;
        };
        let (queue, vector) = match kind {
            Kind::Eq => (&mut function.eq, VECTOR_EQ),
            _ => (&mut function.aeq, VECTOR_AEQ),
        };
        if !queue.armed || queue.context.head() == queue.context.tail() {
            return;
        }
        if queue.mask & 1 != 0 {
            queue.pending = true;
            return;
        }
        queue.armed = false;
        queue.pending = false;
        self.msi(bus, f, vector);
    }

    /// The next queue of a function with an entry to fetch.
    fn next_job(&mut self, bus: &mut dyn Bus, f: usize) -> Option<u16> {
        loop {
            let function = self.functions.get(f)?;
            if function.paused {
                return None;
            }
            let queue = *function.active.first()?;
            let sqc = self.context(bus, f, Table::Sqc, queue);
            let cqc = sqc.and_then(|sqc| self.context(bus, f, Table::Cqc, sqc.cq_num()));
            if let (Some(sqc), Some(cqc)) = (sqc, cqc) {
                let cq_depth = SqcDw3::from_raw(cqc.dw3()).depth;
                let full = next(cqc.tail(), cq_depth).0 == cqc.head();
                if sqc.head() != sqc.tail() && !full {
                    return Some(queue);
                }
            }
            self.functions.get_mut(f)?.active.remove(&queue);
        }
    }

    /// Carries out what is due at `now`; says when to come again.
    pub(crate) fn run_function(&mut self, bus: &mut dyn Bus, f: usize, now: u64) -> Option<u64> {
        // Work of one call is bounded, so that a machine's other parts go on.
        for _ in 0..64 {
            let current = self.functions.get(f)?.current;
            if let Some((queue, due)) = current {
                if due > now {
                    return Some(due);
                }
                self.functions.get_mut(f)?.current = None;
                self.do_job(bus, f, queue);
                continue;
            }
            let queue = self.next_job(bus, f)?;
            let delay = self.functions.get(f)?.job_delay;
            if delay == 0 {
                self.do_job(bus, f, queue);
            } else {
                self.functions.get_mut(f)?.current = Some((queue, now.saturating_add(delay)));
            }
        }
        Some(now)
    }

    /// Finishes what the engine works on, if anything (PAUSE, STOP_QP, FLUSH_QM).
    pub(crate) fn finish_current(&mut self, bus: &mut dyn Bus, f: usize) {
        let current = self.functions.get_mut(f).and_then(|f| f.current.take());
        if let Some((queue, _)) = current {
            self.do_job(bus, f, queue);
        }
    }

    /// Finishes what queues have (`queue`: of one, else of all).
    pub(crate) fn drain(&mut self, bus: &mut dyn Bus, f: usize, queue: Option<u16>) {
        self.finish_current(bus, f);
        // No more jobs than entries fit in all rings, whatever the contexts say.
        for _ in 0..1 << 16 {
            match self.next_job(bus, f) {
                Some(next) if queue.is_none_or(|queue| queue == next) => self.do_job(bus, f, next),
                Some(next) => {
                    // Of another queue: out of the way, it is put back below.
                    if let Some(function) = self.functions.get_mut(f) {
                        function.active.remove(&next);
                    }
                }
                None => break,
            }
        }
        if let Some(function) = self.functions.get_mut(f) {
            let all: Vec<u16> = function.sqc.keys().copied().collect();
            function.active.extend(all);
        }
    }

    /// A queue cannot go on: nothing more is fetched from it.
    fn queue_error(&mut self, bus: &mut dyn Bus, f: usize, queue: u16, kind: u32) {
        if let Some(function) = self.functions.get_mut(f) {
            function.active.remove(&queue);
        }
        self.ledger.add(f, "queue_error", 1);
        self.event(bus, f, Kind::Aeq, u32::from(queue) | (kind << 17));
    }

    /// Fetches an entry, carries it out, and completes it.
    fn do_job(&mut self, bus: &mut dyn Bus, f: usize, queue: u16) {
        let Some(mut sqc) = self.context(bus, f, Table::Sqc, queue) else {
            return;
        };
        let Some(mut cqc) = self.context(bus, f, Table::Cqc, sqc.cq_num()) else {
            return;
        };
        let sq = SqcDw3::from_raw(sqc.dw3());
        let cq_depth = SqcDw3::from_raw(cqc.dw3()).depth;
        if next(cqc.tail(), cq_depth).0 == cqc.head() {
            self.queue_error(bus, f, queue, AEQE_CQ_OVERFLOW);
            return;
        }
        let at = sqc
            .base()
            .wrapping_add(u64::from(sqc.head()) << sq.entry_shift);
        let mut raw = [0; SQE_SIZE];
        if 1usize << sq.entry_shift != SQE_SIZE || self.dma_read(bus, f, at, &mut raw).is_err() {
            self.queue_error(bus, f, queue, AEQE_CQE_ERROR);
            return;
        }
        let mut sqe = Sqe::from_bytes(&raw);
        // w13: the algorithm type in bits 11..8 (`QM_MK_SQC_W13`)
        let alg_type = ((sqc.w13() >> 8) & 0xf) as u8;
        let outcome = {
            let mut counted = self.counted(bus, f);
            engine::run(&mut counted, f, alg_type, &sqe)
        };
        sqe.complete(outcome.status, outcome.consumed, outcome.produced);
        let completed = sqc.head();
        if self.dma_write(bus, f, at, &sqe.to_bytes()).is_err() {
            self.queue_error(bus, f, queue, AEQE_CQE_ERROR);
            return;
        }
        sqc.set_head(next(sqc.head(), sq.depth).0);
        self.put_context(f, Table::Sqc, queue, sqc);

        // struct qm_cqe: sq_head at 8, sq_num at 10, phase in w7 at 14
        let mut cqe = [0u8; CQE_SIZE];
        cqe[8..10].copy_from_slice(&completed.to_le_bytes());
        cqe[10..12].copy_from_slice(&queue.to_le_bytes());
        let phase = cqc.cqc_dw6() & CQ_PHASE;
        cqe[14] = phase as u8;
        let at = cqc
            .base()
            .wrapping_add(u64::from(cqc.tail()) * CQE_SIZE as u64);
        if self.dma_write(bus, f, at, &cqe).is_err() {
            self.queue_error(bus, f, queue, AEQE_CQE_ERROR);
            return;
        }
        let (tail, wrapped) = next(cqc.tail(), cq_depth);
        cqc.set_tail(tail);
        if wrapped {
            cqc.set_cqc_dw6(cqc.cqc_dw6() ^ CQ_PHASE);
            cqc.set_w11(cqc.w11() ^ TAIL_PHASE);
        }
        self.put_context(f, Table::Cqc, sqc.cq_num(), cqc);
        self.ledger.add(f, "jobs_done", 1);
        self.completion_event(bus, f, sqc.cq_num());
    }
}
