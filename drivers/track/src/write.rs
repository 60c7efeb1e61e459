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
    /// In BAR2, those of all queues in one place.
    Shared,
    /// In BAR4, those of each queue in a window of its own.
    Isolated,
}

/// What a write to a mediated part is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Write {
    /// A doorbell as a driver rings it.
    Doorbell(Doorbell),
    /// A submission doorbell with priority. It ends a pause, and only host drivers ring it: the VF
    /// must not receive it from its guest.
    Kick,
    /// Anything else: what the hardware does with it is unknown.
    Unknown,
}

impl Write {
    /// Returns what a write of `size` bytes at `offset` of the BAR is. A doorbell is eight bytes in
    /// one access, at the one place that its kind has (`qm_db_v2()`).
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
        let place = doorbell.kind.offset();
        // With priority, a submission queue's doorbell is more than its tail: it ends a pause.
        let plain = doorbell.kind != Kind::Sq || doorbell.priority == 0;
        let own = match doorbell.kind {
            Kind::Sq | Kind::Cq => window.is_none_or(|queue| queue == u64::from(doorbell.queue)),
            Kind::Eq | Kind::Aeq => true,
        };
        match size == 8 && offset == u64::from(place) && own {
            true if plain => Self::Doorbell(doorbell),
            true => Self::Kick,
            false => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doorbell(kind: Kind, queue: u16, priority: u16) -> Doorbell {
        Doorbell {
            queue,
            kind,
            index: 9,
            priority,
        }
    }

    /// Returns whether a write of the doorbell at `offset` is one.
    fn is_one(doorbells: Doorbells, offset: u64, doorbell: Doorbell) -> bool {
        let write = Write::of(doorbells, offset, 8, doorbell.into_raw());
        assert!(
            matches!(write, Write::Unknown | Write::Kick) || write == Write::Doorbell(doorbell)
        );
        matches!(write, Write::Doorbell(_))
    }

    #[test]
    fn each_kind_has_one_place() {
        for (kind, place) in [
            (Kind::Sq, 0x1000),
            (Kind::Cq, 0x1000),
            (Kind::Eq, 0x2000),
            (Kind::Aeq, 0x2000),
        ] {
            for offset in (0..0x4000).step_by(8) {
                let at = is_one(Doorbells::Shared, offset, doorbell(kind, 3, 0));
                assert_eq!(at, offset == place, "{kind:?} at {offset:#x}");
            }
        }
    }

    #[test]
    fn a_doorbell_is_eight_bytes_of_a_known_kind() {
        let raw = doorbell(Kind::Sq, 3, 0).into_raw();
        for size in [1, 2, 4] {
            assert_eq!(
                Write::of(Doorbells::Shared, 0x1000, size, raw),
                Write::Unknown
            );
        }
        let unknown = raw | (4 << 12);
        assert_eq!(
            Write::of(Doorbells::Shared, 0x1000, 8, unknown),
            Write::Unknown
        );
    }

    #[test]
    fn with_priority_only_completions_have_doorbells() {
        assert!(!is_one(Doorbells::Shared, 0x1000, doorbell(Kind::Sq, 3, 1)));
        for priority in 1..16 {
            let kick = doorbell(Kind::Sq, 3, priority).into_raw();
            assert_eq!(Write::of(Doorbells::Shared, 0x1000, 8, kick), Write::Kick);
            assert_eq!(
                Write::of(Doorbells::Shared, 0x1008, 8, kick),
                Write::Unknown
            );
            assert_eq!(
                Write::of(Doorbells::Shared, 0x1000, 4, kick),
                Write::Unknown
            );
        }
        assert!(is_one(Doorbells::Shared, 0x1000, doorbell(Kind::Cq, 3, 1)));
        assert!(is_one(Doorbells::Shared, 0x2000, doorbell(Kind::Eq, 3, 1)));
    }

    #[test]
    fn an_isolated_doorbell_is_in_the_window_of_its_queue() {
        let at = |queue: u64, place: u64| queue * regs::QM_QP_DB_INTERVAL + place;
        for kind in [Kind::Sq, Kind::Cq] {
            assert!(is_one(
                Doorbells::Isolated,
                at(3, 0x1000),
                doorbell(kind, 3, 0)
            ));
            assert!(!is_one(
                Doorbells::Isolated,
                at(4, 0x1000),
                doorbell(kind, 3, 0)
            ));
            assert!(!is_one(
                Doorbells::Isolated,
                at(3, 0x1008),
                doorbell(kind, 3, 0)
            ));
        }
        assert!(is_one(
            Doorbells::Isolated,
            at(4, 0x2000),
            doorbell(Kind::Eq, 0, 0)
        ));
    }
}
