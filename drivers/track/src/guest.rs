// SPDX-License-Identifier: GPL-2.0

//! What the logic asks of a VF and its guest.

use core::cell::Cell;
use hisi_acc_hw::{
    dma::{
        Engine,
        Memory,
        Unreadable,
        Why, //
    },
    regs, //
};
use kernel::prelude::*;

/// The words of an EQC or AEQC.
pub type XqcWords = [u32; regs::QM_XQC_DWORDS];

/// What a VF says of the contexts of its queues.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Contexts {
    /// The answer to `QM_MB_CMD_SQC_BT`: the address of the SQCs, 0 if there are none.
    pub sqc: u64,
    /// The answer to `QM_MB_CMD_CQC_BT`.
    pub cqc: u64,
    /// How many queues the VF has, by the PF's VFT.
    pub num: u32,
    /// The EQC.
    pub eqc: XqcWords,
    /// The AEQC.
    pub aeqc: XqcWords,
}

/// A VF and its guest, as the logic sees them. [`Memory::read`] reads guest memory as the VF would.
pub trait Guest: Memory {
    /// Returns the VF's engine, `None` if it is unknown.
    fn engine(&self) -> Option<Engine>;

    /// Returns whether there is a way to read guest memory at all.
    fn can_read(&self) -> bool;

    /// Returns whether the guest may have given a command since [`Guest::contexts`] last succeeded.
    /// `false` may be what a guest wants to be believed that hides one.
    fn touched(&self) -> bool;

    /// As [`Guest::touched`], and asks the PF, so that no command can be hidden.
    fn touched_unseen(&self) -> bool;

    /// Asks the VF for the contexts of its queues, while the guest cannot reach the registers. The
    /// contexts that the VF caches are in memory when this returns. `None` if the VF cannot do DMA
    /// now: the guest driver is gone, and its tables are stale, or the VF sleeps.
    fn contexts(&self) -> Result<Option<Contexts>>;

    /// Has the VF write the contexts that it caches to the tables that [`Guest::contexts`] found.
    /// The guest may use the mailbox meanwhile.
    fn refresh(&self) -> Result;

    /// Waits as long as the engine takes for the requests that it has fetched, and works on.
    fn let_finish(&self);

    /// Returns whether the caller is to end what it does, because its process is being killed.
    fn is_dying(&self) -> bool;

    /// Tells the operator, once, that the contexts of no queue are understood: those of `queue`
    /// because of `why`.
    fn understands_nothing(&self, queue: u16, why: Why);
}

/// The most reads of guest memory for one doorbell, or for one look at all contexts. At 512 bytes
/// each, a processor copies as much in about 10 ms.
pub(crate) const READS_MAX: u32 = 64 << 10;

/// Guest memory, for so many reads. The rest fails.
pub(crate) struct Bounded<'a, G> {
    guest: &'a G,
    left: Cell<u32>,
}

impl<'a, G: Guest> Bounded<'a, G> {
    pub(crate) fn new(guest: &'a G) -> Self {
        Self {
            guest,
            left: Cell::new(READS_MAX),
        }
    }

    /// Returns whether there is a way to read guest memory at all.
    pub(crate) fn can_read(&self) -> bool {
        self.guest.can_read()
    }

    /// Returns whether no more is to be read.
    pub(crate) fn is_over(&self) -> bool {
        self.left.get() == 0
    }
}

impl<G: Guest> Memory for Bounded<'_, G> {
    fn read(&self, address: u64, to: &mut [u8]) -> Result<(), Unreadable> {
        if self.guest.is_dying() {
            self.left.set(0);
        }
        let left = self.left.get().checked_sub(1).ok_or(Unreadable)?;
        self.left.set(left);
        self.guest.read(address, to)
    }
}
