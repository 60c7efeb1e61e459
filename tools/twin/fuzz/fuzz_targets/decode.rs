// SPDX-License-Identifier: GPL-2.0

//! Files that `accvf decode` is given: streams, and migration files of QEMU.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    for decoded in accvf::decode::bytes(data) {
        // What is shown comes from the file.
        assert!(decoded.bytes <= data.len());
        assert!(!decoded.text().is_empty());
    }
});
