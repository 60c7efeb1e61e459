// SPDX-License-Identifier: GPL-2.0

//! Known answers, by descriptors of both types and buffers of both kinds; and what is refused.

use super::*;
use crate::testing::{
    requests::{bytes, put_sgl, sec_sqe},
    Machine, MEMORY,
};
use hisi_acc_hw::sec::BdType;

const FUNCTION: usize = 2;
const KEY: u64 = MEMORY + 0x100;
const IV: u64 = MEMORY + 0x200;
const AUTH_IV: u64 = MEMORY + 0x300;
const AUTH_KEY: u64 = MEMORY + 0x400;
const MAC: u64 = MEMORY + 0x500;
const SOURCE: u64 = MEMORY + 0x1000;
const DEST: u64 = MEMORY + 0x2000;
const SOURCE_SGL: u64 = MEMORY + 0x3000;
const DEST_SGL: u64 = MEMORY + 0x4000;
/// Where pieces of buffers are that SGLs name
const PIECES: u64 = MEMORY + 0x8000;
const NOWHERE: u64 = 0x10;

/// A cipher, and what is there beside the text.
#[derive(Clone)]
struct Case {
    alg: CipherAlg,
    mode: CipherMode,
    key: Vec<u8>,
    iv: Vec<u8>,
    hash: Option<HashAlg>,
    auth_key: Vec<u8>,
    auth_iv: Vec<u8>,
    mac_len: usize,
    /// What is only authenticated
    head: Vec<u8>,
    /// The text as ciphers take it, and as they give it
    plain: Vec<u8>,
    ciphered: Vec<u8>,
    mac: Vec<u8>,
}

/// A cipher without a MAC.
fn case(alg: CipherAlg, mode: CipherMode, key: &str, iv: &str, plain: &str, out: &str) -> Case {
    Case {
        alg,
        mode,
        key: bytes(key),
        iv: bytes(iv),
        hash: None,
        auth_key: Vec::new(),
        auth_iv: Vec::new(),
        mac_len: 0,
        head: Vec::new(),
        plain: bytes(plain),
        ciphered: bytes(out),
        mac: Vec::new(),
    }
}

/// What came of a request.
#[derive(PartialEq, Eq, Debug)]
struct Answer {
    error: u8,
    flag: u16,
    icv: u16,
    text: Vec<u8>,
    mac: Vec<u8>,
}

impl Answer {
    fn refused(&self, error: u8) {
        assert_eq!((self.error, self.flag, self.icv), (error, 0, 0));
        // Nothing was written.
        assert!(self.text.iter().all(|byte| *byte == 0xa5), "{self:x?}");
    }
}

/// Buffers of a request: flat, or SGLs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Buffers {
    source: AddrType,
    dest: AddrType,
}

const FLAT: Buffers = Buffers {
    source: AddrType::Flat,
    dest: AddrType::Flat,
};

impl Case {
    fn aead(&self) -> bool {
        matches!(self.mode, CipherMode::Ccm | CipherMode::Gcm)
    }

