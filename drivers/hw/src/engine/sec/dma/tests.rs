// SPDX-License-Identifier: GPL-2.0

//! Descriptors of SEC2 as their drivers make them, and what no driver makes.

use super::super::{
    AddrType,
    Auth,
    Cipher,
    CipherAlg,
    CipherMode,
    Request,
    Sqe, //
};
use super::*;
use crate::dma::{
    ram::{
        bytes,
        put_address,
        told,
        Ram,
        Told,
        BASE, //
    },
    types::Output::Other, //
};

const SOURCE: u64 = 0x11_1111_0000;
const DEST: u64 = 0x22_2222_0000;
const MAC: u64 = 0x33_3333_0000;
const IV: u64 = 0x44_4444_0000;
const AUTH_IV: u64 = 0x55_5555_0000;
const KEY: u64 = 0x66_6666_0000;

fn ask(words: &[u32; WORDS], ram: &Ram) -> Result<Told, Why> {
    told(&DECODER, &bytes(words), ram)
}

fn nowhere() -> Ram {
    Ram::new(Vec::new())
}

/// Where the addresses are: source, destination, MAC, initial values, keys.
fn put_addresses(words: &mut [u32; WORDS], at: [usize; 7]) {
    let addresses = [SOURCE, DEST, MAC, IV, AUTH_IV, KEY, KEY];
    for (at, address) in at.into_iter().zip(addresses) {
        put_address(words, at, address);
    }
}

/// A BD of type 2: cipher and auth; source, destination and MAC of type `kinds`.
pub(crate) fn bd2(cipher: u32, auth: u32, scene: u32, de: u32, kinds: [u32; 3]) -> [u32; WORDS] {
    let mut words = [0; WORDS];
    words[0] = 2 | (cipher << 4) | (auth << 6) | (de << 9) | (scene << 11);
    words[0] |= (kinds[0] << 15) | (kinds[1] << 18) | (kinds[2] << 21);
    put_addresses(&mut words, [24, 26, 18, 20, 14, 22, 16]);
    words
}

pub(crate) fn bd3(cipher: u32, auth: u32, scene: u32, de: u32, kinds: [u32; 3]) -> [u32; WORDS] {
    let mut words = [0; WORDS];
    words[0] = 3 | (scene << 5) | (de << 9);
    words[0] |= (kinds[0] << 11) | (kinds[1] << 14) | (kinds[2] << 17);
    words[1] = cipher;
    words[14] = auth;
    put_addresses(&mut words, [4, 19, 21, 23, 8, 12, 6]);
    words
}

pub(crate) const FLAT: [u32; 3] = [0; 3];

/// Modes as the numbers of `enum sec_cmode`.
const CBC: u32 = 1;
const GCM: u32 = 6;

#[test]
fn ciphers_of_the_in_tree_driver() {
    // sec_skcipher_bd_fill(): no scene; `de` where destination and source differ
    let mut two = bd2(1, 0, 0, 1, FLAT);
    two[3] = CBC << 12;
    two[5] = 0x12_3450;
    // sec_skcipher_bd_fill_v3(): with the rollover of the counter whatever the mode
    let mut three = bd3(2, 0, 0, 1, FLAT);
    three[1] |= CBC << 16;
    three[14] |= 2 << 25;
    three[18] = 0x12_3450;
    for words in [two, three] {
        let out = vec![(Other, DEST, 0x12_3450), (Other, IV, 24)];
        assert_eq!(ask(&words, &nowhere()), Ok(out));
    }
    // In place
    for (words, dest) in [(&mut two, 26), (&mut three, 19)] {
        words[0] &= !(1 << 9);
        put_address(words, dest, SOURCE);
        let out = vec![(Other, SOURCE, 0x12_3450), (Other, IV, 24)];
        assert_eq!(ask(words, &nowhere()), Ok(out));
        // Without `de` and with two buffers: no driver does that, so both.
        put_address(words, dest, DEST);
        let out = vec![
            (Other, SOURCE, 0x12_3450),
            (Other, DEST, 0x12_3450),
            (Other, IV, 24),
        ];
        assert_eq!(ask(words, &nowhere()), Ok(out));
    }
}

