// SPDX-License-Identifier: GPL-2.0

//! The mailbox: how software gives commands to the QM.
//!
//! 16 bytes at [`regs::QM_MB_CMD_SEND_BASE`](crate::regs::QM_MB_CMD_SEND_BASE), read and written in
//! one access. Source: `struct qm_mailbox`, `qm_mb_pre_init()`, `qm_wait_mb_finish()` of `qm.c`.

/// `QM_MB_STATUS_MASK`: bits 12..9 of word 0, other than 0 where the command failed
const STATUS_MASK: u16 = 0x1e00;
/// `QM_MB_BUSY_SHIFT`
const BUSY: u16 = 1 << 13;
/// `QM_MB_OP_SHIFT`: the command reads
const OP_READ: u16 = 1 << 14;

/// How often the mailbox is polled, in microseconds (`POLL_PERIOD`).
pub const POLL_PERIOD_US: i64 = 10;
/// How long it may be busy with what came before, in microseconds (`POLL_TIMEOUT`).
pub const READY_TIMEOUT_US: i64 = 1_000;
/// How long a command may take, in microseconds (`QM_MB_MAX_WAIT_TIMEOUT`).
pub const WAIT_TIMEOUT_US: i64 = 1_000_000;
/// The same for STOP_QP and FLUSH_QM (`QM_MB_MAX_STOP_TIMEOUT`).
pub const STOP_TIMEOUT_US: i64 = 5_000_000;

/// A command (`QM_MB_CMD_*` of `hisi_acc_qm.h`, `QM_MB_CMD_PAUSE_QM` of hisi_acc_vfio_pci.h).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Command {
    /// SQ context from or to memory at `base`
    Sqc = 0x0,
    /// CQ context
    Cqc = 0x1,
    /// EQ context
    Eqc = 0x2,
    /// AEQ context
    Aeqc = 0x3,
    /// Base of the table of SQ contexts
    SqcBt = 0x4,
    /// Base of the table of CQ contexts
    CqcBt = 0x5,
    /// The function's own VFT entry
    SqcVftV2 = 0x6,
    /// Stop a queue pair
    StopQp = 0x8,
    /// Flush the function's requests
    FlushQm = 0x9,
    /// Send a PF<->VF message
    Src = 0xc,
    /// Receive a PF<->VF message
    Dst = 0xd,
    /// Stop the function for migration
    PauseQm = 0xe,
}

impl Command {
    /// All there are.
    pub const ALL: [Self; 12] = [
        Self::Sqc,
        Self::Cqc,
        Self::Eqc,
        Self::Aeqc,
        Self::SqcBt,
        Self::CqcBt,
        Self::SqcVftV2,
        Self::StopQp,
        Self::FlushQm,
        Self::Src,
        Self::Dst,
        Self::PauseQm,
    ];

    /// By number.
    pub fn from_raw(raw: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|cmd| *cmd as u8 == raw)
    }

    /// Its name without the prefix, as in `hisi_acc_qm.h`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sqc => "SQC",
            Self::Cqc => "CQC",
            Self::Eqc => "EQC",
            Self::Aeqc => "AEQC",
            Self::SqcBt => "SQC_BT",
            Self::CqcBt => "CQC_BT",
            Self::SqcVftV2 => "SQC_VFT_V2",
            Self::StopQp => "STOP_QP",
            Self::FlushQm => "FLUSH_QM",
            Self::Src => "SRC",
            Self::Dst => "DST",
            Self::PauseQm => "PAUSE_QM",
        }
    }

    /// How long it may take, in microseconds.
    pub const fn timeout_us(self) -> i64 {
        match self {
            Self::StopQp | Self::FlushQm => STOP_TIMEOUT_US,
            _ => WAIT_TIMEOUT_US,
        }
    }
}

/// What the driver that gave a command takes from the mailbox when the command is finished.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// Status and `base`, which the command filled in. The same command gives the same answer
    /// again, and has no other effect: `QM_MB_CMD_DST` too, since the PF keeps its message until
    /// the VF has cleared the message interrupt (`qm_ping_single_vf()`).
    Value,
    /// The status alone: `qm_wait_mb_finish()` compares neither command nor queue nor base. The
    /// command itself may have effects that a second one would repeat later than it may.
    Status,
    /// No driver gives such a command.
    Unknown,
}

/// What stands in the mailbox.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Message {
    /// Word 0: command, status, busy, direction
    pub w0: u16,
    /// The queue, or what else the command says
    pub queue: u16,
    /// A DMA address, or the data of the command
    pub base: u64,
}

impl Message {
    /// A command for the hardware to carry out, with its busy bit.
    pub const fn request(cmd: Command, base: u64, queue: u16, read: bool) -> Self {
        // CAST: the enum is one byte.
        let op = if read { OP_READ } else { 0 };
        Self {
            w0: cmd as u8 as u16 | op | BUSY,
            queue,
            base,
        }
    }

    /// From the 16 bytes, little endian.
    pub const fn from_raw(raw: u128) -> Self {
        // CAST: fields of the message.
        Self {
            w0: raw as u16,
            queue: (raw >> 16) as u16,
            base: (raw >> 32) as u64,
        }
    }

    /// The 16 bytes, little endian.
    pub const fn into_raw(self) -> u128 {
        // CAST: widen.
        self.w0 as u128 | ((self.queue as u128) << 16) | ((self.base as u128) << 32)
    }

    /// The command's number.
    pub const fn command_raw(self) -> u8 {
        // CAST: the low byte.
        self.w0 as u8
    }

