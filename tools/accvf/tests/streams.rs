// SPDX-License-Identifier: GPL-2.0

//! Commands that look at streams.

mod fake;

use fake::run_at;
use hisi_acc_hw::stream::{Match, State, Stream, STREAM_SIZE};
use proptest::prelude::*;
use serde_json::Value;
use std::{fs, path::Path};
use tempfile::TempDir;

/// Returns a stream that a VF of ZIP takes.
fn stream() -> Vec<u8> {
    let context = |address: u64| [0, address as u32, (address >> 32) as u32, 0, 0, 0, 0];
    let state = State {
        aeq_int_mask: 0,
        eq_int_mask: 0,
        ifc_int_source: 0,
        ifc_int_mask: 1,
        ifc_int_set: 0,
        page_size: 0,
        eqc: context(0x1_0000_1000),
        aeqc: context(0x1_0000_2000),
        eqe_dma: 0x1_0000_1000,
        aeqe_dma: 0x1_0000_2000,
        sqc_dma: 0x3000,
        cqc_dma: 0x4000,
    };
    let head = Match::current(0xa251, 16, 256, 0);
    [&head.to_bytes()[..], &Stream::state_bytes(&state)].concat()
}

/// Runs it with files: the exit code, and the JSON.
fn json(folder: &Path, command: &str, files: &[&str]) -> (i32, Value) {
    let paths: Vec<String> = files
        .iter()
        .map(|file| folder.join(file).display().to_string())
        .collect();
    let mut arguments = vec!["--json", command];
    arguments.extend(paths.iter().map(String::as_str));
    let ran = run_at(Path::new("/"), &arguments);
    let text = if ran.out.is_empty() { ran.err } else { ran.out };
    (ran.exit, serde_json::from_str(&text).unwrap())
}

#[test]
fn decode() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("good"), stream()).unwrap();
    let (exit, decoded) = json(folder.path(), "decode", &["good"]);
    let decoded = &decoded["streams"][0];
    assert_eq!(
        (exit, &decoded["error"], &decoded["kind"]),
        (0, &Value::Null, &"zip".into())
    );
    let fields = decoded["fields"].as_array().unwrap();
    let field = |name: &str| fields.iter().find(|field| field["name"] == name).unwrap();
    assert_eq!(
        (&field("qp_num")["value"], &field("qp_num")["offset"]),
        (&"0x10".into(), &8.into())
    );
    let cqc = field("cqc_dma");
    assert_eq!(
        (&cqc["value"], &cqc["offset"]),
        (&"0x4000".into(), &168.into())
    );
    // The fields fill the stream.
    assert_eq!(fields.last().unwrap()["offset"], STREAM_SIZE as u64 - 8);

    fs::write(folder.path().join("head"), &stream()[..40]).unwrap();
    let (exit, decoded) = json(folder.path(), "decode", &["head"]);
    assert_eq!(
        (
            exit,
            decoded["streams"][0]["fields"].as_array().unwrap().len()
        ),
        (0, 9)
    );
}

#[test]
fn files_that_are_no_streams() {
    let folder = TempDir::new().unwrap();
    let damaged = |at: usize, with: u8| {
        let mut bytes = stream();
        bytes[at] ^= with;
        bytes
    };
    let cases: [(&str, Vec<u8>, i32, &str); 7] = [
        ("empty", Vec::new(), 6, "is empty"),
        ("text", b"#!/bin/sh\n".to_vec(), 6, "has no stream of a VF"),
        ("short", stream()[..39].to_vec(), 6, "39 bytes"),
        ("cut", stream()[..100].to_vec(), 6, "100 bytes"),
        ("engine", damaged(12, 1), 6, "saved from device"),
        ("version", damaged(28, 2), 6, "version 3.0"),
        ("address", damaged(160, 1), 6, "SQC address"),
    ];
    for (name, bytes, wanted, said) in cases {
        fs::write(folder.path().join(name), bytes).unwrap();
        let (exit, value) = json(folder.path(), "decode", &[name]);
        assert_eq!(exit, wanted, "{name}: {value}");
        assert!(value.to_string().contains(said), "{name}: {value}");
    }
    assert_eq!(json(folder.path(), "decode", &["nothing"]).0, 3);
    // A folder cannot be read.
    assert_ne!(json(folder.path(), "decode", &["."]).0, 0);
}

