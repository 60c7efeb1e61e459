// SPDX-License-Identifier: GPL-2.0

//! Which request is in which slot of a ring.
//!
//! The engine writes an SQE back with what it has produced. The guest may put another request into
//! the slot as soon as it sees the completion, before it acknowledges it. So what is read from the
//! slot then is believed only if it is the request that was submitted there.

use kernel::prelude::*;

/// The requests of all queues: [`identity()`](hisi_acc_hw::dma::identity) by slot, 0 if it is
/// unknown.
#[derive(Default)]
pub(crate) struct Slots(KVVec<KVVec<u64>>);

impl Slots {
    /// How many bytes a queue needs, without its slots.
    pub(crate) const QUEUE_SIZE: usize = size_of::<KVVec<u64>>();
    /// How many bytes a slot needs.
    pub(crate) const SLOT_SIZE: usize = size_of::<u64>();

    /// Returns the slots of `queues` queues: [`ENOMEM`] if there is no memory.
    pub(crate) fn new(queues: usize) -> Result<Self> {
        let mut slots = KVVec::with_capacity(queues, GFP_KERNEL_ACCOUNT)?;
        for _ in 0..queues {
            slots.push(KVVec::new(), GFP_KERNEL_ACCOUNT)?;
        }
        Ok(Self(slots))
    }

    /// Returns how many slots there is memory for.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.iter().map(KVVec::capacity).sum()
    }

    /// Forgets all requests.
    pub(crate) fn forget(&mut self) {
        for queue in &mut self.0 {
            *queue = KVVec::new();
        }
    }

    /// Notes a request that is submitted in a slot of a ring of `depth`. If there is no memory, the
    /// request is unknown.
    pub(crate) fn put(&mut self, queue: u16, index: u16, depth: u16, identity: Option<u64>) {
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

    /// Returns what was submitted there last, `None` if it is unknown.
    pub(crate) fn get(&self, queue: u16, index: u16) -> Option<u64> {
        let slot = self.0.get(usize::from(queue))?.get(usize::from(index))?;
        (*slot != 0).then_some(*slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_has_what_was_put_there_last() -> Result {
        let mut slots = Slots::new(2)?;
        assert_eq!(slots.get(0, 3), None);
        slots.put(0, 3, 8, Some(7));
        slots.put(1, 3, 8, Some(9));
        assert_eq!((slots.get(0, 3), slots.get(1, 3)), (Some(7), Some(9)));
        assert_eq!((slots.get(0, 2), slots.get(0, 4)), (None, None));
        slots.put(0, 3, 8, Some(8));
        assert_eq!(slots.get(0, 3), Some(8));
        slots.put(0, 3, 8, None);
        assert_eq!(slots.get(0, 3), None);
        Ok(())
    }

    #[test]
    fn a_ring_of_another_depth_begins_anew() -> Result {
        let mut slots = Slots::new(1)?;
        slots.put(0, 3, 8, Some(7));
        slots.put(0, 9, 16, Some(9));
        assert_eq!((slots.get(0, 3), slots.get(0, 9)), (None, Some(9)));
        slots.put(0, 16, 16, Some(9));
        assert_eq!(slots.get(0, 16), None);
        Ok(())
    }

    #[test]
    fn what_is_forgotten_or_beyond_is_unknown() -> Result {
        let mut slots = Slots::new(1)?;
        slots.put(0, 3, 8, Some(7));
        slots.put(1, 3, 8, Some(7));
        assert_eq!(slots.get(1, 3), None);
        slots.forget();
        assert_eq!(slots.get(0, 3), None);
        Ok(())
    }

    #[test]
    fn unknown_requests_take_no_memory() -> Result {
        let mut slots = Slots::new(1)?;
        slots.put(0, 3, 8, None);
        assert!(slots.0.iter().all(|slots| slots.capacity() == 0));
        Ok(())
    }
}
