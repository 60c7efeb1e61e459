// SPDX-License-Identifier: GPL-2.0

//! The table of operations in `Documentation/driver-api/dirty-tracking.rst`: of each, the
//! descriptors that the tests of its decoder have, and what the decoder makes of them.

use super::{
    outputs,
    produced,
    ram::{
        bytes,
        put_address,
        Ram,
        BASE, //
    },
    Engine,
    Output,
    Why, //
};
use crate::engine::{
    hpre::dma::tests::request as hpre,
    sec::dma::tests::{
        bd2,
        bd3,
        FLAT, //
    },
    zip::dma::tests::flat_request as zip, //
};
use std::{
    env,
    fs,
    path::Path, //
};

/// The drivers that submit such requests.
const KERNEL: &str = "kernel, UADK";
const UADK: &str = "UADK";
const NOBODY: &str = "nobody";

/// An operation, and requests for it.
struct Operation {
    name: &'static str,
    by: &'static str,
    sqes: Vec<Vec<u8>>,
}

fn operation(name: &'static str, by: &'static str, sqes: Vec<Vec<u8>>) -> Operation {
    Operation { name, by, sqes }
}

fn zip_operations() -> Vec<Operation> {
    let list = |format: u32| {
        let mut words = zip(format);
        words[9] |= 1 << 8;
        put_address(&mut words, 20, BASE);
        bytes(&words)
    };
    let stateful = |format: u32| {
        let mut words = zip(format);
        words[7] |= 0b111 << 25;
        put_address(&mut words, 22, BASE);
        bytes(&words)
    };
    let sequences = |format: u32| {
        let mut words = zip(format);
        words[13] = 1016;
        put_address(&mut words, 24, BASE);
        bytes(&words)
    };
    let both = |format: u32| vec![bytes(&zip(format)), list(format)];
    vec![
        operation("deflate", KERNEL, both(1)),
        operation("zlib", KERNEL, both(2)),
        operation("gzip", KERNEL, both(3)),
        operation("LZ4", KERNEL, both(4)),
        operation(
            "deflate, zlib, gzip in parts",
            UADK,
            (1..4).map(stateful).collect(),
        ),
        operation(
            "LZ77 for zstd",
            UADK,
            vec![sequences(0x42), sequences(0x43)],
        ),
        operation("LZ77 only", UADK, vec![sequences(0x40), sequences(0x41)]),
        operation(
            "ciphers in ZIP (0x10, 0x20, 0x30)",
            NOBODY,
            [0x10, 0x20, 0x30]
                .map(|format| bytes(&zip(format)))
                .to_vec(),
        ),
    ]
}

fn sec_operations() -> Vec<Operation> {
    let both = |cipher: u32, auth: u32, mode: u32| {
        let mut two = bd2(cipher, auth, 0, 1, FLAT);
        two[3] = mode << 12;
        two[5] = 0x1000;
        let mut three = bd3(cipher, auth, 0, 1, FLAT);
        three[1] |= mode << 16;
        three[18] = 0x1000;
        vec![bytes(&two), bytes(&three)]
    };
    let stream = |cipher: u32, auth: u32, invalid: u32| {
        let mut words = bd3(cipher, auth, 7, 1, FLAT);
        words[0] |= invalid << 4;
        words[1] |= 6 << 16;
        words[18] = 0x1000;
        bytes(&words)
    };
    let disk = {
        let mut words = bd2(1, 0, 5, 1, FLAT);
        words[0] ^= 3;
        words[7] = 8;
        words[13] = 512 << 16;
        bytes(&words)
    };
    let modes = |modes: &[u32]| modes.iter().flat_map(|mode| both(1, 0, *mode)).collect();
    vec![
        operation("ciphers: ECB, CBC, CTR, XTS", KERNEL, modes(&[0, 1, 4, 7])),
        operation("ciphers: CFB, OFB, CBC-CS", UADK, modes(&[2, 3, 9])),
        operation("a cipher and a MAC", KERNEL, both(1, 1, 1)),
        operation("CCM, GCM", KERNEL, [both(1, 0, 5), both(1, 0, 6)].concat()),
        operation("hashes and MACs", UADK, both(0, 1, 0)),
        operation("hashes in parts", UADK, vec![stream(0, 1, 0)]),
        operation("GCM in parts", UADK, vec![stream(1, 0, 0), stream(1, 0, 1)]),
        operation("blocks of a disk (BD 1)", "UADK v1", vec![disk]),
        operation("a copy (cipher 3)", NOBODY, both(3, 0, 0)),
    ]
}

