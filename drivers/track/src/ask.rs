// SPDX-License-Identifier: GPL-2.0

//! How a VF is asked for the contexts of its queues.

use crate::guest::{
    Contexts,
    XqcWords, //
};
use hisi_acc_hw::mailbox::{
    Command,
    Message, //
};
use kernel::prelude::*;

/// The registers of a VF, while the guest cannot reach them.
pub trait Registers {
    /// Returns whether the VF can start DMA, whatever its registers say.
    fn masters_bus(&mut self) -> bool;

    /// Returns whether registers can be reached.
    fn is_there(&mut self) -> Result<bool>;

    /// Returns whether a guest driver has set the VF up.
    fn is_ready(&mut self) -> Result<bool>;

    /// Waits until the mailbox takes a command, and returns what is there.
    fn wait(&mut self) -> Result<Message>;

    /// Gives a command that answers with an address, and returns the answer.
    fn query(&mut self, command: Command) -> Result<u64>;

    /// Puts back what was in the mailbox before the first command.
    fn put_back(&mut self) -> Result;

    /// Writes the cached SQCs and CQCs to memory.
    fn write_back(&mut self) -> Result;

    /// Reads the EQC and the AEQC.
    fn event_contexts(&mut self) -> Result<[XqcWords; 2]>;
}

impl Contexts {
    /// Asks for the contexts of the `num` queues of a VF. `None` if the VF cannot do DMA.
    /// [`EBUSY`] if the guest driver could not be given back what it has in the mailbox.
    pub fn ask(vf: &mut impl Registers, num: u32) -> Result<Option<Self>> {
        let masters_bus = vf.masters_bus();
        // One that sleeps has no registers.
        if !masters_bus && !vf.is_there()? {
            return Ok(None);
        }
        // After this, a command that the guest gave, which may write to memory, is done.
        let found = vf.wait()?;
        // A VF whose driver never sets `QM_VF_STATE` may work as long as it can do DMA.
        if !masters_bus && !vf.is_ready()? {
            return Ok(None);
        }
        // The guest driver may not have polled it yet.
        if !found.is_restorable() {
            return Err(EBUSY);
        }
        let sqc = vf.query(Command::SqcBt)?;
        let cqc = vf.query(Command::CqcBt)?;
        vf.put_back()?;
        vf.write_back()?;
        let [eqc, aeqc] = vf.event_contexts()?;
        Ok(Some(Self {
            sqc,
            cqc,
            num,
            eqc,
            aeqc,
        }))
    }
}
