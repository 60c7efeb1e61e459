// SPDX-License-Identifier: GPL-2.0

//! Descriptors: as the drivers make them, nearly so, and of any bytes.

use super::{Machine, Wishes, MEMORY};
use crate::Engine;
use hisi_acc_hw::{
    hpre::{self, Algorithm},
    sec::{
        self, AddrType, Auth, BdType, Cipher, CipherAlg, CipherMode, HashAlg, Request, MAC_SIZE,
    },
    sgl::{Sge, SglHead, SGE_SIZE, SGL_HEAD},
    zip::{self, Format},
};
use std::io::Write;

/// Where buffers are: sixteen pages, the upper half of memory.
pub const BUFFERS: u64 = MEMORY + 0x1_0000;
/// A page
const PAGE: u64 = 0x1000;

/// A request of SEC as the driver lays it out.
pub fn sec_sqe(request: &Request, bd_type: BdType) -> sec::Sqe {
    match bd_type {
        BdType::Type2 => type2(request),
        BdType::Type3 => type3(request),
    }
}

fn put(sqe: &mut sec::Sqe, at: usize, bytes: &[u8]) {
    sqe.0[at..at + bytes.len()].copy_from_slice(bytes);
}

fn hash_number(hash: Option<HashAlg>) -> u32 {
    match hash {
        Some(HashAlg::HmacSha1) => 0x10,
        Some(HashAlg::HmacSha256) => 0x11,
        Some(HashAlg::HmacSha512) => 0x15,
        None => 0,
    }
}

fn auth_number(auth: Auth) -> u8 {
    match auth {
        Auth::None => 0,
        Auth::Make => 1,
        Auth::Check => 2,
    }
}

/// `struct sec_sqe3`, `sec_auth_bd_fill_ex_v3()`, `sec_auth_bd_fill_xcm_v3()`
fn type3(r: &Request) -> sec::Sqe {
    let mut sqe = sec::Sqe::cipher(r);
    let mut auth = (2 << 25) | u32::from(auth_number(r.auth)) | (hash_number(r.hash) << 15);
    auth |= (r.auth_key_len / 4) << 9;
    if r.auth == Auth::None {
        let icv = u16::from_le_bytes([sqe.0[4], sqe.0[5]]) | ((r.mac_len as u16 & 0x3f) << 4);
        put(&mut sqe, 4, &icv.to_le_bytes());
    } else {
        auth |= (r.mac_len / 4) << 4;
    }
    put(&mut sqe, 24, &r.auth_key.to_le_bytes());
    put(&mut sqe, 32, &r.auth_iv.to_le_bytes());
    put(&mut sqe, 56, &auth.to_le_bytes());
    put(&mut sqe, 64, &r.auth_offset.to_le_bytes());
    put(&mut sqe, 68, &(r.auth_len & 0xff_ffff).to_le_bytes());
    put(&mut sqe, 84, &r.mac.to_le_bytes());
    sqe
}

