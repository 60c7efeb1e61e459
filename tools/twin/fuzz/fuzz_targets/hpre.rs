// SPDX-License-Identifier: GPL-2.0

//! Descriptors of the HPRE engine, and the memory that they name.

#![no_main]

use acc_twin::{testing::fuzz_engine, Engine};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    fuzz_engine(Engine::Hpre, data);
});