/// A migration file of QEMU with two devices.
#[test]
fn migration_files() {
    let folder = TempDir::new().unwrap();
    let section = |kind: u8, id: u8, name: &str, stream: &[u8]| {
        let mut raw = vec![kind, 0, 0, 0, id];
        if kind == 1 {
            raw.push(name.len() as u8);
            raw.extend(name.as_bytes());
            raw.extend([0, 0, 0, 0, 0, 0, 0, 1]);
            raw.extend([0xff, 0xff, 0xff, 0xff, 0xef, 0x10, 0, 3]);
        } else {
            raw.extend([0xff, 0xff, 0xff, 0xff, 0xef, 0x10, 0, 4]);
            raw.extend((stream.len() as u64).to_be_bytes());
            raw.extend(stream);
        }
        raw.extend([0xff, 0xff, 0xff, 0xff, 0xef, 0x10, 0, 1, 0x7e, 0, 0, 0, id]);
        raw
    };
    let whole = stream();
    let mut other = whole.clone();
    other[20] = 1;
    let file = [
        b"QEVM\0\0\0\x03 and much RAM".to_vec(),
        section(1, 5, "0000:00:01.0/vfio", b""),
        section(1, 6, "0000:00:02.0/vfio", b""),
        section(2, 5, "", &whole[..40]),
        section(3, 5, "", &whole[40..]),
        section(3, 6, "", &other),
    ]
    .concat();
    fs::write(folder.path().join("vm"), file).unwrap();
    fs::write(folder.path().join("alone"), &whole).unwrap();
    let (exit, decoded) = json(folder.path(), "decode", &["vm"]);
    assert_eq!(exit, 0);
    for (n, device) in ["0000:00:01.0/vfio", "0000:00:02.0/vfio"]
        .iter()
        .enumerate()
    {
        assert_eq!(decoded["streams"][n]["device"], *device);
        assert_eq!(decoded["streams"][n]["bytes"], STREAM_SIZE as u64);
    }
    // One of them has to be named.
    let (exit, error) = json(folder.path(), "diff", &["vm", "alone"]);
    assert_eq!(exit, 6);
    assert!(error["advice"]
        .as_str()
        .unwrap()
        .contains("--device: 0000:00:01.0/vfio"));
    let vm = folder.path().join("vm").display().to_string();
    let root = Path::new("/");
    let ran = run_at(root, &["decode", &vm, "--device", "0000:00:02.0/vfio"]);
    assert_eq!((ran.exit, ran.out.matches("acc_magic").count()), (0, 1));
    assert_eq!(run_at(root, &["decode", &vm, "--device", "x"]).exit, 3);
}

#[test]
fn diff() {
    let folder = TempDir::new().unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
    let mut other = stream();
    // The queue base, a reserved word, the page size.
    other[20] = 7;
    other[120] = 1;
    other[60] = 2;
    write("a", &stream());
    write("b", &other);
    write("head", &stream()[..40]);
    assert_eq!(json(folder.path(), "diff", &["a", "a"]).0, 0);
    let (exit, diff) = json(folder.path(), "diff", &["a", "b"]);
    let names: Vec<_> = diff["differences"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        (exit, &names[..]),
        (1, &["qp_base", "page_size", "qm_rsv_regs"][..])
    );
    for files in [["a", "head"], ["head", "a"]] {
        let (exit, diff) = json(folder.path(), "diff", &files);
        assert_eq!(
            (exit, diff["differences"].as_array().unwrap().len()),
            (1, 14),
            "{diff}"
        );
    }
}

proptest! {
    /// Each byte of a stream is in a field: no two streams that differ are alike.
    #[test]
    fn each_byte_is_shown(at in 0..STREAM_SIZE, with in 1u8..) {
        let mut other = stream();
        other[at] ^= with;
        let (a, b) = (accvf::decode::bytes(&stream()), accvf::decode::bytes(&other));
        prop_assert_ne!(a, b);
    }

    /// Whatever follows a magic is decoded without a panic.
    #[test]
    fn any_stream(bytes in proptest::collection::vec(any::<u8>(), 0..300), v1 in any::<bool>()) {
        let magic: u64 = if v1 { 0xcdcd_cdcd_feed_aacc } else { 0xaacc_feed_deca_dede };
        let file = [&magic.to_le_bytes()[..], &bytes].concat();
        let decoded = accvf::decode::bytes(&file);
        prop_assert_eq!(decoded.len(), 1);
        prop_assert_eq!(decoded[0].bytes, file.len());
        prop_assert!(decoded[0].text().len() > 8);
    }
}
