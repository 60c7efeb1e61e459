// SPDX-License-Identifier: GPL-2.0

pub mod backdoors;
pub mod bar2;
pub mod doors;
