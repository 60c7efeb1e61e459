// SPDX-License-Identifier: GPL-2.0

//! What only the PF has: the VFT, messages to and from VFs, errors.

use crate::{bus::Bus, caps, device::Twin, kind::Generation};
use hisi_acc_hw::regs;

/// Which functions a PF message goes to (`QM_IFC_SEND_ALL_VFS`).
const ALL_VFS: u32 = 0x7f;

/// `QM_ABNORMAL_INT_SOURCE`
const QM_ABNORMAL_INT_SOURCE: u32 = 0x10_0000;
/// `QM_ABNORMAL_INT_MASK`: a 1 holds the error back
const QM_ABNORMAL_INT_MASK: u32 = 0x10_0004;
/// `QM_ABNORMAL_INT_SET`
const QM_ABNORMAL_INT_SET: u32 = 0x10_000c;
/// `QM_MEM_START_INIT`: the VFT is to be written after it (`qm_set_sqc_cqc_vft()`)
const QM_MEM_START_INIT: u32 = 0x10_0040;
/// `QM_MEM_INIT_DONE`
const QM_MEM_INIT_DONE: u32 = 0x10_0044;
/// `QM_IFC_READY_STATUS`: 64 bits, who has not taken a message yet
const QM_IFC_READY_STATUS: u32 = 0x10_0128;
/// `QM_IFC_INT_SET_P`
const QM_IFC_INT_SET_P: u32 = 0x10_0130;
/// `QM_IFC_INT_CFG`
const QM_IFC_INT_CFG: u32 = 0x10_0134;
/// `QM_IFC_INT_SOURCE_P`: 64 bits, who has sent one; write 1 to take it
const QM_IFC_INT_SOURCE_P: u32 = 0x10_0138;
/// `QM_DEV_DB_DROP`: 64 bits, whose doorbells are dropped (V5)
const QM_DEV_DB_DROP: u32 = 0x10_0250;
/// `QM_FUNC_AXI_ERR_ST0`: 64 bits, write 1 to clear (V5). Nothing sets them here.
const QM_FUNC_AXI_ERR_ST0: u32 = 0x10_0280;
/// `QM_PF2VF_PF_W`: 64 bits, the message to VFs (V5)
const QM_PF2VF_PF_W: u32 = 0x10_4700;
/// `QM_VF2PF_PF_R`: 32 bits for each function, its message (V5)
const QM_VF2PF_PF_R: u32 = 0x10_4800;
/// `ACC_MASTER_TRANS_RETURN`
const ACC_MASTER_TRANS_RETURN: u32 = 0x30_0150;
/// `ACC_MASTER_TRANS_RETURN_RW`: no access is on its way
const ACC_MASTER_TRANS_RETURN_RW: u32 = 3;

/// Errors of the QM or of the engine.
#[derive(Clone, Copy)]
pub struct Errors {
    /// What happened
    pub source: u32,
    /// As the driver wrote it
    pub mask: u32,
    /// What the interrupt was raised for
    pub told: u32,
}

impl Default for Errors {
    fn default() -> Self {
        Self {
            source: 0,
            // Guess: all held back till a driver asks for them.
            mask: u32::MAX,
            told: 0,
        }
    }
}

impl Errors {
    /// Guess: the status is what the mask lets through.
    fn status(&self, mask_enables: bool) -> u32 {
        self.source & if mask_enables { self.mask } else { !self.mask }
    }

    /// Exactly these have happened.
    pub(crate) fn set(&mut self, bits: u32) {
        self.source = bits;
        self.told &= bits;
    }

    fn clear(&mut self, bits: u32) {
        self.source &= !bits;
        self.told &= !bits;
    }
}

/// The half of a 64-bit register that is at an offset.
fn half(offset: u32, register: u32, value: u64) -> u32 {
    if offset == register {
        value as u32
    } else {
        (value >> 32) as u32
    }
}

impl Twin {
    /// A register that only the PF has.
    pub(crate) fn pf_read(&mut self, offset: u32) -> Option<u32> {
        let engine = self.kind.engine_errors();
        let v5 = self.kind.generation == Generation::V5;
        Some(match offset {
            QM_ABNORMAL_INT_SOURCE => self.qm_errors.source,
            QM_ABNORMAL_INT_MASK => self.qm_errors.mask,
            regs::QM_ABNORMAL_INT_STATUS => self.qm_errors.status(false),
            QM_ABNORMAL_INT_SET => 0,
            _ if offset == engine.source => self.engine_errors.source,
            _ if offset == engine.mask => self.engine_errors.mask,
            _ if offset == engine.status => self.engine_errors.status(engine.mask_enables),
            QM_MEM_INIT_DONE | regs::QM_VFT_CFG_RDY => 1,
            QM_IFC_READY_STATUS | 0x10_012c => half(
                offset,
                QM_IFC_READY_STATUS,
                self.bits(|f| f.message_status & 1 != 0),
            ),
            QM_IFC_INT_SOURCE_P | 0x10_013c => half(
                offset,
                QM_IFC_INT_SOURCE_P,
                self.bits(|f| f.message_set & 1 != 0),
            ),
            QM_FUNC_AXI_ERR_ST0 | 0x10_0284 if v5 => 0,
            QM_VF2PF_PF_R..0x10_4900 if v5 => {
                let f = ((offset - QM_VF2PF_PF_R) / 4) as usize;
                self.functions.get(f).map_or(0, |f| f.sent as u32)
            }
            ACC_MASTER_TRANS_RETURN => ACC_MASTER_TRANS_RETURN_RW,
            _ => return self.kind.ready(offset).or_else(|| self.dfx_read(offset)),
        })
    }

