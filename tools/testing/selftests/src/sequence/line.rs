// SPDX-License-Identifier: GPL-2.0

//! Register accesses as lines that two drivers can be compared by.
//!
//! What is normalized is in this file: the two halves of a mailbox access are one, an access
//! through the window of V5 is one of the function whose registers are there, and a read that found
//! a register not ready yet is left out if the same register is read again right after it.

use crate::twin::Access;
use hisi_acc_hw::{
    context::XQC_SIZE,
    doorbell::{Doorbell, Kind},
    generation::Migration,
    mailbox::{Command, Message},
    regs, Engine,
};

/// How a driver reaches a register of a VF.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// By a BAR of the function itself
    Bar,
    /// By the window in the PF's BAR2 (V5)
    Window,
}

/// An access.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// What it is, with the value if it writes: `vf write QM_VF_STATE 0x0`
    pub what: String,
    /// What was read
    pub value: Option<u128>,
    pub way: Way,
    /// Whether the PF's registers are accessed
    pub of_pf: bool,
    /// Whether it is a word of the EQ's or AEQ's context
    pub is_context: bool,
}

impl Line {
    /// Whether both drivers do the same, by whatever way.
    pub fn is_same(&self, other: &Self) -> bool {
        self.what == other.what && self.value == other.value
    }

    /// As it is shown.
    pub fn shown(&self) -> String {
        let way = match self.way {
            Way::Bar => "",
            Way::Window => " by the window",
        };
        match self.value {
            Some(value) => format!("{} = {value:#x}{way}", self.what),
            None => format!("{}{way}", self.what),
        }
    }
}

/// An access of a function's own registers, in which halves are put together.
struct Whole {
    function: u32,
    way: Way,
    write: bool,
    bar: u8,
    offset: u32,
    width: u32,
    value: u128,
}

/// Names of registers. The words of contexts, the mailbox and doorbells are not here.
const NAMES: &[(u32, &str)] = &[
    (regs::QM_VF_AEQ_INT_SOURCE.offset(), "QM_VF_AEQ_INT_SOURCE"),
    (regs::QM_VF_AEQ_INT_MASK.offset(), "QM_VF_AEQ_INT_MASK"),
    (regs::QM_VF_EQ_INT_SOURCE.offset(), "QM_VF_EQ_INT_SOURCE"),
    (regs::QM_VF_EQ_INT_MASK.offset(), "QM_VF_EQ_INT_MASK"),
    (regs::QM_IFC_INT_SOURCE_V.offset(), "QM_IFC_INT_SOURCE_V"),
    (regs::QM_IFC_INT_MASK.offset(), "QM_IFC_INT_MASK"),
    (regs::QM_IFC_INT_STATUS.offset(), "QM_IFC_INT_STATUS"),
    (regs::QM_IFC_INT_SET_V.offset(), "QM_IFC_INT_SET_V"),
    (regs::QM_QUE_ISO_CFG_V.offset(), "QM_QUE_ISO_CFG_V"),
    (regs::QM_PAGE_SIZE.offset(), "QM_PAGE_SIZE"),
    (regs::QM_VF_STATE.offset(), "QM_VF_STATE"),
    (regs::QM_CACHE_WB_START.offset(), "QM_CACHE_WB_START"),
    (regs::QM_CACHE_WB_DONE.offset(), "QM_CACHE_WB_DONE"),
    (
        regs::QM_ABNORMAL_INT_STATUS.offset(),
        "QM_ABNORMAL_INT_STATUS",
    ),
    (regs::QM_MIG_REGION_SEL.offset(), "QM_MIG_REGION_SEL"),
    (regs::QM_VFT_CFG_OP_ENABLE.offset(), "QM_VFT_CFG_OP_ENABLE"),
    (regs::QM_VFT_CFG_OP_WR.offset(), "QM_VFT_CFG_OP_WR"),
    (regs::QM_VFT_CFG_TYPE.offset(), "QM_VFT_CFG_TYPE"),
    (regs::QM_VFT_CFG.offset(), "QM_VFT_CFG"),
    (regs::QM_VFT_CFG_DATA_L.offset(), "QM_VFT_CFG_DATA_L"),
    (regs::QM_VFT_CFG_DATA_H.offset(), "QM_VFT_CFG_DATA_H"),
    (regs::QM_VFT_CFG_RDY.offset(), "QM_VFT_CFG_RDY"),
];

/// Registers whose bit 0 says that something is done.
const DONE: [u32; 2] = [
    regs::QM_CACHE_WB_DONE.offset(),
    regs::QM_VFT_CFG_RDY.offset(),
];

/// Registers that show what is pending.
const PENDING: [u32; 3] = [
    regs::QM_ABNORMAL_INT_STATUS.offset(),
    regs::QM_IFC_INT_STATUS.offset(),
    regs::QM_IFC_INT_SET_V.offset(),
];

