// SPDX-License-Identifier: GPL-2.0

//! What only the PF has: the VFT, messages to and from VFs, errors.

use crate::{
    engine,
    function::Function,
    guess::{Alternative, Guesses},
    kind::Kind,
};
use hisi_acc_hw::{
    context::VftEntry,
    generation::{Generation, Messages},
    reg::{Pf, Reg},
    regs,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

/// Which functions a PF message goes to (`QM_IFC_SEND_ALL_VFS`).
const ALL_VFS: u32 = 0x7f;

/// `QM_ABNORMAL_INT_SOURCE`
const QM_ABNORMAL_INT_SOURCE: Reg<Pf> = Reg::at(0x10_0000);
/// `QM_ABNORMAL_INT_MASK`: a 1 holds the error back
const QM_ABNORMAL_INT_MASK: Reg<Pf> = Reg::at(0x10_0004);
/// `QM_ABNORMAL_INT_SET`
const QM_ABNORMAL_INT_SET: Reg<Pf> = Reg::at(0x10_000c);
/// `QM_MEM_START_INIT`: the VFT is to be written after it (`qm_set_sqc_cqc_vft()`)
const QM_MEM_START_INIT: Reg<Pf> = Reg::at(0x10_0040);
/// `QM_MEM_INIT_DONE`
const QM_MEM_INIT_DONE: Reg<Pf> = Reg::at(0x10_0044);
/// `QM_IFC_READY_STATUS`: 64 bits, who has not taken a message yet
const QM_IFC_READY_STATUS: Reg<Pf> = Reg::at(0x10_0128);
/// Its high half
const QM_IFC_READY_STATUS_H: Reg<Pf> = QM_IFC_READY_STATUS.word(1);
/// `QM_IFC_INT_SET_P`
const QM_IFC_INT_SET_P: Reg<Pf> = Reg::at(0x10_0130);
/// `QM_IFC_INT_CFG`
const QM_IFC_INT_CFG: Reg<Pf> = Reg::at(0x10_0134);
/// `QM_IFC_INT_SOURCE_P`: 64 bits, who has sent one; write 1 to take it
const QM_IFC_INT_SOURCE_P: Reg<Pf> = Reg::at(0x10_0138);
/// Its high half
const QM_IFC_INT_SOURCE_P_H: Reg<Pf> = QM_IFC_INT_SOURCE_P.word(1);
/// `QM_DEV_DB_DROP`: 64 bits, whose doorbells are dropped (V5)
const QM_DEV_DB_DROP: Reg<Pf> = Reg::at(0x10_0250);
/// `QM_FUNC_AXI_ERR_ST0`: 64 bits, write 1 to clear (V5). Nothing sets them here.
const QM_FUNC_AXI_ERR_ST0: Reg<Pf> = Reg::at(0x10_0280);
/// Its high half
const QM_FUNC_AXI_ERR_ST0_H: Reg<Pf> = QM_FUNC_AXI_ERR_ST0.word(1);
/// `QM_PF2VF_PF_W`: 64 bits, the message to VFs (V5)
const QM_PF2VF_PF_W: Reg<Pf> = Reg::at(0x10_4700);
/// `QM_VF2PF_PF_R`: 32 bits for each function, its message (V5)
const VF2PF_PF_R: Range<u32> = 0x10_4800..0x10_4900;
/// `QM_SQC_VFT_VALID`
const VFT_VALID: u64 = 1 << 44;
/// `ACC_MASTER_TRANS_RETURN`
const ACC_MASTER_TRANS_RETURN: Reg<Pf> = Reg::at(0x30_0150);
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
            // Guess: all held back until a driver asks for them.
            mask: u32::MAX,
            told: 0,
        }
    }
}

impl Errors {
    /// Returns the status. Guess: it is what the mask lets through.
    fn status(&self, guesses: Guesses, mask_enables: bool) -> u32 {
        if guesses.has(Alternative::MaskedErrors) {
            return self.source;
        }
        self.let_through(mask_enables)
    }

