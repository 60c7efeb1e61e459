// SPDX-License-Identifier: GPL-2.0

//! Queues: their contexts, and the doorbells that move them.
//!
//! Contexts are cached; the tables in memory back them. A context that is not cached is fetched
//! from the table when a doorbell wants it, which is how a function goes on after a migration:
//! `vf_qm_cache_wb()` writes them back on the source, `QM_MB_CMD_SQC_BT` and `_CQC_BT` tell the
//! target where they are, and `vf_qm_fun_reset()` rings every queue.

use crate::{
    bus::Bus,
    device::Twin,
    dfx,
    guess::{Alternative, CACHED},
    pf,
};
use hisi_acc_hw::{
    context::{SqcDw3, Xqc, XQC_SIZE},
    doorbell::{Doorbell, Kind},
};

/// `QM_SQ_TAIL_IDX`, `QM_CQ_TAIL_IDX`: the phase of the tail, in w11.
pub(crate) const TAIL_PHASE: u16 = 1 << 6;
/// `QM_CQ_PHASE_SHIFT`: the phase of the next CQE
pub(crate) const CQ_PHASE: u32 = 1 << 0;
/// `QM_CQ_FLAG_SHIFT`: an event is wanted
pub(crate) const CQ_FLAG: u32 = 1 << 1;

/// Which table a context is in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Table {
    Sqc,
    Cqc,
}

/// The index after `index` in a ring, and whether it wrapped.
pub(crate) fn next(index: u16, depth: u16) -> (u16, bool) {
    if index.saturating_add(1) >= depth {
        (0, true)
    } else {
        (index + 1, false)
    }
}

/// Whether a CQ has no room: a ring keeps one entry free.
pub(crate) fn is_full(cqc: &Xqc) -> bool {
    let depth = SqcDw3::from_raw(cqc.dw3()).depth;
    next(cqc.tail(), depth).0 == cqc.head()
}

