// SPDX-License-Identifier: GPL-2.0

//! The cases, a folder for each suite. A case is a function that `case!` registers under its name.
//! It sets up all that it needs, and leaves nothing behind. What cases share is in `support`.

mod benchmark;
mod beside_c;
mod cli;
mod debug;
mod debugfs;
pub mod dirty;
mod fault;
mod guess;
mod hardware;
mod hidden;
mod httu;
pub mod install;
mod iommufd;
mod kunit;
mod libvirt;
mod lifetime;
mod link;
mod migration;
mod p2p;
mod pages;
mod qemu;
mod reset;
mod sample;
mod stream;
mod topology;
mod trace;
mod twin;
mod upstream;