/// `struct sec_sqe_type2`, `sec_skcipher_bd_fill()`, `sec_auth_bd_fill_ex()`,
/// `sec_auth_bd_fill_xcm()`
fn type2(r: &Request) -> sec::Sqe {
    let mut sqe = sec::Sqe([0; sec::SQE_SIZE]);
    let addr_type = |kind| match kind {
        AddrType::Flat => 0,
        AddrType::Sgl => 1,
        AddrType::Other => 2u8,
    };
    let cipher = match r.cipher {
        Cipher::None => 0,
        Cipher::Encrypt => 1,
        Cipher::Decrypt => 2u8,
    };
    let mode = match r.mode {
        Some(CipherMode::Ecb) => 0,
        Some(CipherMode::Cbc) => 1,
        Some(CipherMode::Ctr) => 4,
        Some(CipherMode::Ccm) => 5,
        Some(CipherMode::Gcm) => 6,
        Some(CipherMode::Xts) => 7,
        None => 0xfu16,
    };
    let alg = match r.alg {
        Some(CipherAlg::TripleDes) => 1,
        Some(CipherAlg::Aes) => 2,
        Some(CipherAlg::Sm4) => 3,
        None => 0u8,
    };
    let (icv, mac_words) = match r.auth {
        Auth::None => (r.mac_len as u16 & 0x3f, 0),
        Auth::Make | Auth::Check => (0, r.mac_len / 4),
    };
    let source = addr_type(r.source_type);
    put(
        &mut sqe,
        0,
        &[
            2 | (cipher << 4) | (auth_number(r.auth) << 6),
            (u8::from(r.source != r.dest) << 1) | (source << 7),
            (source >> 1) | (addr_type(r.dest_type) << 2),
        ],
    );
    let mac_key_alg = mac_words | ((r.auth_key_len / 4) << 5) | (hash_number(r.hash) << 11);
    put(&mut sqe, 8, &mac_key_alg.to_le_bytes());
    let icvw_kmode = icv | (u16::from(r.key_type) << 9) | (mode << 12);
    put(&mut sqe, 12, &icvw_kmode.to_le_bytes());
    put(&mut sqe, 14, &[alg]);
    put(&mut sqe, 16, &(r.auth_len & 0xff_ffff).to_le_bytes());
    put(&mut sqe, 20, &(r.cipher_len & 0xff_ffff).to_le_bytes());
    put(&mut sqe, 24, &r.auth_offset.to_le_bytes());
    put(&mut sqe, 26, &r.cipher_offset.to_le_bytes());
    for (at, address) in [
        (56, r.auth_iv),
        (64, r.auth_key),
        (72, r.mac),
        (80, r.iv),
        (88, r.key),
        (96, r.source),
        (104, r.dest),
    ] {
        put(&mut sqe, at, &address.to_le_bytes());
    }
    sqe
}

/// What lists are aligned to (`HISI_ACC_SGL_ALIGN_SIZE`), in bytes.
const SGL_ALIGN: u64 = 64;

/// Lays out a hardware SGL at `at`, in lists of at most `room` entries each, one behind the other
/// as `hisi_acc_create_sgl_pool()` has them.
pub fn put_sgl(machine: &mut Machine, at: u64, pieces: &[Sge], room: usize) {
    let step = ((SGL_HEAD + room * SGE_SIZE) as u64).next_multiple_of(SGL_ALIGN);
    let lists: Vec<&[Sge]> = pieces.chunks(room).collect();
    for (n, list) in (1..).zip(&lists) {
        let list_at = at + (n - 1) * step;
        let head = SglHead {
            next: if n == lists.len() as u64 {
                0
            } else {
                at + n * step
            },
            in_chain: pieces.len() as u16,
            in_sgl: list.len() as u16,
            room: room as u16,
        };
        machine.put(list_at, &head.to_bytes());
        for (entry_at, entry) in (list_at + SGL_HEAD as u64..).step_by(SGE_SIZE).zip(*list) {
            machine.put(entry_at, &entry.to_bytes());
        }
    }
}

/// A place in one of the pages for buffers, with room for 0xc00 bytes behind it.
fn place(wishes: &mut Wishes<'_>) -> Option<u64> {
    let n = wishes.byte()?;
    Some(BUFFERS + u64::from(n >> 4) * PAGE + u64::from(n & 0xf) * 0x3f)
}

/// Puts a buffer of the bytes `content` somewhere, with `offset` bytes of no meaning before them,
/// flat or by an SGL; returns its address. Things go wrong now and then.
fn buffer(
    wishes: &mut Wishes<'_>,
    machine: &mut Machine,
    sgl: bool,
    offset: usize,
    content: &[u8],
) -> Option<u64> {
    let at = place(wishes)?;
    if !sgl {
        put_where_there_is_room(machine, at + offset as u64, content);
        return if wishes.seldom(16)? {
            wishes.address()
        } else {
            Some(at)
        };
    }
    let at = if wishes.seldom(16)? {
        at
    } else {
        at & !(SGL_ALIGN - 1)
    };
    let mut data = vec![0; offset];
    data.extend_from_slice(content);
    let mut rest = &data[..];
    let mut pieces = Vec::new();
    let n = wishes.byte()? % 4 + 1;
    for left in (0..n).rev() {
        let address = place(wishes)?;
        let len = match left {
            0 => rest.len(),
            _ => rest.len().min(usize::from(wishes.byte()?)),
        };
        put_where_there_is_room(machine, address, &rest[..len]);
        rest = &rest[len..];
        pieces.push(Sge {
            address,
            len: len as u32,
        });
    }
    if wishes.seldom(8)? {
        let n = usize::from(wishes.byte()?) % pieces.len();
        match wishes.byte()? % 4 {
            0 => pieces[n].len = pieces[n].len.wrapping_sub(1),
            1 => pieces[n].len = wishes.number(3)? as u32,
            2 => pieces[n].address = wishes.address()?,
            _ => drop(pieces.remove(n)),
        }
    }
    let room = usize::from(wishes.byte()? % 3) + 1;
    put_sgl(machine, at, &pieces, room);
    if wishes.seldom(8)? {
        // The chain comes back to itself, or leads somewhere.
        let next = match wishes.byte()? % 2 {
            0 => at,
            _ => wishes.address()?,
        };
        machine.put(at, &next.to_le_bytes());
    }
    Some(at)
}

