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
        // One that sleeps has no registers, or they cannot be read.
        if !masters_bus && vf.is_there() != Ok(true) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use hisi_acc_hw::regs;

    /// A VF, and what was done with it.
    struct Vf {
        masters_bus: bool,
        there: Result<bool>,
        ready: bool,
        found: Message,
        done: Vec<&'static str>,
    }

    impl Vf {
        fn new() -> Self {
            Self {
                masters_bus: true,
                there: Ok(true),
                ready: true,
                found: Message::request(Command::SqcVftV2, 0, 0, true).done(false),
                done: Vec::new(),
            }
        }
    }

    impl Registers for Vf {
        fn masters_bus(&mut self) -> bool {
            self.masters_bus
        }

        fn is_there(&mut self) -> Result<bool> {
            self.there
        }

        fn is_ready(&mut self) -> Result<bool> {
            Ok(self.ready)
        }

        fn wait(&mut self) -> Result<Message> {
            self.done.push("wait");
            Ok(self.found)
        }

        fn query(&mut self, command: Command) -> Result<u64> {
            self.done.push(command.name());
            Ok(0x1000)
        }

        fn put_back(&mut self) -> Result {
            self.done.push("put back");
            Ok(())
        }

        fn write_back(&mut self) -> Result {
            self.done.push("write back");
            Ok(())
        }

        fn event_contexts(&mut self) -> Result<[XqcWords; 2]> {
            Ok([[0; regs::QM_XQC_DWORDS]; 2])
        }
    }

    #[test]
    fn the_mailbox_is_put_back_before_contexts_are_written() {
        let mut vf = Vf::new();
        assert!(matches!(Contexts::ask(&mut vf, 3), Ok(Some(c)) if c.num == 3));
        let all = ["wait", "SQC_BT", "CQC_BT", "put back", "write back"];
        assert_eq!(vf.done, all);
    }

    #[test]
    fn a_failure_of_the_guest_is_not_overwritten() {
        let mut vf = Vf::new();
        vf.found = vf.found.done(true);
        assert_eq!(Contexts::ask(&mut vf, 3), Err(EBUSY));
        assert_eq!(vf.done, ["wait"]);
    }

    #[test]
    fn a_vf_that_cannot_do_dma_gets_no_command() {
        let sleeps = |there| Vf {
            masters_bus: false,
            there,
            ..Vf::new()
        };
        for there in [Ok(false), Err(EIO)] {
            let mut vf = sleeps(there);
            assert_eq!(Contexts::ask(&mut vf, 3), Ok(None));
            assert!(vf.done.is_empty());
        }
        let mut vf = sleeps(Ok(true));
        vf.ready = false;
        assert_eq!(Contexts::ask(&mut vf, 3), Ok(None));
        assert_eq!(vf.done, ["wait"]);
        // Memory that is switched off hinders no DMA.
        let mut vf = Vf::new();
        vf.there = Err(EIO);
        assert!(matches!(Contexts::ask(&mut vf, 3), Ok(Some(_))));
    }
}
