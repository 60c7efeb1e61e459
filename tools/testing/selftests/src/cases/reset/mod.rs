// SPDX-License-Identifier: GPL-2.0

pub mod function;
pub mod pf;
pub mod races;
pub mod unseen;
