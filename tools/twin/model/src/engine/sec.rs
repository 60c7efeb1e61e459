// SPDX-License-Identifier: GPL-2.0

//! The SEC2 engine: ciphers, MACs, and both together.

use super::row::Model;
use super::sgl::{gather, pieces, scatter};
use crate::bus::{Bus, Fault};
use aes_gcm::{aead::AeadInPlace, AesGcm, Nonce};
use cipher::{
    block_padding::NoPadding, consts::U12, BlockDecryptMut, BlockEncrypt, BlockEncryptMut, KeyInit,
    KeyIvInit, StreamCipher,
};
use hisi_acc_hw::{
    sec::{
        AddrType, Auth, Cipher, CipherAlg, CipherMode, HashAlg, Request, Sqe, ERROR_BUFFER,
        ERROR_LENGTH, ERROR_UNSUPPORTED, FLAG_AEAD, FLAG_CIPHER, ICV_ERR, ICV_OK, IV_SIZE,
        MAC_SIZE, MAX_LEN, SQE_SIZE,
    },
    sgl::Sge,
};
use hmac::{Hmac, Mac};

/// The block of AES and SM4, in bytes.
const BLOCK: usize = 16;

/// Why a request is not carried out: `error_type`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Error(u8);

const UNSUPPORTED: Error = Error(ERROR_UNSUPPORTED);
const LENGTH: Error = Error(ERROR_LENGTH);

impl From<Fault> for Error {
    fn from(_: Fault) -> Self {
        Self(ERROR_BUFFER)
    }
}

type Result<T> = core::result::Result<T, Error>;

/// Runs `$run!(block cipher)` for an algorithm and the length of a key.
macro_rules! with_cipher {
    ($alg:expr, $len:expr, $run:ident) => {
        match ($alg, $len) {
            (CipherAlg::Aes, 16) => $run!(aes::Aes128),
            (CipherAlg::Aes, 24) => $run!(aes::Aes192),
            (CipherAlg::Aes, 32) => $run!(aes::Aes256),
            (CipherAlg::Sm4, 16) => $run!(sm4::Sm4),
            _ => Err(UNSUPPORTED),
        }
    };
}

/// The length of a key: `enum sec_ckey_type`.
fn key_len(alg: CipherAlg, key_type: u8) -> Result<usize> {
    match (alg, key_type) {
        (CipherAlg::TripleDes, 1) => Ok(24),
        (CipherAlg::TripleDes, 3) => Ok(16),
        (CipherAlg::Aes | CipherAlg::Sm4, 0) => Ok(16),
        (CipherAlg::Aes, 1) => Ok(24),
        (CipherAlg::Aes, 2) => Ok(32),
        _ => Err(UNSUPPORTED),
    }
}

/// ECB and CBC of whole blocks, in place.
macro_rules! blocks {
    ($cipher:ty, $mode:expr, $decrypt:expr, $key:expr, $iv:expr, $data:expr) => {{
        let len = $data.len();
        let done = match ($mode, $decrypt) {
            (CipherMode::Ecb, false) => ecb::Encryptor::<$cipher>::new_from_slice($key)
                .map_err(|_| UNSUPPORTED)?
                .encrypt_padded_mut::<NoPadding>($data, len)
                .is_ok(),
            (CipherMode::Ecb, true) => ecb::Decryptor::<$cipher>::new_from_slice($key)
                .map_err(|_| UNSUPPORTED)?
                .decrypt_padded_mut::<NoPadding>($data)
                .is_ok(),
            (CipherMode::Cbc, false) => cbc::Encryptor::<$cipher>::new_from_slices($key, $iv)
                .map_err(|_| UNSUPPORTED)?
                .encrypt_padded_mut::<NoPadding>($data, len)
                .is_ok(),
            (CipherMode::Cbc, true) => cbc::Decryptor::<$cipher>::new_from_slices($key, $iv)
                .map_err(|_| UNSUPPORTED)?
                .decrypt_padded_mut::<NoPadding>($data)
                .is_ok(),
            _ => return Err(UNSUPPORTED),
        };
        if done {
            Ok(())
        } else {
            Err(LENGTH)
        }
    }};
}

