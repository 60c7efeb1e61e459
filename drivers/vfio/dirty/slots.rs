// SPDX-License-Identifier: GPL-2.0

//! Which request is in which slot of a ring.
//!
//! The engine writes an entry back with what it has produced, and the user may put another one in its
//! place as soon as he sees the completion, before he acknowledges it. What is read of the slot then
//! is believed only if it is the request that was submitted there.

use kernel::prelude::*;

/// The requests of all queues: [`identity()`](hisi_acc_hw::dma::identity) by slot, 0 where it is not
/// known.
#[derive(Default)]
pub(super) struct Slots(KVVec<KVVec<u64>>);

impl Slots {
    /// Of so many queues: [`ENOMEM`] where there is no room.
    pub(super) fn new(queues: usize) -> Result<Self> {
        let mut slots = KVVec::with_capacity(queues, GFP_KERNEL_ACCOUNT)?;
        for _ in 0..queues {
            slots.push(KVVec::new(), GFP_KERNEL_ACCOUNT)?;
        }
        Ok(Self(slots))
    }

    /// Nothing is known any more.
    pub(super) fn forget(&mut self) {
        for queue in &mut self.0 {
            *queue = KVVec::new();
        }
    }

    /// A request is submitted in a slot of a ring of `depth`. Where there is no room to note it, it is
    /// not known.
    pub(super) fn put(&mut self, queue: u16, index: u16, depth: u16, identity: Option<u64>) {
        let Some(slots) = self.0.get_mut(usize::from(queue)) else {
            return;
        };
        if slots.len() != usize::from(depth) {
            if identity.is_none() {
                return;
            }
            *slots =
                KVVec::from_elem(0, usize::from(depth), GFP_KERNEL_ACCOUNT).unwrap_or_default();
        }
        if let Some(slot) = slots.get_mut(usize::from(index)) {
            *slot = identity.unwrap_or(0);
        }
    }

    /// What was submitted there last, if that is known.
    pub(super) fn get(&self, queue: u16, index: u16) -> Option<u64> {
        let slot = self.0.get(usize::from(queue))?.get(usize::from(index))?;
        (*slot != 0).then_some(*slot)
    }
}
