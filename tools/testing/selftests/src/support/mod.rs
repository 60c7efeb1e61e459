// SPDX-License-Identifier: GPL-2.0

//! What cases share.

pub mod accvf;
pub mod bar2;
pub mod bare;
pub mod bench;
pub mod busy;
pub mod commands;
pub mod crypto;
pub mod debian;
pub mod dirty_bits;
pub mod edu;
pub mod guess;
pub mod inject;
pub mod ktap;
pub mod libvirt;
pub mod logged;
pub mod mode;
pub mod modules;
pub mod moves;
pub mod pair;
pub mod pf;
pub mod program;
pub mod qemu;
pub mod refused;
pub mod stops;
pub mod streams;
pub mod survive;
pub mod trace;