/// What makes descriptors here says the same.
#[test]
fn as_the_descriptor_has_it() {
    let mut ram = Ram::new(vec![0; 0x1000]);
    ram.put_list(BASE, &[(DEST, 0x20), (0x5000, 0x100)], 0);
    let request = Request {
        cipher: Cipher::Encrypt,
        alg: Some(CipherAlg::Aes),
        mode: Some(CipherMode::Xts),
        key_type: 2,
        auth: Auth::None,
        hash: None,
        auth_key_len: 0,
        mac_len: 0,
        cipher_len: 0x30,
        auth_len: 0,
        cipher_offset: 0x10,
        auth_offset: 0,
        source_type: AddrType::Flat,
        dest_type: AddrType::Sgl,
        source: SOURCE,
        dest: BASE,
        key: KEY,
        iv: IV,
        auth_key: 0,
        auth_iv: 0,
        mac: 0,
    };
    let out = vec![(Other, DEST, 0x20), (Other, 0x5000, 0x20), (Other, IV, 24)];
    let sqe = Sqe::cipher(&request);
    assert_eq!(told(&DECODER, &sqe.0, &ram), Ok(out));
    let in_place = Sqe::cipher(&Request {
        dest_type: AddrType::Flat,
        dest: SOURCE,
        ..request
    });
    let out = vec![(Other, SOURCE, 0x40), (Other, IV, 24)];
    assert_eq!(told(&DECODER, &in_place.0, &ram), Ok(out));
}

#[test]
fn ciphers_with_macs() {
    // sec_auth_bd_fill_ex(): what is only authenticated stands first
    let mut two = bd2(1, 1, 0, 1, FLAT);
    two[2] = 5 | (16 << 5) | (0x10 << 11);
    two[3] = CBC << 12;
    two[4] = 0x120;
    two[5] = 0x100;
    two[6] = 0x20 << 16;
    let mut three = bd3(1, 1, 0, 1, FLAT);
    three[1] |= CBC << 16;
    three[14] |= (5 << 4) | (16 << 9) | (0x10 << 15);
    three[16] = 0x20 << 16;
    three[17] = 0x120;
    three[18] = 0x100;
    let out = vec![
        (Other, DEST, 0x120),
        (Other, MAC, 64),
        (Other, IV, 24),
        (Other, AUTH_IV, 64),
    ];
    for words in [two, three] {
        assert_eq!(ask(&words, &nowhere()), Ok(out.clone()));
    }
    // sec_auth_bd_fill_xcm(): authenticated by the mode; `a_len` is that of the rest only
    two[0] &= !(3 << 6);
    two[2] = 0;
    two[3] = (GCM << 12) | 16;
    two[4] = 0x20;
    three[1] = 2 | (16 << 4) | (GCM << 16) | (1 << 30);
    three[14] = 2 << 25;
    three[17] = 0x20;
    for words in [two, three] {
        assert_eq!(ask(&words, &nowhere()), Ok(out.clone()));
    }
    // A MAC of 124 bytes is none; but it says so.
    two[0] |= 2 << 6;
    two[2] = 31;
    three[14] |= 2 | (31 << 4);
    for words in [two, three] {
        let out = ask(&words, &nowhere()).unwrap();
        assert!(out.contains(&(Other, MAC, 124)), "{out:?}");
    }
    // What is authenticated goes further than what is ciphered.
    two[4] = 0x1000;
    three[17] = 0x1000;
    for words in [two, three] {
        let out = ask(&words, &nowhere()).unwrap();
        assert!(out.contains(&(Other, DEST, 0x1000)), "{out:?}");
    }
}

#[test]
fn hashes_of_uadk() {
    // hisi_sec_digest_send(): no destination; in parts the length is 0 and the state whole
    let mut two = bd2(0, 1, 1, 0, FLAT);
    two[1] = (1 << 8) | (1 << 10);
    two[2] = 0x25 << 11;
    two[4] = 0x2000;
    put_address(&mut two, 14, MAC);
    put_address(&mut two, 12, u64::MAX);
    // hisi_sec_digest_send_v3(): a stream
    let mut three = bd3(0, 1, 7, 0, FLAT);
    three[14] |= (1 << 2) | (0x25 << 15) | (1 << 27);
    three[17] = 0x2000;
    three[27] = 1;
    put_address(&mut three, 8, MAC);
    put_address(&mut three, 25, u64::MAX);
    for words in [two, three] {
        let out = vec![(Other, MAC, 64), (Other, IV, 24), (Other, MAC, 64)];
        assert_eq!(ask(&words, &nowhere()), Ok(out));
    }
    // fill_gcm_first_bd3(): a hash with a destination
    three[0] |= 1 << 9;
    three[27] = 0x21;
    put_address(&mut three, 8, 0);
    let out = vec![(Other, DEST, 0x2000), (Other, MAC, 64), (Other, IV, 24)];
    assert_eq!(ask(&three, &nowhere()), Ok(out));
}

