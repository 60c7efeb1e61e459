// SPDX-License-Identifier: GPL-2.0

//! Where the contexts of a VF's queues are in guest memory, and what is in them.

use crate::guest::{
    Guest,
    XqcWords, //
};
use hisi_acc_hw::{
    context::{
        EqcDw6,
        Xqc,
        EQE_SIZE,
        XQC_SIZE, //
    },
    dma::Range,
    stream, //
};
use kernel::prelude::*;

/// How many contexts are read at once.
const BATCH: usize = 64;

/// The tables of contexts, and the rings of the two event queues.
#[derive(Clone, Copy, Default)]
pub(crate) struct Tables {
    sqc: u64,
    cqc: u64,
    num: u32,
    events: [Option<Range>; 2],
    /// The VF can do DMA.
    works: bool,
}

impl Tables {
    /// Asks the VF. There are no tables if the guest driver is gone: what they held is stale.
    pub(crate) fn ask(guest: &impl Guest) -> Result<Self> {
        let contexts = guest.contexts()?;
        Ok(contexts.map_or_else(Self::default, |found| Self {
            sqc: found.sqc,
            cqc: found.cqc,
            num: found.num,
            events: [event_ring(&found.eqc), event_ring(&found.aeqc)],
            works: true,
        }))
    }

    /// Returns what the hardware writes at any time: the tables, when it evicts contexts from its
    /// cache, and events.
    pub(crate) fn ranges(&self) -> impl Iterator<Item = Range> + '_ {
        // CAST: Widen.
        let len = u64::from(self.num) * XQC_SIZE as u64;
        let tables = [self.sqc, self.cqc]
            .into_iter()
            .filter(|address| *address != 0)
            .map(move |address| Range { address, len });
        Iterator::chain(tables, self.events.iter().flatten().copied())
    }

    /// Returns whether the VF can do DMA.
    pub(crate) fn works(&self) -> bool {
        self.works
    }

    /// Returns whether there are any.
    pub(crate) fn exist(&self) -> bool {
        self.sqc != 0 && self.cqc != 0
    }

    /// Calls `each` with the SQC and the CQC of each queue: [`EFAULT`] if memory cannot be read.
    /// An error of `each` ends the look.
    pub(crate) fn look(
        &self,
        guest: &impl Guest,
        mut each: impl FnMut(u16, &Xqc, &Xqc) -> Result,
    ) -> Result {
        if !self.exist() {
            return Ok(());
        }
        let mut sqcs = KVec::from_elem([0u8; XQC_SIZE], BATCH, GFP_KERNEL)?;
        let mut cqcs = KVec::from_elem([0u8; XQC_SIZE], BATCH, GFP_KERNEL)?;
        let mut first = 0u32;
        while first < self.num {
            let count = usize::try_from(self.num - first)?.min(BATCH);
            read(guest, self.sqc, first, sqcs.get_mut(..count).ok_or(EINVAL)?)?;
            read(guest, self.cqc, first, cqcs.get_mut(..count).ok_or(EINVAL)?)?;
            for (queue, (sqc, cqc)) in (first..).zip(sqcs.iter().zip(&cqcs).take(count)) {
                each(u16::try_from(queue)?, &Xqc(*sqc), &Xqc(*cqc))?;
            }
            first = first.saturating_add(u32::try_from(count)?);
        }
        Ok(())
    }

    /// Returns the SQC and the CQC of a queue: [`EFAULT`] if memory cannot be read.
    pub(crate) fn read(&self, guest: &impl Guest, queue: u16) -> Result<(Xqc, Xqc)> {
        let one = |table| -> Result<Xqc> {
            let mut context = [[0u8; XQC_SIZE]];
            read(guest, table, u32::from(queue), &mut context)?;
            let [context] = context;
            Ok(Xqc(context))
        };
        Ok((one(self.sqc)?, one(self.cqc)?))
    }
}

/// Reads contexts of a table, from that of the queue `first` on.
fn read(guest: &impl Guest, table: u64, first: u32, to: &mut [[u8; XQC_SIZE]]) -> Result {
    // CAST: Widens.
    let offset = u64::from(first) * XQC_SIZE as u64;
    let address = table.checked_add(offset).ok_or(EFAULT)?;
    guest
        .read(address, to.as_flattened_mut())
        .map_err(|_| EFAULT)
}

