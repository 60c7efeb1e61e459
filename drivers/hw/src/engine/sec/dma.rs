// SPDX-License-Identifier: GPL-2.0

//! What the SEC2 engine writes.
//!
//! Sources: `struct sec_sqe`, `sec_sqe_type2`, `sec_sqe3` of `sec2/sec_crypto.h`, and
//! `sec2/sec_crypto.c`; of UADK `drv/hisi_sec.c`, `v1/drv/hisi_sec_udrv.h` (BD type 1) and
//! `v1/drv/hisi_sec_udrv.c`.
//!
//! By words of the BD:
//!
//! | what | type 1, 2 | type 3 | written |
//! |------|-----------|--------|---------|
//! | `data_dst_addr` | 26, 27 | 19, 20 | to where the ciphered or the authenticated part ends, whichever ends later |
//! | `data_src_addr` | 24, 25 | 4, 5 | the same, where `de` is 0: the destination is the source then |
//! | `mac_addr` | 18, 19 | 21, 22 | [`MAC_MAX`], or what it says if that is more |
//! | `c_ivin_addr` | 20, 21 | 23, 24 | [`IV_MAX`] |
//! | `a_ivin_addr` | 14, 15 | 8, 9 | [`AUTH_IV_MAX`] |
//!
//! - The destination is reported from its beginning: what is only authenticated stands before what
//!   is ciphered, and whether the engine copies it is not known.
//! - The MAC, where there is one, in all directions: where it is to be checked it is likely only
//!   read. Its length is not to be relied on: the requests of a hash in parts have the length 0 or
//!   1 and write the hash's whole state, of which the longest is that of SHA-512.
//! - The in-tree driver works out the next initial value by itself (`sec_update_iv()`) and maps it
//!   `DMA_TO_DEVICE` where it maps it for a request (`sec_cipher_map()`), so the engine does not
//!   seem to write any back. That is of the modes of that driver; for all others nobody says so,
//!   and a page costs little.
//!
//! Not understood: scenes other than none, IPsec (which is what UADK says for what is plain),
//! stream and storage; in them padding, checksums, headers, keys that are wrapped or from
//! elsewhere, initial values that the engine makes, and addresses that are neither flat nor lists
//! (`SEC_PRP`).

use super::SQE_SIZE;
use crate::dma::{
    sgl,
    types::{
        address,
        flat,
        sqe_words,
        Decoder,
        Each,
        Memory,
        Output, //
    },
    why::Why, //
};

/// Words of a BD.
const WORDS: usize = SQE_SIZE / 4;

/// The functions of this file. What the engine writes is as long as what it reads: an SQE that it
/// wrote back says nothing more.
pub(crate) const DECODER: Decoder = Decoder {
    outputs: |sqe, memory, each| outputs(&sqe_words(sqe)?, memory, each),
    produced: |_| None,
    identity: |_, _| None,
};

/// The most bytes of a MAC (`SEC_MAX_MAC_LEN`), and of the state of any hash
const MAC_MAX: u32 = 64;
/// Bytes of an initial value (`SEC_IV_SIZE`)
const IV_MAX: u64 = 24;
/// Bytes of an initial value for authentication, at most: `AIV_STREAM_LEN` of UADK
const AUTH_IV_MAX: u64 = 64;

/// `enum sec_addr_type`, and the buffer
#[derive(Clone, Copy, PartialEq, Eq)]
struct Buffer {
    kind: u32,
    address: u64,
}

/// Of a BD, whatever its type, what says what is written.
struct Bd {
    /// `enum sec_cipher_dir`, 0 for none
    cipher: u32,
    /// `enum sec_cmode`
    mode: u32,
    /// `enum sec_auth`
    auth: u32,
    /// Whether the destination is another buffer than the source
    de: u32,
    source: Buffer,
    dest: Buffer,
    mac: Buffer,
    /// Bytes of the MAC, as it says
    mac_len: u32,
    /// Bytes to the end of the ciphered part
    cipher_end: u32,
    /// Bytes to the end of the authenticated part
    auth_end: u32,
    iv: u64,
    auth_iv: u64,
}

