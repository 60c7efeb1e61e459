// SPDX-License-Identifier: GPL-2.0

pub mod asleep;
pub mod backdoors;
pub mod bar2;
pub mod doors;
pub mod other_vf;