/// A cipher without a MAC, in place.
fn cipher(
    alg: CipherAlg,
    mode: CipherMode,
    decrypt: bool,
    key: &[u8],
    iv: &[u8; IV_SIZE],
    data: &mut [u8],
) -> Result<()> {
    if alg == CipherAlg::TripleDes {
        return match key.len() {
            24 => blocks!(des::TdesEde3, mode, decrypt, key, &iv[..8], data),
            _ => blocks!(des::TdesEde2, mode, decrypt, key, &iv[..8], data),
        };
    }
    match mode {
        CipherMode::Ecb | CipherMode::Cbc => {
            macro_rules! run {
                ($cipher:ty) => {
                    blocks!($cipher, mode, decrypt, key, &iv[..BLOCK], data)
                };
            }
            with_cipher!(alg, key.len(), run)
        }
        // The counter is one of 128 bits (`SEC_CTR_CNT_ROLLOVER`).
        CipherMode::Ctr => {
            macro_rules! run {
                ($cipher:ty) => {{
                    ctr::Ctr128BE::<$cipher>::new_from_slices(key, &iv[..BLOCK])
                        .map_err(|_| UNSUPPORTED)?
                        .apply_keystream(data);
                    Ok(())
                }};
            }
            with_cipher!(alg, key.len(), run)
        }
        CipherMode::Xts => {
            if data.len() < BLOCK {
                return Err(LENGTH);
            }
            let (first, second) = key.split_at(key.len() / 2);
            let mut tweak = [0; BLOCK];
            tweak.copy_from_slice(&iv[..BLOCK]);
            macro_rules! run {
                ($cipher:ty) => {{
                    let new = |key| <$cipher>::new_from_slice(key).map_err(|_| UNSUPPORTED);
                    let xts = xts_mode::Xts128::new(new(first)?, new(second)?);
                    if decrypt {
                        xts.decrypt_sector(data, tweak);
                    } else {
                        xts.encrypt_sector(data, tweak);
                    }
                    Ok(())
                }};
            }
            with_cipher!(alg, first.len(), run)
        }
        CipherMode::Ccm | CipherMode::Gcm => Err(UNSUPPORTED),
    }
}

/// GCM: ciphers `data` in place; returns the whole tag.
fn gcm(
    alg: CipherAlg,
    decrypt: bool,
    key: &[u8],
    iv: &[u8; IV_SIZE],
    aad: &[u8],
    data: &mut [u8],
) -> Result<[u8; BLOCK]> {
    macro_rules! run {
        ($cipher:ty) => {{
            let gcm = AesGcm::<$cipher, U12>::new_from_slice(key).map_err(|_| UNSUPPORTED)?;
            let nonce = Nonce::from_slice(&iv[..12]);
            // The cipher of GCM is its own inverse; the tag is that of the ciphertext.
            if decrypt {
                let mut text = data.to_vec();
                gcm.encrypt_in_place_detached(nonce, aad, &mut text)
                    .map_err(|_| LENGTH)?;
                let plain = text.clone();
                let tag = gcm
                    .encrypt_in_place_detached(nonce, aad, &mut text)
                    .map_err(|_| LENGTH)?;
                data.copy_from_slice(&plain);
                Ok(tag.into())
            } else {
                gcm.encrypt_in_place_detached(nonce, aad, data)
                    .map(|tag| tag.into())
                    .map_err(|_| LENGTH)
            }
        }};
    }
    with_cipher!(alg, key.len(), run)
}

/// What CCM authenticates before the text: the first block, which the driver makes
/// (`set_aead_auth_iv()`), and what is only authenticated, its length before it (RFC 3610).
fn ccm_head(first: &[u8], aad: &[u8]) -> Vec<u8> {
    let mut head = first.to_vec();
    if !aad.is_empty() {
        match u16::try_from(aad.len()) {
            Ok(len) if len < 0xff00 => head.extend(len.to_be_bytes()),
            _ => {
                head.extend([0xff, 0xfe]);
                head.extend((aad.len() as u32).to_be_bytes());
            }
        }
        head.extend(aad);
        head.resize(head.len().next_multiple_of(BLOCK), 0);
    }
    head
}

