// SPDX-License-Identifier: GPL-2.0

//! The whole device: its functions, and registers as drivers reach them.

use crate::{
    bus::{Bus, Fault},
    caps,
    dfx::{self, Dfx},
    fault::{Faults, Trigger},
    function::Function,
    guess::{Alternative, Guesses, GARBAGE, ROWS},
    kind::Kind,
    ledger::Ledger,
    pf::{self, PfRegs},
    BAR2, BAR4, DOORBELL_PAGE,
};
use hisi_acc_hw::{
    context::Xqc,
    doorbell::Kind as Ring,
    generation::{Messages, Migration},
    mailbox::{Command, Message},
    reg::{Function as Own, Reg},
    regs::{self, MigRegionSel},
};
use std::ops::Range;

/// `QM_DFX_FUNS_ACTIVE_ST`
const QM_DFX_FUNS_ACTIVE_ST: Reg<Own> = Reg::at(0x200);
/// The high half of `QM_PF2VF_VF_R`
const QM_PF2VF_VF_R_H: Reg<Own> = regs::QM_PF2VF_VF_R.word(1);
/// The mailbox: 16 bytes
const MAILBOX: Range<u32> =
    regs::QM_MB_CMD_SEND_BASE.offset()..regs::QM_MB_CMD_SEND_BASE.word(4).offset();
/// Its first half, and the second one
const MAILBOX_LOW: u32 = MAILBOX.start;
const MAILBOX_HIGH: u32 = MAILBOX.start + 8;
/// `QM_MB_BUSY_SHIFT`
const MAILBOX_BUSY: u32 = 1 << 13;

/// The device.
pub struct Twin {
    pub(crate) kind: Kind,
    /// The PF, then the VFs.
    pub(crate) functions: Vec<Function>,
    /// What was ordered for each.
    pub(crate) faults: Vec<Faults>,
    /// What was ordered for later.
    pub(crate) triggers: Vec<Trigger>,
    /// What only the PF has.
    pub(crate) pf: PfRegs,
    /// Counters that drivers read
    pub(crate) dfx: Dfx,
    /// What it does instead of what is guessed.
    pub(crate) guesses: Guesses,
    /// A driver has accessed a register.
    pub(crate) is_used: bool,
    /// What happened.
    pub ledger: Ledger,
}

/// A [`Bus`] whose accesses are counted, and subject to what was ordered.
pub(crate) struct Counted<'a> {
    bus: &'a mut dyn Bus,
    ledger: &'a mut Ledger,
    faults: &'a mut [Faults],
    guesses: Guesses,
}

impl Counted<'_> {
    fn blocks(&self, function: usize, address: u64, len: usize) -> bool {
        self.faults
            .get(function)
            .is_some_and(|faults| faults.blocks(address, len))
    }
}

impl Bus for Counted<'_> {
    fn guesses(&self) -> Guesses {
        self.guesses
    }

    fn read(&mut self, function: usize, address: u64, to: &mut [u8]) -> Result<(), Fault> {
        let result = match self.blocks(function, address, to.len()) {
            true => Err(Fault),
            false => self.bus.read(function, address, to),
        };
        match result {
            Ok(()) => {
                self.ledger.add(function, "dma_reads", 1);
                self.ledger.add(function, "dma_read_bytes", to.len() as u64);
            }
            Err(Fault) => self.ledger.add(function, "dma_fault", 1),
        }
        result
    }

    fn write(&mut self, function: usize, address: u64, from: &[u8]) -> Result<(), Fault> {
        let result = match self.blocks(function, address, from.len()) {
            true => Err(Fault),
            false => self.bus.write(function, address, from),
        };
        match result {
            Ok(()) => {
                self.ledger.add(function, "dma_writes", 1);
                self.ledger
                    .add(function, "dma_write_bytes", from.len() as u64);
                self.ledger.written(function, address, from.len());
            }
            Err(Fault) => self.ledger.add(function, "dma_fault", 1),
        }
        result
    }

    fn msi(&mut self, function: usize, vector: u32) {
        let times = match self.faults.get_mut(function) {
            Some(faults) if faults.gone => 0,
            Some(faults) if faults.lost != 0 => {
                faults.lost -= 1;
                self.ledger.add(function, "msi_lost", 1);
                0
            }
            Some(faults) if faults.doubled != 0 => {
                faults.doubled -= 1;
                2
            }
            _ => 1,
        };
        for _ in 0..times {
            self.ledger.add(function, "msi", 1);
            self.bus.msi(function, vector);
        }
    }
}

