// SPDX-License-Identifier: GPL-2.0

//! Counters of the QM that drivers show in debugfs (`qm_dfx_regs` of debugfs.c).
//!
//! Guess: what each counts, by its name; that the selectors `QM_DFX_MB_CNT_VF`, `QM_DFX_DB_CNT_VF`,
//! `QM_DFX_SQE_CNT_VF_SQN` and `QM_DFX_CQE_CNT_VF_CQN` choose the function, and in their upper half
//! the queue; that with `QM_DFX_CNT_CLR_CE` set, what is read is cleared.

use std::collections::BTreeMap;

/// `QM_DFX_CNT_CLR_CE`
pub const CNT_CLR_CE: u32 = 0x10_0118;
/// `QM_IN_IDLE_ST`: nothing is at work
pub const IN_IDLE_ST: u32 = 0x10_40e4;

/// The counters.
#[derive(Default)]
pub struct Dfx {
    /// By function
    pub mailbox: BTreeMap<u32, u32>,
    pub doorbells: BTreeMap<u32, u32>,
    /// By function, and the queue in the upper half
    pub sqe: BTreeMap<u32, u32>,
    pub cqe: BTreeMap<u32, u32>,
    /// Of the device: entries given to the engine, written back by it, finished; queues in error
    pub sent: u32,
    pub back: u32,
    pub finished: u32,
    pub errors: u32,
}

/// Adds 1 to a counter.
pub fn count(counters: &mut BTreeMap<u32, u32>, f: usize, queue: u16) {
    let counter = counters
        .entry((f as u32 & 0x3f) | (u32::from(queue) << 16))
        .or_default();
    *counter = counter.wrapping_add(1);
}

/// Where a counter's selector is, by the counter's offset.
pub fn selector(offset: u32) -> Option<u32> {
    match offset {
        0x10_4018 | 0x10_4028 | 0x10_4038 | 0x10_4048 => Some(offset - 8),
        _ => None,
    }
}

impl Dfx {
    /// Reads a counter's register, and clears the counter if `clear` says so; `None` if there is no
    /// such counter. `selected` is what the counter's [`selector`] holds.
    pub fn read(&mut self, offset: u32, selected: u32, clear: bool) -> Option<u32> {
        let counter = match offset {
            0x10_4018 => self.mailbox.get_mut(&selected),
            0x10_4028 => self.doorbells.get_mut(&selected),
            0x10_4038 => self.sqe.get_mut(&selected),
            0x10_4048 => self.cqe.get_mut(&selected),
            0x10_4050 => Some(&mut self.sent),
            0x10_4058 => Some(&mut self.back),
            0x10_4060 => Some(&mut self.finished),
            0x10_40b4 => Some(&mut self.errors),
            _ => return None,
        };
        let Some(counter) = counter else {
            return Some(0);
        };
        let value = *counter;
        if clear {
            *counter = 0;
        }
        Some(value)
    }
}
