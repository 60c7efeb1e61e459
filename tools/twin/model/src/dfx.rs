// SPDX-License-Identifier: GPL-2.0

//! Counters of the QM that drivers show in debugfs (`qm_dfx_regs` of debugfs.c).
//!
//! Guess: what each counts, by its name; that the selectors `QM_DFX_MB_CNT_VF`, `QM_DFX_DB_CNT_VF`,
//! `QM_DFX_SQE_CNT_VF_SQN` and `QM_DFX_CQE_CNT_VF_CQN` choose the function, and in their upper half
//! the queue; that with `QM_DFX_CNT_CLR_CE` set, what is read is cleared.

use crate::device::Twin;
use std::collections::BTreeMap;

/// `QM_DFX_CNT_CLR_CE`
const CNT_CLR_CE: u32 = 0x10_0118;

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

impl Twin {
    /// A counter's register, `None` where it is none.
    pub(crate) fn dfx_read(&mut self, offset: u32) -> Option<u32> {
        let clear = self.plain(CNT_CLR_CE) & 1 != 0;
        let selected = match offset {
            0x10_4018 => Some(0x10_4010),
            0x10_4028 => Some(0x10_4020),
            0x10_4038 => Some(0x10_4030),
            0x10_4048 => Some(0x10_4040),
            _ => None,
        };
        let dfx = &mut self.dfx;
        let counter = match selected {
            Some(selector) => {
                let key = self.functions[0].plain.get(&selector).copied().unwrap_or(0);
                let counters = match offset {
                    0x10_4018 => &mut dfx.mailbox,
                    0x10_4028 => &mut dfx.doorbells,
                    0x10_4038 => &mut dfx.sqe,
                    _ => &mut dfx.cqe,
                };
                match counters.get_mut(&key) {
                    Some(counter) => counter,
                    None => return Some(0),
                }
            }
            None => match offset {
                0x10_4050 => &mut dfx.sent,
                0x10_4058 => &mut dfx.back,
                0x10_4060 => &mut dfx.finished,
                0x10_40b4 => &mut dfx.errors,
                // QM_IN_IDLE_ST: nothing is at work
                0x10_40e4 => {
                    let busy = |f: &crate::function::Function| f.current.is_some();
                    return Some(u32::from(!self.functions.iter().any(busy)));
                }
                _ => return None,
            },
        };
        let value = *counter;
        if clear {
            *counter = 0;
        }
        Some(value)
    }
}