/// Whose migration registers an offset of a context is in, if any.
enum Context {
    Eq(usize),
    Aeq(usize),
}

impl Twin {
    /// A device with `vfs` virtual functions.
    pub fn new(kind: Kind, vfs: usize) -> Self {
        let guesses = Guesses::default();
        Self {
            kind,
            functions: (0..=vfs).map(|_| Function::new(guesses)).collect(),
            faults: vec![Faults::default(); vfs + 1],
            triggers: Vec::new(),
            pf: PfRegs::new(kind, guesses),
            dfx: Dfx::default(),
            guesses,
            is_used: false,
            ledger: Ledger::new(vfs + 1),
        }
    }

    pub(crate) fn counted<'a>(&'a mut self, bus: &'a mut dyn Bus) -> Counted<'a> {
        Counted {
            bus,
            ledger: &mut self.ledger,
            faults: &mut self.faults,
            guesses: self.guesses,
        }
    }

    /// Returns whether it does this instead of what is guessed.
    pub fn does(&self, alternative: Alternative) -> bool {
        self.guesses.has(alternative)
    }

    /// The same, by the name of the alternative; false if there is none of that name.
    pub fn does_named(&self, name: &str) -> bool {
        let row = ROWS.iter().find(|row| row.name == name);
        row.is_some_and(|row| self.does(row.alternative))
    }

    /// Chooses what it does instead of what is guessed, and begins anew: as after power-on, but for
    /// the ledger and the orders for faults. What PCI shows of a function stays as it is.
    pub fn choose(&mut self, guesses: Guesses) {
        self.guesses = guesses;
        for function in &mut self.functions {
            *function = Function::new(guesses);
        }
        self.pf = self.pf.chosen(guesses);
        self.dfx = Dfx::default();
    }

    pub(crate) fn dma_read(
        &mut self,
        bus: &mut dyn Bus,
        f: usize,
        at: u64,
        to: &mut [u8],
    ) -> Result<(), Fault> {
        self.counted(bus).read(f, at, to)
    }

    pub(crate) fn dma_write(
        &mut self,
        bus: &mut dyn Bus,
        f: usize,
        at: u64,
        from: &[u8],
    ) -> Result<(), Fault> {
        self.counted(bus).write(f, at, from)
    }

    pub(crate) fn msi(&mut self, bus: &mut dyn Bus, f: usize, vector: u32) {
        self.counted(bus).msi(f, vector);
    }

    /// Raises the PF's interrupt for errors that it was not raised for yet.
    pub(crate) fn report_errors(&mut self, bus: &mut dyn Bus) {
        if self.pf.tell_errors() {
            self.msi(bus, 0, caps::VECTOR_ABNORMAL);
        }
    }

    /// A function is reset (`flr` in the ledger): by FLR, by its bus, or as a VF that comes or
    /// goes. What only the PF has goes with the PF. That VFs go with the PF is PCI's business,
    /// which resets each of them.
    pub fn reset(&mut self, f: usize) {
        self.ledger.add(f, "flr", 1);
        self.ledger.reset(f);
        if self
            .faults
            .get(f)
            .is_some_and(|faults| faults.reset_ignored)
        {
            return;
        }
        let guesses = self.guesses;
        let select = self.kind.generation.layout().window().map(|w| w.select);
        if let Some(function) = self.functions.get_mut(f) {
            if function.kept {
                return;
            }
            let mailbox = function.mailbox;
            let command = Command::from_raw(mailbox.command_raw());
            if let Some(command) = command.filter(|_| mailbox.is_busy()) {
                self.ledger.cut_off(f, command.name());
            }
            let mut new = function.after_reset(guesses);
            if let Some(select) = select.filter(|_| guesses.has(Alternative::SelKept)) {
                if let Some(value) = function.plain.get(&select.offset()) {
                    new.plain.insert(select.offset(), *value);
                }
            }
            *function = new;
        }
        if f == 0 {
            self.pf = self.pf.after_reset();
            // Until a driver comes, PCI resets each VF, too.
            for vf in self.functions.iter_mut().skip(1) {
                vf.kept = guesses.has(Alternative::VfsKept);
            }
        }
    }

    /// The configuration space of a function is read. Returns whether the function is ready: until
    /// then after a reset, a read has no answer (PCIe r6.0, 2.3.1, Request Retry Status).
    pub fn config_read(&mut self, f: usize) -> bool {
        let held = self.faults.get(f).is_some_and(|faults| faults.reset_held);
        let ready = !(held && self.ledger.is_in_reset(f));
        if ready {
            self.ledger.config_read(f);
        }
        ready
    }