    /// As the driver asks: `sec_skcipher_bd_fill_v3()`, `sec_auth_bd_fill_xcm_v3()`,
    /// `sec_auth_bd_fill_ex_v3()`.
    fn request(&self, decrypt: bool, buffers: Buffers) -> Request {
        let key_type = match (self.alg, self.key.len()) {
            (CipherAlg::TripleDes, 16) => 3,
            (CipherAlg::TripleDes, _) => 1,
            (_, 64) if self.mode == CipherMode::Xts => 2,
            (_, 32) if self.mode == CipherMode::Xts => 0,
            (_, len) => (len / 8 - 2) as u8,
        };
        let (cipher, auth) = match (decrypt, self.hash) {
            (false, None) => (Cipher::Encrypt, Auth::None),
            (true, None) => (Cipher::Decrypt, Auth::None),
            (false, Some(_)) => (Cipher::Encrypt, Auth::Make),
            (true, Some(_)) => (Cipher::Decrypt, Auth::Check),
        };
        let (head, text) = (self.head.len() as u32, self.plain.len() as u32);
        let at = |kind, flat, sgl| if kind == AddrType::Sgl { sgl } else { flat };
        Request {
            cipher,
            alg: Some(self.alg),
            mode: Some(self.mode),
            key_type,
            auth,
            hash: self.hash,
            auth_key_len: self.auth_key.len() as u32,
            mac_len: self.mac_len as u32,
            cipher_len: text,
            auth_len: match (self.aead(), auth) {
                (true, _) => head,
                (false, Auth::None) => 0,
                (false, _) => head + text,
            },
            cipher_offset: head as u16,
            auth_offset: 0,
            source_type: buffers.source,
            dest_type: buffers.dest,
            source: at(buffers.source, SOURCE, SOURCE_SGL),
            dest: at(buffers.dest, DEST, DEST_SGL),
            key: KEY,
            iv: IV,
            auth_key: AUTH_KEY,
            auth_iv: AUTH_IV,
            mac: MAC,
        }
    }

    /// Memory with all that a request needs.
    fn machine(&self, decrypt: bool) -> Machine {
        let mut machine = Machine::new();
        machine.memory.fill(0xa5);
        machine.only = Some(FUNCTION);
        for (at, data) in [
            (KEY, &self.key),
            (IV, &self.iv),
            (AUTH_KEY, &self.auth_key),
            (AUTH_IV, &self.auth_iv),
        ] {
            machine.put(at, data);
        }
        if decrypt {
            machine.put(MAC, &self.mac);
        }
        let text = if decrypt { &self.ciphered } else { &self.plain };
        let source = [&self.head[..], text].concat();
        machine.put(SOURCE, &source);
        let pieces = split(source.len(), PIECES);
        let mut rest = &source[..];
        for piece in &pieces {
            let (first, others) = rest.split_at(rest.len().min(piece.len as usize));
            machine.put(piece.address, first);
            rest = others;
        }
        put_sgl(&mut machine, SOURCE_SGL, &pieces, 2);
        let pieces = split(source.len(), PIECES + 0x1000);
        put_sgl(&mut machine, DEST_SGL, &pieces, 2);
        machine
    }

    /// Has it carried out.
    fn ask(&self, request: &Request, machine: &mut Machine, bd_type: BdType) -> Answer {
        let mut sqe = sec_sqe(request, bd_type);
        assert_eq!(sqe.request().as_ref(), Some(request), "as it is laid out");
        run(machine, FUNCTION, &mut sqe.0);
        assert!(sqe.is_done());
        let len = self.plain.len();
        let text = match request.dest_type {
            AddrType::Sgl => {
                let pieces = split(self.head.len() + len, PIECES + 0x1000);
                let all: Vec<u8> = pieces
                    .iter()
                    .flat_map(|piece| machine.get(piece.address, piece.len as usize).to_vec())
                    .collect();
                all[self.head.len()..][..len].to_vec()
            }
            _ => machine.get(DEST + self.head.len() as u64, len).to_vec(),
        };
        Answer {
            error: sqe.error(),
            flag: sqe.flag(),
            icv: sqe.icv(),
            text,
            mac: machine.get(MAC, self.mac_len).to_vec(),
        }
    }

    /// A request that nothing is wrong with but what `spoil` does to it.
    fn spoilt(&self, decrypt: bool, spoil: impl Fn(&mut Request, &mut Machine)) -> Answer {
        let mut request = self.request(decrypt, FLAT);
        let mut machine = self.machine(decrypt);
        spoil(&mut request, &mut machine);
        self.ask(&request, &mut machine, BdType::Type3)
    }

