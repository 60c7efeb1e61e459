// SPDX-License-Identifier: GPL-2.0

//! Describes the tests without running them: patterns, flavours and slices, which cases share a
//! guest, and the newest result of each case. This is a library because the tests of acc-selftests
//! and the report of the results use it.

pub mod flavours;
pub mod groups;
pub mod select;
pub mod store;