    /// Returns the errors that raise the interrupt.
    fn let_through(&self, mask_enables: bool) -> u32 {
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

/// Returns the half of a 64-bit register that `reg` is.
fn half(reg: Reg<Pf>, low: Reg<Pf>, value: u64) -> u32 {
    if reg == low {
        value as u32
    } else {
        (value >> 32) as u32
    }
}

/// Returns a register of the PF that does nothing but keep what is written to it.
pub fn plain(functions: &[Function], reg: Reg<Pf>) -> u32 {
    functions
        .first()
        .and_then(|pf| pf.plain.get(&reg.offset()))
        .copied()
        .unwrap_or(0)
}

/// Collects a bit of each VF.
fn bits(functions: &[Function], bit: impl Fn(&Function) -> bool) -> u64 {
    functions
        .iter()
        .enumerate()
        .skip(1)
        .take(63)
        .filter(|(_, function)| bit(function))
        .fold(0, |bits, (f, _)| bits | (1 << f))
}

/// The PF takes the messages of VFs (`qm_clear_cmd_interrupt()`).
fn take(functions: &mut [Function], bits: u64) {
    for (f, function) in functions.iter_mut().enumerate().skip(1).take(63) {
        if bits & (1 << f) != 0 {
            function.message_set = 0;
        }
    }
}

/// Hands the PF's message to the VFs that `QM_IFC_INT_CFG` names; returns those whose interrupt is
/// not masked.
fn tell_vfs(generation: Generation, functions: &mut [Function]) -> Vec<usize> {
    let whom = plain(functions, QM_IFC_INT_CFG) & ALL_VFS;
    let high = u64::from(plain(functions, QM_PF2VF_PF_W.word(1)));
    let message = u64::from(plain(functions, QM_PF2VF_PF_W)) | (high << 32);
    let mut interrupted = Vec::new();
    for (vf, function) in functions.iter_mut().enumerate().skip(1) {
        if whom != ALL_VFS && whom as usize != vf {
            continue;
        }
        if generation.layout().messages == Messages::Registers {
            function.received = message;
        }
        function.message_status = 1;
        if function.message_mask == 0 {
            interrupted.push(vf);
        }
    }
    interrupted
}

/// A function has a message for the PF, or none any more (`QM_IFC_INT_SET_V`). Returns whether it
/// interrupts the PF.
pub fn tell_pf(functions: &mut [Function], f: usize, set: u32) -> bool {
    if let Some(function) = functions.get_mut(f) {
        function.message_set = set;
    }
    match functions.first_mut() {
        Some(pf) if f != 0 && set != 0 => {
            pf.message_status = 1;
            pf.message_mask == 0
        }
        _ => false,
    }
}

/// Returns whether a function's doorbells are dropped (`qm_fun_db_ctrl()`, `qm_dev_db_ctrl()`).
pub fn drops_doorbells(generation: Generation, functions: &[Function], f: usize) -> bool {
    if !generation.layout().drops_doorbells {
        return false;
    }
    let own = functions
        .get(f)
        .and_then(|function| function.plain.get(&regs::QM_FUN_DB_DROP.offset()))
        .is_some_and(|drop| drop & 1 != 0);
    let half = plain(functions, QM_DEV_DB_DROP.word(f as u32 / 32));
    own || half & (1 << (f % 32)) != 0
}

/// What only the PF has.
pub struct PfRegs {
    kind: Kind,
    guesses: Guesses,
    /// Queues by type and function, as they were written to the VFT
    vft: BTreeMap<(u32, u32), u64>,
    /// Functions whose entries are shown without the valid bit, by an order (`vft-invalid`)
    invalid: BTreeSet<usize>,
    /// `QM_ABNORMAL_INT_*`
    pub qm_errors: Errors,
    /// `HZIP_CORE_INT_*` and the like
    pub engine_errors: Errors,
}

impl PfRegs {
    /// Returns the state after reset. Guess: the VFT goes, too, since `hisi_qm_reset_done()` writes
    /// all of it anew.
    pub fn new(kind: Kind, guesses: Guesses) -> Self {
        Self {
            kind,
            guesses,
            vft: BTreeMap::new(),
            invalid: BTreeSet::new(),
            qm_errors: Errors::default(),
            engine_errors: Errors::default(),
        }
    }

    /// Shows the entry of a function without the valid bit, or no more.
    pub(crate) fn set_invalid(&mut self, f: usize, invalid: bool) {
        match invalid {
            true => self.invalid.insert(f),
            false => self.invalid.remove(&f),
        };
    }

    /// Returns the state at first, with other guesses. Orders stay.
    pub(crate) fn chosen(&self, guesses: Guesses) -> Self {
        Self {
            invalid: self.invalid.clone(),
            ..Self::new(self.kind, guesses)
        }
    }

    /// Returns the state after a reset of the PF that was `self`.
    pub fn after_reset(&self) -> Self {
        let mut new = self.chosen(self.guesses);
        if self.guesses.has(Alternative::VftKept) {
            new.vft.clone_from(&self.vft);
        }
        new
    }

    /// Reads a register; `None` if the PF has no such register, or if it is one that keeps what is
    /// written.
    pub fn read(&self, functions: &[Function], offset: u32) -> Option<u32> {
        let errors = &self.kind.accelerator.descriptor().errors;
        let layout = self.kind.generation.layout();
        let has_messages = layout.messages == Messages::Registers;
        let reg = Reg::at(offset);
        Some(match reg {
            QM_ABNORMAL_INT_SOURCE => self.qm_errors.source,
            QM_ABNORMAL_INT_MASK => self.qm_errors.mask,
            regs::QM_ABNORMAL_INT_STATUS => self.qm_errors.status(self.guesses, false),
            QM_ABNORMAL_INT_SET => 0,
            _ if reg == errors.source => self.engine_errors.source,
            _ if reg == errors.mask => self.engine_errors.mask,
            _ if reg == errors.status => {
                self.engine_errors.status(self.guesses, errors.mask_enables)
            }
            QM_MEM_INIT_DONE | regs::QM_VFT_CFG_RDY => 1,
            QM_IFC_READY_STATUS | QM_IFC_READY_STATUS_H => half(
                reg,
                QM_IFC_READY_STATUS,
                bits(functions, |f| f.message_status & 1 != 0),
            ),
            QM_IFC_INT_SOURCE_P | QM_IFC_INT_SOURCE_P_H => half(
                reg,
                QM_IFC_INT_SOURCE_P,
                bits(functions, |f| f.message_set & 1 != 0),
            ),
            QM_FUNC_AXI_ERR_ST0 | QM_FUNC_AXI_ERR_ST0_H if has_messages => 0,
            _ if has_messages && VF2PF_PF_R.contains(&offset) => {
                let f = ((offset - VF2PF_PF_R.start) / 4) as usize;
                functions.get(f).map_or(0, |f| f.sent as u32)
            }
            ACC_MASTER_TRANS_RETURN => ACC_MASTER_TRANS_RETURN_RW,
            _ => return (engine::of(self.kind.accelerator).ready)(offset),
        })
    }

    /// Writes a register, and returns the VFs that get a message interrupt by it; `None` if the PF
    /// has no such register, or if it is one that keeps what is written.
    pub fn write(
        &mut self,
        functions: &mut [Function],
        offset: u32,
        value: u32,
    ) -> Option<Vec<usize>> {
        let errors = &self.kind.accelerator.descriptor().errors;
        let reg = Reg::at(offset);
        match reg {
            QM_ABNORMAL_INT_SOURCE => self.qm_errors.clear(value),
            QM_ABNORMAL_INT_MASK => self.qm_errors.mask = value,
            QM_ABNORMAL_INT_SET => self.qm_errors.source |= value,
            _ if reg == errors.source => self.engine_errors.clear(value),
            _ if reg == errors.mask => self.engine_errors.mask = value,
            _ if Some(reg) == errors.set => self.engine_errors.source |= value,
            _ if reg == errors.status => {}
            regs::QM_ABNORMAL_INT_STATUS | QM_MEM_INIT_DONE | ACC_MASTER_TRANS_RETURN => {}
            QM_MEM_START_INIT if value & 1 != 0 => self.vft.clear(),
            regs::QM_VFT_CFG_OP_ENABLE => self.vft_access(functions, value),
            // Tell the VFs that QM_IFC_INT_CFG names
            QM_IFC_INT_SET_P if value & 1 != 0 => {
                return Some(tell_vfs(self.kind.generation, functions));
            }
            QM_IFC_INT_SET_P => {}
            QM_IFC_INT_SOURCE_P => take(functions, u64::from(value)),
            QM_IFC_INT_SOURCE_P_H => take(functions, u64::from(value) << 32),
            _ => return None,
        }
        Some(Vec::new())
    }

    /// Returns whether there are errors that the PF's interrupt was not raised for yet, and counts
    /// them as told.
    pub fn tell_errors(&mut self) -> bool {
        let engine = self.kind.accelerator.descriptor().errors.mask_enables;
        let mut new = 0;
        for (errors, enables) in [
            (&mut self.qm_errors, false),
            (&mut self.engine_errors, engine),
        ] {
            let status = errors.let_through(enables);
            new |= status & !errors.told;
            errors.told |= status;
        }
        new != 0
    }

    /// Returns the VFT's entry of a function, as it was written.
    pub fn vft_entry(&self, f: usize) -> Option<u64> {
        let function = u32::try_from(f).ok()?;
        self.vft
            .get(&(regs::QM_VFT_CFG_TYPE_SQC, function))
            .copied()
    }

    /// Returns how many queues a function has, by the VFT. `hisi_qm_stop()` takes all from the PF
    /// by an entry that is not valid.
    pub fn queues(&self, f: usize) -> u32 {
        self.vft_entry(f)
            .filter(|raw| raw & VFT_VALID != 0)
            .map_or(0, |raw| VftEntry::from_sqc_vft(raw).num)
    }

    /// `qm_set_vft_common()` writes an entry, `pf_qm_get_qp_num()` reads one.
    fn vft_access(&mut self, functions: &mut [Function], enable: u32) {
        if enable & 1 == 0 {
            return;
        }
        let key = (
            plain(functions, regs::QM_VFT_CFG_TYPE),
            plain(functions, regs::QM_VFT_CFG),
        );
        if plain(functions, regs::QM_VFT_CFG_OP_WR) == regs::QM_VFT_CFG_OP_READ {
            let mut raw = self.vft.get(&key).copied().unwrap_or(0);
            if self.invalid.contains(&(key.1 as usize)) {
                raw &= !VFT_VALID;
            }
            if let Some(pf) = functions.first_mut() {
                pf.plain
                    .insert(regs::QM_VFT_CFG_DATA_L.offset(), raw as u32);
                pf.plain
                    .insert(regs::QM_VFT_CFG_DATA_H.offset(), (raw >> 32) as u32);
            }
        } else {
            let low = plain(functions, regs::QM_VFT_CFG_DATA_L);
            let high = plain(functions, regs::QM_VFT_CFG_DATA_H);
            let mut entry = u64::from(low) | (u64::from(high) << 32);
            let of_queues = key.0 == regs::QM_VFT_CFG_TYPE_SQC;
            let old = of_queues && self.guesses.has(Alternative::OldNumber);
            if old && entry & VFT_VALID == 0 {
                entry = self.vft.get(&key).map_or(entry, |old| old & !VFT_VALID);
            }
            self.vft.insert(key, entry);
        }
    }
}
