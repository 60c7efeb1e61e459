// SPDX-License-Identifier: GPL-2.0

//! Tests of the SEC2 descriptors.

use super::*;

#[test]
fn type3_reads_what_it_writes() {
    let request = Request {
        cipher: Cipher::Decrypt,
        alg: Some(CipherAlg::Sm4),
        mode: Some(CipherMode::Xts),
        key_type: 2,
        auth: Auth::None,
        hash: None,
        auth_key_len: 0,
        mac_len: 0,
        cipher_len: 0x12_3456,
        auth_len: 0,
        cipher_offset: 0x77,
        auth_offset: 0,
        source_type: AddrType::Sgl,
        dest_type: AddrType::Flat,
        source: 0x1122_3344_5566_7788,
        dest: 0x99aa_bbcc_ddee_ff00,
        key: 0x1,
        iv: 0x2,
        auth_key: 0,
        auth_iv: 0,
        mac: 0,
    };
    let mut sqe = Sqe::cipher(&request);
    sqe.set_tag(u64::MAX);
    assert_eq!(sqe.request(), Some(request));
    assert_eq!(sqe.tag(), u64::MAX);
    sqe.complete(FLAG_AEAD, ICV_ERR, 0);
    assert_eq!(
        (sqe.is_done(), sqe.icv(), sqe.flag(), sqe.error()),
        (true, ICV_ERR, FLAG_AEAD, 0)
    );
    assert_eq!(sqe.request(), Some(request));
}

#[test]
fn type2_as_sec_auth_bd_fill_ex_builds_it() {
    let mut sqe = Sqe([0; SQE_SIZE]);
    // type 2, encrypt, auth type 1; source and destination SGLs
    sqe.put(0, &[2 | (1 << 4) | (1 << 6), 1 << 7, 1 << 2]);
    // 20 bytes of MAC, a key of 64 bytes, HMAC-SHA1
    sqe.put(8, &(5u32 | (16 << 5) | (0x10 << 11)).to_le_bytes());
    sqe.put(12, &((1u16 << 12) | (2 << 9)).to_le_bytes());
    sqe.put(14, &[2]);
    let request = sqe.request().unwrap();
    assert_eq!(request.cipher, Cipher::Encrypt);
    assert_eq!(request.auth, Auth::Make);
    assert_eq!(request.hash, Some(HashAlg::HmacSha1));
    assert_eq!((request.mac_len, request.auth_key_len), (20, 64));
    assert_eq!(request.mode, Some(CipherMode::Cbc));
    assert_eq!((request.alg, request.key_type), (Some(CipherAlg::Aes), 2));
    assert_eq!(
        (request.source_type, request.dest_type),
        (AddrType::Sgl, AddrType::Sgl)
    );
}

#[test]
fn unknown_type() {
    assert_eq!(Sqe([0; SQE_SIZE]).request(), None);
}

/// Bytes that differ from each other, so that a field that is read from elsewhere shows.
fn pattern() -> [u8; SQE_SIZE] {
    // CAST: 128 of them.
    core::array::from_fn(|at| at as u8 ^ 0xa5)
}

