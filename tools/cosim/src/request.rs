// SPDX-License-Identifier: GPL-2.0

//! Requests for the engines, made of a seed: most are right, the others each have one defect.

use crate::place::{list, END, OUTPUTS, SOURCES, STREAMS};
use acc_twin::testing::{
    requests::{compressed, put_sgl, sec_sqe},
    Machine, Noise,
};
use hisi_acc_hw::{
    hpre::{self, Algorithm},
    sec::{AddrType, Auth, BdType, Cipher, CipherAlg, CipherMode, HashAlg, Request},
    sgl::Sge,
    zip::{self, Format},
    Engine,
};
use std::sync::OnceLock;

const FORMATS: [Format; 3] = [Format::Deflate, Format::Zlib, Format::Gzip];

/// The text of each compressed stream.
const TEXT_LEN: usize = 0x600;

/// Where the modulus and the exponent for HPRE are.
const KEYS: u64 = STREAMS + 0x4000;
/// How long numbers for HPRE are, in bytes.
const NUMBER: usize = 128;

/// Puts sources into memory.
pub fn put_sources(machine: &mut Machine) {
    static SOURCE: OnceLock<Vec<(u64, Vec<u8>)>> = OnceLock::new();
    let source = SOURCE.get_or_init(|| {
        let mut noise = Noise::new(1);
        let words: Vec<Vec<u8>> = (0..16).map(|_| noise.bytes(7)).collect();
        let mut text = Vec::new();
        while text.len() < 0x4000 {
            text.extend_from_slice(&words[noise.next() as usize % words.len()]);
        }
        let mut parts = Vec::new();
        for (at, format) in (STREAMS..).step_by(0x1000).zip(FORMATS) {
            parts.push((at, compressed(format, &text[..TEXT_LEN])));
        }
        // A short exponent, so that it does not take long, and an odd modulus.
        let mut key = vec![0; NUMBER];
        key[NUMBER - 1] = 17;
        let mut modulus = vec![0xff; NUMBER];
        modulus[NUMBER / 2] = 0x5a;
        parts.push((KEYS, [key, modulus].concat()));
        parts.push((SOURCES, text));
        parts
    });
    for (at, bytes) in source {
        machine.put(*at, bytes);
    }
}

/// What is wrong with a request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Defect {
    None,
    Type,
    Kind,
    Field,
    AddressType,
    Length,
    Wraps,
    ListAddress,
    ListEntries,
    ListChain,
    ListUnreadable,
}

const DEFECTS: [Defect; 10] = [
    Defect::Type,
    Defect::Kind,
    Defect::Field,
    Defect::AddressType,
    Defect::Length,
    Defect::Wraps,
    Defect::ListAddress,
    Defect::ListEntries,
    Defect::ListChain,
    Defect::ListUnreadable,
];

/// A place for an output.
fn output(noise: &mut Noise) -> u64 {
    OUTPUTS + noise.next() % (END - OUTPUTS - 0x4000)
}

/// Where the output of `len` bytes goes, by a list where `sgl` is set.
fn destination(
    machine: &mut Machine,
    noise: &mut Noise,
    lists: u64,
    sgl: bool,
    len: u32,
    defect: Defect,
) -> u64 {
    if !sgl {
        return match defect {
            Defect::Wraps => u64::MAX - 8,
            _ => output(noise),
        };
    }
    let mut left = len;
    let mut pieces = Vec::new();
    while left != 0 && pieces.len() < 5 {
        let len = match pieces.len() {
            4 => left,
            _ => left.min(1 + noise.next() as u32 % 700),
        };
        left -= len;
        let address = match defect {
            Defect::Wraps => u64::MAX - 8,
            _ => output(noise),
        };
        pieces.push(Sge { address, len });
    }
    if pieces.is_empty() || defect == Defect::ListUnreadable {
        // There is no list at all.
        return END + 0x1000;
    }
    put_sgl(machine, lists, &pieces, 1 + noise.next() as usize % 3);
    match defect {
        Defect::ListAddress => lists + 4,
        Defect::ListEntries => {
            // in_sgl
            let entries = [0u16, 0xffff][noise.next() as usize % 2];
            machine.put(lists + 10, &entries.to_le_bytes());
            lists
        }
        Defect::ListChain => {
            // It has one empty entry, and comes back to itself.
            put_sgl(
                machine,
                lists,
                &[Sge {
                    address: OUTPUTS,
                    len: 0,
                }],
                1,
            );
            machine.put(lists, &lists.to_le_bytes());
            lists
        }
        _ => lists,
    }
}

/// Makes the request for a slot of a queue of the type `queue_type`, with the lists that it names.
/// It has a defect if `seed` is a multiple of 8.
pub fn make(
    machine: &mut Machine,
    engine: Engine,
    queue_type: u8,
    (queue, slot): (u16, u16),
    seed: u32,
) -> Vec<u8> {
    let mut noise = Noise::new(u64::from(seed));
    let defect = match seed % 8 {
        0 => DEFECTS[noise.next() as usize % DEFECTS.len()],
        _ => Defect::None,
    };
    let lists = list(queue, slot);
    match engine {
        Engine::Zip => zip(machine, &mut noise, lists, queue_type, defect),
        Engine::Sec => sec(machine, &mut noise, lists, defect),
        Engine::Hpre => hpre(&mut noise, defect),
    }
}

