// SPDX-License-Identifier: GPL-2.0

//! What memory a descriptor names. It is all that an engine may touch while it carries it out:
//! inputs, keys, initial values and scatter-gather lists by reading, outputs by writing.
//!
//! Nothing here is shared with the engines, but what descriptors and lists look like.

use super::{requests, Machine, Wishes};
use crate::{engine, Engine};
use hisi_acc_hw::{
    hpre,
    sec::{self, AddrType, Auth, Cipher, CipherAlg, CipherMode},
    sgl::{Sge, SglHead, SGE_SIZE, SGL_HEAD},
    zip,
};
use std::ops::Range;

/// The function whose requests these are.
const FUNCTION: usize = 1;
/// Lists in a chain, at most.
const LISTS: usize = 256;

/// What a descriptor names.
#[derive(Default, Debug)]
pub struct Named {
    pub reads: Vec<Range<u64>>,
    pub writes: Vec<Range<u64>>,
}

fn range(address: u64, len: u64) -> Range<u64> {
    address..address.saturating_add(len)
}

/// The parts of memory that are bytes `offset..offset + len` of a buffer; the lists that say so are
/// added to `reads`.
fn parts(
    machine: &Machine,
    reads: &mut Vec<Range<u64>>,
    sgl: bool,
    address: u64,
    offset: u64,
    len: u64,
) -> Vec<Range<u64>> {
    if !sgl {
        return vec![range(address.wrapping_add(offset), len)];
    }
    let mut parts = Vec::new();
    let mut list = address;
    // Where the entry begins, counted from the buffer's begin
    let mut position = 0;
    for _ in 0..LISTS {
        let Some(head) = machine.look(list, SGL_HEAD) else {
            break;
        };
        let head = SglHead::from_bytes(head.try_into().unwrap());
        reads.push(range(list, SGL_HEAD as u64));
        for n in 0..u64::from(head.in_sgl).min(255) {
            let at = list + SGL_HEAD as u64 + n * SGE_SIZE as u64;
            let Some(entry) = machine.look(at, SGE_SIZE) else {
                return parts;
            };
            reads.push(range(at, SGE_SIZE as u64));
            let entry = Sge::from_bytes(entry.try_into().unwrap());
            let end = position + u64::from(entry.len);
            let first = position.max(offset);
            let last = end.min(offset + len);
            if first < last {
                let at = entry.address.wrapping_add(first - position);
                parts.push(range(at, last - first));
            }
            position = end;
        }
        list = head.next;
        if list == 0 {
            break;
        }
    }
    parts
}

fn zip(machine: &Machine, raw: &[u8]) -> Named {
    let sqe = zip::Sqe::from_bytes(raw.try_into().unwrap());
    let mut named = Named::default();
    let mut parts = |address, offset: u32, len: u32| {
        // The offsets are those into lists.
        let offset = if sqe.is_sgl() { offset } else { 0 };
        parts(
            machine,
            &mut named.reads,
            sqe.is_sgl(),
            address,
            offset.into(),
            len.into(),
        )
    };
    let source = parts(sqe.source(), sqe.source_offset(), sqe.source_len());
    let dest = parts(sqe.dest(), sqe.dest_offset(), sqe.dest_len());
    named.reads.extend(source);
    named.writes.extend(dest);
    named
}

fn sec(machine: &Machine, raw: &[u8]) -> Named {
    let mut named = Named::default();
    let Some(request) = sec::Sqe(raw.try_into().unwrap()).request() else {
        return named;
    };
    let mut parts = |kind, address, offset: u16, len: u32| match kind {
        AddrType::Other => Vec::new(),
        kind => parts(
            machine,
            &mut named.reads,
            kind == AddrType::Sgl,
            address,
            offset.into(),
            len.into(),
        ),
    };
    let r = &request;
    let text = parts(r.source_type, r.source, r.cipher_offset, r.cipher_len);
    let signed = parts(r.source_type, r.source, r.auth_offset, r.auth_len);
    let dest = parts(r.dest_type, r.dest, r.cipher_offset, r.cipher_len);
    named.reads.extend(text);
    named.writes.extend(dest);

    let key = match (r.alg, r.key_type) {
        (Some(CipherAlg::TripleDes), 3) | (_, 0) => 16,
        (_, 1) => 24,
        _ => 32,
    };
    let xts = r.mode == Some(CipherMode::Xts);
    named
        .reads
        .push(range(r.key, if xts { 2 * key } else { key }));
    let iv = match (r.mode, r.alg) {
        (Some(CipherMode::Ecb), _) => 0,
        (_, Some(CipherAlg::TripleDes)) => 8,
        (Some(CipherMode::Gcm), _) => 12,
        _ => 16,
    };
    named.reads.push(range(r.iv, iv));

    let aead = matches!(r.mode, Some(CipherMode::Ccm | CipherMode::Gcm));
    let mac = range(r.mac, r.mac_len.into());
    if aead || r.auth != Auth::None {
        named.reads.extend(signed);
    }
    if r.mode == Some(CipherMode::Ccm) {
        named.reads.push(range(r.auth_iv, 16));
    }
    if r.auth != Auth::None {
        named.reads.push(range(r.auth_key, r.auth_key_len.into()));
    }
    match (aead, r.cipher, r.auth) {
        (true, Cipher::Encrypt, Auth::None) | (false, _, Auth::Make) => named.writes.push(mac),
        (true, Cipher::Decrypt, Auth::None) | (false, _, Auth::Check) => named.reads.push(mac),
        _ => {}
    }
    named
}