/// Returns the ring of an event queue, by its context. `None` if it has none.
fn event_ring(words: &XqcWords) -> Option<Range> {
    let [.., dw6] = *words;
    let address = stream::context_address(words);
    if address == 0 {
        return None;
    }
    // CAST: Widens.
    let len = u64::from(EqcDw6::from_raw(dw6).depth) * EQE_SIZE as u64;
    Some(Range { address, len })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        guest::Contexts,
        testing::{
            Vf,
            AEQ,
            CQCS,
            EQ,
            SQCS, //
        },
    };

    fn ranges(tables: &Tables) -> Vec<(u64, u64)> {
        tables
            .ranges()
            .map(|range| (range.address, range.len))
            .collect()
    }

    #[test]
    fn each_queue_has_its_contexts() -> Result {
        // More than are read at once, twice.
        const NUM: u16 = 2 * BATCH as u16 + 5;

        let vf = Vf::new(NUM);
        let contexts = |queue: u16| {
            let (mut sqc, mut cqc) = (Xqc::zeroed(), Xqc::zeroed());
            sqc.set_tail(queue);
            cqc.set_tail(1000 + queue);
            (sqc, cqc)
        };
        for queue in 0..NUM {
            let (sqc, cqc) = contexts(queue);
            vf.put_contexts(queue, &sqc, &cqc);
        }
        let mut next = 0;
        Tables::ask(&vf)?.look(&vf, |queue, sqc, cqc| {
            assert_eq!((queue, (*sqc, *cqc)), (next, contexts(next)));
            next += 1;
            Ok(())
        })?;
        assert_eq!(next, NUM);
        Ok(())
    }

    #[test]
    fn contexts_of_one_queue() -> Result {
        let vf = Vf::new(70);
        let (mut sqc, mut cqc) = (Xqc::zeroed(), Xqc::zeroed());
        sqc.set_tail(7);
        cqc.set_tail(8);
        vf.put_contexts(69, &sqc, &cqc);
        let tables = Tables::ask(&vf)?;
        assert_eq!(tables.read(&vf, 69)?, (sqc, cqc));
        assert_ne!(tables.read(&vf, 68)?, (sqc, cqc));
        vf.unmap(CQCS);
        assert_eq!(tables.read(&vf, 69), Err(EFAULT));
        Ok(())
    }

    #[test]
    fn what_the_hardware_writes_at_any_time() -> Result {
        let vf = Vf::new(70);
        let all = [(SQCS, 70 * 32), (CQCS, 70 * 32), (EQ, 8192), (AEQ, 4096)];
        assert_eq!(ranges(&Tables::ask(&vf)?), all);
        let contexts = vf.contexts.get()?.ok_or(EINVAL)?;
        vf.contexts.set(Ok(Some(Contexts {
            sqc: 0,
            eqc: [0; 7],
            ..contexts
        })));
        let tables = Tables::ask(&vf)?;
        assert!(!tables.exist());
        assert_eq!(ranges(&tables), [all[1], all[3]]);
        // Without two tables there are no queues.
        tables.look(&vf, |_, _, _| panic!("a queue"))
    }

    #[test]
    fn without_guest_driver_there_is_nothing() -> Result {
        let vf = Vf::new(1);
        vf.contexts.set(Ok(None));
        let tables = Tables::ask(&vf)?;
        assert!(!tables.exist());
        assert!(ranges(&tables).is_empty());
        Ok(())
    }

    #[test]
    fn a_table_that_cannot_be_read_is_an_error() -> Result {
        let vf = Vf::new(300);
        let tables = Tables::ask(&vf)?;
        vf.unmap(SQCS + 0x2000);
        let mut seen = 0;
        let look = tables.look(&vf, |_, _, _| {
            seen += 1;
            Ok(())
        });
        assert_eq!(look, Err(EFAULT));
        assert_eq!(seen, 256);
        let contexts = vf.contexts.get()?.ok_or(EINVAL)?;
        vf.contexts.set(Ok(Some(Contexts {
            cqc: u64::MAX - 31,
            ..contexts
        })));
        assert_eq!(Tables::ask(&vf)?.look(&vf, |_, _, _| Ok(())), Err(EFAULT));
        Ok(())
    }
}
