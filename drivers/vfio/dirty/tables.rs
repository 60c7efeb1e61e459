// SPDX-License-Identifier: GPL-2.0

//! Where the contexts of a VF's queues are in its user's memory, and what is in them.

use super::Vf;
use crate::{
    context::Context,
    device::{
        AccVf,
        BAR2, //
    },
    mailbox::Mailbox, //
};
use hisi_acc_hw::{
    context::{
        EqcDw6,
        Xqc,
        EQE_SIZE,
        XQC_SIZE, //
    },
    dma::Range,
    mailbox::Command,
    stream, //
};
use kernel::prelude::*;
use vfio::{
    pci::masters_bus,
    region, //
};

/// Contexts read at once.
const BATCH: usize = 64;

/// The tables of contexts, and the rings of the two event queues.
#[derive(Clone, Copy, Default)]
pub(super) struct Tables {
    /// `QM_MB_CMD_SQC_BT`, 0 where there is none
    sqc: u64,
    /// `QM_MB_CMD_CQC_BT`
    cqc: u64,
    /// How many queues the VF has, by the PF's VFT
    pub(super) num: u32,
    events: [Option<Range>; 2],
}

impl Tables {
    /// Asks the VF, while its guest cannot reach the registers. The cached contexts are in memory
    /// then. There are no tables if the guest driver is gone: what they held is stale. [`EBUSY`] if the
    /// guest could not be given back what it has in the mailbox.
    pub(super) fn ask(dev: &Vf<'_>) -> Result<Self> {
        let data = dev.data();
        let num = data.pf_qm()?.vft(data.function)?.num;
        dev.exclude(region::Index::from_raw(BAR2), |_| {
            let qm = AccVf::qm(dev)?;
            let mut mailbox = qm.mailbox();
            // A command that the guest gave, which may write to memory, is done then.
            let found = mailbox.wait()?;
            // Who never says that he is ready may have the VF work all the same, as long as it can.
            if !qm.is_ready()? && !masters_bus(dev.as_bound()) {
                return Ok(Self::default());
            }
            // The guest driver may not have polled it yet.
            if !Mailbox::is_restorable(&found) {
                return Err(EBUSY);
            }
            let sqc = mailbox.query(Command::SqcBt)?;
            let cqc = mailbox.query(Command::CqcBt)?;
            drop(mailbox);
            qm.write_back()?;
            let events = [
                event_ring(&data.read_context(&qm, Context::Eq)?),
                event_ring(&data.read_context(&qm, Context::Aeq)?),
            ];
            Ok(Self {
                sqc,
                cqc,
                num,
                events,
            })
        })
    }

    /// What the hardware writes at any time: the tables, when it has other use for its cache, and
    /// events.
    pub(super) fn ranges(&self) -> impl Iterator<Item = Range> + '_ {
        // CAST: Widen.
        let len = u64::from(self.num) * XQC_SIZE as u64;
        let tables = [self.sqc, self.cqc]
            .into_iter()
            .filter(|address| *address != 0)
            .map(move |address| Range { address, len });
        Iterator::chain(tables, self.events.iter().flatten().copied())
    }

    /// Whether there are any.
    pub(super) fn exist(&self) -> bool {
        self.sqc != 0 && self.cqc != 0
    }

    /// Looks at all queues: gives `each` its two contexts, the SQC first. [`EFAULT`], or what else reading
    /// them gives, where memory cannot be read.
    pub(super) fn look(&self, dev: &Vf<'_>, mut each: impl FnMut(u16, &Xqc, &Xqc)) -> Result {
        if !self.exist() {
            return Ok(());
        }
        let mut sqcs = KVec::from_elem([0u8; XQC_SIZE], BATCH, GFP_KERNEL)?;
        let mut cqcs = KVec::from_elem([0u8; XQC_SIZE], BATCH, GFP_KERNEL)?;
        let mut first = 0u32;
        while first < self.num {
            let count = usize::try_from(self.num - first)?.min(BATCH);
            read(dev, self.sqc, first, sqcs.get_mut(..count).ok_or(EINVAL)?)?;
            read(dev, self.cqc, first, cqcs.get_mut(..count).ok_or(EINVAL)?)?;
            for (queue, (sqc, cqc)) in (first..).zip(sqcs.iter().zip(&cqcs).take(count)) {
                each(u16::try_from(queue)?, &Xqc(*sqc), &Xqc(*cqc));
            }
            first = first.saturating_add(u32::try_from(count)?);
        }
        Ok(())
    }
}

/// Reads contexts of a table, from that of the queue `first` on.
fn read(dev: &Vf<'_>, table: u64, first: u32, to: &mut [[u8; XQC_SIZE]]) -> Result {
    // CAST: Widens.
    let offset = u64::from(first) * XQC_SIZE as u64;
    let address = table.checked_add(offset).ok_or(EFAULT)?;
    dev.read_dma(address, to.as_flattened_mut())
}

/// The ring of an event queue, by its context's words.
fn event_ring(words: &crate::context::XqcWords) -> Option<Range> {
    let [.., dw6] = *words;
    let address = stream::context_address(words);
    if address == 0 {
        return None;
    }
    // CAST: Widens.
    let len = u64::from(EqcDw6::from_raw(dw6).depth) * EQE_SIZE as u64;
    Some(Range { address, len })
}