/// Puts as much of it there as there is memory.
fn put_where_there_is_room(machine: &mut Machine, at: u64, data: &[u8]) {
    let end = MEMORY + machine.memory.len() as u64;
    let room = end.saturating_sub(at).min(data.len() as u64) as usize;
    if room != 0 {
        machine.put(at, &data[..room]);
    }
}

/// A descriptor: any bytes, or nearly right. With it the algorithm type of its queue.
pub fn any(
    wishes: &mut Wishes<'_>,
    machine: &mut Machine,
    accelerator: Engine,
) -> Option<(u8, Vec<u8>)> {
    let size = accelerator.sqe_size();
    if !wishes.seldom(8)? {
        return nearly_right(wishes, machine, accelerator);
    }
    let mut raw = wishes.noise(size)?;
    // Some of the eight bytes that could be addresses are.
    for _ in 0..wishes.byte()? % 8 {
        let at = usize::from(wishes.byte()?) * 4 % (size - 4);
        raw[at..at + 8].copy_from_slice(&wishes.address()?.to_le_bytes());
    }
    // And some that could be lengths are short.
    for _ in 0..wishes.byte()? % 4 {
        let at = usize::from(wishes.byte()?) * 4 % size;
        raw[at..at + 4].copy_from_slice(&(wishes.number(2)? as u32).to_le_bytes());
    }
    Some((wishes.byte()? % 3, raw))
}

/// A descriptor that names buffers in memory and asks for something that there is, with an error
/// now and then. With it the algorithm type of its queue.
pub fn nearly_right(
    wishes: &mut Wishes<'_>,
    machine: &mut Machine,
    accelerator: Engine,
) -> Option<(u8, Vec<u8>)> {
    let (alg_type, mut raw) = match accelerator {
        Engine::Zip => zip(wishes, machine)?,
        Engine::Sec => (0, sec(wishes, machine)?),
        Engine::Hpre => hpre(wishes, machine)?,
    };
    if wishes.seldom(8)? {
        let at = usize::from(wishes.byte()?) % raw.len();
        raw[at] ^= wishes.byte()?;
    }
    Some((alg_type, raw))
}

/// Compresses in memory.
pub fn compressed(format: Format, text: &[u8]) -> Vec<u8> {
    let level = flate2::Compression::fast();
    macro_rules! run {
        ($encoder:ident) => {{
            let mut encoder = flate2::write::$encoder::new(Vec::new(), level);
            encoder.write_all(text).unwrap();
            encoder.finish().unwrap()
        }};
    }
    match format {
        Format::Deflate => run!(DeflateEncoder),
        Format::Zlib => run!(ZlibEncoder),
        Format::Gzip => run!(GzEncoder),
    }
}

