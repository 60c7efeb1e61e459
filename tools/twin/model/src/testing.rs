// SPDX-License-Identifier: GPL-2.0

//! A machine for tests of the model, and what a fuzzer does with it.

use crate::{Bus, Fault, Generation, Kind, Twin, BAR2, BAR4, DOORBELL_PAGE};
use hisi_acc_hw::{
    context::{EqcDw6, SqcDw3, Xqc},
    doorbell::{Doorbell, Kind as Ring},
    mailbox::{Command, Message},
    regs,
};
use std::ops::Range;

/// Where memory is, for all functions.
pub const MEMORY: u64 = 0x10_0000;

/// A machine of plain memory. What the device does is kept.
#[derive(Default)]
pub struct Machine {
    pub memory: Vec<u8>,
    /// Function and vector
    pub interrupts: Vec<(usize, u32)>,
    /// Whether it was a write, and where: only what was carried out
    pub accesses: Vec<(bool, Range<u64>)>,
}

impl Machine {
    pub fn new() -> Self {
        Self {
            memory: vec![0; 0x2_0000],
            ..Self::default()
        }
    }

    fn at(&self, address: u64, len: usize) -> Result<usize, Fault> {
        let at = usize::try_from(address.checked_sub(MEMORY).ok_or(Fault)?).map_err(|_| Fault)?;
        match at.checked_add(len) {
            Some(end) if end <= self.memory.len() => Ok(at),
            _ => Err(Fault),
        }
    }

    /// Memory at an address.
    pub fn get(&self, address: u64, len: usize) -> &[u8] {
        let at = self.at(address, len).unwrap();
        &self.memory[at..at + len]
    }

    /// Puts something there.
    pub fn put(&mut self, address: u64, data: &[u8]) {
        let at = self.at(address, data.len()).unwrap();
        self.memory[at..at + data.len()].copy_from_slice(data);
    }
}

impl Bus for Machine {
    fn read(&mut self, _function: usize, address: u64, to: &mut [u8]) -> Result<(), Fault> {
        let at = self.at(address, to.len())?;
        to.copy_from_slice(&self.memory[at..at + to.len()]);
        self.accesses
            .push((false, address..address + to.len() as u64));
        Ok(())
    }

    fn write(&mut self, _function: usize, address: u64, from: &[u8]) -> Result<(), Fault> {
        let at = self.at(address, from.len())?;
        self.memory[at..at + from.len()].copy_from_slice(from);
        self.accesses
            .push((true, address..address + from.len() as u64));
        Ok(())
    }

    fn msi(&mut self, function: usize, vector: u32) {
        self.interrupts.push((function, vector));
    }
}

/// A device whose VFs have 16 queues each.
pub fn device(machine: &mut Machine, kind: Kind, vfs: usize) -> Twin {
    let mut twin = Twin::new(kind, vfs);
    for vf in 1..=vfs as u64 {
        let entry = ((16 * vf) << 28) | (1 << 44) | (15 << 45);
        for (reg, value) in [
            (regs::QM_VFT_CFG_OP_WR, 0),
            (regs::QM_VFT_CFG_TYPE, 0),
            (regs::QM_VFT_CFG, vf as u32),
            (regs::QM_VFT_CFG_DATA_L, entry as u32),
            (regs::QM_VFT_CFG_DATA_H, (entry >> 32) as u32),
            (regs::QM_VFT_CFG_OP_ENABLE, 1),
        ] {
            twin.write(machine, 0, BAR2, reg.into(), value.into(), 4);
        }
    }
    twin
}

/// Bytes that say what a fuzzer wants.
struct Wishes<'a>(&'a [u8]);

impl Wishes<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn number(&mut self, bytes: usize) -> Option<u64> {
        (0..bytes).try_fold(0, |n, _| Some((n << 8) | u64::from(self.byte()?)))
    }

    /// An address in memory, most times.
    fn address(&mut self) -> Option<u64> {
        let n = self.number(3)?;
        Some(match n % 16 {
            0 => n.wrapping_mul(0x1_0001_0001_0001),
            _ => MEMORY + (n & 0x1_fff0),
        })
    }
}

/// Throws registers, mailbox commands, doorbells, memory, resets and faults at a device, as `data`
/// says. Panics where the model does; ends when `data` does.
pub fn fuzz(data: &[u8]) {
    let mut wishes = Wishes(data);
    let Some(first) = wishes.byte() else {
        return;
    };
    let pf = [0xa250, 0xa255, 0xa258][usize::from(first % 3)];
    let revision = if first & 0x80 == 0 { 0x30 } else { 0x51 };
    let Some(kind) = Kind::from_ids(pf, revision) else {
        return;
    };
    let mut machine = Machine::new();
    let mut twin = device(&mut machine, kind, 2);
    let mut now = 0;
    while step(&mut wishes, &mut machine, &mut twin, &mut now).is_some() {}
    // What is left of the work ends.
    for f in ["pf", "vf1", "vf2"] {
        twin.control(&format!("fault {f} clear"));
    }
    for _ in 0..100_000 {
        match twin.run(&mut machine, now) {
            Some(next) => now = now.max(next),
            None => return,
        }
    }
    panic!("work without end");
}

