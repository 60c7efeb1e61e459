// SPDX-License-Identifier: GPL-2.0

//! Describes the tests without running them: patterns, flavours and slices, and which cases share a
//! guest. This is a library because the tests of acc-selftests use it.

pub mod flavours;
pub mod groups;
pub mod select;