/// Returns the name of an engine's status register.
fn engine_status(offset: u32) -> Option<&'static str> {
    let rows = Engine::ALL.map(|engine| &engine.descriptor().errors);
    let found = rows.iter().find(|row| row.status.offset() == offset)?;
    Some(found.status_name)
}

/// The mailbox: 16 bytes.
const MAILBOX: std::ops::Range<u32> =
    regs::QM_MB_CMD_SEND_BASE.offset()..regs::QM_MB_CMD_SEND_BASE.word(4).offset();

/// Returns the context of which an offset is a word, `EQC` or `AEQC`, and which word.
fn context_word(offset: u32, way: Way, layout: &Migration) -> Option<(&'static str, u32)> {
    let (eqc, aeqc) = match (way, &layout.window) {
        (Way::Bar, _) => (layout.eqc.offset(), layout.aeqc.offset()),
        (Way::Window, Some(window)) => (window.eqc.offset(), window.aeqc.offset()),
        (Way::Window, None) => return None,
    };
    [("EQC", eqc), ("AEQC", aeqc)]
        .into_iter()
        .find(|(_, base)| (*base..*base + XQC_SIZE as u32).contains(&offset))
        .map(|(name, base)| (name, (offset - base) / 4))
}

impl Whole {
    fn new(access: &Access, layout: &Migration) -> Option<Self> {
        let (mut function, mut way) = (access.function, Way::Bar);
        let mut offset = u32::try_from(access.offset).ok()?;
        let window = layout.window.as_ref();
        if function == 0 && access.bar == 2 {
            if let Some(shown) = window.and_then(|window| window.function_at(offset)) {
                way = Way::Window;
                (function, offset) = shown;
            }
        }
        Some(Self {
            function,
            way,
            write: access.write,
            bar: access.bar,
            offset,
            width: access.width,
            value: access.value.into(),
        })
    }

    fn is_mailbox(&self) -> bool {
        self.bar == 2 && MAILBOX.contains(&self.offset)
    }

    /// Takes the next access in, if it is the other half of this one.
    fn join(&mut self, next: &Self) -> bool {
        let key = |whole: &Self| (whole.function, whole.way, whole.write);
        let halves = self.is_mailbox() && next.is_mailbox() && self.width >= 8;
        if !halves || key(self) != key(next) || next.offset != self.offset + self.width {
            return false;
        }
        self.value |= next.value << (8 * self.width);
        self.width += next.width;
        true
    }

    /// Whether a read says that the driver has to go on waiting.
    fn says_wait(&self) -> bool {
        let bit = self.value & 1 != 0;
        !self.write
            && match self.offset {
                _ if self.is_mailbox() => Message::from_raw(self.value).is_busy(),
                offset if offset == regs::QM_VF_STATE.offset() => bit,
                offset if DONE.contains(&offset) => !bit,
                offset if PENDING.contains(&offset) => self.value != 0,
                offset => engine_status(offset).is_some() && self.value != 0,
            }
    }

    /// Whether the next access is the same read once more.
    fn is_polled_by(&self, next: &Self) -> bool {
        let key = |whole: &Self| (whole.function, whole.way, whole.write, whole.offset);
        self.says_wait() && key(self) == key(next)
    }

    fn line(&self, subject: u32, layout: &Migration) -> Line {
        let function = match self.function {
            0 => "pf".to_owned(),
            f if f == subject => "vf".to_owned(),
            f => format!("vf{f}"),
        };
        let verb = if self.write { "write" } else { "read" };
        let context = context_word(self.offset, self.way, layout);
        let (name, usual) = self.name(context);
        let mut what = format!("{function} {verb} {name}");
        if self.width != usual {
            what += &format!(" of {} bytes", self.width);
        }
        if self.write {
            what += &self.written();
        }
        Line {
            what,
            value: (!self.write).then_some(self.value),
            way: self.way,
            of_pf: self.function == 0,
            is_context: context.is_some(),
        }
    }

    /// What a register is called, and the width that accesses of it have.
    fn name(&self, context: Option<(&str, u32)>) -> (String, u32) {
        let name = NAMES.iter().find(|(offset, _)| *offset == self.offset);
        let name = name.map(|(_, name)| *name).or(engine_status(self.offset));
        match (self.bar, self.offset, name, context) {
            (2, _, Some(name), _) => (name.to_owned(), 4),
            (2, _, None, Some((name, word))) => (format!("{name} word {word}"), 4),
            (2, offset, ..) if offset == MAILBOX.start => ("mailbox".to_owned(), 16),
            (2, regs::QM_DOORBELL_SQ_CQ_BASE_V2 | regs::QM_DOORBELL_EQ_AEQ_BASE_V2, ..) => {
                ("doorbell".to_owned(), 8)
            }
            (bar, offset, ..) => (format!("BAR{bar}+{offset:#x}"), 4),
        }
    }

