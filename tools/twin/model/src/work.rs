// SPDX-License-Identifier: GPL-2.0

//! Queues at work: fetching, the engine, completion; and mailbox commands that wait for them.

use crate::{
    bus::Bus,
    device::Twin,
    dfx, engine,
    event::{AEQE_CQE_ERROR, AEQE_EQ_OVERFLOW, AEQE_TYPE_SHIFT},
    function::{Job, Wait},
    guess::Alternative,
    queue::{is_full, next, Table, CQ_PHASE, TAIL_PHASE},
};
use hisi_acc_hw::{
    context::{SqcDw3, CQE_SIZE},
    doorbell::Kind,
    mailbox::{Command, Message},
};

/// How many steps one call takes at most, so that a machine's other parts go on.
const STEPS: usize = 128;

impl Twin {
    /// Whether a queue has an entry to fetch and room for its completion. Nothing is fetched for a
    /// tail outside the ring, as for a doorbell there: the head would never come to it.
    fn has_work(&mut self, bus: &mut dyn Bus, f: usize, queue: u16) -> bool {
        let sqc = self.context(bus, f, Table::Sqc, queue);
        let cqc = sqc.and_then(|sqc| self.context(bus, f, Table::Cqc, sqc.cq_num()));
        match (sqc, cqc) {
            (Some(sqc), Some(cqc)) => {
                let is_in_ring = sqc.tail() < SqcDw3::from_raw(sqc.dw3()).depth;
                is_in_ring && sqc.head() != sqc.tail() && !is_full(&cqc)
            }
            _ => false,
        }
    }

    /// The next queue of a function with an entry to fetch.
    fn next_job(&mut self, bus: &mut dyn Bus, f: usize) -> Option<u16> {
        loop {
            let function = self.functions.get(f)?;
            if self.faults.get(f)?.gone {
                return None;
            }
            let fetched = function.fetched != 0;
            let goes_on = |queue: &&u16| fetched || !function.is_paused(**queue);
            let queue = *function.active.iter().find(goes_on)?;
            if self.has_work(bus, f, queue) {
                return Some(queue);
            }
            self.functions.get_mut(f)?.active.remove(&queue);
        }
    }

    /// Carries out what is due at `now`; says when to come again.
    pub(crate) fn run_function(&mut self, bus: &mut dyn Bus, f: usize, now: u64) -> Option<u64> {
        if core::mem::take(&mut self.faults.get_mut(f)?.eq_overflow) {
            self.event(bus, f, Kind::Aeq, AEQE_EQ_OVERFLOW << AEQE_TYPE_SHIFT);
        }
        if let Some(at) = self.faults.get_mut(f)?.stray.take() {
            // The ledger has the fault. Nobody waits for this write.
            let _ = self.dma_write(bus, f, at, &[0]);
        }
        for _ in 0..STEPS {
            self.settle_write_back(bus, f);
            let command_due = self.settle_mailbox(bus, f, now);
            let sooner = |due: Option<u64>| due.into_iter().chain(command_due).min();
            let current = self.functions.get(f)?.current;
            if let Some(job) = current {
                match job.due {
                    Some(due) if due > now => return sooner(Some(due)),
                    Some(_) => {}
                    None if self.lets_go(f) => {}
                    None => return sooner(None),
                }
                self.functions.get_mut(f)?.current = None;
                let took = now.saturating_sub(job.since);
                self.ledger.add(f, "engine_ns", took);
                self.do_job(bus, f, job);
                continue;
            }
            let Some(queue) = self.next_job(bus, f) else {
                return sooner(None);
            };
            let sqc = self.context(bus, f, Table::Sqc, queue)?;
            let faults = self.faults.get(f)?;
            let due = now.saturating_add(faults.job_delay);
            let held = faults.jobs_left.is_some();
            let function = self.functions.get_mut(f)?;
            function.fetched = function.fetched.saturating_sub(1);
            function.current = Some(Job {
                queue,
                sqc,
                replaced: false,
                since: now,
                due: (!held).then_some(due),
            });
        }
        Some(now)
    }

    /// Ends the job that `PAUSE_QM` has left in the engine.
    pub(crate) fn end_early_job(&mut self, bus: &mut dyn Bus, f: usize) {
        let Some(function) = self.functions.get_mut(f) else {
            return;
        };
        let is_paused = function.paused;
        let early = |job: &mut Job| is_paused && job.due == Some(0);
        if let Some(job) = function.current.take_if(early) {
            self.do_job(bus, f, job);
        }
    }

    /// Returns whether a held job may end: the order leaves one, or is over. A command that waits
    /// for the engine (`PAUSE_QM`) ends the order, because a job that stays there would block the
    /// command.
    fn lets_go(&mut self, f: usize) -> bool {
        let pending = self.functions.get(f).and_then(|function| function.pending);
        let Some(faults) = self.faults.get_mut(f) else {
            return true;
        };
        if let Some((_, Wait::Job | Wait::Queue(_) | Wait::Queues)) = pending {
            faults.jobs_left = None;
        }
        match &mut faults.jobs_left {
            Some(0) => false,
            Some(n) => {
                *n -= 1;
                true
            }
            None => true,
        }
    }

