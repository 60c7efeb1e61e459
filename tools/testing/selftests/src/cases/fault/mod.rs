// SPDX-License-Identifier: GPL-2.0

pub mod asleep;
pub mod device;
pub mod errors;
pub mod load;
pub mod pause;