    /// Carries out what is due at `now` (nanoseconds); says when to come again.
    pub fn run(&mut self, bus: &mut dyn Bus, now: u64) -> Option<u64> {
        self.report_errors(bus);
        (0..self.functions.len())
            .filter_map(|f| self.run_function(bus, f, now))
            .min()
    }

    fn gone(&self, f: usize) -> bool {
        self.faults.get(f).is_some_and(|faults| faults.gone)
    }

    fn count_access(&mut self, f: usize, bar: u8, offset: u64, write: bool) {
        let is_hidden = |migration: &Migration| {
            migration.window.is_none() && offset >= migration.hidden_from.into()
        };
        let migration = self.kind.generation.layout().migration.as_ref();
        let hidden = f != 0 && bar == BAR2 && migration.is_some_and(is_hidden);
        self.is_used = true;
        self.count(f, write, hidden);
        if let Some(function) = self.functions.get_mut(f) {
            function.kept = false;
        }
        self.ledger.register(f, write, bar, offset);
    }

    fn count(&mut self, f: usize, write: bool, migration: bool) {
        let key = match (write, migration) {
            (false, false) => "reg_read",
            (true, false) => "reg_write",
            (false, true) => "reg_read_migration",
            (true, true) => "reg_write_migration",
        };
        self.ledger.add(f, key, 1);
    }

    /// Returns the function that the window shows at an offset of the PF's BAR2, and the offset in
    /// the registers of that function. A window that is not selected shows no function.
    fn window(&self, f: usize, offset: u32) -> Option<(usize, u32)> {
        if f != 0 {
            return None;
        }
        let window = self.kind.generation.layout().window()?;
        let (of, at) = window.function_at(offset)?;
        let selected = self.is_window_selected();
        Some((if selected { of as usize } else { usize::MAX }, at))
    }

    /// Returns whether the PF's window shows registers of functions.
    fn is_window_selected(&self) -> bool {
        let selected = |select| MigRegionSel(pf::plain(&self.functions, select)).is_window();
        let window = self.kind.generation.layout().window();
        window.is_some_and(|window| selected(window.select))
    }

    /// Returns the word of a context that is at an offset: in the PF's window only if the
    /// generation has one, else in the VF's own registers.
    fn context_word(&self, f: usize, offset: u32, window: bool) -> Option<Context> {
        let migration = self.kind.generation.layout().migration.as_ref()?;
        let (eqc, aeqc) = match (&migration.window, window) {
            (None, false) if f != 0 => (migration.eqc.offset(), migration.aeqc.offset()),
            (Some(window), true) => (window.eqc.offset(), window.aeqc.offset()),
            // As V3 has it.
            (Some(_), false)
                if f != 0 && self.does(Alternative::OwnBar) && !self.is_window_selected() =>
            {
                (migration.eqc.offset(), migration.aeqc.offset())
            }
            _ => return None,
        };
        let word = |base: u32| {
            let n = offset.checked_sub(base)? as usize / 4;
            (n < regs::QM_XQC_DWORDS).then_some(n)
        };
        word(eqc)
            .map(Context::Eq)
            .or_else(|| word(aeqc).map(Context::Aeq))
    }

    /// A driver reads `size` bytes, 1, 2, 4 or 8, of a BAR of a function.
    ///
    /// Guess: one or two bytes are those of the register of 32 bits that they are in, whose read
    /// has the effects that it always has.
    pub fn read(&mut self, f: usize, bar: u8, offset: u64, size: u32) -> u64 {
        self.count_access(f, bar, offset, false);
        let value = self.value(f, bar, offset, size);
        self.ledger.log.access(f, false, bar, offset, size, value);
        value
    }

    /// What takes time ends after a read has found that it has not ended. A driver that polls may
    /// give up sooner than a loaded host lets the model run.
    pub fn polled(&mut self, bus: &mut dyn Bus, f: usize, bar: u8, offset: u64) {
        if bar == BAR2 && offset == u64::from(regs::QM_CACHE_WB_DONE) {
            self.settle_write_back(bus, f);
        }
    }

