// SPDX-License-Identifier: GPL-2.0

//! What entries of the HPRE engine are told to write, and what it writes.

#![no_main]

use acc_twin::{testing::fuzz_outputs, Engine};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    fuzz_outputs(Engine::Hpre, data);
});
