// SPDX-License-Identifier: GPL-2.0

//! The whole device: registers as drivers reach them, the mailbox, and what only the PF has.

use crate::{
    bus::{Bus, Fault},
    caps,
    function::Function,
    ledger::Ledger,
    BAR2, BAR4,
};
use hisi_acc_hw::{context::VftEntry, doorbell::Kind, ids, mailbox::Message, regs};
use std::collections::BTreeMap;

/// Which functions a PF message goes to (`QM_IFC_SEND_ALL_VFS`).
const ALL_VFS: u32 = 0x7f;

/// The device.
pub struct Twin {
    /// The PF, then the VFs.
    pub(crate) functions: Vec<Function>,
    /// Queues by function and table: what was written to the VFT, by type and function.
    vft: BTreeMap<(u32, u32), u64>,
    /// What happened.
    pub ledger: Ledger,
}

/// A [`Bus`] whose accesses are counted.
pub(crate) struct Counted<'a> {
    bus: &'a mut dyn Bus,
    ledger: &'a mut Ledger,
}

impl Bus for Counted<'_> {
    fn read(&mut self, function: usize, address: u64, to: &mut [u8]) -> Result<(), Fault> {
        let result = self.bus.read(function, address, to);
        match result {
            Ok(()) => self.ledger.add(function, "dma_read_bytes", to.len() as u64),
            Err(Fault) => self.ledger.add(function, "dma_fault", 1),
        }
        result
    }

    fn write(&mut self, function: usize, address: u64, from: &[u8]) -> Result<(), Fault> {
        let result = self.bus.write(function, address, from);
        match result {
            Ok(()) => self
                .ledger
                .add(function, "dma_write_bytes", from.len() as u64),
            Err(Fault) => self.ledger.add(function, "dma_fault", 1),
        }
        result
    }

    fn msi(&mut self, function: usize, vector: u32) {
        self.ledger.add(function, "msi", 1);
        self.bus.msi(function, vector);
    }
}

impl Twin {
    /// A device with `vfs` virtual functions.
    pub fn new(vfs: usize) -> Self {
        Self {
            functions: (0..=vfs).map(|_| Function::new()).collect(),
            vft: BTreeMap::new(),
            ledger: Ledger::default(),
        }
    }

    pub(crate) fn counted<'a>(&'a mut self, bus: &'a mut dyn Bus, _f: usize) -> Counted<'a> {
        Counted {
            bus,
            ledger: &mut self.ledger,
        }
    }

    pub(crate) fn dma_read(
        &mut self,
        bus: &mut dyn Bus,
        f: usize,
        at: u64,
        to: &mut [u8],
    ) -> Result<(), Fault> {
        self.counted(bus, f).read(f, at, to)
    }

    pub(crate) fn dma_write(
        &mut self,
        bus: &mut dyn Bus,
        f: usize,
        at: u64,
        from: &[u8],
    ) -> Result<(), Fault> {
        self.counted(bus, f).write(f, at, from)
    }

    pub(crate) fn msi(&mut self, bus: &mut dyn Bus, f: usize, vector: u32) {
        self.counted(bus, f).msi(f, vector);
    }

    /// The VFT's entry of a function, as it was written.
    pub(crate) fn vft_entry(&self, f: usize) -> Option<u64> {
        let function = u32::try_from(f).ok()?;
        self.vft
            .get(&(regs::QM_VFT_CFG_TYPE_SQC, function))
            .copied()
    }

    /// How many queues a function has, by the VFT.
    pub(crate) fn queues(&self, f: usize) -> u32 {
        self.vft_entry(f)
            .map_or(0, |raw| VftEntry::from_sqc_vft(raw).num)
    }

    /// Function-level reset.
    pub fn reset(&mut self, f: usize) {
        self.ledger.add(f, "flr", 1);
        if let Some(function) = self.functions.get_mut(f) {
            function.reset();
        }
    }

    /// Carries out what is due at `now` (nanoseconds); says when to come again.
    pub fn run(&mut self, bus: &mut dyn Bus, now: u64) -> Option<u64> {
        (0..self.functions.len())
            .filter_map(|f| self.run_function(bus, f, now))
            .min()
    }