    /// Finishes a mailbox command that waited, where what it waited for has come; says when to come
    /// again for it.
    fn settle_mailbox(&mut self, bus: &mut dyn Bus, f: usize, now: u64) -> Option<u64> {
        let (message, wait) = self.functions.get(f)?.pending?;
        match wait {
            Wait::Delay(ns) => {
                let due = now.saturating_add(ns);
                self.functions.get_mut(f)?.pending = Some((message, Wait::Until(due)));
                return Some(due);
            }
            Wait::Until(due) if due > now => return Some(due),
            Wait::Order if self.holds(f, message) => {}
            Wait::Until(_) | Wait::Order => {
                self.functions.get_mut(f)?.pending = None;
                self.carry_out(bus, f, message);
            }
            Wait::Queue(_) | Wait::Queues | Wait::Job if self.is_waiting(bus, f, wait) => {}
            Wait::Queue(_) | Wait::Queues | Wait::Job => {
                self.functions.get_mut(f)?.pending = None;
                self.finish(bus, f, message);
            }
        }
        None
    }

    /// Returns whether an order still holds a command.
    fn holds(&self, f: usize, message: Message) -> bool {
        let held = self.faults.get(f).and_then(|faults| faults.held);
        held.is_some_and(|held| held.has(Command::from_raw(message.command_raw())))
    }

    /// Whether what a command waits for has not come yet.
    pub(crate) fn is_waiting(&mut self, bus: &mut dyn Bus, f: usize, wait: Wait) -> bool {
        let Some(function) = self.functions.get(f) else {
            return false;
        };
        let at_work = function.current.map(|job| job.queue);
        // A paused function goes no further than the job that it is at.
        let fetches = !function.paused;
        let drains = function.fetched != 0;
        let active = function.active.clone();
        match wait {
            Wait::Delay(_) | Wait::Until(_) | Wait::Order => true,
            Wait::Job => {
                at_work.is_some()
                    || (drains && active.iter().any(|queue| self.has_work(bus, f, *queue)))
            }
            Wait::Queue(queue) => {
                at_work == Some(queue)
                    || (fetches && active.contains(&queue) && self.has_work(bus, f, queue))
            }
            Wait::Queues => {
                at_work.is_some()
                    || (fetches && active.iter().any(|queue| self.has_work(bus, f, *queue)))
            }
        }
    }

    /// A queue cannot go on: nothing more is fetched from it until its context is written anew.
    fn queue_error(&mut self, bus: &mut dyn Bus, f: usize, queue: u16) {
        let all = self.does(Alternative::ErrorStopsAll);
        let queues = self.pf.queues(f) as u16;
        if let Some(function) = self.functions.get_mut(f) {
            function.active.remove(&queue);
            function.broken.insert(queue);
            if all {
                function.active.clear();
                function.broken.extend(0..queues);
            }
        }
        self.ledger.add(f, "queue_error", 1);
        self.dfx.errors = self.dfx.errors.wrapping_add(1);
        let entry = u32::from(queue) | (AEQE_CQE_ERROR << AEQE_TYPE_SHIFT);
        self.event(bus, f, Kind::Aeq, entry);
    }

    /// Carries out the entry that the engine has taken, and completes it. Guess: the engine goes on
    /// with an entry whatever is loaded for its queue meanwhile. The completion goes where the
    /// queue then has its CQ.
    fn do_job(&mut self, bus: &mut dyn Bus, f: usize, job: Job) {
        let Job { queue, sqc, .. } = job;
        let sq = SqcDw3::from_raw(sqc.dw3());
        let at = sqc
            .base()
            .wrapping_add(u64::from(sqc.head()) << sq.entry_shift);
        let mut raw = vec![0; self.kind.accelerator.sqe_size()];
        if 1usize << sq.entry_shift != raw.len() || self.dma_read(bus, f, at, &mut raw).is_err() {
            return self.queue_error(bus, f, queue);
        }
        dfx::count(&mut self.dfx.sqe, f, queue);
        self.dfx.sent = self.dfx.sent.wrapping_add(1);
        // w13: the algorithm type in bits 11..8 (`QM_MK_SQC_W13`)
        let alg_type = ((sqc.w13() >> 8) & 0xf) as u8;
        let accelerator = self.kind.accelerator;
        engine::run(accelerator, &mut self.counted(bus), f, alg_type, &mut raw);
        self.dfx.back = self.dfx.back.wrapping_add(1);
        let completed = sqc.head();
        if self.dma_write(bus, f, at, &raw).is_err() {
            return self.queue_error(bus, f, queue);
        }
        if let Some(mut loaded) = self.context(bus, f, Table::Sqc, queue) {
            if !job.replaced {
                loaded.set_head(next(sqc.head(), sq.depth).0);
                self.put_context(f, Table::Sqc, queue, loaded);
            }
        }
        let Some(mut cqc) = self.context(bus, f, Table::Cqc, sqc.cq_num()) else {
            return;
        };

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
            return self.queue_error(bus, f, queue);
        }
        let depth = SqcDw3::from_raw(cqc.dw3()).depth;
        let (tail, wrapped) = next(cqc.tail(), depth);
        cqc.set_tail(tail);
        if wrapped {
            cqc.set_cqc_dw6(cqc.cqc_dw6() ^ CQ_PHASE);
            cqc.set_w11(cqc.w11() ^ TAIL_PHASE);
        }
        self.put_context(f, Table::Cqc, sqc.cq_num(), cqc);
        dfx::count(&mut self.dfx.cqe, f, sqc.cq_num());
        self.dfx.finished = self.dfx.finished.wrapping_add(1);
        self.ledger.add(f, "jobs_done", 1);
        self.completion_event(bus, f, sqc.cq_num());
    }
}