fn step(
    wishes: &mut Wishes<'_>,
    machine: &mut Machine,
    twin: &mut Twin,
    now: &mut u64,
) -> Option<()> {
    let what = wishes.byte()?;
    let f = usize::from(what >> 4) % 3;
    match what & 0xf {
        0 => {
            let offset = wishes.number(3)? % 0x40_0000;
            twin.write(machine, f, BAR2, offset & !3, wishes.number(4)?, 4);
        }
        1 => {
            let offset = wishes.number(3)? % 0x40_0000;
            twin.write(machine, f, BAR2, offset & !7, wishes.number(8)?, 8);
        }
        2 => {
            let offset = wishes.number(3)? % 0x40_0000;
            twin.read(f, BAR2, offset & !3, 4 + 4 * u32::from(what >> 7));
        }
        3 | 4 => {
            let word = wishes.byte()?;
            let command = Command::ALL[usize::from(word & 0x7f) % Command::ALL.len()];
            let queue = wishes.byte()? % 20;
            let base = wishes.address()?;
            let request = Message::request(command, base, queue.into(), word & 0x80 != 0);
            let raw = request.into_raw();
            twin.write(machine, f, BAR2, 0x300, raw as u64, 8);
            twin.write(machine, f, BAR2, 0x308, (raw >> 64) as u64, 8);
        }
        5 | 6 => {
            let raw = Doorbell {
                queue: u16::from(wishes.byte()? % 20),
                kind: [Ring::Sq, Ring::Cq, Ring::Eq, Ring::Aeq][usize::from(what >> 6)],
                index: wishes.number(2)? as u16,
                priority: u16::from(wishes.byte()? % 2),
            }
            .into_raw();
            let page = wishes.byte()?;
            if page % 2 == 0 {
                let at = u64::from(page / 2 % 20) * DOORBELL_PAGE + 0x1000;
                twin.write(machine, f, BAR4, at, raw, 8);
            } else {
                let at = if page & 2 == 0 { 0x1000 } else { 0x2000 };
                twin.write(machine, f, BAR2, at, raw, 8);
            }
        }
        // Memory: numbers, and addresses of memory
        7 | 8 => {
            let at = wishes.number(2)? & 0xfff8;
            let value = match what >> 7 {
                0 => wishes.number(8)?,
                _ => wishes.address()?,
            };
            machine.put(MEMORY + at, &value.to_le_bytes());
        }
        9 => {
            machine.put(MEMORY + wishes.number(2)?, &[wishes.byte()?]);
        }
        // A context that makes sense, where a command or a table finds it
        10 | 11 => {
            let at = MEMORY + (wishes.number(2)? & 0xffe0);
            let mut context = Xqc::zeroed();
            context.set_base(wishes.address()?);
            if what & 0x80 == 0 {
                let shift = match twin.kind().sqe_size() {
                    64 => 6,
                    _ => 7,
                };
                let dw3 = SqcDw3 {
                    depth: u16::from(wishes.byte()? % 64) + 1,
                    entry_shift: [shift, 4][usize::from(what & 1)],
                };
                context.set_dw3(dw3.into_raw());
                context.set_cqc_dw6(u32::from(wishes.byte()?));
            } else {
                let dw6 = EqcDw6 {
                    depth: u32::from(wishes.byte()?) + 1,
                    phase: true,
                };
                context.set_eqc_dw6(dw6.into_raw());
            }
            machine.put(at, &context.0);
        }
        12 => twin.reset(f),
        13 => {
            let orders = [
                "job-delay 7",
                "mailbox-late 5",
                "mailbox-error all",
                "write-back-stuck on",
                "ras-at-pause 0x4",
                "engine 0x2",
                "lose-msi 3",
                "double-msi 2",
                "dma-hole 0x108000 0x1000",
                "gone on",
                "clear",
            ];
            let order = orders[usize::from(wishes.byte()?) % orders.len()];
            twin.control(&format!("fault {} {order}", ["pf", "vf1", "vf2"][f]));
        }
        _ => *now += u64::from(wishes.byte()?),
    }
    if let Some(next) = twin.run(machine, *now) {
        assert!(next >= *now, "time does not go back");
    }
    Some(())
}

/// The generations, for tests of both.
pub const GENERATIONS: [Generation; 2] = [Generation::V3, Generation::V5];