    /// A bit for each VF.
    fn bits(&self, bit: impl Fn(&crate::function::Function) -> bool) -> u64 {
        self.functions
            .iter()
            .enumerate()
            .skip(1)
            .take(63)
            .filter(|(_, function)| bit(function))
            .fold(0, |bits, (f, _)| bits | (1 << f))
    }

    /// Writes a register that only the PF has; `false` where it is none, or one that keeps what is
    /// written.
    pub(crate) fn pf_write(&mut self, bus: &mut dyn Bus, offset: u32, value: u32) -> bool {
        let engine = self.kind.engine_errors();
        match offset {
            QM_ABNORMAL_INT_SOURCE => self.qm_errors.clear(value),
            QM_ABNORMAL_INT_MASK => self.qm_errors.mask = value,
            QM_ABNORMAL_INT_SET => self.qm_errors.source |= value,
            _ if offset == engine.source => self.engine_errors.clear(value),
            _ if offset == engine.mask => self.engine_errors.mask = value,
            _ if Some(offset) == engine.set => self.engine_errors.source |= value,
            _ if offset == engine.status => {}
            regs::QM_ABNORMAL_INT_STATUS | QM_MEM_INIT_DONE | ACC_MASTER_TRANS_RETURN => {}
            QM_MEM_START_INIT if value & 1 != 0 => self.vft.clear(),
            regs::QM_VFT_CFG_OP_ENABLE => self.vft_access(value),
            // Tell the VFs that QM_IFC_INT_CFG names
            QM_IFC_INT_SET_P => {
                if value & 1 != 0 {
                    self.tell_vfs(bus);
                }
            }
            QM_IFC_INT_SOURCE_P => self.take(u64::from(value)),
            0x10_013c => self.take(u64::from(value) << 32),
            _ => return false,
        }
        self.report_errors(bus);
        true
    }

    /// Raises the PF's interrupt for errors that it was not raised for yet.
    pub(crate) fn report_errors(&mut self, bus: &mut dyn Bus) {
        let engine = self.kind.engine_errors().mask_enables;
        let mut new = 0;
        for (errors, enables) in [
            (&mut self.qm_errors, false),
            (&mut self.engine_errors, engine),
        ] {
            let status = errors.status(enables);
            new |= status & !errors.told;
            errors.told |= status;
        }
        if new != 0 {
            self.msi(bus, 0, caps::VECTOR_ABNORMAL);
        }
    }

    /// `qm_set_vft_common()` writes an entry, `pf_qm_get_qp_num()` reads one.
    fn vft_access(&mut self, enable: u32) {
        if enable & 1 == 0 {
            return;
        }
        let key = (
            self.plain(regs::QM_VFT_CFG_TYPE),
            self.plain(regs::QM_VFT_CFG),
        );
        if self.plain(regs::QM_VFT_CFG_OP_WR) == regs::QM_VFT_CFG_OP_READ {
            let raw = self.vft.get(&key).copied().unwrap_or(0);
            let plain = &mut self.functions[0].plain;
            plain.insert(regs::QM_VFT_CFG_DATA_L, raw as u32);
            plain.insert(regs::QM_VFT_CFG_DATA_H, (raw >> 32) as u32);
        } else {
            let low = self.plain(regs::QM_VFT_CFG_DATA_L);
            let high = self.plain(regs::QM_VFT_CFG_DATA_H);
            self.vft
                .insert(key, u64::from(low) | (u64::from(high) << 32));
        }
    }

    /// The PF takes the messages of VFs (`qm_clear_cmd_interrupt()`).
    fn take(&mut self, bits: u64) {
        for (f, function) in self.functions.iter_mut().enumerate().skip(1).take(63) {
            if bits & (1 << f) != 0 {
                function.message_set = 0;
            }
        }
    }

    fn tell_vfs(&mut self, bus: &mut dyn Bus) {
        let whom = self.plain(QM_IFC_INT_CFG) & ALL_VFS;
        let high = u64::from(self.plain(QM_PF2VF_PF_W + 4));
        let message = u64::from(self.plain(QM_PF2VF_PF_W)) | (high << 32);
        for vf in 1..self.functions.len() {
            if whom != ALL_VFS && whom as usize != vf {
                continue;
            }
            if self.kind.generation == Generation::V5 {
                self.functions[vf].received = message;
            }
            self.functions[vf].message_status = 1;
            if self.functions[vf].message_mask == 0 {
                self.msi(bus, vf, caps::VECTOR_MESSAGE);
            }
        }
    }

    /// A VF has a message for the PF (`QM_IFC_INT_SET_V`).
    pub(crate) fn tell_pf(&mut self, bus: &mut dyn Bus, f: usize, set: u32) {
        self.functions[f].message_set = set;
        if f != 0 && set != 0 {
            self.functions[0].message_status = 1;
            if self.functions[0].message_mask == 0 {
                self.msi(bus, 0, caps::VECTOR_MESSAGE);
            }
        }
    }

    /// Whether a function's doorbells are dropped (`qm_fun_db_ctrl()`, `qm_dev_db_ctrl()`).
    pub(crate) fn drops_doorbells(&self, f: usize) -> bool {
        if self.kind.generation != Generation::V5 {
            return false;
        }
        let own = self
            .functions
            .get(f)
            .and_then(|function| function.plain.get(&regs::QM_FUN_DB_DROP))
            .is_some_and(|drop| drop & 1 != 0);
        let half = self.plain(QM_DEV_DB_DROP + 4 * (f as u32 / 32));
        own || half & (1 << (f % 32)) != 0
    }
}
