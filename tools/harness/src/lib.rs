// SPDX-License-Identifier: GPL-2.0

//! Describes the tests without running them: cases and their needs, patterns, flavours and slices.
//! This is a library because the tests of acc-selftests use it.

pub mod case;
pub mod flavours;
pub mod select;
