// SPDX-License-Identifier: GPL-2.0

//! A device that is put to sleep.

use crate::vfio::Device;
use std::io::{Error, Result};
use vfio_bindings::bindings::vfio as abi;

/// How a user puts a device to sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sleep {
    /// D3hot, by its power management capability, as a guest does it
    Config,
    /// `VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY`
    LowPower,
}

impl Device {
    /// Puts it to sleep, or wakes it.
    pub fn sleep(&self, how: Sleep, asleep: bool) -> Result<()> {
        match how {
            Sleep::Config => self.set_power_state(if asleep { 3 } else { 0 }),
            Sleep::LowPower => {
                let feature = match asleep {
                    true => abi::VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY,
                    false => abi::VFIO_DEVICE_FEATURE_LOW_POWER_EXIT,
                };
                self.feature(abi::VFIO_DEVICE_FEATURE_SET | feature, &mut [])
            }
        }
    }

    /// Switches bus mastering, by `PCI_COMMAND`.
    pub fn master(&self, on: bool) -> Result<()> {
        const COMMAND: u64 = 4;
        const MASTER: u16 = 1 << 2;
        let config = self.region(abi::VFIO_PCI_CONFIG_REGION_INDEX)?;
        let mut raw = [0; 2];
        self.read_at(&config, COMMAND, &mut raw)?;
        let others = u16::from_le_bytes(raw) & !MASTER;
        let command = others | if on { MASTER } else { 0 };
        self.write_at(&config, COMMAND, &command.to_le_bytes())?;
        Ok(())
    }

    /// `PCI_PM_CTRL`
    fn set_power_state(&self, state: u16) -> Result<()> {
        // PCI_CAP_ID_PM
        let at = self.capability(1)? + 4;
        let config = self.region(abi::VFIO_PCI_CONFIG_REGION_INDEX)?;
        self.write_at(&config, at, &state.to_le_bytes())?;
        let mut now = [0; 2];
        self.read_at(&config, at, &mut now)?;
        match u16::from_le_bytes(now) & 3 {
            now if now == state => Ok(()),
            now => Err(Error::other(format!("D{now}, not D{state}"))),
        }
    }
}