    fn value(&mut self, f: usize, bar: u8, offset: u64, size: u32) -> u64 {
        if self.gone(f) {
            return u64::MAX;
        }
        let Ok(offset) = u32::try_from(offset) else {
            return 0;
        };
        if f >= self.functions.len() || bar != BAR2 {
            return 0;
        }
        let shift = 8 * (offset & 3);
        let (f, offset, window) = match self.window(f, offset & !3) {
            Some((of, at)) => {
                self.count(of, false, true);
                (of, at, true)
            }
            None => (f, offset & !3, false),
        };
        if window && f >= self.functions.len() && self.does(Alternative::WindowGarbage) {
            let garbage = u64::from(GARBAGE) | (u64::from(GARBAGE) << 32);
            return garbage & (u64::MAX >> (64 - 8 * u64::from(size)));
        }
        let low = u64::from(self.read32(f, offset, window));
        match size {
            8 => low | (u64::from(self.read32(f, offset.wrapping_add(4), window)) << 32),
            4 => low,
            _ => (low >> shift) & ((1 << (8 * size)) - 1),
        }
    }

    /// Reads a register that only the PF has.
    fn pf_read32(&mut self, offset: u32) -> Option<u32> {
        if let Some(value) = self.pf.read(&self.functions, offset) {
            return Some(value);
        }
        if offset == dfx::IN_IDLE_ST {
            let busy = self.functions.iter().any(|f| f.current.is_some());
            return Some(u32::from(!busy));
        }
        let plain = |offset| pf::plain(&self.functions, Reg::at(offset));
        let selected = dfx::selector(offset).map_or(0, plain);
        let clear = plain(dfx::CNT_CLR_CE) & 1 != 0 || self.does(Alternative::CountersClear);
        self.dfx.read(offset, selected, clear)
    }

    fn read32(&mut self, f: usize, offset: u32, window: bool) -> u32 {
        if let Some(value) = caps::read(self.kind, offset, f == 0) {
            let runtime_pm = self.does(Alternative::RuntimePm) && f != 0 && offset == caps::CAP_VF;
            return value | if runtime_pm { caps::VF_RUNTIME_PM } else { 0 };
        }
        if f == 0 && !window {
            if let Some(value) = self.pf_read32(offset) {
                return value;
            }
        }
        let context = self.context_word(f, offset, window);
        let guesses = self.guesses;
        let Some(function) = self.functions.get_mut(f) else {
            return 0;
        };
        match context {
            Some(Context::Eq(n)) => return function.eq.context.word(n),
            Some(Context::Aeq(n)) => return function.aeq.context.word(n),
            None => {}
        }
        let has_messages = self.kind.generation.layout().messages == Messages::Registers;
        match Reg::<Own>::at(offset) {
            regs::QM_VF_EQ_INT_MASK => function.eq.mask,
            regs::QM_VF_AEQ_INT_MASK => function.aeq.mask,
            regs::QM_VF_EQ_INT_SOURCE => u32::from(function.eq.source),
            regs::QM_VF_AEQ_INT_SOURCE => u32::from(function.aeq.source),
            regs::QM_IFC_INT_STATUS if guesses.has(Alternative::MessageStatusMasked) => {
                function.message_status & !function.message_mask
            }
            regs::QM_IFC_INT_SOURCE_V | regs::QM_IFC_INT_STATUS => function.message_status,
            regs::QM_IFC_INT_MASK => function.message_mask,
            regs::QM_IFC_INT_SET_V => function.message_set,
            regs::QM_CACHE_WB_DONE => function.written_back,
            QM_DFX_FUNS_ACTIVE_ST => {
                u32::from(function.current.is_some() || !function.active.is_empty())
            }
            _ if MAILBOX.contains(&offset) => {
                let shift = 8 * (offset - MAILBOX.start);
                let value = (function.mailbox.into_raw() >> shift) as u32;
                if offset == MAILBOX.start && function.mailbox_polls != 0 {
                    function.mailbox_polls -= 1;
                    return value | MAILBOX_BUSY;
                }
                value
            }
            regs::QM_PF2VF_VF_R if has_messages => function.received as u32,
            QM_PF2VF_VF_R_H if has_messages => (function.received >> 32) as u32,
            _ => function.plain.get(&offset).copied().unwrap_or(0),
        }
    }

