// SPDX-License-Identifier: GPL-2.0

//! `accvf`: VFs of HiSilicon accelerators on this host, why one does not migrate, and what is in a
//! migration stream.
//!
//! Everything is read below a root that can be replaced, so that tests can make up a host. Commands
//! print text or, with `--json`, the objects of `Documentation/ABI/testing/accvf-json`.

pub mod cli;
mod commands;
pub mod decode;
pub mod error;
mod facts;
mod host;
mod klog;
mod output;
mod pages;
mod plan;
pub mod qemu_file;
mod sysfs;
mod watch;
mod why;