    /// There and back: by both types of BD, with flat buffers and SGLs.
    fn check(&self) {
        assert_eq!(self.plain.len(), self.ciphered.len());
        let kinds = [AddrType::Flat, AddrType::Sgl];
        for decrypt in [false, true] {
            for bd_type in [BdType::Type2, BdType::Type3] {
                for (source, dest) in kinds.into_iter().flat_map(|s| kinds.map(|d| (s, d))) {
                    let buffers = Buffers { source, dest };
                    let request = self.request(decrypt, buffers);
                    let mut machine = self.machine(decrypt);
                    let answer = self.ask(&request, &mut machine, bd_type);
                    let with_mac = self.aead() || self.hash.is_some();
                    let right = Answer {
                        error: 0,
                        flag: if with_mac { FLAG_AEAD } else { FLAG_CIPHER },
                        icv: if with_mac && decrypt { ICV_OK } else { 0 },
                        text: if decrypt {
                            self.plain.clone()
                        } else {
                            self.ciphered.clone()
                        },
                        mac: self.mac.clone(),
                    };
                    assert_eq!(answer, right, "{decrypt} {bd_type:?} {buffers:?}");
                    if with_mac && decrypt {
                        self.wrong_mac(bd_type, buffers);
                    }
                }
            }
        }
    }

    /// One bit of the MAC, of the text or of what stands before it is wrong.
    fn wrong_mac(&self, bd_type: BdType, buffers: Buffers) {
        let request = self.request(true, buffers);
        let mut others = vec![self.clone(), self.clone()];
        others[0].mac[self.mac_len - 1] ^= 1;
        others[1].ciphered[0] ^= 0x80;
        if !self.head.is_empty() {
            others.push(self.clone());
            others[2].head[0] ^= 1;
        }
        for other in others {
            let mut machine = other.machine(true);
            let answer = other.ask(&request, &mut machine, bd_type);
            assert_eq!((answer.error, answer.icv), (0, ICV_ERR));
            assert_eq!(answer.mac, other.mac, "it is not written");
        }
    }
}

/// Pieces of a buffer of `len` bytes, of unlike lengths, not one behind the other, and the last one
/// longer than it need be.
fn split(len: usize, at: u64) -> Vec<Sge> {
    let first = len / 3;
    let second = (len - first) / 2 + 1;
    let second = second.min(len - first);
    [
        (at + 0x800, first),
        (at + 0x403, second),
        (at, len - first - second),
        (at + 0xc00, 8),
    ]
    .map(|(address, len)| Sge {
        address,
        len: len as u32,
    })
    .to_vec()
}

/// NIST SP 800-38A, appendix F: the plaintext of all
const SP800_38A: &str = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51\
    30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710";
const KEY_128: &str = "2b7e151628aed2a6abf7158809cf4f3c";
const KEY_192: &str = "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b";
const KEY_256: &str = "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4";
const COUNTED: &str = "000102030405060708090a0b0c0d0e0f";
const COUNTER: &str = "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff";

fn cbc() -> Case {
    // F.2.1
    case(
        CipherAlg::Aes,
        CipherMode::Cbc,
        KEY_128,
        COUNTED,
        SP800_38A,
        "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2\
         73bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a7",
    )
}

#[test]
fn aes_ecb() {
    // F.1.1, F.1.3
    for (key, out) in [
        (
            KEY_128,
            "3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96fdbaaf\
             43b1cd7f598ece23881b00e3ed0306887b0c785e27e8ad3f8223207104725dd4",
        ),
        (
            KEY_192,
            "bd334f1d6e45f25ff712a214571fa5cc974104846d0ad3ad7734ecb3ecee4eef\
             ef7afd2270e2e60adce0ba2face6444e9a4b41ba738d6c72fb16691603c18e0e",
        ),
    ] {
        case(CipherAlg::Aes, CipherMode::Ecb, key, "", SP800_38A, out).check();
    }
}

#[test]
fn aes_cbc() {
    cbc().check();
}