/// CCM: ciphers `data` in place; returns the whole tag. `iv` is the first counter of the text,
/// `first` the first block of the MAC.
fn ccm(
    alg: CipherAlg,
    decrypt: bool,
    key: &[u8],
    iv: &[u8; IV_SIZE],
    first: &[u8; IV_SIZE],
    aad: &[u8],
    data: &mut [u8],
) -> Result<[u8; BLOCK]> {
    macro_rules! run {
        ($cipher:ty) => {{
            let counter = &iv[..BLOCK];
            let new = || <$cipher>::new_from_slice(key).map_err(|_| UNSUPPORTED);
            let mut stream =
                ctr::Ctr128BE::<$cipher>::new_from_slices(key, counter).map_err(|_| UNSUPPORTED)?;
            if decrypt {
                stream.apply_keystream(data);
            }
            let mut mac = ccm_head(&first[..BLOCK], aad);
            mac.extend(&*data);
            mac.resize(mac.len().next_multiple_of(BLOCK), 0);
            if !decrypt {
                stream.apply_keystream(data);
            }
            let cipher = new()?;
            let mut tag = [0u8; BLOCK];
            for block in mac.chunks(BLOCK) {
                tag.iter_mut().zip(block).for_each(|(t, b)| *t ^= b);
                cipher.encrypt_block((&mut tag).into());
            }
            // The MAC is ciphered with the counter 0: as many bytes as `L` says.
            let mut zero = [0; BLOCK];
            zero.copy_from_slice(counter);
            let len = usize::from(counter[0] & 7) + 1;
            zero[BLOCK - len..].fill(0);
            cipher.encrypt_block((&mut zero).into());
            tag.iter_mut().zip(zero).for_each(|(t, z)| *t ^= z);
            Ok(tag)
        }};
    }
    with_cipher!(alg, key.len(), run)
}

fn hmac(alg: HashAlg, key: &[u8], parts: [&[u8]; 2]) -> Result<Vec<u8>> {
    macro_rules! run {
        ($hash:ty) => {{
            let mut mac = <Hmac<$hash> as Mac>::new_from_slice(key).map_err(|_| UNSUPPORTED)?;
            parts.into_iter().for_each(|part| mac.update(part));
            Ok(mac.finalize().into_bytes().to_vec())
        }};
    }
    match alg {
        HashAlg::HmacSha1 => run!(sha1::Sha1),
        HashAlg::HmacSha256 => run!(sha2::Sha256),
        HashAlg::HmacSha512 => run!(sha2::Sha512),
    }
}

/// A request at work.
struct Job<'a> {
    bus: &'a mut dyn Bus,
    function: usize,
    request: Request,
}