fn le64(bytes: &[u8; SQE_SIZE], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

fn le32(bytes: &[u8; SQE_SIZE], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

/// Where `struct sec_sqe3` has what.
#[test]
fn type3_layout() {
    let mut bytes = pattern();
    // Type 3, source an SGL, destination flat, with all other bits of the word set.
    bytes[..4].copy_from_slice(&0xffff_0000_u32.to_le_bytes());
    bytes[..2].copy_from_slice(&(0x7f3_u16 | (1 << 11) | (1 << 13)).to_le_bytes());
    let param = le32(&bytes, 0);
    // Decrypt, 16 bytes of MAC, a key of type 5.
    bytes[4..6].copy_from_slice(&(2u16 | (16 << 4) | (5 << 13)).to_le_bytes());
    bytes[6] = (2 << 4) | 6;
    bytes[56..60].copy_from_slice(&0u32.to_le_bytes());
    let request = Sqe(bytes).request().unwrap();
    assert_eq!((param >> 11) & 0x7, 5);
    let expected = Request {
        cipher: Cipher::Decrypt,
        alg: Some(CipherAlg::Aes),
        mode: Some(CipherMode::Gcm),
        key_type: 5,
        auth: Auth::None,
        hash: None,
        auth_key_len: 0,
        mac_len: 16,
        cipher_len: le32(&bytes, 72) & 0xff_ffff,
        auth_len: le32(&bytes, 68) & 0xff_ffff,
        cipher_offset: u16::from_le_bytes([bytes[66], bytes[67]]),
        auth_offset: u16::from_le_bytes([bytes[64], bytes[65]]),
        source_type: AddrType::Other,
        dest_type: AddrType::Other,
        source: le64(&bytes, 16),
        dest: le64(&bytes, 76),
        key: le64(&bytes, 48),
        iv: le64(&bytes, 92),
        auth_key: le64(&bytes, 24),
        auth_iv: le64(&bytes, 32),
        mac: le64(&bytes, 84),
    };
    assert_eq!(request, expected);
    assert_eq!(Sqe(bytes).tag(), le64(&bytes, 8));
}

/// The bits of `auth_mac_key`: `SEC_MAC_OFFSET_V3`, `SEC_AKEY_OFFSET_V3`, `SEC_AUTH_ALG_OFFSET_V3`;
/// and those of `bd_param`.
#[test]
fn type3_fields_of_words() {
    let mut sqe = Sqe([0; SQE_SIZE]);
    for (auth, expected) in [(1u32, Auth::Make), (2, Auth::Check)] {
        // 32 bytes of MAC, a key of 100 bytes, HMAC-SHA256; bits around them are set.
        let word = 0xffe0_000c | auth | (8 << 4) | (25 << 9) | (0x11 << 15);
        sqe.put(0, &0xffff_e003_u32.to_le_bytes());
        sqe.put(56, &word.to_le_bytes());
        let request = sqe.request().unwrap();
        assert_eq!(request.auth, expected);
        assert_eq!(request.hash, Some(HashAlg::HmacSha256));
        assert_eq!((request.mac_len, request.auth_key_len), (32, 100));
    }
    for source in 0..8u32 {
        for dest in 0..8u32 {
            let name = |raw| match raw {
                0 => AddrType::Flat,
                1 => AddrType::Sgl,
                _ => AddrType::Other,
            };
            let param = 0xfffe_07f3 | (source << 11) | (dest << 14);
            sqe.put(0, &param.to_le_bytes());
            let request = sqe.request().unwrap();
            assert_eq!(request.source_type, name(source));
            assert_eq!(request.dest_type, name(dest));
        }
    }
}

/// Where `struct sec_sqe_type2` has what, behind the eight bytes of `struct sec_sqe`.
#[test]
fn type2_layout() {
    let mut bytes = pattern();
    // Type 2, decrypt, the MAC is checked.
    bytes[0] = 2 | (2 << 4) | (2 << 6);
    // src_addr_type 0: bit 7 of byte 1, bits 0 and 1 of byte 2. dst_addr_type 1.
    bytes[1] = 0x7f;
    bytes[2] = 0xe0 | (1 << 2);
    // 12 bytes of MAC, a key of 252 bytes, HMAC-SHA512.
    bytes[8..12].copy_from_slice(&(3u32 | (63 << 5) | (0x15 << 11)).to_le_bytes());
    bytes[12..14].copy_from_slice(&(0x3fu16 | (7 << 6) | (4 << 9) | (4 << 12)).to_le_bytes());
    bytes[14] = 0xf1;
    let request = Sqe(bytes).request().unwrap();
    let expected = Request {
        cipher: Cipher::Decrypt,
        alg: Some(CipherAlg::TripleDes),
        mode: Some(CipherMode::Ctr),
        key_type: 4,
        auth: Auth::Check,
        hash: Some(HashAlg::HmacSha512),
        auth_key_len: 252,
        mac_len: 12,
        cipher_len: le32(&bytes, 20) & 0xff_ffff,
        auth_len: le32(&bytes, 16) & 0xff_ffff,
        cipher_offset: u16::from_le_bytes([bytes[26], bytes[27]]),
        auth_offset: u16::from_le_bytes([bytes[24], bytes[25]]),
        source_type: AddrType::Flat,
        dest_type: AddrType::Sgl,
        source: le64(&bytes, 96),
        dest: le64(&bytes, 104),
        key: le64(&bytes, 88),
        iv: le64(&bytes, 80),
        auth_key: le64(&bytes, 64),
        auth_iv: le64(&bytes, 56),
        mac: le64(&bytes, 72),
    };
    assert_eq!(request, expected);
    let tag = u64::from(bytes[40]) | (u64::from(bytes[41]) << 8);
    assert_eq!(Sqe(bytes).tag(), tag);
    // Without a MAC of its own, that of CCM and GCM: c_icv_len.
    bytes[0] = 2;
    let request = Sqe(bytes).request().unwrap();
    assert_eq!((request.auth, request.mac_len), (Auth::None, 63));
    assert_eq!(request.cipher, Cipher::None);
    // The upper bits of src_addr_type.
    bytes[2] |= 0x2;
    assert_eq!(Sqe(bytes).request().unwrap().source_type, AddrType::Other);
}

/// The numbers of the enums in `sec2/sec_crypto.h`, read and written.
#[test]
fn numbers_of_the_kernel() {
    for (raw, alg) in [
        (0, None),
        (1, Some(CipherAlg::TripleDes)),
        (2, Some(CipherAlg::Aes)),
        (3, Some(CipherAlg::Sm4)),
        (4, None),
    ] {
        assert_eq!(alg_of(raw), alg);
    }
    let modes = [
        (0, CipherMode::Ecb),
        (1, CipherMode::Cbc),
        (4, CipherMode::Ctr),
        (5, CipherMode::Ccm),
        (6, CipherMode::Gcm),
        (7, CipherMode::Xts),
    ];
    for raw in 0..16 {
        let known = modes.iter().find(|(number, _)| *number == raw);
        assert_eq!(mode_of(raw), known.map(|(_, mode)| *mode));
    }
    let hashes = [
        (0x10, HashAlg::HmacSha1),
        (0x11, HashAlg::HmacSha256),
        (0x15, HashAlg::HmacSha512),
    ];
    for raw in 0..0x40 {
        let known = hashes.iter().find(|(number, _)| *number == raw);
        assert_eq!(hash_of(raw), known.map(|(_, hash)| *hash));
    }
    let ciphers = [Cipher::None, Cipher::Encrypt, Cipher::Decrypt, Cipher::None];
    let auths = [Auth::None, Auth::Make, Auth::Check, Auth::None];
    for (raw, (cipher, auth)) in (0..).zip(ciphers.into_iter().zip(auths)) {
        assert_eq!((cipher_of(raw), auth_of(raw)), (cipher, auth));
    }
    let nothing = Sqe([3; SQE_SIZE]).request().unwrap();
    for (number, mode) in modes {
        for (raw, alg) in [
            (1, CipherAlg::TripleDes),
            (2, CipherAlg::Aes),
            (3, CipherAlg::Sm4),
        ] {
            let sqe = Sqe::cipher(&Request {
                alg: Some(alg),
                mode: Some(mode),
                ..nothing
            });
            // CAST: 4 bits.
            assert_eq!(sqe.0[6], (raw << 4) | number as u8);
        }
    }
}

/// As `sec_skcipher_bd_fill_v3()` fills it.
#[test]
fn cipher_bd() {
    let request = Request {
        cipher: Cipher::Encrypt,
        source: 0x1000,
        dest: 0x2000,
        source_type: AddrType::Sgl,
        dest_type: AddrType::Sgl,
        cipher_len: 0x0102_0304,
        ..Sqe([3; SQE_SIZE]).request().unwrap()
    };
    let sqe = Sqe::cipher(&request);
    // SEC_DE_OFFSET_V3, SEC_SRC_SGL_OFFSET_V3, SEC_DST_SGL_OFFSET_V3
    assert_eq!(le32(&sqe.0, 0), 3 | (1 << 9) | (1 << 11) | (1 << 14));
    assert_eq!(sqe.0[4] & 0x3, 1);
    // SEC_CTR_CNT_OFFSET
    assert_eq!(le32(&sqe.0, 56), 2 << 25);
    assert_eq!(le32(&sqe.0, 72), 0x02_0304);
    let in_place = Request {
        dest: request.source,
        source_type: AddrType::Flat,
        dest_type: AddrType::Flat,
        ..request
    };
    assert_eq!(le32(&Sqe::cipher(&in_place).0, 0), 3);
}

/// `done`, `icv`, `flag` of `done_flag`; `error_type`.
#[test]
fn status_fields() {
    let mut sqe = Sqe([0; SQE_SIZE]);
    assert!(!sqe.is_done());
    sqe.complete(FLAG_CIPHER, ICV_OK, ERROR_LENGTH);
    assert_eq!(le32(&sqe.0, 112), 1 | (1 << 1) | (2 << 7) | (3 << 16));
    for bit in 0..16 {
        let mut sqe = Sqe([0; SQE_SIZE]);
        sqe.put(112, &(1u16 << bit).to_le_bytes());
        assert_eq!(sqe.is_done(), bit == 0);
        assert_eq!(sqe.icv() != 0, (1..=3).contains(&bit));
        assert_eq!(sqe.flag() != 0, (7..=10).contains(&bit));
        assert_eq!(sqe.error(), 0);
    }
    sqe.complete(0xff, 0xff, 0xff);
    assert_eq!(le32(&sqe.0, 112), 0x00ff_078f);
}