    /// Whether the command reads from the hardware.
    pub const fn is_read(self) -> bool {
        self.w0 & OP_READ != 0
    }

    /// Whether the hardware has not carried it out yet.
    pub const fn is_busy(self) -> bool {
        self.w0 & BUSY != 0
    }

    /// Returns whether the guest driver can be given back what it can tell apart of this, after a
    /// command of the host's. A failure cannot be brought back for sure.
    pub fn is_restorable(&self) -> bool {
        !self.has_failed() && self.answer() != Answer::Unknown
    }

    /// Whether it failed.
    pub const fn has_failed(self) -> bool {
        self.w0 & STATUS_MASK != 0
    }

    /// What its driver takes from it once it is finished.
    pub fn answer(&self) -> Answer {
        match (Command::from_raw(self.command_raw()), self.is_read()) {
            (Some(Command::SqcBt | Command::CqcBt | Command::SqcVftV2 | Command::Dst), true) => {
                Answer::Value
            }
            // What is read of a context goes to memory.
            (Some(_), _) => Answer::Status,
            (None, _) => Answer::Unknown,
        }
    }

    /// The command that this is the answer to, as `hisi_qm_mb_read()` gives it.
    pub const fn again(&self) -> Self {
        // CAST: The low byte is the command.
        Self {
            w0: self.w0 & (0xff | OP_READ) | BUSY,
            queue: self.queue,
            base: 0,
        }
    }

    /// The same, carried out: not busy, its status set.
    pub const fn done(self, failed: bool) -> Self {
        let status = if failed { STATUS_MASK & 0x200 } else { 0 };
        Self {
            w0: (self.w0 & !(BUSY | STATUS_MASK)) | status,
            queue: self.queue,
            base: self.base,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_as_qm_mb_pre_init_builds_it() {
        let m = Message::request(Command::SqcBt, 0x1122_3344_5566_7788, 0x99, true);
        assert_eq!(m.w0, 0x4 | (1 << 13) | (1 << 14));
        assert_eq!(m.into_raw() >> 32, 0x1122_3344_5566_7788);
        assert_eq!(Message::from_raw(m.into_raw()), m);
        assert!(m.is_busy() && m.is_read() && !m.has_failed());
    }

    /// `QM_MB_CMD_*` of `hisi_acc_qm.h`, and `QM_MB_CMD_PAUSE_QM`.
    #[test]
    fn commands_have_the_kernels_numbers() {
        for (raw, name, timeout_s) in [
            (0x0, "SQC", 1),
            (0x1, "CQC", 1),
            (0x2, "EQC", 1),
            (0x3, "AEQC", 1),
            (0x4, "SQC_BT", 1),
            (0x5, "CQC_BT", 1),
            (0x6, "SQC_VFT_V2", 1),
            (0x8, "STOP_QP", 5),
            (0x9, "FLUSH_QM", 5),
            (0xc, "SRC", 1),
            (0xd, "DST", 1),
            (0xe, "PAUSE_QM", 1),
        ] {
            let command = Command::from_raw(raw).unwrap();
            assert_eq!((command as u8, command.name()), (raw, name));
            assert_eq!(command.timeout_us(), timeout_s * 1_000_000);
        }
        assert_eq!(Command::from_raw(0x7), None);
        assert_eq!(Command::from_raw(0x10), None);
    }

    #[test]
    fn a_command_that_writes() {
        let m = Message::request(Command::CqcBt, 1, 0x99, false);
        assert_eq!(m.w0, 0x5 | (1 << 13));
        assert!(m.is_busy() && !m.is_read());
        assert_eq!(m.into_raw(), (1 << 32) | (0x99 << 16) | 0x2005);
        assert_eq!(m.command_raw(), 0x5);
    }

    /// `QM_MB_STATUS_MASK`: each bit of it says that the command failed, and no other bit does.
    #[test]
    fn status_bits() {
        for bit in 0..16 {
            let m = Message {
                w0: 1 << bit,
                queue: 0,
                base: 0,
            };
            assert_eq!(m.has_failed(), (9..=12).contains(&bit), "bit {bit}");
            assert_eq!(m.is_busy(), bit == 13, "bit {bit}");
            assert_eq!(m.is_read(), bit == 14, "bit {bit}");
            let done = m.done(false).w0;
            assert_eq!(done, if (9..=13).contains(&bit) { 0 } else { m.w0 });
        }
    }

    #[test]
    fn an_answer_comes_again() {
        for cmd in Command::ALL {
            for read in [false, true] {
                let message = Message::request(cmd, 0, 7, read).done(true);
                let value = read
                    && matches!(
                        cmd,
                        Command::SqcBt | Command::CqcBt | Command::SqcVftV2 | Command::Dst
                    );
                let expected = if value { Answer::Value } else { Answer::Status };
                assert_eq!(message.answer(), expected, "{cmd:?} {read}");
                let again = Message { base: 5, ..message }.again();
                assert_eq!(again, Message::request(cmd, 0, 7, read));
            }
        }
        for w0 in [0x7, 0xf | OP_READ, 0xff] {
            let message = Message {
                w0,
                queue: 0,
                base: 0,
            };
            assert_eq!(message.answer(), Answer::Unknown);
        }
    }

    #[test]
    fn done_keeps_the_command() {
        let m = Message::request(Command::PauseQm, 0, 0, false);
        assert!(!m.done(false).is_busy() && !m.done(false).has_failed());
        assert!(m.done(true).has_failed());
        assert_eq!(
            Command::from_raw(m.done(true).command_raw()),
            Some(Command::PauseQm)
        );
    }
}