    /// A driver writes `size` bytes, 1, 2, 4 or 8, of a BAR of a function.
    ///
    /// Guess: registers and doorbells take words of 32 bits and more. One or two bytes change
    /// nothing. That is no error for who writes them, because a write on PCI Express has no answer.
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
        self.ledger.log.access(f, true, bar, offset, size, value);
        if size < 4 || self.gone(f) || f >= self.functions.len() {
            return;
        }
        if bar == BAR4 {
            // A page a queue, the doorbell at 0x1000 in it (`qm_db_v2()`).
            if offset % DOORBELL_PAGE == u64::from(regs::QM_DOORBELL_SQ_CQ_BASE_V2) {
                self.doorbell(bus, f, value, Some(offset / DOORBELL_PAGE));
            }
            return;
        }
        let Ok(offset) = u32::try_from(offset) else {
            return;
        };
        let (f, offset, window) = match self.window(f, offset) {
            Some((of, at)) => {
                self.count(of, true, true);
                (of, at, true)
            }
            None => (f, offset, false),
        };
        let Some(function) = self.functions.get_mut(f) else {
            return;
        };
        match offset {
            regs::QM_DOORBELL_SQ_CQ_BASE_V2 => self.doorbell(bus, f, value, None),
            regs::QM_DOORBELL_EQ_AEQ_BASE_V2 => self.doorbell(bus, f, value, None),
            // The machine hands the 16 bytes over as two halves, low first.
            MAILBOX_LOW if size == 8 => function.mailbox_low = value,
            MAILBOX_HIGH if size == 8 => {
                let raw = u128::from(function.mailbox_low) | (u128::from(value) << 64);
                self.mailbox(bus, f, Message::from_raw(raw), window);
            }
            _ => {
                let offset = offset & !3;
                self.write32(bus, f, offset, value as u32, window);
                if size == 8 {
                    let high = (value >> 32) as u32;
                    self.write32(bus, f, offset.wrapping_add(4), high, window);
                }
            }
        }
    }

    fn write32(&mut self, bus: &mut dyn Bus, f: usize, offset: u32, value: u32, window: bool) {
        // Capability registers cannot be written.
        if caps::read(self.kind, offset, f == 0).is_some() {
            return;
        }
        if f == 0 && !window {
            if let Some(vfs) = self.pf.write(&mut self.functions, offset, value) {
                for vf in vfs {
                    self.msi(bus, vf, caps::VECTOR_MESSAGE);
                }
                return self.report_errors(bus);
            }
        }
        let context = self.context_word(f, offset, window);
        let Some(function) = self.functions.get_mut(f) else {
            return;
        };
        // Guess: a context loaded by these registers asks for the next interrupt anew, so that the
        // target raises one for an event of the source. The alternative: it raises one only for
        // events that come after the loading.
        let guesses = self.guesses;
        let silent = guesses.has(Alternative::SilentLoad)
            || self.faults.get(f).is_some_and(|faults| faults.silent_load);
        let load = |queue: &mut crate::function::EventQueue, n| {
            Xqc::set_word(&mut queue.context, n, value);
            queue.armed = !guesses.has(Alternative::Unarmed);
            queue.old = silent.then(|| queue.context.tail());
        };
        match context {
            Some(Context::Eq(n)) => return load(&mut function.eq, n),
            Some(Context::Aeq(n)) => return load(&mut function.aeq, n),
            None => {}
        }
        let has_messages = self.kind.generation.layout().messages == Messages::Registers;
        match Reg::<Own>::at(offset) {
            regs::QM_VF_EQ_INT_MASK => {
                function.eq.mask = value & 1;
                self.raise(bus, f, Ring::Eq);
            }
            regs::QM_VF_AEQ_INT_MASK => {
                function.aeq.mask = value & 1;
                self.raise(bus, f, Ring::Aeq);
            }
            regs::QM_IFC_INT_SOURCE_V => function.message_status &= !value,
            regs::QM_IFC_INT_MASK => function.message_mask = value & 1,
            regs::QM_IFC_INT_SET_V => {
                if pf::tell_pf(&mut self.functions, f, value & 1) {
                    self.msi(bus, 0, caps::VECTOR_MESSAGE);
                }
            }
            regs::QM_CACHE_WB_START => {
                function.written_back = 0;
                function.writes_back = value & 1 != 0;
                if !guesses.has(Alternative::WriteBackLate) {
                    self.settle_write_back(bus, f);
                }
            }
            regs::QM_CACHE_WB_DONE | regs::QM_IFC_INT_STATUS | QM_DFX_FUNS_ACTIVE_ST => {}
            _ if MAILBOX.contains(&offset) => {}
            regs::QM_VF2PF_VF_W if has_messages => {
                function.sent = u64::from(value);
            }
            _ => {
                function.plain.insert(offset, value);
            }
        }
    }

    /// Returns the state of a function, for tests that look at what no driver can see.
    pub fn function(&self, f: usize) -> Option<&Function> {
        self.functions.get(f)
    }

    /// Which device this is.
    pub fn kind(&self) -> Kind {
        self.kind
    }
}