/// `fill_stream_bd3()` of UADK: the end of a stream of GCM, where only the MAC is left to be made.
#[test]
fn the_end_of_a_stream_is_no_valid_bd() {
    let mut three = bd3(1, 0, 7, 1, FLAT);
    three[1] |= GCM << 16;
    three[18] = 0x1000;
    three[27] = 0x20;
    let valid = ask(&three, &nowhere());
    assert!(valid
        .as_ref()
        .is_ok_and(|out| out.contains(&(Other, MAC, 64))));
    three[0] |= 1 << 4;
    assert_eq!(ask(&three, &nowhere()), valid);
    let mut two = bd2(1, 0, 7, 1, FLAT);
    two[3] = GCM << 12;
    two[5] = 0x1000;
    let valid = ask(&two, &nowhere());
    assert!(valid.is_ok());
    two[1] |= 1 << 31;
    assert_eq!(ask(&two, &nowhere()), valid);
}

#[test]
fn lists_of_all_buffers() {
    let mut ram = Ram::new(vec![0; 0x1000]);
    ram.put_list(BASE, &[(0x1_0000, 0x1000)], 0);
    ram.put_list(BASE + 0x100, &[(0x2_0000, 0x40), (0x3_0000, 0x40)], 0);
    ram.put_list(BASE + 0x200, &[(0x4_0000, 0x20), (0x5_0000, 0x40)], 0);
    for de in [0, 1] {
        let mut two = bd2(1, 1, 0, de, [1; 3]);
        two[3] = CBC << 12;
        two[5] = 0x50;
        let mut three = bd3(1, 1, 0, de, [1; 3]);
        three[1] |= CBC << 16;
        three[18] = 0x50;
        for (mut words, at) in [(two, [24, 26, 18]), (three, [4, 19, 21])] {
            for (n, at) in (0..).zip(at) {
                put_address(&mut words, at, BASE + 0x100 * n);
            }
            let out = ask(&words, &ram).unwrap();
            let source = [(Other, 0x1_0000, 0x50)];
            let rest = [
                (Other, 0x2_0000, 0x40),
                (Other, 0x3_0000, 0x10),
                (Other, 0x4_0000, 0x20),
                (Other, 0x5_0000, 0x20),
                (Other, IV, 24),
                (Other, AUTH_IV, 64),
            ];
            if de == 0 {
                assert_eq!(out, [&source[..], &rest].concat());
            } else {
                assert_eq!(out, rest);
            }
        }
    }
}

#[test]
fn blocks_of_a_disk() {
    // fill_cipher_bd1() of UADK's v1; `de`, flat, XTS by LBA
    let mut words = bd2(1, 0, 5, 1, FLAT);
    words[0] ^= 3;
    words[1] = 3 << 6;
    words[3] = 7 << 12;
    words[7] = 8;
    words[13] = (512 << 16) | (1 << 8);
    words[14] = 0x1234;
    let out = vec![(Other, DEST, 8 * (512 + 64)), (Other, IV, 24)];
    assert_eq!(ask(&words, &nowhere()), Ok(out));
    // fill_digest_bd1()
    words[0] = 1 | (1 << 6) | (5 << 11);
    words[2] = 16;
    let out = vec![(Other, MAC, 64), (Other, IV, 24)];
    assert_eq!(ask(&words, &nowhere()), Ok(out.clone()));
    words[2] = 63;
    assert!(ask(&words, &nowhere())
        .unwrap()
        .contains(&(Other, MAC, 252)));
    // More than 32 bits
    let mut most = words;
    most[0] |= (1 << 4) | (1 << 9);
    most[7] = 0xffff;
    most[13] |= 0xffff << 16;
    assert_eq!(ask(&most, &nowhere()), Err(Why::Length));
    // Making of DIFs, bytes to pass over, offsets; another scene
    for (at, bits) in [
        (0, 1 << 11),
        (0, 1 << 24),
        (1, 1),
        (1, 1 << 9),
        (1, 1 << 17),
        (4, 1),
        (5, 1),
        (6, 1),
        (6, 1 << 16),
        (8, 1),
        (9, 1),
        (11, 1),
        (11, 1 << 15),
        (13, 1),
        (13, 1 << 5),
    ] {
        let mut changed = words;
        changed[at] ^= bits;
        assert_eq!(ask(&changed, &nowhere()), Err(Why::Field), "{at} {bits:#x}");
    }
}

