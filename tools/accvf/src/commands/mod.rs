// SPDX-License-Identifier: GPL-2.0

//! The commands that change something, or look at one VF.

pub mod bind;
pub mod check;
pub mod diff;
pub mod dirty;
pub mod setup;
pub mod show;