/// `SEC_COMM_SCENE`
const SCENE_NONE: u32 = 0;
/// UADK's `SEC_IPSEC_SCENE`
const SCENE_IPSEC: u32 = 1;
/// `SCENE_STORAGE` of UADK's v1
const SCENE_STORAGE: u32 = 5;
/// UADK's `SEC_STREAM_SCENE`: a hash, or GCM, in parts
const SCENE_STREAM: u32 = 7;

/// `MAX_CIPHER_LENGTH` and all other lengths are of 24 bits.
const LEN: u32 = 0xff_ffff;

/// A field of a word: `bits` of them from `shift` on.
const fn field(word: u32, shift: u32, bits: u32) -> u32 {
    (word >> shift) & ((1 << bits) - 1)
}

/// What BDs of type 1 and 2 share: words 0, 6, and the addresses.
fn old(words: &[u32; WORDS]) -> Bd {
    Bd {
        cipher: field(words[0], 4, 2),
        mode: field(words[3], 12, 4),
        auth: field(words[0], 6, 2),
        de: field(words[0], 9, 2),
        source: Buffer {
            kind: field(words[0], 15, 3),
            address: address(words[24], words[25]),
        },
        dest: Buffer {
            kind: field(words[0], 18, 3),
            address: address(words[26], words[27]),
        },
        mac: Buffer {
            kind: field(words[0], 21, 3),
            address: address(words[18], words[19]),
        },
        mac_len: 0,
        cipher_end: 0,
        auth_end: 0,
        iv: address(words[20], words[21]),
        auth_iv: address(words[14], words[15]),
    }
}

/// `struct hisi_sec_sqe_type1` of UADK's v1: blocks of a disk, with their checksums (DIF).
fn type1(words: &[u32; WORDS]) -> Result<Bd, Why> {
    let scene = field(words[0], 11, 4);
    // All but `ci_gen`, of which 3 is "by LBA", and the lower bit of `ai_gen`
    let mut unknown = words[1] & !0x1c0;
    // What is above mac_addr_type; dw4, dw5; offsets; bytes to pass over
    unknown |= (words[0] >> 24) | words[4] | words[5] | words[6] | words[8] | words[9];
    // Making of DIFs
    unknown |= (words[11] & 0xffff) | (words[13] & 0x3f);
    if scene != SCENE_STORAGE || unknown != 0 {
        return Err(Why::Field);
    }
    // `gran_num` blocks of `block_size`. Their DIFs, which are of 8 bytes with 56 of padding
    // (`ZIP_DIF_LEN`, `ZIP_PAD_LEN`), are checked and likely left out.
    let blocks = field(words[7], 0, 16);
    let bytes = u64::from(blocks) * u64::from(field(words[13], 16, 16) + 64);
    Ok(Bd {
        mac_len: 4 * field(words[2], 0, 6),
        cipher_end: u32::try_from(bytes).map_err(|_| Why::Length)?,
        // There is one such address less.
        auth_iv: 0,
        ..old(words)
    })
}

/// `struct sec_sqe_type2`
fn type2(words: &[u32; WORDS]) -> Result<Bd, Why> {
    let scene = field(words[0], 11, 4);
    // All but the lower bit of `ai_gen`, `a_pad`, and bd_invalid (see `type3()`)
    let mut unknown = words[1] & !0x8000_0d00;
    unknown |= words[0] >> 24;
    // iv_offset
    unknown |= (words[4] >> 24) | (words[5] >> 24);
    // Offsets of headers for checksums, PBKDF2, salt; padding
    unknown |= words[7] | words[8] | words[9] | words[11];
    if !matches!(scene, SCENE_NONE | SCENE_IPSEC | SCENE_STREAM) || unknown != 0 {
        return Err(Why::Field);
    }
    let icv_len = field(words[3], 0, 6);
    Ok(Bd {
        mac_len: icv_len.max(4 * field(words[2], 0, 5)),
        // 16 bits and 24
        cipher_end: field(words[6], 16, 16) + (words[5] & LEN),
        auth_end: field(words[6], 0, 16) + (words[4] & LEN),
        ..old(words)
    })
}