    /// The value as it is shown.
    fn written(&self) -> String {
        if self.is_mailbox() && self.width == 16 {
            let message = Message::from_raw(self.value);
            let command = Command::from_raw(message.command_raw()).map_or("?", Command::name);
            let read = if message.is_read() { " asks" } else { "" };
            return format!(" {command}{read} {:#x} {}", message.base, message.queue);
        }
        let doorbell = match self.offset {
            regs::QM_DOORBELL_SQ_CQ_BASE_V2 | regs::QM_DOORBELL_EQ_AEQ_BASE_V2 => {
                Doorbell::from_raw(self.value as u64)
            }
            _ => None,
        };
        match doorbell {
            Some(db) => {
                let kind = match db.kind {
                    Kind::Sq => "SQ",
                    Kind::Cq => "CQ",
                    Kind::Eq => "EQ",
                    Kind::Aeq => "AEQ",
                };
                format!(
                    " {kind} {} index {} priority {}",
                    db.queue, db.index, db.priority
                )
            }
            None => format!(" {:#x}", self.value),
        }
    }
}

/// The lines of what a driver does to migrate VF `subject` (1 is the first).
pub fn lines(accesses: &[Access], subject: u32, layout: &Migration) -> Vec<Line> {
    let mut wholes: Vec<Whole> = Vec::new();
    for access in accesses {
        let Some(next) = Whole::new(access, layout) else {
            continue;
        };
        let is_joined = wholes.last_mut().is_some_and(|last| last.join(&next));
        if !is_joined {
            wholes.push(next);
        }
    }
    let next = wholes.iter().skip(1).map(Some).chain([None]);
    wholes
        .iter()
        .zip(next)
        .filter(|(whole, next)| !next.is_some_and(|next| whole.is_polled_by(next)))
        .map(|(whole, _)| whole.line(subject, layout))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hisi_acc_hw::Generation;

    fn access(function: u32, write: bool, offset: u64, width: u32, value: u64) -> Access {
        Access {
            function,
            write,
            bar: 2,
            offset,
            width,
            value,
        }
    }

    fn v5() -> &'static Migration {
        Generation::V5.layout().migration.as_ref().unwrap()
    }

    fn shown(accesses: &[Access]) -> Vec<String> {
        lines(accesses, 1, v5()).iter().map(Line::shown).collect()
    }

    #[test]
    fn a_command_is_a_line() {
        let raw = Message::request(Command::PauseQm, 0, 0, false).into_raw() as u64;
        let accesses = [
            access(1, true, 0x300, 8, raw),
            access(1, true, 0x308, 8, 0),
            access(1, false, 0x300, 8, raw),
            access(1, false, 0x308, 8, 0),
            access(1, false, 0x300, 8, 0xe),
            access(1, false, 0x308, 8, 0),
            access(1, false, 0x300, 4, 0xe),
        ];
        assert_eq!(
            shown(&accesses),
            [
                "vf write mailbox PAUSE_QM 0x0 0",
                "vf read mailbox = 0xe",
                "vf read mailbox of 4 bytes = 0xe"
            ]
        );
    }

    #[test]
    fn only_waiting_is_left_out() {
        let read = |value| access(1, false, 0x60, 4, value);
        assert_eq!(shown(&[read(1), read(1), read(0)]).len(), 1);
        assert_eq!(shown(&[read(0), read(0)]).len(), 2);
        let mask = |value| access(1, false, 0x4, 4, value);
        assert_eq!(shown(&[mask(1), mask(1)]).len(), 2);
        assert_eq!(shown(&[read(1), mask(1), read(1)]).len(), 3);
    }

    #[test]
    fn the_window_is_of_whom_it_shows() {
        let at = |f: u64, offset| 0x18_0000 + 0x2000 * f + offset;
        let accesses = [
            access(0, false, at(1, 0x1c04), 4, 7),
            access(0, true, at(2, 0), 8, 0x2000),
            access(1, false, 0x8004, 4, 7),
            access(1, true, 0x2000, 8, 0x18_0000_2000),
        ];
        let lines = lines(&accesses, 1, v5());
        assert!(lines[0].is_same(&lines[2]) && lines[0].way != lines[2].way);
        assert_eq!(
            lines[1].shown(),
            "vf2 write QM_VF_AEQ_INT_SOURCE of 8 bytes 0x2000 by the window"
        );
        assert_eq!(
            lines[3].shown(),
            "vf write doorbell EQ 0 index 24 priority 0"
        );
    }
}