#[test]
fn aes_ctr() {
    // F.5.1, F.5.5; a cipher of streams stops anywhere.
    for (key, out) in [
        (
            KEY_128,
            "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff\
             5ae4df3edbd5d35e5b4f09020db03eab1e031dda2fbe03d1792170a0f3009cee",
        ),
        (
            KEY_256,
            "601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c5\
             2b0930daa23de94ce87017ba2d84988ddfc9c58db67aada613c2dd08457941a6",
        ),
    ] {
        for len in [64, 37, 1] {
            let mut case = case(
                CipherAlg::Aes,
                CipherMode::Ctr,
                key,
                COUNTER,
                SP800_38A,
                out,
            );
            case.plain.truncate(len);
            case.ciphered.truncate(len);
            case.check();
        }
    }
}

/// All 128 bits of the counter count (`SEC_CTR_CNT_ROLLOVER`).
#[test]
fn the_counter_rolls_over() {
    let ones = "ff".repeat(16);
    let zeroes = "00".repeat(32);
    let case = case(
        CipherAlg::Aes,
        CipherMode::Ctr,
        KEY_128,
        &ones,
        &zeroes,
        &zeroes,
    );
    let stream = case.spoilt(false, |_, _| {}).text;
    let counters = format!("{ones}{}", "00".repeat(16));
    let ecb = self::case(
        CipherAlg::Aes,
        CipherMode::Ecb,
        KEY_128,
        "",
        &counters,
        &counters,
    );
    assert_eq!(ecb.spoilt(false, |_, _| {}).text, stream);
}

#[test]
fn aes_xts() {
    // IEEE 1619-2007, appendix B: vectors 2 and 15, the latter of 17 bytes
    case(
        CipherAlg::Aes,
        CipherMode::Xts,
        &("11".repeat(16) + &"22".repeat(16)),
        "33333333330000000000000000000000",
        &"44".repeat(32),
        "c454185e6a16936e39334038acef838bfb186fff7480adc4289382ecd6d394f0",
    )
    .check();
    case(
        CipherAlg::Aes,
        CipherMode::Xts,
        "fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0bfbebdbcbbbab9b8b7b6b5b4b3b2b1b0",
        "9a785634120000000000000000000000",
        "000102030405060708090a0b0c0d0e0f10",
        "6c1625db4671522d3d7599601de7ca09ed",
    )
    .check();
}

#[test]
fn triple_des() {
    // NIST SP 800-67, appendix B
    case(
        CipherAlg::TripleDes,
        CipherMode::Ecb,
        "0123456789abcdef23456789abcdef01456789abcdef0123",
        "",
        "54686520717566636b2062726f776e20666f78206a756d70",
        "a826fd8ce53b855fcce21c8112256fe668d5c05dd9b6b900",
    )
    .check();
    // The same with CBC, and with two keys, as OpenSSL has them
    for (key, out) in [
        (
            "0123456789abcdef23456789abcdef01456789abcdef0123",
            "a5c282bad0de3774becd2e04386b589fb5057d8552fc4336",
        ),
        (
            "0123456789abcdef23456789abcdef01",
            "acd5699dd6060a430dedd74525b7870297202cf5ed176718",
        ),
    ] {
        case(
            CipherAlg::TripleDes,
            CipherMode::Cbc,
            key,
            "f69f2445df4f9b17",
            "54686520717566636b2062726f776e20666f78206a756d70",
            out,
        )
        .check();
    }
}

const SM4_KEY: &str = "0123456789abcdeffedcba9876543210";

#[test]
fn sm4() {
    // GB/T 32907-2016, appendix A
    case(
        CipherAlg::Sm4,
        CipherMode::Ecb,
        SM4_KEY,
        "",
        SM4_KEY,
        "681edf34d206965e86b3e94f536e4246",
    )
    .check();
    // draft-ribose-cfrg-sm4-10, A.2.2.1
    case(
        CipherAlg::Sm4,
        CipherMode::Cbc,
        SM4_KEY,
        COUNTED,
        "aaaaaaaabbbbbbbbccccccccddddddddeeeeeeeeffffffffaaaaaaaabbbbbbbb",
        "78ebb11cc40b0a48312aaeb2040244cb4cb7016951909226979b0d15dc6a8f6d",
    )
    .check();
}

