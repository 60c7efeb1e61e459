// SPDX-License-Identifier: GPL-2.0

//! A whole device: registers, mailbox commands, doorbells, requests, resets and faults.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| acc_twin::testing::fuzz(data));
