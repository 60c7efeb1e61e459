// SPDX-License-Identifier: GPL-2.0

pub mod migrations;
pub mod tracked;
