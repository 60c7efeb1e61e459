// SPDX-License-Identifier: GPL-2.0

pub mod answer;
pub mod inflight;
pub mod moves;
pub mod pending;