    fn count_access(&mut self, f: usize, bar: u8, offset: u64, write: bool) {
        let hidden = f != 0 && bar == BAR2 && offset >= u64::from(regs::QM_MIG_VF_BASE);
        let key = match (write, hidden) {
            (false, false) => "reg_read",
            (true, false) => "reg_write",
            (false, true) => "reg_read_migration",
            (true, true) => "reg_write_migration",
        };
        self.ledger.add(f, key, 1);
    }

    /// A driver reads `size` bytes, 4 or 8, of a BAR of a function.
    pub fn read(&mut self, f: usize, bar: u8, offset: u64, size: u32) -> u64 {
        self.count_access(f, bar, offset, false);
        let Ok(offset) = u32::try_from(offset) else {
            return 0;
        };
        if f >= self.functions.len() || bar != BAR2 {
            return 0;
        }
        let low = u64::from(self.read32(f, offset & !3));
        if size == 8 {
            low | (u64::from(self.read32(f, (offset & !3).wrapping_add(4))) << 32)
        } else {
            low
        }
    }

    fn read32(&mut self, f: usize, offset: u32) -> u32 {
        if let Some(value) = caps::read(offset, f == 0) {
            return value;
        }
        let Some(function) = self.functions.get(f) else {
            return 0;
        };
        match offset {
            regs::QM_VF_EQ_INT_MASK => function.eq.mask,
            regs::QM_VF_AEQ_INT_MASK => function.aeq.mask,
            regs::QM_VF_EQ_INT_SOURCE => u32::from(function.eq.pending),
            regs::QM_VF_AEQ_INT_SOURCE => u32::from(function.aeq.pending),
            regs::QM_IFC_INT_SOURCE_V | regs::QM_IFC_INT_STATUS => function.message_status,
            regs::QM_IFC_INT_MASK => function.message_mask,
            regs::QM_IFC_INT_SET_V => function.message_set,
            regs::QM_CACHE_WB_DONE => function.written_back,
            0x300..=0x30f => {
                let shift = 8 * (offset - 0x300);
                (function.mailbox.into_raw() >> shift) as u32
            }
            regs::QM_EQC_VF_DW0..=0x801b if f != 0 => function
                .eq
                .context
                .word((offset - regs::QM_EQC_VF_DW0) as usize / 4),
            regs::QM_AEQC_VF_DW0..=0x803b if f != 0 => function
                .aeq
                .context
                .word((offset - regs::QM_AEQC_VF_DW0) as usize / 4),
            // QM_MEM_INIT_DONE
            0x10_0044 if f == 0 => 1,
            regs::QM_VFT_CFG_RDY if f == 0 => 1,
            // QM_IFC_READY_STATUS: who has not taken a message yet
            0x10_0128 if f == 0 => self.message_bits(|f| f.message_status),
            // QM_IFC_INT_SOURCE_P: who has sent one
            0x10_0138 if f == 0 => self.message_bits(|f| f.message_set),
            _ => function.plain.get(&offset).copied().unwrap_or(0),
        }
    }

    /// A bit for each VF of the first 31. Guess: the upper half of the 64-bit register is VFs 32 on.
    fn message_bits(&self, bit: impl Fn(&Function) -> u32) -> u32 {
        (1..self.functions.len().min(32))
            .fold(0, |bits, f| bits | ((bit(&self.functions[f]) & 1) << f))
    }

    /// A driver writes `size` bytes, 4 or 8, of a BAR of a function.
    pub fn write(
        &mut self,
        bus: &mut dyn Bus,
        f: usize,
        bar: u8,
        offset: u64,
        value: u64,
        size: u32,
    ) {
        self.count_access(f, bar, offset, true);
        let Ok(offset) = u32::try_from(offset) else {
            return;
        };
        if f >= self.functions.len() {
            return;
        }
        if bar == BAR4 {
            // A page a queue, the doorbell at 0x1000 in it (`qm_db_v2()`).
            if u64::from(offset) % crate::DOORBELL_PAGE
                == u64::from(regs::QM_DOORBELL_SQ_CQ_BASE_V2)
            {
                self.doorbell(bus, f, value);
            }
            return;
        }
        match offset {
            regs::QM_DOORBELL_SQ_CQ_BASE_V2 | regs::QM_DOORBELL_EQ_AEQ_BASE_V2 => {
                self.doorbell(bus, f, value);
            }
            // The machine hands the 16 bytes over as two halves, low first.
            0x300 if size == 8 => self.functions[f].mailbox_low = value,
            0x308 if size == 8 => {
                let low = self.functions[f].mailbox_low;
                let raw = u128::from(low) | (u128::from(value) << 64);
                self.mailbox(bus, f, Message::from_raw(raw));
            }
            _ => {
                self.write32(bus, f, offset & !3, value as u32);
                if size == 8 {
                    self.write32(bus, f, (offset & !3).wrapping_add(4), (value >> 32) as u32);
                }
            }
        }
    }