fn zip(wishes: &mut Wishes<'_>, machine: &mut Machine) -> Option<(u8, Vec<u8>)> {
    let format = wishes.one_of(&[Format::Deflate, Format::Zlib, Format::Gzip])?;
    let len = usize::from(wishes.byte()?) * 4;
    let mut text = wishes.noise(len)?;
    // Something to find again
    let repeat = usize::from(wishes.byte()?).max(1);
    for n in repeat..len {
        text[n] = text[n % repeat];
    }
    let alg_type = wishes.byte()? % 2;
    let (source, mut room) = if alg_type == zip::ALG_TYPE_DECOMP {
        let mut stream = compressed(format, &text);
        if wishes.seldom(4)? {
            match wishes.byte()? % 3 {
                // Cut short, bytes behind it, an error in it
                0 => stream.truncate(usize::from(wishes.byte()?)),
                1 => stream.extend(wishes.noise(4)?),
                _ => {
                    let at = usize::from(wishes.byte()?) % stream.len();
                    stream[at] ^= wishes.byte()?;
                }
            }
        }
        (stream, len)
    } else {
        (text, 2 * len + 64)
    };
    if wishes.seldom(8)? {
        room = wishes.number(2)?.try_into().ok()?;
    }
    let sgl = wishes.byte()? & 1 != 0;
    let (source_offset, dest_offset) = if sgl && wishes.seldom(4)? {
        (usize::from(wishes.byte()?), usize::from(wishes.byte()?))
    } else {
        (0, 0)
    };
    let source_at = buffer(wishes, machine, sgl, source_offset, &source)?;
    let dest_at = buffer(wishes, machine, sgl, dest_offset, &vec![0; room.min(0x800)])?;
    let (source_len, dest_len) = (source.len() as u32, room as u32);
    let mut sqe = zip::Sqe::request(format, sgl, source_at, source_len, dest_at, dest_len, 7);
    sqe.0[7] |= source_offset as u32;
    sqe.0[8] |= dest_offset as u32;
    Some((alg_type, sqe.to_bytes().to_vec()))
}

fn sec(wishes: &mut Wishes<'_>, machine: &mut Machine) -> Option<Vec<u8>> {
    let alg = wishes.one_of(&[
        CipherAlg::Aes,
        CipherAlg::Aes,
        CipherAlg::Sm4,
        CipherAlg::TripleDes,
    ])?;
    let mode = wishes.one_of(&[
        CipherMode::Ecb,
        CipherMode::Cbc,
        CipherMode::Cbc,
        CipherMode::Ctr,
        CipherMode::Ccm,
        CipherMode::Gcm,
        CipherMode::Xts,
    ])?;
    let key_type = match alg {
        CipherAlg::Aes => wishes.one_of(&[0, 1, 2])?,
        CipherAlg::Sm4 => 0,
        CipherAlg::TripleDes => wishes.one_of(&[1, 3])?,
    };
    let cipher = wishes.one_of(&[Cipher::Encrypt, Cipher::Decrypt])?;
    let aead = matches!(mode, CipherMode::Ccm | CipherMode::Gcm);
    let auth = match (aead || wishes.byte()? & 1 == 0, cipher) {
        (true, _) => Auth::None,
        (false, Cipher::Encrypt) => Auth::Make,
        (false, _) => Auth::Check,
    };
    let mac_len = match (aead, auth) {
        (false, Auth::None) => 0,
        (true, _) => u32::from(wishes.byte()? % 17),
        _ => wishes.one_of(&[20, 32, 64, 12])?,
    };
    let mut cipher_len = usize::from(wishes.byte()?) * 8;
    if wishes.seldom(4)? {
        cipher_len += usize::from(wishes.byte()? % 16);
    }
    let before = match (aead, auth) {
        (false, Auth::None) => 0,
        _ => usize::from(wishes.byte()? % 40),
    };
    let auth_len = if aead { before } else { before + cipher_len };
    let mut text = wishes.noise(before + cipher_len)?;
    text.resize(text.len().max(16), 0);
    let sgl = wishes.byte()?;
    let source_type = [AddrType::Flat, AddrType::Sgl][usize::from(sgl & 1)];
    let dest_type = [AddrType::Flat, AddrType::Sgl][usize::from((sgl >> 1) & 1)];
    let source = buffer(wishes, machine, source_type == AddrType::Sgl, 0, &text)?;
    let dest = if sgl & 4 == 0 && source_type == dest_type {
        source
    } else {
        buffer(wishes, machine, dest_type == AddrType::Sgl, 0, &text)?
    };
    let mut small = |len: usize| {
        let content = wishes.noise(len)?;
        buffer(wishes, machine, false, 0, &content)
    };
    let request = Request {
        cipher,
        alg: Some(alg),
        mode: Some(mode),
        key_type,
        auth,
        hash: (auth != Auth::None).then_some(match mac_len {
            20 => HashAlg::HmacSha1,
            64 => HashAlg::HmacSha512,
            _ => HashAlg::HmacSha256,
        }),
        auth_key_len: if auth == Auth::None { 0 } else { 20 },
        mac_len,
        cipher_len: cipher_len as u32,
        auth_len: if aead || auth != Auth::None {
            auth_len as u32
        } else {
            0
        },
        cipher_offset: before as u16,
        auth_offset: 0,
        source_type,
        dest_type,
        source,
        dest,
        key: small(64)?,
        iv: small(16)?,
        auth_key: small(20)?,
        auth_iv: small(16)?,
        mac: small(MAC_SIZE)?,
    };
    let bd_type = wishes.one_of(&[BdType::Type3, BdType::Type2])?;
    Some(sec_sqe(&request, bd_type).0.to_vec())
}