/// `struct sec_sqe3`
fn type3(words: &[u32; WORDS]) -> Result<Bd, Why> {
    // What is above mac_addr_type. A BD with bd_invalid, as `fill_stream_bd3()` of UADK makes it at
    // the end of a stream of GCM, writes no more than one without.
    let mut unknown = words[0] >> 20;
    // ci_gen; nonce_len, huk, cal_iv_addr_en; reserved
    unknown |= words[1] & (0xc | (0x3f << 24) | (1 << 31));
    // What stands behind a_ivin_addr, and is of the storage scene; salt
    unknown |= words[10] | words[11] | words[15];
    // The upper bit of ai_gen; key_sel; key_wrap_num, update_key
    unknown |= words[14] & ((1 << 3) | (0xf << 21) | (0xf << 28));
    // auth_key_offset, auth_ivin_offset
    unknown |= (words[17] >> 24) | (words[18] >> 24);
    unknown |= match field(words[0], 5, 4) {
        SCENE_NONE | SCENE_IPSEC => words[25] | words[26] | words[27],
        // long_a_data_len, and of what is behind it auth_pad and the bit of GCM
        // (`fill_gcm_first_bd3()` of UADK): no protocol, no padding
        SCENE_STREAM => words[27] & !0x23,
        _ => 1,
    };
    if unknown != 0 {
        return Err(Why::Field);
    }
    let icv_len = field(words[1], 4, 6);
    Ok(Bd {
        cipher: field(words[1], 0, 2),
        mode: field(words[1], 16, 4),
        auth: field(words[14], 0, 2),
        de: field(words[0], 9, 2),
        source: Buffer {
            kind: field(words[0], 11, 3),
            address: address(words[4], words[5]),
        },
        dest: Buffer {
            kind: field(words[0], 14, 3),
            address: address(words[19], words[20]),
        },
        mac: Buffer {
            kind: field(words[0], 17, 3),
            address: address(words[21], words[22]),
        },
        mac_len: icv_len.max(4 * field(words[14], 4, 5)),
        // 16 bits and 24
        cipher_end: field(words[16], 16, 16) + (words[18] & LEN),
        auth_end: field(words[16], 0, 16) + (words[17] & LEN),
        iv: address(words[23], words[24]),
        auth_iv: address(words[8], words[9]),
    })
}

/// See [`outputs()`](crate::dma::outputs()).
fn outputs(words: &[u32; WORDS], memory: &dyn Memory, each: &mut Each<'_>) -> Result<(), Why> {
    let bd = match words[0] & 0xf {
        1 => type1(words)?,
        2 => type2(words)?,
        3 => type3(words)?,
        _ => return Err(Why::SqeType),
    };
    // `SEC_CIPHER_ENC`, `_DEC`; 3 is a copy by the name that UADK has for it.
    let ciphers = match bd.cipher {
        0 => false,
        1 | 2 => true,
        _ => return Err(Why::Request),
    };
    // `SEC_AUTH_TYPE1`, `_TYPE2`; `SEC_CMODE_CCM` and `_GCM`, which need neither
    let authenticates = match bd.auth {
        0 => ciphers && matches!(bd.mode, 5 | 6),
        1 | 2 => true,
        _ => return Err(Why::Request),
    };
    // ECB, CBC, CFB, OFB, CTR, CCM, GCM, XTS; CBC with ciphertext stealing
    if (ciphers && !matches!(bd.mode, 0..=7 | 9)) || !(ciphers || authenticates) || bd.de > 1 {
        return Err(Why::Request);
    }

    let end = match authenticates {
        true => bd.cipher_end.max(bd.auth_end),
        false => bd.cipher_end,
    };
    let mut buffer = |buffer: Buffer, len: u32| match buffer.kind {
        // SEC_PBUF
        0 => flat(each, Output::Other, buffer.address, len.into()),
        // SEC_SGL
        1 => sgl::chain(memory, buffer.address, 0, len, false, each),
        _ => Err(Why::AddressType),
    };
    if bd.de == 0 && ciphers {
        // The drivers have the same address in both then, whichever it is that counts.
        buffer(bd.source, end)?;
        if bd.dest != bd.source {
            buffer(bd.dest, end)?;
        }
    }
    if bd.de == 1 {
        buffer(bd.dest, end)?;
    }
    if authenticates {
        buffer(bd.mac, bd.mac_len.max(MAC_MAX))?;
    }
    // None is null where there is none.
    if bd.iv != 0 {
        flat(each, Output::Other, bd.iv, IV_MAX)?;
    }
    if authenticates && bd.auth_iv != 0 {
        flat(each, Output::Other, bd.auth_iv, AUTH_IV_MAX)?;
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests;