#[test]
fn what_is_refused() {
    let mut two = bd2(1, 0, 0, 1, FLAT);
    two[3] = CBC << 12;
    two[5] = 16;
    let mut three = bd3(1, 0, 0, 1, FLAT);
    three[1] |= CBC << 16;
    three[18] = 16;
    assert!(ask(&two, &nowhere()).is_ok() && ask(&three, &nowhere()).is_ok());
    let with = |words: &[u32; WORDS], at: usize, bits: u32| {
        let mut words = *words;
        words[at] ^= bits;
        ask(&words, &nowhere())
    };
    for bd_type in (0..16).filter(|t| !(1..=3).contains(t)) {
        assert_eq!(with(&two, 0, 2 ^ bd_type), Err(Why::SqeType), "{bd_type}");
    }
    assert_eq!(
        with(&two, 0, 3),
        Err(Why::Field),
        "type 1 has another scene"
    );

    // Type 2: all bits of what is not understood
    for (at, mask) in [
        (0, 0xff00_0000),
        (1, !0x8000_0d00),
        (4, 0xff00_0000),
        (5, 0xff00_0000),
        (7, u32::MAX),
        (8, u32::MAX),
        (9, u32::MAX),
        (11, u32::MAX),
    ] {
        for bit in (0..32).map(|n| 1 << n).filter(|bit| mask & bit != 0) {
            assert_eq!(with(&two, at, bit), Err(Why::Field), "{at} {bit:#x}");
        }
    }
    // ... and of type 3
    for (at, mask) in [
        (0, 0xfff0_0000),
        (1, 0xbf00_000c),
        (10, u32::MAX),
        (11, u32::MAX),
        (14, 0xf1e0_0008),
        (15, u32::MAX),
        (17, 0xff00_0000),
        (18, 0xff00_0000),
        (25, u32::MAX),
        (26, u32::MAX),
        (27, u32::MAX),
    ] {
        for bit in (0..32).map(|n| 1 << n).filter(|bit| mask & bit != 0) {
            assert_eq!(with(&three, at, bit), Err(Why::Field), "{at} {bit:#x}");
        }
    }
    for scene in 0..16 {
        let known = [0, 1, 7].contains(&scene);
        assert_eq!(with(&two, 0, scene << 11).is_ok(), known, "{scene}");
        assert_eq!(with(&three, 0, scene << 5).is_ok(), known, "{scene}");
    }
    // Of a stream: protocol, type of the text, padding
    for bit in (0..32).map(|n| 1 << n) {
        let mut stream = three;
        stream[0] |= 7 << 5;
        stream[27] = bit;
        assert_eq!(
            ask(&stream, &nowhere()).is_ok(),
            0x23 & bit != 0,
            "{bit:#x}"
        );
    }

    // A copy, nothing at all, both MACs; `de` that has no name
    for (words, cipher) in [(&two, [0, 4]), (&three, [1, 0])] {
        assert_eq!(with(words, cipher[0], 2 << cipher[1]), Err(Why::Request));
        assert_eq!(with(words, cipher[0], 1 << cipher[1]), Err(Why::Request));
        assert_eq!(with(words, 0, 2 << 9), Err(Why::Request));
    }
    assert_eq!(with(&two, 0, 3 << 6), Err(Why::Request));
    assert_eq!(with(&three, 14, 3), Err(Why::Request));
    for mode in 0..16 {
        let known = mode <= 7 || mode == 9;
        let answer = with(&two, 3, (CBC ^ mode) << 12);
        assert_eq!(answer.is_ok(), known, "{mode}");
        let answer = with(&three, 1, (CBC ^ mode) << 16);
        assert_eq!(answer.is_ok(), known, "{mode}");
    }

    // SEC_PRP, and what has no name
    for kind in 2..8 {
        for (words, dest) in [(&two, 18), (&three, 14)] {
            let answer = with(words, 0, kind << dest);
            assert_eq!(answer, Err(Why::AddressType));
            // The source is not written, whatever it is.
            assert!(with(words, 0, kind << (dest - 3)).is_ok());
            // The MAC, where there is one
            let mac = kind << (dest + 3);
            assert!(with(words, 0, mac).is_ok());
        }
        assert_eq!(
            with(&two, 0, (1 << 6) | (kind << 21)),
            Err(Why::AddressType)
        );
    }

    // Each buffer at the end of the address space
    let mut two = bd2(1, 1, 0, 0, FLAT);
    two[3] = CBC << 12;
    two[5] = 16;
    for at in [14, 18, 20, 24, 26] {
        let mut words = two;
        put_address(&mut words, at, u64::MAX - 15);
        assert_eq!(ask(&words, &nowhere()), Err(Why::Wraps), "{at}");
    }
}
