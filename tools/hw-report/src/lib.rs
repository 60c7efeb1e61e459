// SPDX-License-Identifier: GPL-2.0

//! Asks a host with HiSilicon accelerators what the in-tree drivers do not show, and makes a text
//! to mail. `Documentation/selftests/twin-guesses.rst` has the questions.
//!
//! It only reads: sysfs, configuration space, and registers of VFs that no driver has. If it is
//! asked to, it also resets one such VF.

pub mod function;
mod questions;
#[cfg(test)]
mod tests;
pub mod tree;

pub use questions::report;
