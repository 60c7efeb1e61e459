// SPDX-License-Identifier: GPL-2.0

//! What a write to a mediated part of a BAR is.

use hisi_acc_hw::{
    doorbell::{
        Doorbell,
        Kind, //
    },
    regs, //
};

/// Where doorbells are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Doorbells {
    /// In BAR2, those of all queues in one place
    Shared,
    /// In BAR4, those of each queue in a window of its own
    Isolated,
}

/// What a write to a mediated part is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Write {
    /// A doorbell as a driver rings it
    Doorbell(Doorbell),
    /// Anything else: what the hardware does with it is unknown
    Unknown,
}

impl Write {
    /// Returns what a write of `size` bytes at `offset` of the BAR is. A doorbell is eight bytes in one
    /// access, at the one place that its kind has (`qm_db_v2()`).
    pub fn of(doorbells: Doorbells, offset: u64, size: u8, value: u64) -> Self {
        let (window, offset) = match doorbells {
            Doorbells::Shared => (None, offset),
            Doorbells::Isolated => (
                Some(offset / regs::QM_QP_DB_INTERVAL),
                offset % regs::QM_QP_DB_INTERVAL,
            ),
        };
        let Some(doorbell) = Doorbell::from_raw(value) else {
            return Self::Unknown;
        };
        let place = match doorbell.kind {
            Kind::Sq | Kind::Cq => regs::QM_DOORBELL_SQ_CQ_BASE_V2,
            Kind::Eq | Kind::Aeq => regs::QM_DOORBELL_EQ_AEQ_BASE_V2,
        };
        // With priority, a submission queue's doorbell is more than its tail: it ends a pause.
        let plain = doorbell.kind != Kind::Sq || doorbell.priority == 0;
        let own = match doorbell.kind {
            Kind::Sq | Kind::Cq => window.is_none_or(|queue| queue == u64::from(doorbell.queue)),
            Kind::Eq | Kind::Aeq => true,
        };
        if size == 8 && offset == u64::from(place) && plain && own {
            Self::Doorbell(doorbell)
        } else {
            Self::Unknown
        }
    }
}