/// With a tag of `mac` cut to `mac_len` bytes.
fn with_tag(case: Case, head: &str, mac: &str, mac_len: usize) -> Case {
    Case {
        head: bytes(head),
        mac_len,
        mac: bytes(mac)[..mac_len].to_vec(),
        ..case
    }
}

/// McGrew and Viega, The Galois/Counter Mode of Operation: test case 4
fn gcm_4(mac_len: usize) -> Case {
    with_tag(
        case(
            CipherAlg::Aes,
            CipherMode::Gcm,
            "feffe9928665731c6d6a8f9467308308",
            "cafebabefacedbaddecaf888",
            "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72\
             1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
            "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e\
             21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091",
        ),
        "feedfacedeadbeeffeedfacedeadbeefabaddad2",
        "5bc94fbc3221a5db94fae95ae7121a47",
        mac_len,
    )
}

/// RFC 8998, appendix A: what A.1 and A.2 share
const RFC8998: [&str; 3] = [
    "00001234567800000000abcd",
    "feedfacedeadbeeffeedfacedeadbeefabaddad2",
    "aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbccccccccccccccccdddddddddddddddd\
     eeeeeeeeeeeeeeeeffffffffffffffffeeeeeeeeeeeeeeeeaaaaaaaaaaaaaaaa",
];

#[test]
fn gcm() {
    for mac_len in [16, 12, 8] {
        gcm_4(mac_len).check();
    }
    // Test case 1: neither text nor anything else
    with_tag(
        case(
            CipherAlg::Aes,
            CipherMode::Gcm,
            &"00".repeat(16),
            &"00".repeat(12),
            "00000000000000000000000000000000",
            "0388dace60b6a392f328c2b971b2fe78",
        ),
        "",
        "ab6e47d42cec13bdf53a67b21257bddf",
        16,
    )
    .check();
    let [iv, head, plain] = RFC8998;
    with_tag(
        case(
            CipherAlg::Sm4,
            CipherMode::Gcm,
            SM4_KEY,
            iv,
            plain,
            "17f399f08c67d5ee19d0dc9969c4bb7d5fd46fd3756489069157b282bb200735\
             d82710ca5c22f0ccfa7cbf93d496ac15a56834cbcf98c397b4024a2691233b8d",
        ),
        head,
        "83de3541e4c2b58177e065a9bf7b62ec",
        16,
    )
    .check();
}

/// `set_aead_auth_iv()`: what becomes of a nonce, given as the crypto API has it (L less one, then
/// the nonce): the first counter, and the first block of the MAC.
fn ccm_ivs(nonce: &[u8], head: usize, text: usize, mac_len: usize) -> [Vec<u8>; 2] {
    let field = usize::from(nonce[0]) + 1;
    let mut iv = nonce.to_vec();
    iv.resize(16, 0);
    iv[16 - field..].fill(0);
    iv[15] = 1;
    let mut first = iv.clone();
    first[0] = (iv[0] & 7) | (((mac_len - 2) / 2) << 3) as u8 | (u8::from(head != 0) << 6);
    for n in 1..=field {
        first[16 - n] = (text >> (8 * (n - 1))) as u8;
    }
    [iv, first]
}

fn ccm(case: Case, nonce: &str, head: &str, mac: &str) -> Case {
    let mac_len = bytes(mac).len();
    let mut case = with_tag(case, head, mac, mac_len);
    let nonce = bytes(nonce);
    // As many bytes for the length as the nonce leaves
    let nonce = [&[14 - nonce.len() as u8], &nonce[..]].concat();
    let [iv, first] = ccm_ivs(&nonce, case.head.len(), case.plain.len(), mac_len);
    (case.iv, case.auth_iv) = (iv, first);
    case
}