impl Twin {
    /// The context of a queue: from the cache, or fetched into it.
    pub(crate) fn context(
        &mut self,
        bus: &mut dyn Bus,
        f: usize,
        table: Table,
        queue: u16,
    ) -> Option<Xqc> {
        let function = self.functions.get(f)?;
        let (cache, base) = match table {
            Table::Sqc => (&function.sqc, function.sqc_bt),
            Table::Cqc => (&function.cqc, function.cqc_bt),
        };
        if let Some(context) = cache.get(&queue) {
            return Some(*context);
        }
        if base == 0 || u32::from(queue) >= self.pf.queues(f) {
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
        self.evict(bus, f, table, queue);
        Some(context)
    }

    /// Makes room in a small cache for the context that was put there, which stays. A context that
    /// has no room is written to its table.
    pub(crate) fn evict(&mut self, bus: &mut dyn Bus, f: usize, table: Table, queue: u16) {
        if !self.does(Alternative::SmallCache) {
            return;
        }
        loop {
            let Some(function) = self.functions.get_mut(f) else {
                return;
            };
            let (cache, base) = match table {
                Table::Sqc => (&mut function.sqc, function.sqc_bt),
                Table::Cqc => (&mut function.cqc, function.cqc_bt),
            };
            let other = cache.keys().copied().find(|other| *other != queue);
            let Some(other) = other.filter(|_| cache.len() > CACHED && base != 0) else {
                return;
            };
            if let Some(context) = cache.remove(&other) {
                let at = base.wrapping_add(u64::from(other) * XQC_SIZE as u64);
                // As for a write-back.
                let _ = self.dma_write(bus, f, at, &context.0);
            }
        }
    }

    pub(crate) fn put_context(&mut self, f: usize, table: Table, queue: u16, context: Xqc) {
        if let Some(function) = self.functions.get_mut(f) {
            match table {
                Table::Sqc => function.sqc.insert(queue, context),
                Table::Cqc => function.cqc.insert(queue, context),
            };
        }
    }

    /// Carries out a write-back that has begun, and sets `QM_CACHE_WB_DONE`.
    pub(crate) fn settle_write_back(&mut self, bus: &mut dyn Bus, f: usize) {
        let begun = self.functions.get_mut(f).map(|f| &mut f.writes_back);
        if !begun.is_some_and(std::mem::take) {
            return;
        }
        // What is written back afterwards could not be saved any more.
        if self.guesses.has(Alternative::PauseEarly) {
            self.end_early_job(bus, f);
        }
        let failed = !self.write_back(bus, f) && self.does(Alternative::WriteBackStuck);
        let stuck = self.faults[f].write_back_stuck || failed;
        self.functions[f].written_back = u32::from(!stuck);
    }

    /// Writes all cached contexts to the tables (`QM_CACHE_WB_START`). Returns whether all could be
    /// written.
    fn write_back(&mut self, bus: &mut dyn Bus, f: usize) -> bool {
        let Some(function) = self.functions.get(f) else {
            return true;
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
        let mut all = true;
        for (at, raw) in writes {
            // Guess: a table that cannot be written does not keep the write-back from its end.
            all &= self.dma_write(bus, f, at, &raw).is_ok();
        }
        all
    }

    /// A doorbell was rung, on the page of a queue in BAR4 or in BAR2.
    pub(crate) fn doorbell(&mut self, bus: &mut dyn Bus, f: usize, raw: u64, page: Option<u64>) {
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
        dfx::count(&mut self.dfx.doorbells, f, 0);
        // Isolation: the page of a queue rings that queue only.
        let own = page.is_none_or(|page| page == u64::from(db.queue));
        let generation = self.kind.generation;
        if !own || pf::drops_doorbells(generation, &self.functions, f) {
            self.ledger.add(f, "doorbell.dropped", 1);
            return;
        }
        if matches!(db.kind, Kind::Sq | Kind::Cq) && self.does(Alternative::PlainUnpauses) {
            self.functions[f].resume();
        }
        match (db.kind, page) {
            (Kind::Sq, _) => self.sq_doorbell(bus, f, db),
            (Kind::Cq, _) => self.cq_doorbell(bus, f, db),
            (Kind::Eq | Kind::Aeq, None) => self.event_doorbell(bus, f, db),
            (Kind::Eq | Kind::Aeq, Some(_)) => {}
        }
    }

    fn sq_doorbell(&mut self, bus: &mut dyn Bus, f: usize, db: Doorbell) {
        // Guess: a doorbell with a priority does not move the tail but makes a paused function go
        // on with the queue. The drivers of a queue always ring with priority 0 (`qp_send`), and
        // `vf_qm_fun_reset()` rings all with index 0 and priority 1 whatever their tails are.
        if db.priority != 0 {
            let queues = self.pf.queues(f);
            let each = self.does(Alternative::EachQueue);
            if let Some(function) = self.functions.get_mut(f) {
                function.resumed.insert(db.queue);
                if !each || function.resumed.len() >= queues as usize {
                    function.resume();
                }
            }
            if self.context(bus, f, Table::Cqc, db.queue).is_some() {
                self.completion_event(bus, f, db.queue);
            }
            // Guess: the interrupt for events that were written before is raised now.
            if !self.does(Alternative::SilentKick) {
                self.raise(bus, f, Kind::Eq);
                self.raise(bus, f, Kind::Aeq);
            }
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
        self.activate(f, db.queue);
    }

    /// A queue may have something to fetch.
    fn activate(&mut self, f: usize, queue: u16) {
        if let Some(function) = self.functions.get_mut(f) {
            if !function.broken.contains(&queue) {
                function.active.insert(queue);
            }
        }
    }

    fn cq_doorbell(&mut self, bus: &mut dyn Bus, f: usize, db: Doorbell) {
        let Some(mut cqc) = self.context(bus, f, Table::Cqc, db.queue) else {
            return;
        };
        if db.index >= SqcDw3::from_raw(cqc.dw3()).depth {
            return;
        }
        cqc.set_head(db.index);
        if db.priority != 0 {
            cqc.set_cqc_dw6(cqc.cqc_dw6() | CQ_FLAG);
        }
        self.put_context(f, Table::Cqc, db.queue, cqc);
        self.completion_event(bus, f, db.queue);
        // A full CQ has room again, for all SQs whose completions go there.
        let waiting: Vec<u16> = match self.functions.get(f) {
            Some(function) => function
                .sqc
                .iter()
                .filter(|(_, sqc)| sqc.cq_num() == db.queue)
                .map(|(queue, _)| *queue)
                .collect(),
            None => Vec::new(),
        };
        for queue in waiting {
            self.activate(f, queue);
        }
    }
}