fn hpre_operations() -> Vec<Operation> {
    let all = |algorithms: &[u32], len: u32| {
        let sqe = |algorithm: &u32| bytes(&hpre(*algorithm, len));
        algorithms.iter().map(sqe).collect()
    };
    vec![
        operation("RSA", KERNEL, all(&[0, 1], 256)),
        operation("RSA: a key", UADK, all(&[2, 3], 256)),
        operation("DH", KERNEL, all(&[4, 5], 256)),
        operation("ECDH: a product", KERNEL, all(&[0xd], 32)),
        operation("ECDSA", UADK, all(&[0xe, 0xf], 32)),
        operation(
            "X25519, X448",
            UADK,
            [all(&[0x10], 32), all(&[0x10], 72)].concat(),
        ),
        operation("SM2", UADK, all(&[0x11, 0x12, 0x13, 0x14, 0x15], 32)),
        operation("0x6 to 0xc", NOBODY, all(&[6, 7, 8, 9, 0xa, 0xb, 0xc], 256)),
    ]
}

/// Operations of ZIP whose queues have SQEs of their own.
const OTHER_QUEUES: [&str; 4] = ["hashagg", "gather", "hashjoin", "UDMA"];

/// Decodes a request. Returns whether it says how much was written, or why it is unknown what is.
fn decode(engine: Engine, sqe: &[u8]) -> Result<bool, Why> {
    let mut ram = Ram::new(vec![0; 0x2000]);
    ram.put_list(BASE, &[(BASE, 0x1_0000)], 0);
    let mut data = false;
    outputs(engine, sqe, &ram, &mut |output, _| {
        data |= output == Output::Data;
        Ok(())
    })?;
    Ok(data && produced(engine, sqe).is_some())
}

fn known(engine: Engine, operation: &Operation) -> String {
    let mut texts: Vec<_> = operation
        .sqes
        .iter()
        .map(|sqe| match decode(engine, sqe) {
            Ok(true) => "precise, as far as it was written".to_owned(),
            Ok(false) => "precise".to_owned(),
            Err(why) => format!("unknown: {why}"),
        })
        .collect();
    texts.dedup();
    texts.join("; ")
}

fn table() -> String {
    const WIDTHS: [usize; 4] = [6, 34, 14, 46];
    let mut rows = Vec::new();
    for (engine, operations) in [
        (Engine::Zip, zip_operations()),
        (Engine::Sec, sec_operations()),
        (Engine::Hpre, hpre_operations()),
    ] {
        let name = engine.descriptor().name.to_uppercase();
        for operation in operations {
            let known = known(engine, &operation);
            rows.push([
                name.clone(),
                operation.name.into(),
                operation.by.into(),
                known,
            ]);
        }
        if engine == Engine::Zip {
            assert!(!engine.takes_queue_type(2));
            for other in OTHER_QUEUES {
                let known = format!("unknown: {}", Why::QueueType);
                rows.push([name.clone(), other.into(), UADK.into(), known]);
            }
        }
    }
    let line = |cells: [&str; 4]| {
        let cells = cells.iter().zip(WIDTHS);
        let text: Vec<_> = cells
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        format!("{}\n", text.join("  ").trim_end())
    };
    let rule = WIDTHS.map(|width| "=".repeat(width));
    let rule = line([&rule[0], &rule[1], &rule[2], &rule[3]]);
    let head = line(["engine", "operation", "submitted by", "what it writes is"]);
    let rows: String = rows
        .iter()
        .map(|row| line([&row[0], &row[1], &row[2], &row[3]]))
        .collect();
    format!("{rule}{head}{rule}{rows}{rule}")
}

/// With `UPDATE` in the environment, writes the table.
#[test]
fn the_table_is_up_to_date() {
    const BEGIN: &str = ".. The table is generated by drivers/hw/src/dma/operations.rs.\n\n";
    const END: &str = "\n.. The table ends here.\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../Documentation/driver-api/dirty-tracking.rst");
    let text = fs::read_to_string(&path).unwrap();
    let begin = text.find(BEGIN).expect("the table") + BEGIN.len();
    let end = begin + text[begin..].find(END).expect("its end");
    let table = table();
    if env::var_os("UPDATE").is_some() {
        fs::write(&path, [&text[..begin], &table, &text[end..]].concat()).unwrap();
        return;
    }
    assert_eq!(&text[begin..end], table, "UPDATE=1 cargo test writes it");
}

/// What in-tree drivers and UADK submit is known, except for queues with SQEs of their own.
#[test]
fn what_is_submitted_is_known() {
    for (engine, operations) in [
        (Engine::Zip, zip_operations()),
        (Engine::Sec, sec_operations()),
        (Engine::Hpre, hpre_operations()),
    ] {
        for operation in operations {
            let known = known(engine, &operation).starts_with("precise");
            assert_eq!(
                known,
                operation.by != NOBODY,
                "{engine:?}: {}",
                operation.name
            );
        }
    }
}
