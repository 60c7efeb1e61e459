// SPDX-License-Identifier: GPL-2.0

//! Events: the EQ and AEQ, and their interrupts.

use crate::{
    bus::Bus,
    caps::{VECTOR_AEQ, VECTOR_EQ},
    device::Twin,
    queue::{next, Table, CQ_FLAG},
};
use hisi_acc_hw::{
    context::{EqcDw6, EQE_SIZE},
    doorbell::{Doorbell, Kind},
};

/// AEQE type: the EQ has no room (`QM_EQ_OVERFLOW`), shifted by `QM_AEQE_TYPE_SHIFT`
pub(crate) const AEQE_EQ_OVERFLOW: u32 = 1;
/// AEQE type: a queue cannot go on (`QM_CQE_ERROR`)
pub(crate) const AEQE_CQE_ERROR: u32 = 2;
/// `QM_AEQE_TYPE_SHIFT`
pub(crate) const AEQE_TYPE_SHIFT: u32 = 17;

impl Twin {
    /// An event for a CQ, where one is wanted and there is something in it.
    pub(crate) fn completion_event(&mut self, bus: &mut dyn Bus, f: usize, queue: u16) {
        let Some(function) = self.functions.get(f) else {
            return;
        };
        // A stopped function does no DMA; the kick after it asks again.
        if function.is_paused(queue) {
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

    pub(crate) fn event_doorbell(&mut self, bus: &mut dyn Bus, f: usize, db: Doorbell) {
        let Some(function) = self.functions.get_mut(f) else {
            return;
        };
        let queue = match db.kind {
            Kind::Eq => &mut function.eq,
            _ => &mut function.aeq,
        };
        queue.context.set_head(db.index);
        queue.armed = true;
        // Drivers before Linux 6.7 take an interrupt only if it has a source (qm_irq()). Guess:
        // this doorbell takes it away.
        queue.source = false;
        queue.old = None;
        self.raise(bus, f, db.kind);
    }

    /// Puts an entry into the EQ or AEQ.
    pub(crate) fn event(&mut self, bus: &mut dyn Bus, f: usize, kind: Kind, data: u32) {
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
        let tail = queue.context.tail();
        if !queue.armed || queue.context.head() == tail || queue.old == Some(tail) {
            return;
        }
        queue.source = true;
        if queue.mask & 1 != 0 {
            return;
        }
        queue.armed = false;
        self.msi(bus, f, vector);
    }
}