/// RFC 3610, section 8: packet vectors 1 and 4
fn ccm_1() -> Case {
    ccm(
        case(
            CipherAlg::Aes,
            CipherMode::Ccm,
            "c0c1c2c3c4c5c6c7c8c9cacbcccdcecf",
            "",
            "08090a0b0c0d0e0f101112131415161718191a1b1c1d1e",
            "588c979a61c663d2f066d0c2c0f989806d5f6b61dac384",
        ),
        "00000003020100a0a1a2a3a4a5",
        "0001020304050607",
        "17e8d12cfdf926e0",
    )
}

#[test]
fn ccm_known_answers() {
    ccm_1().check();
    let [nonce, head, plain] = RFC8998;
    ccm(
        case(
            CipherAlg::Sm4,
            CipherMode::Ccm,
            SM4_KEY,
            "",
            plain,
            "48af93501fa62adbcd414cce6034d895dda1bf8f132f042098661572e7483094\
             fd12e518ce062c98acee28d95df4416bed31a2f04476c18bb40c84a74b97dc5b",
        ),
        nonce,
        head,
        "16842d4fa186f56ab33256971fa110f4",
    )
    .check();
}

/// The first block and counter of RFC 3610's vector are printed there.
#[test]
fn ccm_ivs_are_those_of_the_rfc() {
    let case = ccm_1();
    assert_eq!(case.iv, bytes("0100000003020100a0a1a2a3a4a50001"));
    assert_eq!(case.auth_iv, bytes("5900000003020100a0a1a2a3a4a50017"));
}

/// RFC 2202 and RFC 4231, test case 3 of HMAC: the data is fifty times 0xdd. The first two bytes
/// stand before the text here, and the others are the ciphertext.
fn hmac_3(hash: HashAlg, mac: &str) -> Case {
    let dd = "dd".repeat(48);
    let mut case = Case {
        hash: Some(hash),
        auth_key: vec![0xaa; 20],
        ..with_tag(
            case(CipherAlg::Aes, CipherMode::Cbc, KEY_128, COUNTED, &dd, &dd),
            "dddd",
            mac,
            bytes(mac).len(),
        )
    };
    // What that is deciphered to, CBC by itself says.
    let cbc = self::case(CipherAlg::Aes, CipherMode::Cbc, KEY_128, COUNTED, &dd, &dd);
    case.plain = cbc.spoilt(true, |_, _| {}).text;
    case
}

fn hmac_sha256() -> Case {
    hmac_3(
        HashAlg::HmacSha256,
        "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
    )
}

#[test]
fn hmac_and_cbc() {
    hmac_sha256().check();
    hmac_3(
        HashAlg::HmacSha1,
        "125d7342b9ac11cd91a39af48aa17b4f63f175d3",
    )
    .check();
    hmac_3(
        HashAlg::HmacSha512,
        "fa73b0089d56a284efb0f0756c890be9b1b5dbdd8ee81a3655f83e33b2279d39\
         bf3e848279a722c806b485a47e67c807b946a337bee8942674278859e13292fb",
    )
    .check();
}

/// In place: source and destination are one buffer.
#[test]
fn in_place() {
    for case in [cbc(), gcm_4(16), ccm_1(), hmac_sha256()] {
        let mut request = case.request(false, FLAT);
        request.dest = request.source;
        let mut machine = case.machine(false);
        let answer = case.ask(&request, &mut machine, BdType::Type3);
        assert_eq!((answer.error, answer.mac), (0, case.mac));
        let text = machine.get(SOURCE + case.head.len() as u64, case.plain.len());
        assert_eq!(text, case.ciphered);
        assert_eq!(machine.get(SOURCE, case.head.len()), case.head);
    }
}

