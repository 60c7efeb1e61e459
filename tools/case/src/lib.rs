// SPDX-License-Identifier: GPL-2.0

//! What the harness and the program in the guest tell each other: the cases that there are, a JSON
//! line for each, and what becomes of them, JSON lines over a port.

mod case;
mod message;

pub use case::{Case, Excuse, Httu, Needs, Topology};
pub use message::{Message, BEGIN, END, OUTPUT_PORT, RESULTS_PORT};
