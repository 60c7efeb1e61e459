// SPDX-License-Identifier: GPL-2.0

//! What the harness and the program in the guest tell each other: the cases that there are, a JSON
//! line for each.

mod case;

pub use case::{Case, Excuse, Needs, Topology};