    fn write32(&mut self, bus: &mut dyn Bus, f: usize, offset: u32, value: u32) {
        // Capability registers cannot be written.
        if caps::read(offset, f == 0).is_some() {
            return;
        }
        let function = &mut self.functions[f];
        match offset {
            regs::QM_VF_EQ_INT_MASK => {
                function.eq.mask = value & 1;
                self.raise(bus, f, Kind::Eq);
            }
            regs::QM_VF_AEQ_INT_MASK => {
                function.aeq.mask = value & 1;
                self.raise(bus, f, Kind::Aeq);
            }
            regs::QM_IFC_INT_SOURCE_V => function.message_status &= !value,
            regs::QM_IFC_INT_MASK => function.message_mask = value & 1,
            regs::QM_IFC_INT_SET_V => {
                function.message_set = value & 1;
                if f != 0 && value & 1 != 0 && self.functions[0].message_mask == 0 {
                    self.functions[0].message_status = 1;
                    self.msi(bus, 0, caps::VECTOR_MESSAGE);
                }
            }
            regs::QM_CACHE_WB_START => {
                if value & 1 != 0 {
                    self.write_back(bus, f);
                    self.functions[f].written_back = 1;
                }
            }
            0x300..=0x30f => {}
            regs::QM_EQC_VF_DW0..=0x801b if f != 0 => {
                let word = (offset - regs::QM_EQC_VF_DW0) as usize / 4;
                function.eq.context.set_word(word, value);
                // Guess: a context loaded by these registers asks for the next interrupt anew, so
                // that an event which the source had not told of is told of by the target.
                function.eq.armed = true;
            }
            regs::QM_AEQC_VF_DW0..=0x803b if f != 0 => {
                let word = (offset - regs::QM_AEQC_VF_DW0) as usize / 4;
                function.aeq.context.set_word(word, value);
                function.aeq.armed = true;
            }
            regs::QM_VFT_CFG_OP_ENABLE if f == 0 => self.vft_access(value),
            // QM_IFC_INT_SET_P: tell the VFs that QM_IFC_INT_CFG names
            0x10_0130 if f == 0 => {
                if value & 1 != 0 {
                    self.tell_vfs(bus);
                }
            }
            // QM_IFC_INT_SOURCE_P: write 1 to take a VF's message
            0x10_0138 if f == 0 => {
                for vf in (1..self.functions.len().min(32)).filter(|vf| value & (1 << vf) != 0) {
                    self.functions[vf].message_set = 0;
                }
            }
            // Interrupt sources are cleared by what is written: QM_ABNORMAL_INT_SOURCE and
            // HZIP_CORE_INT_SOURCE. Nothing sets them here.
            0x10_0000 | 0x30_10a0 if f == 0 => {}
            _ => {
                function.plain.insert(offset, value);
            }
        }
    }

    fn plain(&self, offset: u32) -> u32 {
        self.functions[0].plain.get(&offset).copied().unwrap_or(0)
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

    fn tell_vfs(&mut self, bus: &mut dyn Bus) {
        // QM_IFC_INT_CFG: whom
        let whom = self.plain(0x10_0134) & ALL_VFS;
        for vf in 1..self.functions.len() {
            if whom == ALL_VFS || whom as usize == vf {
                self.functions[vf].message_status = 1;
                if self.functions[vf].message_mask == 0 {
                    self.msi(bus, vf, caps::VECTOR_MESSAGE);
                }
            }
        }
    }

    /// The PCI device ID of a function.
    pub fn device_id(f: usize) -> u16 {
        if f == 0 {
            ids::ZIP_PF
        } else {
            ids::ZIP_VF
        }
    }
}
