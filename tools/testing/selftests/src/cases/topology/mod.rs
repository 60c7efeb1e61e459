// SPDX-License-Identifier: GPL-2.0

pub mod foreign;
pub mod groups;
pub mod places;
pub mod versions;
