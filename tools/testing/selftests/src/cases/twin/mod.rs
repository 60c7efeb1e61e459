// SPDX-License-Identifier: GPL-2.0

pub mod aer;
pub mod bus;
pub mod flr;
pub mod ledger;
pub mod model;
pub mod qos;
pub mod ras;
