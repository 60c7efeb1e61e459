// SPDX-License-Identifier: GPL-2.0

//! What cases share.

pub mod bare;
pub mod bench;
pub mod inject;
pub mod ktap;
pub mod logged;
pub mod pair;
pub mod trace;
