// SPDX-License-Identifier: GPL-2.0

//! Renders the newest result of each case (`acc_cases::store`) as one page of HTML, with plots. The
//! page needs nothing else: no other file, no network, no script.

pub mod page;
mod plots;
pub mod recording;
pub mod results;
