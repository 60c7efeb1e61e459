// SPDX-License-Identifier: GPL-2.0

//! Doorbells: eight bytes written in one access.
//!
//! Source: `qm_db_v2()` of `qm.c`, `qm_db()` of hisi_acc_vfio_pci.c, `QM_DB_*_SHIFT_V2`.

use crate::regs;

/// Which pointer a doorbell moves (`QM_DOORBELL_CMD_*`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Kind {
    /// Tail of a submission queue
    Sq = 0,
    /// Head of a completion queue
    Cq = 1,
    /// Head of the event queue
    Eq = 2,
    /// Head of the asynchronous event queue
    Aeq = 3,
}

impl Kind {
    /// Returns where the doorbell is: in BAR2, and in the page of a queue in BAR4.
    pub const fn offset(self) -> u32 {
        match self {
            Self::Sq | Self::Cq => regs::QM_DOORBELL_SQ_CQ_BASE_V2,
            Self::Eq | Self::Aeq => regs::QM_DOORBELL_EQ_AEQ_BASE_V2,
        }
    }
}

/// A doorbell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Doorbell {
    /// The queue: 12 bits
    pub queue: u16,
    /// What it moves
    pub kind: Kind,
    /// To where
    pub index: u16,
    /// With CQ, EQ and AEQ: the interrupt is wanted again. With SQ: the queue's priority.
    pub priority: u16,
}

impl Doorbell {
    /// As written to the register.
    pub const fn into_raw(self) -> u64 {
        // CAST: widen.
        (self.queue & 0xfff) as u64
            | ((self.kind as u64) << 12)
            | ((self.index as u64) << 32)
            | ((self.priority as u64) << 48)
    }

    /// What was written, `None` where it names no kind.
    pub const fn from_raw(raw: u64) -> Option<Self> {
        // CAST: fields of the register.
        let kind = match (raw >> 12) & 0xf {
            0 => Kind::Sq,
            1 => Kind::Cq,
            2 => Kind::Eq,
            3 => Kind::Aeq,
            _ => return None,
        };
        Some(Self {
            queue: (raw & 0xfff) as u16,
            kind,
            index: (raw >> 32) as u16,
            priority: (raw >> 48) as u16,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn round_trip(queue in 0u16..0x1000, index: u16, priority: u16, k in 0usize..4) {
            let kind = [Kind::Sq, Kind::Cq, Kind::Eq, Kind::Aeq][k];
            let db = Doorbell { queue, kind, index, priority };
            prop_assert_eq!(Doorbell::from_raw(db.into_raw()), Some(db));
        }
    }

    #[test]
    fn unknown_kind() {
        for kind in 4..16 {
            assert_eq!(Doorbell::from_raw(kind << 12), None);
        }
    }

    /// `QM_DB_CMD_SHIFT_V2`, `QM_DB_INDEX_SHIFT_V2`, `QM_DB_PRIORITY_SHIFT_V2`,
    /// `QM_DB_RAND_SHIFT_V2`.
    #[test]
    fn as_qm_db_v2_rings_it() {
        for (kind, raw) in [
            (Kind::Sq, 0x0007_1234_0000_0abc),
            (Kind::Cq, 0x0007_1234_0000_1abc),
            (Kind::Eq, 0x0007_1234_0000_2abc),
            (Kind::Aeq, 0x0007_1234_0000_3abc),
        ] {
            let doorbell = Doorbell {
                queue: 0xfabc,
                kind,
                index: 0x1234,
                priority: 7,
            };
            assert_eq!(doorbell.into_raw(), raw);
            // What the bits between say is not looked at.
            let parsed = Doorbell::from_raw(raw | 0xffff_0000).unwrap();
            assert_eq!((parsed.queue, parsed.kind), (0xabc, kind));
            assert_eq!((parsed.index, parsed.priority), (0x1234, 7));
        }
    }
}
