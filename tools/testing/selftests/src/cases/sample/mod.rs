// SPDX-License-Identifier: GPL-2.0

pub mod arcs;
pub mod edu;
pub mod only;