#[test]
fn unmapped_buffers() {
    type Spoil = fn(&mut Request, &mut Machine);
    let all: [Spoil; 4] = [
        |r, _| r.key = NOWHERE,
        |r, _| r.iv = NOWHERE,
        |r, _| r.source = NOWHERE,
        |r, _| r.dest = u64::MAX - 20,
    ];
    let of_hash: Spoil = |r, _| r.auth_key = NOWHERE;
    let of_ccm: Spoil = |r, _| r.auth_iv = NOWHERE;
    for (case, more) in [
        (cbc(), vec![]),
        (gcm_4(16), vec![]),
        (ccm_1(), vec![of_ccm]),
        (hmac_sha256(), vec![of_hash]),
    ] {
        for decrypt in [false, true] {
            for spoil in all.iter().chain(&more) {
                let answer = case.spoilt(decrypt, spoil);
                answer.refused(ERROR_BUFFER);
                // No MAC of a text that does not come out.
                if !decrypt {
                    assert!(answer.mac.iter().all(|byte| *byte == 0xa5));
                }
            }
        }
    }
    // The MAC: one that is to be checked keeps the text back, one that is made comes after it.
    for case in [gcm_4(16), ccm_1(), hmac_sha256()] {
        case.spoilt(true, |r, _| r.mac = NOWHERE)
            .refused(ERROR_BUFFER);
        let answer = case.spoilt(false, |r, _| r.mac = NOWHERE);
        assert_eq!((answer.error, answer.flag), (ERROR_BUFFER, 0));
    }
    // ECB needs no initial value, and GCM and HMAC no second one.
    for case in [cbc(), gcm_4(16), hmac_sha256()] {
        assert_eq!(case.spoilt(false, |r, _| r.auth_iv = NOWHERE).error, 0);
    }
    let ecb = Case {
        mode: CipherMode::Ecb,
        ..cbc()
    };
    assert_eq!(ecb.spoilt(false, |r, _| r.iv = NOWHERE).error, 0);
    // Another function's memory
    let answer = cbc().spoilt(false, |_, machine| machine.only = Some(FUNCTION + 1));
    answer.refused(ERROR_BUFFER);
}

#[test]
fn lengths_that_do_not_fit() {
    // Whole blocks only
    for mode in [CipherMode::Ecb, CipherMode::Cbc] {
        let case = Case { mode, ..cbc() };
        for len in [1, 15, 17, 63] {
            case.spoilt(false, |r, _| r.cipher_len = len)
                .refused(ERROR_LENGTH);
            case.spoilt(true, |r, _| r.cipher_len = len)
                .refused(ERROR_LENGTH);
        }
    }
    let triple_des = Case {
        alg: CipherAlg::TripleDes,
        key: vec![1; 24],
        ..cbc()
    };
    assert_eq!(triple_des.spoilt(false, |r, _| r.cipher_len = 24).error, 0);
    triple_des
        .spoilt(false, |r, _| r.cipher_len = 20)
        .refused(ERROR_LENGTH);
    // XTS takes anything from a block on.
    let xts = Case {
        mode: CipherMode::Xts,
        key: (0..32).collect(),
        ..cbc()
    };
    for len in [0, 1, 15] {
        xts.spoilt(false, |r, _| r.cipher_len = len)
            .refused(ERROR_LENGTH);
    }
    for len in [16, 17, 31] {
        assert_eq!(xts.spoilt(false, |r, _| r.cipher_len = len).error, 0);
    }
    // MAX_INPUT_DATA_LEN
    cbc()
        .spoilt(false, |r, _| r.cipher_len = MAX_LEN + 1)
        .refused(ERROR_LENGTH);
    gcm_4(16)
        .spoilt(false, |r, _| r.auth_len = MAX_LEN + 1)
        .refused(ERROR_LENGTH);
    // What is as long as that is looked for in memory.
    cbc()
        .spoilt(false, |r, _| r.cipher_len = MAX_LEN)
        .refused(ERROR_BUFFER);
    // A tag that is longer than there is
    for (case, len) in [(gcm_4(16), 17), (ccm_1(), 63), (hmac_sha256(), 36)] {
        for decrypt in [false, true] {
            case.spoilt(decrypt, |r, _| r.mac_len = len)
                .refused(ERROR_LENGTH);
        }
    }
    // What is authenticated ends where the text does.
    for wrong in [49, 51, 0] {
        hmac_sha256()
            .spoilt(false, |r, _| r.auth_len = wrong)
            .refused(ERROR_LENGTH);
    }
    hmac_sha256()
        .spoilt(false, |r, _| r.auth_offset = 3)
        .refused(ERROR_LENGTH);
}

