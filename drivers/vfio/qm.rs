// SPDX-License-Identifier: GPL-2.0

//! The queue manager (QM) of a VF, in its BAR2: registers and doorbells.

use hisi_acc_hw::{
    doorbell::Doorbell,
    mailbox::Message,
    reg::{
        Function,
        Reg, //
    },
    regs::{
        self,
        CacheWriteBack,
        VfState, //
    },
};
use hisi_acc_track::Last;
use kernel::{
    io::{
        poll::read_poll_timeout,
        Io, //
    },
    prelude::*,
    sync::Mutex,
    time::Delta, //
};
use vfio::io::Bar;

/// The BAR of the QM.
pub(crate) const BAR2: u32 = 2;
/// The BAR of the isolated doorbells.
pub(crate) const BAR4: u32 = 4;

/// How often and how long a register is polled.
const POLL_PERIOD: Delta = Delta::from_micros(regs::POLL_PERIOD_US);
const POLL_TIMEOUT: Delta = Delta::from_micros(regs::POLL_TIMEOUT_US);

/// How often and how long pending interrupts are waited for: `CHECK_DELAY_TIME`,
/// `ERROR_CHECK_TIMEOUT` of hisi_acc_vfio_pci.h.
pub(crate) const STATUS_PERIOD: Delta = Delta::from_micros(100);
pub(crate) const STATUS_TIMEOUT: Delta = Delta::from_micros(100 * 100);

/// Shows what happens to a VF: the tracepoint and the log.
pub(crate) trait Observer {
    /// Shows a command of the driver to the mailbox, and its result, in the tracepoint.
    fn command(&self, command: u32, base: u64, result: Result);

    /// Logs a warning, rate-limited.
    fn warn(&self, text: kernel::fmt::Arguments<'_>);
}

/// The QM of an open VF. Its mailbox is [`Qm::mailbox`].
pub(crate) struct Qm<'a> {
    pub(crate) bar2: Bar<'a>,
    /// What is known of the mailbox. Held over each series of commands that it gives.
    pub(crate) commands: &'a Mutex<Last>,
    pub(crate) observer: &'a dyn Observer,
}

impl<'a> Qm<'a> {
    pub(crate) fn new(
        bar2: Bar<'a>,
        commands: &'a Mutex<Last>,
        observer: &'a dyn Observer,
    ) -> Self {
        Self {
            bar2,
            commands,
            observer,
        }
    }

    /// Reads a register.
    pub(crate) fn read(&self, reg: Reg<Function>) -> Result<u32> {
        self.bar2.live()?.try_read32(usize::try_from(reg.offset())?)
    }

    /// Writes a register.
    pub(crate) fn write(&self, reg: Reg<Function>, value: u32) -> Result {
        self.bar2
            .live()?
            .try_write32(value, usize::try_from(reg.offset())?)
    }

    /// Reads what stands in the mailbox, in one access: [`EIO`] if no register can be reached.
    pub(crate) fn message(&self) -> Result<Message> {
        let offset = usize::try_from(regs::QM_MB_CMD_SEND_BASE.offset())?;
        match self.bar2.live()?.try_read128(offset)? {
            u128::MAX => Err(EIO),
            raw => Ok(Message::from_raw(raw)),
        }
    }

    /// Rings a doorbell.
    pub(crate) fn ring(&self, doorbell: Doorbell) -> Result {
        let offset = usize::try_from(doorbell.kind.offset())?;
        self.bar2.live()?.try_write64(doorbell.into_raw(), offset)
    }

    /// Returns whether registers can be reached. The mailbox of a VF that was removed, or that
    /// userspace has put to sleep (D3hot), reads all ones, which no mailbox does otherwise.
    pub(crate) fn is_there(&self) -> Result<bool> {
        Ok(self.read(regs::QM_MB_CMD_SEND_BASE)? != u32::MAX)
    }

    /// Returns whether no command was given since the last reset. No command is all zeroes: if its
    /// number is 0, it has an address.
    pub(crate) fn is_unused(&self) -> Result<bool> {
        for n in 0..4 {
            if self.read(regs::QM_MB_CMD_SEND_BASE.word(n))? != 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Returns whether the guest driver has set the VF up: [`EIO`] if no register can be reached.
    ///
    /// `qm_wait_dev_not_ready()` polls for up to a millisecond. Userspace has stopped the vCPUs
    /// when it stops a VF, so what the register reads then does not change.
    pub(crate) fn is_ready(&self) -> Result<bool> {
        match self.read(regs::QM_VF_STATE)? {
            // The guest may have written all ones.
            u32::MAX if self.is_there()? => Ok(false),
            u32::MAX => Err(EIO),
            state => Ok(VfState(state).is_ready()),
        }
    }

    /// Writes the cached SQCs and CQCs back to guest memory.
    pub(crate) fn write_back(&self) -> Result {
        self.write(regs::QM_CACHE_WB_START, 1)?;
        read_poll_timeout(
            || self.read(regs::QM_CACHE_WB_DONE).map(CacheWriteBack),
            |caches| caches.is_done(),
            POLL_PERIOD,
            POLL_TIMEOUT,
        )?;
        Ok(())
    }

    /// Unmasks messages from the PF, and forgets one that is pending (`qm_dev_cmd_init()`).
    pub(crate) fn open_messages(&self) -> Result {
        self.write(regs::QM_IFC_INT_SOURCE_V, 1)?;
        self.write(regs::QM_IFC_INT_MASK, 0)
    }
}

/// Polls a status register until nothing is pending: [`EBUSY`] if something stays pending.
pub(crate) fn wait_idle(read: impl FnMut() -> Result<u32>) -> Result {
    let status = read_poll_timeout(read, |status| *status == 0, STATUS_PERIOD, STATUS_TIMEOUT);
    match status {
        Ok(_) => Ok(()),
        Err(e) if e == ETIMEDOUT => Err(EBUSY),
        Err(e) => Err(e),
    }
}
