// SPDX-License-Identifier: GPL-2.0

pub mod close_and_reset;
pub mod leaks;
pub mod modules;
pub mod unbind;