#[test]
fn lists_that_are_too_short() {
    let sgl = Buffers {
        source: AddrType::Sgl,
        dest: AddrType::Sgl,
    };
    for case in [cbc(), gcm_4(16), ccm_1(), hmac_sha256()] {
        let len = (case.head.len() + case.plain.len()) as u32;
        let short = |at: u64| {
            [Sge {
                address: at,
                len: len - 1,
            }]
        };
        for list in [SOURCE_SGL, DEST_SGL] {
            let mut machine = case.machine(false);
            put_sgl(&mut machine, list, &short(PIECES + 0x2000), 1);
            let request = case.request(false, sgl);
            let answer = case.ask(&request, &mut machine, BdType::Type3);
            answer.refused(ERROR_LENGTH);
            assert!(answer.mac.iter().all(|byte| *byte == 0xa5));
        }
    }
    // A chain without an end, and nothing in it
    let case = cbc();
    let mut machine = case.machine(false);
    put_sgl(&mut machine, SOURCE_SGL, &[], 1);
    machine.put(SOURCE_SGL, &SOURCE_SGL.to_le_bytes());
    machine.put(SOURCE_SGL + 8, &[0; 56]);
    let request = case.request(false, sgl);
    case.ask(&request, &mut machine, BdType::Type3)
        .refused(ERROR_LENGTH);
    // One that leads out of memory
    let mut machine = case.machine(false);
    machine.put(SOURCE_SGL, &NOWHERE.to_le_bytes());
    case.ask(&request, &mut machine, BdType::Type3)
        .refused(ERROR_BUFFER);
}

#[test]
fn what_is_unknown_is_refused() {
    let case = cbc();
    for spoil in [
        (|r| r.alg = None) as fn(&mut Request),
        |r| r.mode = None,
        |r| r.cipher = Cipher::None,
        |r| r.key_type = 3,
        |r| r.key_type = 7,
        |r| r.source_type = AddrType::Other,
        |r| r.dest_type = AddrType::Other,
        // SM4 has keys of 128 bits, 3DES two and three of 64.
        |r| (r.alg, r.key_type) = (Some(CipherAlg::Sm4), 2),
        |r| (r.alg, r.key_type) = (Some(CipherAlg::TripleDes), 0),
        // Modes of 128-bit blocks
        |r| (r.alg, r.key_type, r.mode) = (Some(CipherAlg::TripleDes), 1, Some(CipherMode::Ctr)),
        |r| (r.alg, r.key_type, r.mode) = (Some(CipherAlg::TripleDes), 1, Some(CipherMode::Xts)),
        |r| (r.alg, r.key_type, r.mode) = (Some(CipherAlg::TripleDes), 1, Some(CipherMode::Gcm)),
    ] {
        case.spoilt(false, |r, _| spoil(r))
            .refused(ERROR_UNSUPPORTED);
    }
    hmac_sha256()
        .spoilt(false, |r, _| r.hash = None)
        .refused(ERROR_UNSUPPORTED);
    // A MAC beside that of GCM
    gcm_4(16)
        .spoilt(false, |r, _| {
            (r.auth, r.hash, r.mac_len) = (Auth::Make, Some(HashAlg::HmacSha1), 20);
        })
        .refused(ERROR_UNSUPPORTED);
    // A type of BD that no driver makes
    for bd_type in [0, 1, 4, 15] {
        let mut machine = case.machine(false);
        let mut sqe = sec_sqe(&case.request(false, FLAT), BdType::Type3);
        sqe.0[0] = (sqe.0[0] & 0xf0) | bd_type;
        run(&mut machine, FUNCTION, &mut sqe.0);
        assert_eq!((sqe.is_done(), sqe.error()), (true, ERROR_UNSUPPORTED));
        assert_eq!(machine.accesses, []);
    }
}
