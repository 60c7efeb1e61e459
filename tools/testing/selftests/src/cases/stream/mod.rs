// SPDX-License-Identifier: GPL-2.0

pub mod ends;
pub mod fuzz;
pub mod limit;
pub mod transfer;