impl Job<'_> {
    fn pieces(&mut self, kind: AddrType, address: u64, offset: u32, len: u32) -> Result<Vec<Sge>> {
        let (sgl, address) = match kind {
            AddrType::Flat => (false, address.wrapping_add(offset.into())),
            AddrType::Sgl => (true, address),
            AddrType::Other => return Err(UNSUPPORTED),
        };
        let pieces = pieces(self.bus, self.function, sgl, address, offset, len)?;
        let room: u64 = pieces.iter().map(|piece| u64::from(piece.len)).sum();
        if room < len.into() {
            return Err(LENGTH);
        }
        Ok(pieces)
    }

    fn bytes<const N: usize>(&mut self, address: u64, len: usize) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        if len != 0 {
            self.bus
                .read(self.function, address, bytes.get_mut(..len).ok_or(LENGTH)?)?;
        }
        Ok(bytes)
    }

    fn source(&mut self, offset: u16, len: u32) -> Result<Vec<u8>> {
        let request = self.request;
        let pieces = self.pieces(request.source_type, request.source, offset.into(), len)?;
        Ok(gather(self.bus, self.function, &pieces)?)
    }

    /// Compares a MAC with the one in memory; says what `icv` becomes.
    fn check_mac(&mut self, made: &[u8]) -> Result<u16> {
        let theirs: [u8; MAC_SIZE] = self.bytes(self.request.mac, made.len())?;
        Ok(if &theirs[..made.len()] == made {
            ICV_OK
        } else {
            ICV_ERR
        })
    }

    /// Carries it out; says what `flag` and `icv` become.
    fn run(&mut self) -> Result<(u16, u16)> {
        let request = self.request;
        let (Some(alg), Some(mode)) = (request.alg, request.mode) else {
            return Err(UNSUPPORTED);
        };
        let decrypt = match request.cipher {
            Cipher::Encrypt => false,
            Cipher::Decrypt => true,
            Cipher::None => return Err(UNSUPPORTED),
        };
        if request.cipher_len > MAX_LEN || request.auth_len > MAX_LEN {
            return Err(LENGTH);
        }
        let aead = matches!(mode, CipherMode::Ccm | CipherMode::Gcm);
        if aead && request.auth != Auth::None {
            return Err(UNSUPPORTED);
        }
        let len = key_len(alg, request.key_type)? * if mode == CipherMode::Xts { 2 } else { 1 };
        let key: [u8; 64] = self.bytes(request.key, len)?;
        let key = &key[..len];
        let iv_len = match (alg, mode) {
            (_, CipherMode::Ecb) => 0,
            (CipherAlg::TripleDes, _) => 8,
            (_, CipherMode::Gcm) => 12,
            _ => BLOCK,
        };
        let iv: [u8; IV_SIZE] = self.bytes(request.iv, iv_len)?;
        let mut data = self.source(request.cipher_offset, request.cipher_len)?;
        // Guess: what is only authenticated is not copied to the destination, where it is another.
        // Lists are read before anything is written, which may be over them.
        let dest = self.pieces(
            request.dest_type,
            request.dest,
            request.cipher_offset.into(),
            request.cipher_len,
        )?;
        let (mac, check) = if aead {
            let aad = self.source(request.auth_offset, request.auth_len)?;
            let tag = if mode == CipherMode::Gcm {
                gcm(alg, decrypt, key, &iv, &aad, &mut data)?
            } else {
                let first: [u8; IV_SIZE] = self.bytes(request.auth_iv, BLOCK)?;
                ccm(alg, decrypt, key, &iv, &first, &aad, &mut data)?
            };
            (Some(tag.to_vec()), decrypt)
        } else if request.auth == Auth::None {
            cipher(alg, mode, decrypt, key, &iv, &mut data)?;
            (None, false)
        } else {
            // What is authenticated is the ciphertext, and what stands before it.
            let before = u32::from(request.cipher_offset)
                .checked_sub(request.auth_offset.into())
                .ok_or(LENGTH)?;
            if request.auth_len != before + request.cipher_len {
                return Err(LENGTH);
            }
            let head = self.source(request.auth_offset, before)?;
            let len = request.auth_key_len as usize;
            let auth_key: [u8; 256] = self.bytes(request.auth_key, len)?;
            let hash = request.hash.ok_or(UNSUPPORTED)?;
            if !decrypt {
                cipher(alg, mode, false, key, &iv, &mut data)?;
            }
            let made = hmac(hash, &auth_key[..len], [&head, &data])?;
            if decrypt {
                cipher(alg, mode, true, key, &iv, &mut data)?;
            }
            (Some(made), request.auth == Auth::Check)
        };
        let Some(mut mac) = mac else {
            scatter(self.bus, self.function, &dest, &data)?;
            return Ok((FLAG_CIPHER, 0));
        };
        let len = request.mac_len as usize;
        if len > mac.len() {
            return Err(LENGTH);
        }
        mac.truncate(len);
        let icv = if check { self.check_mac(&mac)? } else { 0 };
        scatter(self.bus, self.function, &dest, &data)?;
        if !check {
            self.bus.write(self.function, request.mac, &mac)?;
        }
        Ok((FLAG_AEAD, icv))
    }
}

/// The capability registers: error types and what resets of the QM, the same of the engine, then
/// cores and algorithms (`sec_cap_query_info` of sec2/sec_main.c).
const CAPABILITIES: [u32; 20] = [
    0x7c77,
    0x6c77,
    0x8,
    0x6_0177,
    0x177,
    0xc088,
    // SEC_CORE_INFO, SEC_CORE_EN
    0x11_0404,
    0xf,
    // SEC_DRV_ALG_BITMAP_LOW, _HIGH
    0x186_70cf,
    0x395c,
    // SEC_ALG_BITMAP_LOW, _HIGH, and the same of four cores
    0xffff_ffff,
    0x3fff,
    0xffff_ffff,
    0x3fff,
    0xffff_ffff,
    0x3fff,
    0xffff_ffff,
    0x3fff,
    0xffff_ffff,
    0x3fff,
];

/// The row of SEC2. The engine is ready when `SEC_MEM_INIT_DONE_REG` says so.
pub(super) const MODEL: Model = Model {
    capabilities: &CAPABILITIES,
    ready: |offset| (offset == 0x30_1104).then_some(1),
    run: |bus, function, _, raw| {
        if let Ok(raw) = raw.try_into() {
            run(bus, function, raw);
        }
    },
};

/// Carries out a request.
pub fn run(bus: &mut dyn Bus, function: usize, raw: &mut [u8; SQE_SIZE]) {
    let mut sqe = Sqe(*raw);
    let outcome = match sqe.request() {
        Some(request) => Job {
            bus,
            function,
            request,
        }
        .run(),
        None => Err(UNSUPPORTED),
    };
    match outcome {
        Ok((flag, icv)) => sqe.complete(flag, icv, 0),
        Err(Error(error)) => sqe.complete(0, 0, error),
    }
    *raw = sqe.0;
}

#[cfg(test)]
#[path = "sec_tests.rs"]
mod tests;