fn needs_list(noise: &mut Noise, defect: Defect) -> bool {
    match defect {
        Defect::ListAddress | Defect::ListEntries | Defect::ListChain | Defect::ListUnreadable => {
            true
        }
        _ => noise.next() % 2 == 0,
    }
}

fn zip(
    machine: &mut Machine,
    noise: &mut Noise,
    lists: u64,
    queue_type: u8,
    defect: Defect,
) -> Vec<u8> {
    let number = noise.next() as usize % FORMATS.len();
    let (source, source_len, dest_len) = if queue_type == zip::ALG_TYPE_DECOMP {
        let room = [TEXT_LEN as u32, 0x200, 0x1800][noise.next() as usize % 3];
        (STREAMS + 0x1000 * number as u64, 0x800, room)
    } else {
        let len = 16 + noise.next() as u32 % 0x400;
        (
            SOURCES + noise.next() % 0x2000,
            len,
            40 + noise.next() as u32 % 0xa00,
        )
    };
    // A source in a list is no matter of dirty tracking.
    let sgl = needs_list(noise, defect);
    let dest = destination(machine, noise, lists, sgl, dest_len, defect);
    let source = match sgl {
        true => {
            let at = lists + 0x300;
            put_sgl(
                machine,
                at,
                &[Sge {
                    address: source,
                    len: source_len,
                }],
                1,
            );
            at
        }
        false => source,
    };
    let tag = noise.next();
    let mut sqe = zip::Sqe::request(
        FORMATS[number],
        sgl,
        source,
        source_len,
        dest,
        dest_len,
        tag,
    );
    match defect {
        Defect::Type => sqe.0[7] |= 0xc << 28,
        Defect::Kind => sqe.0[9] |= 0x77,
        Defect::Field => sqe.0[10] = 1,
        Defect::AddressType => sqe.0[9] |= 6 << 8,
        // What the engine leaves there of an earlier request: it cannot be told whether it wrote
        // it.
        Defect::Length => sqe.0[1] = 5,
        _ => {}
    }
    sqe.to_bytes().to_vec()
}

fn sec(machine: &mut Machine, noise: &mut Noise, lists: u64, defect: Defect) -> Vec<u8> {
    let mode = [CipherMode::Ctr, CipherMode::Cbc, CipherMode::Ecb][noise.next() as usize % 3];
    let len = 16 * (1 + noise.next() as u32 % 60);
    let auth = [Auth::None, Auth::Make][noise.next() as usize % 2];
    let sgl = needs_list(noise, defect);
    let kind = match (defect, sgl) {
        (Defect::AddressType, _) => AddrType::Other,
        (_, true) => AddrType::Sgl,
        (_, false) => AddrType::Flat,
    };
    let request = Request {
        cipher: Cipher::Encrypt,
        alg: Some(CipherAlg::Aes),
        mode: Some(mode),
        key_type: 0,
        auth,
        hash: (auth != Auth::None).then_some(HashAlg::HmacSha256),
        auth_key_len: if auth == Auth::None { 0 } else { 20 },
        mac_len: if auth == Auth::None { 0 } else { 32 },
        cipher_len: if defect == Defect::Length {
            len + 0x100_0000
        } else {
            len
        },
        auth_len: if auth == Auth::None { 0 } else { len },
        cipher_offset: 0,
        auth_offset: 0,
        source_type: AddrType::Flat,
        dest_type: kind,
        source: SOURCES + noise.next() % 0x2000,
        dest: destination(machine, noise, lists, sgl, len, defect),
        key: KEYS,
        iv: KEYS + 0x40,
        auth_key: KEYS,
        auth_iv: KEYS + 0x40,
        mac: output(noise),
    };
    let bd_type = [BdType::Type3, BdType::Type2][noise.next() as usize % 2];
    let mut sqe = sec_sqe(&request, bd_type).0.to_vec();
    match defect {
        Defect::Type => sqe[0] = (sqe[0] & 0xf0) | 7,
        Defect::Kind => sqe[0] |= 0x30,
        Defect::Field => sqe[127] |= 0x80,
        _ => {}
    }
    sqe
}

fn hpre(noise: &mut Noise, defect: Defect) -> Vec<u8> {
    let dest = match defect {
        Defect::Wraps => u64::MAX - 8,
        _ => output(noise),
    };
    let algorithm = [Algorithm::Dh, Algorithm::Rsa][noise.next() as usize % 2];
    // The input is less than the modulus.
    let input = KEYS + noise.next() % 16;
    let sqe = hpre::Sqe::request(algorithm, NUMBER, KEYS, input, dest, noise.next());
    let mut raw = sqe.to_bytes().to_vec();
    match defect {
        Defect::Type | Defect::Kind => raw[0] |= 0x1f,
        Defect::Field => raw[8 * 4 + 3] |= 0x80,
        Defect::Length | Defect::AddressType => raw[4] ^= 0x80,
        _ => {}
    }
    raw
}