fn hpre(raw: &[u8]) -> Named {
    let sqe = hpre::Sqe::from_bytes(raw.try_into().unwrap());
    let n = sqe.number_len() as u64;
    let (key, input, output) = match sqe.raw_algorithm() {
        // HPRE_ALG_NC_NCRT, HPRE_ALG_DH
        0 | 5 => (2 * n, n, n),
        // HPRE_ALG_NC_CRT
        1 => (5 * n / 2, n, n),
        // HPRE_ALG_DH_G2
        4 => (2 * n, 0, n),
        // HPRE_ALG_ECC_MUL
        0xd => (4 * n, 2 * n, 2 * n),
        // HPRE_ALG_CURVE25519_MUL
        0x10 => (3 * n, n, n),
        _ => (0, 0, 0),
    };
    Named {
        reads: vec![range(sqe.key(), key), range(sqe.input(), input)],
        writes: vec![range(sqe.output(), output)],
    }
}

/// What a descriptor names.
pub fn named(accelerator: Engine, machine: &Machine, raw: &[u8]) -> Named {
    match accelerator {
        Engine::Zip => zip(machine, raw),
        Engine::Sec => sec(machine, raw),
        Engine::Hpre => hpre(raw),
    }
}

/// Where an engine writes into a descriptor.
fn completion(accelerator: Engine) -> Vec<usize> {
    match accelerator {
        // consumed, produced; the low byte of dw3
        Engine::Zip => (0..8).chain(12..13).collect(),
        // done_flag, error_type
        Engine::Sec => (112..115).collect(),
        // dw0
        Engine::Hpre => (0..4).collect(),
    }
}

/// Has the engine carry out a descriptor. Panics where the engine does, where it touches memory
/// that the descriptor does not name, and where it changes of the descriptor what is not its own.
pub fn carry_out(machine: &mut Machine, accelerator: Engine, alg_type: u8, raw: &mut [u8]) {
    let named = named(accelerator, machine, raw);
    let before = raw.to_vec();
    machine.only = Some(FUNCTION);
    machine.accesses.clear();
    engine::run(accelerator, machine, FUNCTION, alg_type, raw);
    for (write, touched) in &machine.accesses {
        let allowed = if *write { &named.writes } else { &named.reads };
        let within = |range: &Range<u64>| range.start <= touched.start && touched.end <= range.end;
        assert!(
            touched.is_empty() || allowed.iter().any(within),
            "{} {touched:x?}, which it does not name: {named:x?}",
            if *write { "wrote" } else { "read" },
        );
    }
    let own = completion(accelerator);
    for (n, (was, is)) in before.iter().zip(&*raw).enumerate() {
        assert!(was == is || own.contains(&n), "byte {n} was changed");
    }
    assert!(is_done(accelerator, raw), "not done");
}

fn is_done(accelerator: Engine, raw: &[u8]) -> bool {
    match accelerator {
        // It has no such bit.
        Engine::Zip => true,
        Engine::Sec => sec::Sqe(raw.try_into().unwrap()).is_done(),
        Engine::Hpre => hpre::Sqe::from_bytes(raw.try_into().unwrap()).done() == hpre::DONE,
    }
}

/// Whether a descriptor was carried out, and without an error.
pub fn succeeded(accelerator: Engine, raw: &[u8]) -> bool {
    match accelerator {
        Engine::Zip => {
            let sqe = zip::Sqe::from_bytes(raw.try_into().unwrap());
            sqe.status() == 0 && sqe.produced() != 0
        }
        Engine::Sec => {
            let sqe = sec::Sqe(raw.try_into().unwrap());
            sqe.is_done() && sqe.error() == 0
        }
        Engine::Hpre => hpre::Sqe::from_bytes(raw.try_into().unwrap()).succeeded(),
    }
}

/// What a fuzzer does with an engine: descriptors and memory as `data` says, one after the other in
/// the same memory. Says how many there were, and how many succeeded.
pub fn fuzz_engine(accelerator: Engine, data: &[u8]) -> (u32, u32) {
    let mut machine = Machine::new();
    let mut wishes = Wishes(data);
    let mut counts = (0, 0);
    while let Some((alg_type, mut raw)) = requests::any(&mut wishes, &mut machine, accelerator) {
        carry_out(&mut machine, accelerator, alg_type, &mut raw);
        counts.0 += 1;
        counts.1 += u32::from(succeeded(accelerator, &raw));
    }
    counts
}