/// FIPS 186-4, D.1.2.3: p, a, b and the generator of P-256
const P256: [&str; 5] = [
    "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff",
    "ffffffff00000001000000000000000000000000fffffffffffffffffffffffc",
    "5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b",
    "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296",
    "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5",
];
/// RFC 7748, 4.1: p of Curve25519
const P25519: &str = "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffed";

/// Bytes, as hexadecimal digits say; blanks are passed over.
pub fn bytes(digits: &str) -> Vec<u8> {
    let digits: Vec<u8> = digits
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| c.to_digit(16).unwrap() as u8)
        .collect();
    digits.chunks(2).map(|d| (d[0] << 4) | d[1]).collect()
}

fn hpre(wishes: &mut Wishes<'_>, machine: &mut Machine) -> Option<(u8, Vec<u8>)> {
    // Short numbers: long ones take long.
    let (algorithm, len) = wishes.one_of(&[
        (Algorithm::EccMul, 32),
        (Algorithm::EccMul, 32),
        (Algorithm::XMul, 32),
        (Algorithm::XMul, 32),
        (Algorithm::Dh, 96),
        (Algorithm::DhG2, 96),
        (Algorithm::Rsa, 128),
        (Algorithm::RsaCrt, 128),
        (Algorithm::EccMul, 48),
        (Algorithm::EccMul, 72),
        (Algorithm::XMul, 72),
    ])?;
    let known = !wishes.seldom(4)?;
    // The first bits are 0, so that a modulus is the larger one.
    let mut number = |len: usize| {
        let mut number = wishes.noise(len)?;
        number[0] &= 0x3f;
        Some(number)
    };
    let odd = |len: usize| {
        let mut modulus = vec![0xff; len];
        modulus[len / 2] = 0x5a;
        modulus
    };
    let (key, input) = match algorithm {
        Algorithm::EccMul if known && len == 32 => (
            [bytes(P256[0]), bytes(P256[1]), number(32)?, bytes(P256[2])].concat(),
            [bytes(P256[3]), bytes(P256[4])].concat(),
        ),
        Algorithm::XMul if known && len == 32 => {
            let mut a24 = vec![0; 32];
            a24[29..].copy_from_slice(&[0x01, 0xdb, 0x41]);
            ([bytes(P25519), a24, number(32)?].concat(), number(32)?)
        }
        Algorithm::RsaCrt if known => {
            let half = len / 2;
            let halves = [
                number(half)?,
                number(half)?,
                odd(half),
                odd(half),
                number(half)?,
            ];
            (halves.concat(), number(len)?)
        }
        Algorithm::Rsa | Algorithm::Dh | Algorithm::DhG2 if known => {
            ([number(len)?, odd(len)].concat(), number(len)?)
        }
        _ => (
            number(algorithm.key_len(len))?,
            number(algorithm.input_len(len).max(1))?,
        ),
    };
    let key = buffer(wishes, machine, false, 0, &key)?;
    let input = buffer(wishes, machine, false, 0, &input)?;
    let output = buffer(wishes, machine, false, 0, &[])?;
    let sqe = hpre::Sqe::request(algorithm, len, key, input, output, 7);
    Some((algorithm.queue_type(), sqe.to_bytes().to_vec()))
}
